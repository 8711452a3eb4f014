package staff

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

// SetStaffStatus suspends one of the staff, or lets him in again. Who is suspended is signed out everywhere, also where
// he looks at an account as somebody else.
type SetStaffStatus struct {
	PersonID uuid.UUID  `json:"person_id"`
	Status   string     `json:"status"` // active, suspended, banned
	At       time.Time  `json:"at"`     // by the machine's clock
	By       *uuid.UUID `json:"by,omitempty"`
}

// Staff is the answer of commands about one of the staff.
type Staff struct {
	PersonID uuid.UUID `json:"person_id"`
	command.Change
}

type staffFields struct {
	Roles  []string `json:"roles,omitempty"`
	Status string   `json:"status,omitempty"`
}

// Name is the command's name.
func (SetRoles) Name() string { return "staff.SetRoles" }

// Name is the command's name.
func (SetStaffStatus) Name() string { return "staff.SetStaffStatus" }

// Aggregates is the person.
func (c SetRoles) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Aggregates is the person.
func (c SetStaffStatus) Aggregates() []events.Aggregate { return person(c.PersonID) }

func person(id uuid.UUID) []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: id}}
}

// Validate checks the fields.
func (c SetRoles) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(!repeats(c.Roles), "roles", "name a role twice")
	return fields.Err()
}

// Validate checks the fields.
func (c SetStaffStatus) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(slices.Contains([]string{"active", "suspended", "banned"}, c.Status), "status", "%q is none of active, suspended and banned", c.Status)
	fields.Check(!c.At.IsZero(), "at", "is missing")
	return fields.Err()
}

const (
	selectRolesOf = `select coalesce(array_agg(r.name order by r.name), '{}') from person_role pr join role r on r.id = pr.role_id where pr.person_id = $1`

	grantsOf = `select name, permissions from role where name = any ($1) order by name`

	takeRoles = `delete from person_role where person_id = $1`

	giveRoles = `insert into person_role (person_id, role_id) select $1, id from role where name = any ($2)`

	setStatus = `update person set status = $2 where id = $1 and status <> $2 returning old.status`

	// endStaffSessions ends those that the person has, and those that he has as somebody else.
	endStaffSessions = `update session set ended_at = $2 where (person_id = $1 or impersonator_id = $1) and ended_at is null`
)

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

// give gives somebody roles, if they are in the orderer's reach.
func give(ctx context.Context, tx pgx.Tx, own reach, to uuid.UUID, roles []string) error {
	rows, err := tx.Query(ctx, grantsOf, roles)
	if err != nil {
		return fmt.Errorf("read the roles: %w", err)
	}
	var name string
	var grants []string
	found := map[string]bool{}
	_, err = pgx.ForEachRow(rows, []any{&name, &grants}, func() error {
		found[name] = true
		return own.demand(grants)
	})
	if err != nil {
		return fmt.Errorf("read the roles: %w", err)
	}
	var fields fault.Fields
	missing := slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return found[r] })
	fields.Check(len(missing) == 0, "roles", "there is no role %s", strings.Join(missing, ", "))
	if err := fields.Err(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, giveRoles, to, roles); err != nil {
		return fmt.Errorf("give roles to %s: %w", to, err)
	}
	return nil
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
		if c.Status == "active" {
			return nil
		}
		if _, err := tx.Exec(ctx, endStaffSessions, c.PersonID, c.At); err != nil {
			return fmt.Errorf("end the sessions of %s: %w", c.PersonID, err)
		}
		return nil
	})
	return Staff{c.PersonID, command.Change{Before: was, After: staffFields{Status: c.Status}}}, evs, err
}
