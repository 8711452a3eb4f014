package staff

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangeRole gives a role another name and other permissions: everybody who has it has these from now on.
type ChangeRole struct {
	RoleID      uuid.UUID  `json:"role_id"`
	RoleName    string     `json:"name"`
	Permissions []string   `json:"permissions"`
	By          *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (ChangeRole) Name() string { return "staff.ChangeRole" }

// Aggregates is the role.
func (c ChangeRole) Aggregates() []events.Aggregate { return role(c.RoleID) }

// Validate checks the fields.
func (c ChangeRole) Validate() error { return checkRole(c.RoleID, c.RoleName, c.Permissions) }

// Constraints says what a second role of the name means.
func (c ChangeRole) Constraints() map[string]*fault.Error { return roleExists(c.RoleName) }

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
