package staff

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

// DeleteRole takes a role from everybody, and away.
type DeleteRole struct {
	RoleID uuid.UUID  `json:"role_id"`
	By     *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (DeleteRole) Name() string { return "staff.DeleteRole" }

// Aggregates is the role.
func (c DeleteRole) Aggregates() []events.Aggregate { return role(c.RoleID) }

// Validate checks the fields.
func (c DeleteRole) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "role_id", c.RoleID)
	return fields.Err()
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
