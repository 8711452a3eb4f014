package credential

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/schemas/events"
)

// FlagClonedPasskey shuts out a passkey whose counter went back: somebody has a copy of its key. The person is told.
type FlagClonedPasskey struct {
	PersonID  uuid.UUID `json:"person_id"`
	PasskeyID uuid.UUID `json:"passkey_id"`
	SignCount uint32    `json:"sign_count"` // as it was answered
}

// Name is the command's name.
func (FlagClonedPasskey) Name() string { return "credential.FlagClonedPasskey" }

// Aggregates is the person.
func (c FlagClonedPasskey) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c FlagClonedPasskey) Validate() error {
	fields := checkPerson(c.PersonID)
	check.ID(&fields, "passkey_id", c.PasskeyID)
	return fields.Err()
}

const flagPasskey = `update passkey set cloned_at = $3 where id = $1 and person_id = $2 and cloned_at is null`

// Handle flags it. One that is flagged, or gone, is no fault.
func (c FlagClonedPasskey) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Used, []events.Event, error) {
	tag, err := tx.Exec(ctx, flagPasskey, c.PasskeyID, c.PersonID, meta.Now)
	if err != nil {
		return Used{}, nil, fmt.Errorf("flag passkey %s: %w", c.PasskeyID, err)
	}
	if tag.RowsAffected() == 0 {
		return Used{PersonID: c.PersonID}, nil, nil
	}
	change := command.Change{Before: passkeyFields{}, After: passkeyFields{ClonedAt: meta.Now.UTC()}}
	return Used{PersonID: c.PersonID, Change: change}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "passkey", Change: "cloned"}}, nil
}
