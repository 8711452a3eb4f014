package access

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

// RevokeToken ends a person's token. It stays in the table for a year (package retention), so that the audit log's ids lead
// somewhere.
type RevokeToken struct {
	TokenID  uuid.UUID `json:"token_id"`
	PersonID uuid.UUID `json:"person_id"` // whose it has to be
	At       time.Time `json:"at"`        // by the machine's clock
}

// RevokedToken is the answer.
type RevokedToken struct {
	TokenID uuid.UUID `json:"token_id"`
	command.Change
}

type tokenFields struct {
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// Name is the command's name.
func (RevokeToken) Name() string { return "access.RevokeToken" }

// Aggregates is the owner.
func (c RevokeToken) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RevokeToken) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "token_id", c.TokenID)
	check.ID(&fields, "person_id", c.PersonID)
	check.At(&fields, c.At)
	return fields.Err()
}

const revokeToken = `update api_token set revoked_at = $3 where id = $1 and person_id = $2 and revoked_at is null`

// Handle revokes the token.
func (c RevokeToken) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (RevokedToken, []events.Event, error) {
	tag, err := tx.Exec(ctx, revokeToken, c.TokenID, c.PersonID, c.At)
	if err != nil {
		return RevokedToken{}, nil, fmt.Errorf("revoke token %s: %w", c.TokenID, err)
	}
	if tag.RowsAffected() == 0 {
		return RevokedToken{}, nil, fault.New(fault.NotFound, "token_not_found", "there is no such token")
	}
	change := command.Change{Before: tokenFields{}, After: tokenFields{RevokedAt: c.At}}
	return RevokedToken{TokenID: c.TokenID, Change: change}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "api_token", Change: "removed"}}, nil
}
