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

// CreateRole makes a role of staff.
type CreateRole struct {
	RoleID      uuid.UUID  `json:"role_id"`
	RoleName    string     `json:"name"`
	Permissions []string   `json:"permissions"` // see permission.OfStaff
	By          *uuid.UUID `json:"by,omitempty"`
}

// ChangeRole gives a role another name and other permissions: everybody who has it has these from now on.
type ChangeRole struct {
	RoleID      uuid.UUID  `json:"role_id"`
	RoleName    string     `json:"name"`
	Permissions []string   `json:"permissions"`
	By          *uuid.UUID `json:"by,omitempty"`
}

// DeleteRole takes a role from everybody, and away.
type DeleteRole struct {
	RoleID uuid.UUID  `json:"role_id"`
	By     *uuid.UUID `json:"by,omitempty"`
}

// Role is the answer of commands about a role.
type Role struct {
	RoleID uuid.UUID `json:"role_id"`
	command.Change
}

type roleFields struct {
	RoleName    string   `json:"name"`
	Permissions []string `json:"permissions"`
}

// Name is the command's name.
func (CreateRole) Name() string { return "staff.CreateRole" }

// Name is the command's name.
func (ChangeRole) Name() string { return "staff.ChangeRole" }

// Name is the command's name.
func (DeleteRole) Name() string { return "staff.DeleteRole" }

// Aggregates is the new role.
func (c CreateRole) Aggregates() []events.Aggregate { return role(c.RoleID) }

// Aggregates is the role.
func (c ChangeRole) Aggregates() []events.Aggregate { return role(c.RoleID) }

// Aggregates is the role.
func (c DeleteRole) Aggregates() []events.Aggregate { return role(c.RoleID) }

func role(id uuid.UUID) []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeRole, ID: id}}
}

// Validate checks the fields.
func (c CreateRole) Validate() error { return checkRole(c.RoleID, c.RoleName, c.Permissions) }

// Validate checks the fields.
func (c ChangeRole) Validate() error { return checkRole(c.RoleID, c.RoleName, c.Permissions) }

// Validate checks the fields.
func (c DeleteRole) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "role_id", c.RoleID)
	return fields.Err()
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

func repeats(list []string) bool {
	return len(slices.Compact(slices.Sorted(slices.Values(list)))) < len(list)
}

// Constraints says what a second role of the name means.
func (c CreateRole) Constraints() map[string]*fault.Error { return roleExists(c.RoleName) }

// Constraints says what a second role of the name means.
func (c ChangeRole) Constraints() map[string]*fault.Error { return roleExists(c.RoleName) }

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

// Handle makes the role.
func (c CreateRole) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Role, []events.Event, error) {
	err := order(ctx, tx, c.By, func(own reach) error {
		if err := own.demand(c.Permissions); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertRole, c.RoleID, c.RoleName, list(c.Permissions), meta.Now); err != nil {
			return fmt.Errorf("insert role: %w", err)
		}
		return nil
	})
	return Role{RoleID: c.RoleID}, nil, err
}

// Handle changes the role.
func (c ChangeRole) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Role, []events.Event, error) {
	var was roleFields
	is := roleFields{c.RoleName, list(c.Permissions)}
	err := order(ctx, tx, c.By, func(own reach) (err error) {
		if was, err = changeable(ctx, tx, own, c.RoleID); err != nil {
			return err
		}
		if err := own.demand(c.Permissions); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, updateRole, c.RoleID, is.RoleName, is.Permissions); err != nil {
			return fmt.Errorf("change role %s: %w", c.RoleID, err)
		}
		return nil
	})
	return Role{RoleID: c.RoleID, Change: command.Change{Before: was, After: is}}, nil, err
}

// Handle deletes the role.
func (c DeleteRole) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Role, []events.Event, error) {
	var was roleFields
	err := order(ctx, tx, c.By, func(own reach) (err error) {
		if was, err = changeable(ctx, tx, own, c.RoleID); err != nil {
			return err
		}
		for _, sql := range []string{releaseRole, deleteRole} {
			if _, err := tx.Exec(ctx, sql, c.RoleID); err != nil {
				return fmt.Errorf("delete role %s: %w", c.RoleID, err)
			}
		}
		return nil
	})
	return Role{RoleID: c.RoleID, Change: command.Change{Before: was, After: roleFields{}}}, nil, err
}

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
