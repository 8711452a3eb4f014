package credential

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// UseTOTP uses up the code of a step of time, and with it those of all steps before.
type UseTOTP struct {
	PersonID uuid.UUID `json:"person_id"`
	Step     int64     `json:"step"`
}

// Name is the command's name.
func (UseTOTP) Name() string { return "credential.UseTOTP" }

// Aggregates is the person.
func (c UseTOTP) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c UseTOTP) Validate() error {
	fields := checkPerson(c.PersonID)
	fields.Check(c.Step >= 0, "step", "is below zero")
	return fields.Err()
}

const useTOTP = `update totp set last_step = $2 where person_id = $1 and confirmed_at is not null and last_step < $2`

// Handle uses the code up. Forbidden: it was used before, or a later one was.
func (c UseTOTP) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Used, []events.Event, error) {
	return Used{PersonID: c.PersonID}, nil, use(ctx, tx, "code", useTOTP, c.PersonID, c.Step)
}
