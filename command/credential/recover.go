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
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Recover is how staff let somebody of the account site in again who has lost what they sign in with. All of it goes, the
// password too, and so does all that is open: what is left is the person's mailbox, by which they set another password as
// anybody who has forgotten it. So neither who knows the password nor who talks staff into this gets in by that alone.
type Recover struct {
	PersonID uuid.UUID `json:"person_id"`
	Reason   string    `json:"reason"` // how staff know who is asking
	At       time.Time `json:"at"`     // by the machine's clock, of the end of what is open
}

// Recovered is the answer.
type Recovered struct {
	PersonID uuid.UUID `json:"person_id"`
	command.Change
}

type recoveredFields struct {
	ending.Proofs
	ending.Ended
}

// Name is the command's name.
func (Recover) Name() string { return "credential.Recover" }

// Aggregates is the person.
func (c Recover) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c Recover) Validate() error {
	fields := checkPerson(c.PersonID)
	check.Reason(&fields, "reason", c.Reason)
	check.At(&fields, c.At)
	return fields.Err()
}

const selectRecoverable = `select status from person where id = $1 and site = 'account' for update`

// Handle takes what there is.
func (c Recover) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Recovered, []events.Event, error) {
	var status string
	err := tx.QueryRow(ctx, selectRecoverable, c.PersonID).Scan(&status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Recovered{}, nil, fault.New(fault.NotFound, "person_not_found", "there is no such person")
	case err != nil:
		return Recovered{}, nil, fmt.Errorf("find person %s: %w", c.PersonID, err)
	case status != check.StatusActive:
		return Recovered{}, nil, fault.New(fault.Conflict, "person_not_active", "this person is %s", status)
	}
	var was recoveredFields
	if was.Proofs, err = ending.TakeProofs(ctx, tx, c.PersonID); err != nil {
		return Recovered{}, nil, err
	}
	if was.Ended, err = ending.All(ctx, tx, c.PersonID, c.At, nil); err != nil {
		return Recovered{}, nil, err
	}
	if err := ending.Links(ctx, tx, c.PersonID, c.At); err != nil {
		return Recovered{}, nil, err
	}
	changed := events.CredentialChanged{PersonID: c.PersonID, Kind: "all", Change: "reset", SessionsEnded: was.Sessions, TokensEnded: was.Tokens, ApplicationsEnded: was.Applications}
	return Recovered{PersonID: c.PersonID, Change: command.Change{Before: was, After: recoveredFields{}}}, []events.Event{changed}, nil
}
