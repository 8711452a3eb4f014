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

// ChooseAccount has a session look at another account that its person is in. The session gets another token.
type ChooseAccount struct {
	SessionID  uuid.UUID   `json:"session_id"`
	PersonID   uuid.UUID   `json:"person_id"`
	CustomerID uuid.UUID   `json:"customer_id"`
	Was        secret.Hash `json:"was" audit:"redact"`
	Hash       secret.Hash `json:"hash" audit:"redact"`
	At         time.Time   `json:"at"` // by the machine's clock
}

// Name is the command's name.
func (ChooseAccount) Name() string { return "access.ChooseAccount" }

// Aggregates is the session.
func (c ChooseAccount) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeSession, ID: c.SessionID}}
}

// Validate checks the fields.
func (c ChooseAccount) Validate() error {
	var fields fault.Fields
	checkRenewal(&fields, c.SessionID, c.PersonID, c.Hash, c.At)
	check.ID(&fields, "customer_id", c.CustomerID)
	return fields.Err()
}

const (
	findAccount = `
select exists (select from membership m join customer c on c.id = m.customer_id
    where m.person_id = $1 and m.customer_id = $2 and c.status <> 'banned')`

	chooseAccount = `
update session s set hash = $4, customer_id = $6
from person p
where s.id = $1 and s.person_id = $2 and s.hash = $3 and s.ended_at is null and s.expires_at > $5 and s.impersonator_id is null
    and p.id = s.person_id and p.status = 'active'
returning old.customer_id`
)

// Handle changes the session.
func (c ChooseAccount) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Renewed, []events.Event, error) {
	var in bool
	if err := tx.QueryRow(ctx, findAccount, c.PersonID, c.CustomerID).Scan(&in); err != nil {
		return Renewed{}, nil, fmt.Errorf("find the membership of %s: %w", c.PersonID, err)
	}
	if !in {
		return Renewed{}, nil, fault.New(fault.NotFound, "account_not_found", "you are in no such account")
	}
	var was sessionFields
	err := tx.QueryRow(ctx, chooseAccount, c.SessionID, c.PersonID, c.Was[:], c.Hash[:], c.At, c.CustomerID).Scan(&was.CustomerID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Renewed{}, nil, sessionChanged()
	}
	if err != nil {
		return Renewed{}, nil, fmt.Errorf("renew session %s: %w", c.SessionID, err)
	}
	return Renewed{SessionID: c.SessionID, Change: command.Change{Before: was, After: sessionFields{CustomerID: &c.CustomerID}}}, nil, nil
}
