package credential

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ConfirmTOTP gives a person an authenticator that has shown a right code, in place of one there may have been. Until then
// its seed was nobody's: whoever begins and does not finish keeps what they had.
type ConfirmTOTP struct {
	PersonID uuid.UUID `json:"person_id"`
	Session  Sitting   `json:"session"`
	Seed     []byte    `json:"seed" audit:"redact"` // sealed for the person's row of totp.seed
	Step     int64     `json:"step"`                // of the code, which is used up
}

// Name is the command's name.
func (ConfirmTOTP) Name() string { return "credential.ConfirmTOTP" }

// Aggregates is the person.
func (c ConfirmTOTP) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c ConfirmTOTP) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	c.Session.check(&fields)
	fields.Check(len(c.Seed) > 0, "seed", "is missing")
	fields.Check(c.Step >= 0, "step", "is before 1970")
	return fields.Err()
}

const putTOTP = `
insert into totp (person_id, seed, confirmed_at, last_step) values ($1, $2, $3, $4)
on conflict (person_id) do update set seed = excluded.seed, confirmed_at = excluded.confirmed_at, last_step = excluded.last_step`

// Handle sets the authenticator up.
func (c ConfirmTOTP) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Managed, []events.Event, error) {
	before, err := c.Session.findAllowed(ctx, tx, c.PersonID)
	if err != nil {
		return Managed{}, nil, err
	}
	if _, err := tx.Exec(ctx, putTOTP, c.PersonID, c.Seed, meta.Now, c.Step); err != nil {
		return Managed{}, nil, fmt.Errorf("set up the authenticator of %s: %w", c.PersonID, err)
	}
	managed, err := c.Session.strengthen(ctx, tx, before, "totp")
	if err != nil {
		return Managed{}, nil, err
	}
	is := before.fields()
	is.TOTP = "new"
	managed.Change = command.Change{Before: before.fields(), After: is}
	change := "added"
	if before.totp {
		change = "changed"
	}
	return managed, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "totp", Change: change}}, nil
}
