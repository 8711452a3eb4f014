package oauth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RevokeGrants takes back what a person allowed a client: all of its tokens for this person end.
type RevokeGrants struct {
	PersonID uuid.UUID `json:"person_id"`
	ClientID uuid.UUID `json:"client_id"`
	At       time.Time `json:"at"` // by the machine's clock
}

// Revoked is the answer: how many consents ended.
type Revoked struct {
	Grants int64 `json:"grants"`
	command.Change
}

// consents are what this command changes, for the audit row.
type consents struct {
	Grants int64 `json:"grants"`
}

// Name is the command's name.
func (RevokeGrants) Name() string { return "oauth.RevokeGrants" }

// Aggregates is the person.
func (c RevokeGrants) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RevokeGrants) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "client_id", c.ClientID)
	check.At(&fields, c.At)
	return fields.Err()
}

const revokeGrants = `update oauth_grant set revoked_at = $3 where person_id = $1 and client_id = $2 and revoked_at is null`

// Handle ends the grants.
func (c RevokeGrants) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Revoked, []events.Event, error) {
	tag, err := tx.Exec(ctx, revokeGrants, c.PersonID, c.ClientID, c.At)
	if err != nil {
		return Revoked{}, nil, fmt.Errorf("revoke what %s allowed: %w", c.PersonID, err)
	}
	if tag.RowsAffected() == 0 {
		return Revoked{}, nil, fault.New(fault.NotFound, "application_not_found", "you have allowed no such application")
	}
	n := tag.RowsAffected()
	return Revoked{Grants: n, Change: command.Change{Before: consents{n}, After: consents{}}}, nil, nil
}
