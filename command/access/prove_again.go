package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// ProveAgain notes that the person at a session has proved anew who they are, and by what. The session gets another token:
// what it may do has grown, and whoever had the old one shall not have that.
type ProveAgain struct {
	SessionID uuid.UUID   `json:"session_id"`
	PersonID  uuid.UUID   `json:"person_id"` // whose it has to be
	Was       secret.Hash `json:"was" audit:"redact"`
	Hash      secret.Hash `json:"hash" audit:"redact"`
	Factor    string      `json:"factor"`
	At        time.Time   `json:"at"` // by the machine's clock
}

// Renewed is the answer of what gives a session another token.
type Renewed struct {
	SessionID uuid.UUID `json:"session_id"`
	command.Change
}

// sessionFields are what can change of a session, for the audit row.
type sessionFields struct {
	CustomerID *uuid.UUID `json:"customer_id,omitempty"`
	Factors    []string   `json:"factors,omitempty"`
	ProvedAt   time.Time  `json:"proved_at,omitzero"`
}

// Name is the command's name.
func (ProveAgain) Name() string { return "access.ProveAgain" }

// Aggregates is the session.
func (c ProveAgain) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeSession, ID: c.SessionID}}
}

// Validate checks the fields.
func (c ProveAgain) Validate() error {
	var fields fault.Fields
	checkRenewal(&fields, c.SessionID, c.PersonID, c.Hash, c.At)
	fields.Check(c.Factor != "", "factor", "is missing")
	return fields.Err()
}

func checkRenewal(fields *fault.Fields, session, person uuid.UUID, hash secret.Hash, at time.Time) {
	check.ID(fields, "session_id", session)
	check.ID(fields, "person_id", person)
	fields.Check(hash != secret.Hash{}, "hash", "is missing")
	check.At(fields, at)
}

// A token is replaced only by who knows the one before: of two at once, one does.
const proveSession = `
update session s set hash = $4, proved_at = $5, factors = case when $6 = any (s.factors) then s.factors else array_append(s.factors, $6) end
from person p
where s.id = $1 and s.person_id = $2 and s.hash = $3 and s.ended_at is null and s.expires_at > $5 and s.impersonator_id is null
    and p.id = s.person_id and p.status = 'active'
returning old.factors, old.proved_at, new.factors`

// Handle renews the session.
func (c ProveAgain) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Renewed, []events.Event, error) {
	was, is := sessionFields{}, sessionFields{ProvedAt: c.At.UTC()}
	err := tx.QueryRow(ctx, proveSession, c.SessionID, c.PersonID, c.Was[:], c.Hash[:], c.At, c.Factor).Scan(&was.Factors, &was.ProvedAt, &is.Factors)
	if errors.Is(err, pgx.ErrNoRows) {
		return Renewed{}, nil, sessionChanged()
	}
	if err != nil {
		return Renewed{}, nil, fmt.Errorf("renew session %s: %w", c.SessionID, err)
	}
	was.ProvedAt = was.ProvedAt.UTC()
	return Renewed{SessionID: c.SessionID, Change: command.Change{Before: was, After: is}}, nil, nil
}

func sessionChanged() error {
	return fault.New(fault.Conflict, "session_changed", "the session has ended or was changed by another request; reload")
}
