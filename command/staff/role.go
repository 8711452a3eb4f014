package staff

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/schemas/events"
)

// roleAdmin is the role that stays as it is: it has everything, and somebody has to have it.
const roleAdmin = "admin"

// Role is the answer of commands about a role.
type Role struct {
	RoleID uuid.UUID `json:"role_id"`
	command.Change
}

type roleFields struct {
	RoleName    string   `json:"name"`
	Permissions []string `json:"permissions"`
}

func role(id uuid.UUID) []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeRole, ID: id}}
}

func checkRole(id uuid.UUID, name string, permissions []string) error {
	var fields fault.Fields
	check.ID(&fields, "role_id", id)
	check.Name(&fields, "name", name)
	if err := permission.CheckRole(permissions); err != nil {
		fields.Add("permissions", "%s", err)
	}
	fields.Check(!repeats(permissions), "permissions", "name a permission twice")
	return fields.Err()
}

// checkRoles checks the names of roles that somebody is to have.
func checkRoles(fields *fault.Fields, roles []string) {
	for i, r := range roles {
		check.Name(fields, fmt.Sprintf("roles[%d]", i), r)
	}
	fields.Check(!repeats(roles), "roles", "name a role twice")
}

func repeats(list []string) bool {
	return len(slices.Compact(slices.Sorted(slices.Values(list)))) < len(list)
}

func roleExists(name string) map[string]*fault.Error {
	exists := fault.New(fault.Conflict, "role_exists", "there is a role %s already", name)
	return map[string]*fault.Error{"role_name_key": exists, "role_pkey": exists}
}

const (
	insertRole  = `insert into role (id, name, permissions, created_at) values ($1, $2, $3, $4)`
	selectRole  = `select name, permissions from role where id = $1`
	updateRole  = `update role set name = $2, permissions = $3 where id = $1`
	releaseRole = `delete from person_role where role_id = $1`
	deleteRole  = `delete from role where id = $1`
)

// changeable finds a role that the orderer may change.
func changeable(ctx context.Context, tx pgx.Tx, own reach, id uuid.UUID) (was roleFields, err error) {
	err = tx.QueryRow(ctx, selectRole, id).Scan(&was.RoleName, &was.Permissions)
	if errors.Is(err, pgx.ErrNoRows) {
		return was, fault.New(fault.NotFound, "role_not_found", "there is no role %s", id)
	}
	if err != nil {
		return was, fmt.Errorf("find role %s: %w", id, err)
	}
	if was.RoleName == roleAdmin {
		return was, fault.New(fault.Conflict, "role_is_fixed", "the role admin stays as it is")
	}
	return was, own.demand(was.Permissions)
}

// list is never null.
func list(permissions []string) []string { return append([]string{}, permissions...) }
