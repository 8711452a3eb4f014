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

// RenamePasskey gives a passkey the name by which its owner tells it from the others. It opens the same as before, so
// that nobody needs a mail about it.
type RenamePasskey struct {
	PasskeyID   uuid.UUID `json:"passkey_id"`
	PersonID    uuid.UUID `json:"person_id"` // whose it has to be
	PasskeyName string    `json:"name" audit:"redact"`
}

// Renamed is the answer.
type Renamed struct {
	PasskeyID uuid.UUID `json:"passkey_id"`
	command.Change
}

// passkeyFields are what can change of a passkey, for the audit row.
type passkeyFields struct {
	Name      string    `json:"name,omitempty" audit:"redact"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ClonedAt  time.Time `json:"cloned_at,omitzero"`
}

// Name is the command's name.
func (RenamePasskey) Name() string { return "credential.RenamePasskey" }

// Aggregates is the person.
func (c RenamePasskey) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RenamePasskey) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "passkey_id", c.PasskeyID)
	check.ID(&fields, "person_id", c.PersonID)
	check.Text(&fields, "name", c.PasskeyName)
	return fields.Err()
}

const renamePasskey = `update passkey set name = $3 where id = $1 and person_id = $2 returning old.name`

// Handle renames the passkey.
func (c RenamePasskey) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Renamed, []events.Event, error) {
	var was passkeyFields
	err := tx.QueryRow(ctx, renamePasskey, c.PasskeyID, c.PersonID, c.PasskeyName).Scan(&was.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return Renamed{}, nil, noPasskey()
	}
	if err != nil {
		return Renamed{}, nil, fmt.Errorf("rename passkey %s: %w", c.PasskeyID, err)
	}
	return Renamed{PasskeyID: c.PasskeyID, Change: command.Change{Before: was, After: passkeyFields{Name: c.PasskeyName}}}, nil, nil
}

func noPasskey() error {
	return fault.New(fault.NotFound, "passkey_not_found", "there is no such passkey")
}
