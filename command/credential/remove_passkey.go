package credential

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
	"github.com/ezscale/platform/schemas/events"
)

// RemovePasskey takes a passkey from its owner. Staff keep a second factor, and everybody a way in. The person is locked,
// so that of two that are removed at once the second one counts what the first has left.
type RemovePasskey struct {
	PasskeyID uuid.UUID `json:"passkey_id"`
	PersonID  uuid.UUID `json:"person_id"` // whose it has to be
	Session   Sitting   `json:"session"`
}

// Name is the command's name.
func (RemovePasskey) Name() string { return "credential.RemovePasskey" }

// Aggregates is the person.
func (c RemovePasskey) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RemovePasskey) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "passkey_id", c.PasskeyID)
	check.ID(&fields, "person_id", c.PersonID)
	c.Session.check(&fields)
	return fields.Err()
}

// removedPasskey is what this command changes, for the audit row: the passkey, and what is left.
type removedPasskey struct {
	passkeyFields
	heldFields
}

const deletePasskey = `delete from passkey where id = $1 and person_id = $2 returning name, created_at, cloned_at`

// Handle removes the passkey. One that opens nothing any more goes whatever is left.
func (c RemovePasskey) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Managed, []events.Event, error) {
	before, err := c.Session.findAllowed(ctx, tx, c.PersonID)
	if err != nil {
		return Managed{}, nil, err
	}
	var gone passkeyFields
	var cloned *time.Time
	err = tx.QueryRow(ctx, deletePasskey, c.PasskeyID, c.PersonID).Scan(&gone.Name, &gone.CreatedAt, &cloned)
	if errors.Is(err, pgx.ErrNoRows) {
		return Managed{}, nil, noPasskey()
	}
	if err != nil {
		return Managed{}, nil, fmt.Errorf("delete passkey %s: %w", c.PasskeyID, err)
	}
	left := before
	gone.CreatedAt = gone.CreatedAt.UTC()
	if cloned == nil {
		left.passkeys--
	} else {
		gone.ClonedAt = cloned.UTC()
	}
	if err := before.removable(left); err != nil {
		return Managed{}, nil, err
	}
	if err := left.tidy(ctx, tx); err != nil {
		return Managed{}, nil, err
	}
	is := removedPasskey{heldFields: left.fields()}
	return Managed{Change: command.Change{Before: removedPasskey{gone, before.fields()}, After: is}}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "passkey", Change: "removed"}}, nil
}
