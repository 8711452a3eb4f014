package staff

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// SetRoles gives one of the staff these roles and no others.
type SetRoles struct {
	PersonID uuid.UUID  `json:"person_id"`
	Roles    []string   `json:"roles"` // names
	By       *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (SetRoles) Name() string { return "staff.SetRoles" }

// Aggregates is the person.
func (c SetRoles) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c SetRoles) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	checkRoles(&fields, c.Roles)
	return fields.Err()
}

// Handle sets the roles.
func (c SetRoles) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Staff, []events.Event, error) {
	var was staffFields
	err := order(ctx, tx, c.By, func(own reach) error {
		has, err := granted(ctx, tx, c.PersonID)
		if err != nil {
			return err
		}
		if err := own.demand(has); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, selectRolesOf, c.PersonID).Scan(&was.Roles); err != nil {
			return fmt.Errorf("read the roles of %s: %w", c.PersonID, err)
		}
		if _, err := tx.Exec(ctx, takeRoles, c.PersonID); err != nil {
			return fmt.Errorf("take the roles of %s: %w", c.PersonID, err)
		}
		return give(ctx, tx, own, c.PersonID, c.Roles)
	})
	is := staffFields{Roles: slices.Sorted(slices.Values(c.Roles))}
	return Staff{c.PersonID, command.Change{Before: was, After: is}}, []events.Event{events.PersonChanged{PersonID: c.PersonID}}, err
}
