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

// CreateRole makes a role of staff.
type CreateRole struct {
	RoleID      uuid.UUID  `json:"role_id"`
	RoleName    string     `json:"name"`
	Permissions []string   `json:"permissions"` // see permission.OfStaff
	By          *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (CreateRole) Name() string { return "staff.CreateRole" }

// Aggregates is the new role.
func (c CreateRole) Aggregates() []events.Aggregate { return role(c.RoleID) }

// Validate checks the fields.
func (c CreateRole) Validate() error { return checkRole(c.RoleID, c.RoleName, c.Permissions) }

// Constraints says what a second role of the name means.
func (c CreateRole) Constraints() map[string]*fault.Error { return roleExists(c.RoleName) }

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
