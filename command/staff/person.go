package staff

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Staff is the answer of commands about one of the staff.
type Staff struct {
	PersonID uuid.UUID `json:"person_id"`
	command.Change
}

type staffFields struct {
	Roles  []string `json:"roles,omitempty"`
	Status string   `json:"status,omitempty"`
}

func person(id uuid.UUID) []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: id}}
}

const (
	selectRolesOf = `select coalesce(array_agg(r.name order by r.name), '{}') from person_role pr join role r on r.id = pr.role_id where pr.person_id = $1`

	grantsOf = `select name, permissions from role where name = any ($1) order by name`

	takeRoles = `delete from person_role where person_id = $1`

	giveRoles = `insert into person_role (person_id, role_id) select $1, id from role where name = any ($2)`

	setStatus = `update person set status = $2 where id = $1 and status <> $2 returning old.status`
)

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
