package staff

import (
	"context"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	staffcmd "github.com/ezscale/platform/command/staff"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// RoleTerms are what a role is to be.
type RoleTerms struct {
	Name        string   `json:"name" maxLength:"100"`
	Permissions []string `json:"permissions" nullable:"false" maxItems:"100" doc:"* stands for all, those of later versions included"`
}

// RoleInput names a role in an operation's path.
type RoleInput struct {
	Name string `path:"name" maxLength:"100"`
}

// Roles lists the roles.
func (d Desk) Roles(ctx context.Context, _ *struct{}) (query.List[identity.Role], error) {
	roles, err := identity.ListRoles(ctx, d.Postgres)
	return query.List[identity.Role]{Items: roles}, err
}

// CreateRole makes a role.
func (d Desk) CreateRole(ctx context.Context, in *struct{ Body RoleTerms }) (identity.Role, error) {
	order := staffcmd.CreateRole{RoleID: uuid.New(), RoleName: in.Body.Name, Permissions: in.Body.Permissions, By: by(ctx)}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), order); err != nil {
		return identity.Role{}, err
	}
	return identity.FindRole(ctx, d.Postgres, in.Body.Name)
}

// ChangeRole changes a role, whole.
func (d Desk) ChangeRole(ctx context.Context, in *struct {
	RoleInput
	Body RoleTerms
}) (identity.Role, error) {
	found, err := identity.FindRole(ctx, d.Postgres, in.Name)
	if err != nil {
		return identity.Role{}, err
	}
	order := staffcmd.ChangeRole{RoleID: found.ID, RoleName: in.Body.Name, Permissions: in.Body.Permissions, By: by(ctx)}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), order); err != nil {
		return identity.Role{}, err
	}
	return identity.FindRole(ctx, d.Postgres, in.Body.Name)
}

// DeleteRole takes a role from everybody, and away.
func (d Desk) DeleteRole(ctx context.Context, in *RoleInput) (*struct{}, error) {
	found, err := identity.FindRole(ctx, d.Postgres, in.Name)
	if err != nil {
		return nil, err
	}
	_, err = command.Run(ctx, d.Commands, d.meta(ctx), staffcmd.DeleteRole{RoleID: found.ID, By: by(ctx)})
	return nil, err
}
