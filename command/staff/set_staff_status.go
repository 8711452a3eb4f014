package staff

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

// SetStaffStatus suspends one of the staff, or lets them in again. Who is suspended is signed out everywhere, also where
// they look at an account as somebody else, and their tokens, applications and links end: who comes back makes new ones,
// and one who had not enrolled yet is sent another link.
type SetStaffStatus struct {
	PersonID uuid.UUID  `json:"person_id"`
	Status   string     `json:"status"` // active, suspended, banned
	At       time.Time  `json:"at"`     // by the machine's clock
	By       *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (SetStaffStatus) Name() string { return "staff.SetStaffStatus" }

// Aggregates is the person.
func (c SetStaffStatus) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c SetStaffStatus) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.Status(&fields, "status", c.Status)
	check.At(&fields, c.At)
	return fields.Err()
}

// Handle sets the status.
func (c SetStaffStatus) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Staff, []events.Event, error) {
	was := staffFields{Status: c.Status}
	var evs []events.Event
	err := order(ctx, tx, c.By, func(own reach) error {
		has, err := granted(ctx, tx, c.PersonID)
		if err != nil {
			return err
		}
		if err := own.demand(has); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, setStatus, c.PersonID, c.Status).Scan(&was.Status)
		if err == nil {
			evs = append(evs, events.PersonChanged{PersonID: c.PersonID})
		} else if !errors.Is(err, pgx.ErrNoRows) { // none: it is so already
			return fmt.Errorf("set the status of %s: %w", c.PersonID, err)
		}
		if c.Status == check.StatusActive {
			return nil
		}
		if err := ending.Links(ctx, tx, c.PersonID, c.At); err != nil {
			return err
		}
		_, err = ending.All(ctx, tx, c.PersonID, c.At, nil)
		return err
	})
	return Staff{c.PersonID, command.Change{Before: was, After: staffFields{Status: c.Status}}}, evs, err
}
