// Package staff holds the handlers about those who work here: who they are, which roles they have, how they come in by
// an enrolment link, and how they look at an account as one of its people. Package api says at which address each is.
package staff

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/command"
	staffcmd "github.com/ezscale/platform/command/staff"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// Desk is what the handlers share.
type Desk struct {
	Commands   *command.DB
	Postgres   query.Postgres // what requests ask
	Door       query.Postgres // reads what links are checked against
	Proofs     proofs.Tools
	Sites      guard.Sites
	Now        func() time.Time // the business clock
	MachineNow func() time.Time // by which sessions and links live
}

func (d Desk) meta(ctx context.Context) command.Meta {
	return guard.Meta(ctx, d.Now())
}

// by is who orders. The operator's token, which is nobody's, has no way here: all of these want a person.
func by(ctx context.Context) *uuid.UUID {
	id := guard.PrincipalOf(ctx).Person
	return &id
}

// Page cuts a list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Items of a page"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the page before"`
}

// NewStaff is somebody to be taken in.
type NewStaff struct {
	Email string   `json:"email" maxLength:"254"`
	Name  string   `json:"name" maxLength:"200"`
	Roles []string `json:"roles" nullable:"false" maxItems:"20" doc:"Names of roles, of permissions that you have yourself"`
}

// PersonInput names one of the staff in an operation's path.
type PersonInput struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}

// StaffRoles are somebody's roles, whole.
type StaffRoles struct {
	Roles []string `json:"roles" nullable:"false" maxItems:"20" doc:"Names"`
}

// StaffStatus is somebody's status.
type StaffStatus struct {
	Status string `json:"status" enum:"active,suspended,banned" doc:"Who is not active is signed out at once"`
}

// List lists who works here.
func (d Desk) List(ctx context.Context, in *Page) (query.List[identity.Staff], error) {
	return identity.ListStaff(ctx, d.Postgres, d.MachineNow(), query.Page{Limit: in.Limit, Cursor: in.Cursor})
}

func (d Desk) one(ctx context.Context, id uuid.UUID) (identity.Staff, error) {
	return identity.FindStaff(ctx, d.Postgres, d.MachineNow(), id)
}

// Enrol takes somebody in, and mails a link.
func (d Desk) Enrol(ctx context.Context, in *struct{ Body NewStaff }) (identity.Staff, error) {
	order := staffcmd.EnrolStaff{PersonID: uuid.New(), Email: in.Body.Email, PersonName: in.Body.Name, Roles: in.Body.Roles, Link: d.link(), By: by(ctx)}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), order); err != nil {
		return identity.Staff{}, err
	}
	return d.one(ctx, order.PersonID)
}

// link is one that is mailed.
func (d Desk) link() staffcmd.Link { return staffcmd.Link{LinkID: uuid.New(), At: d.MachineNow()} }

// RenewEnrolment mails another link. What somebody proves their identity with stays: only whoever runs the machine resets it.
func (d Desk) RenewEnrolment(ctx context.Context, in *PersonInput) (identity.Staff, error) {
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), staffcmd.RenewEnrolment{PersonID: in.ID, Link: d.link(), By: by(ctx)}); err != nil {
		return identity.Staff{}, err
	}
	return d.one(ctx, in.ID)
}

// SetRoles gives somebody these roles and no others.
func (d Desk) SetRoles(ctx context.Context, in *struct {
	PersonInput
	Body StaffRoles
}) (identity.Staff, error) {
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), staffcmd.SetRoles{PersonID: in.ID, Roles: in.Body.Roles, By: by(ctx)}); err != nil {
		return identity.Staff{}, err
	}
	return d.one(ctx, in.ID)
}

// SetStatus suspends somebody, or lets them in again.
func (d Desk) SetStatus(ctx context.Context, in *struct {
	PersonInput
	Body StaffStatus
}) (identity.Staff, error) {
	order := staffcmd.SetStaffStatus{PersonID: in.ID, Status: in.Body.Status, At: d.MachineNow(), By: by(ctx)}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), order); err != nil {
		return identity.Staff{}, err
	}
	return d.one(ctx, in.ID)
}

// RolePermission is a permission that a role can give, and what it is to people.
type RolePermission struct {
	Permission permission.Permission `json:"permission"`
	Says       string                `json:"says"`
}

// Permissions lists what roles can give.
func (d Desk) Permissions(context.Context, *struct{}) (query.List[RolePermission], error) {
	list := query.List[RolePermission]{}
	for _, m := range permission.OfStaff() {
		list.Items = append(list.Items, RolePermission(m))
	}
	return list, nil
}
