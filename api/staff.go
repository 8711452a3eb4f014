package api

import (
	"context"
	"net/http"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/api/staff"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/token"
)

func (e *edge) staffOperations(t route.Table) {
	d := staff.Desk{Commands: e.Commands, Postgres: e.Postgres, Door: e.Door, Proofs: e.Proofs, Sites: e.config.Sites, Now: e.Clock.Now, MachineNow: e.MachineNow}
	const tag = "staff"
	get := func(path, id, summary string) route.Operation {
		return route.Operation{Method: http.MethodGet, Path: path, ID: id, Tag: tag, Summary: summary, Access: guard.May(permission.StaffRead)}
	}
	write := func(method, path, id, summary string, status int) route.Operation {
		return route.Operation{Method: method, Path: path, ID: id, Tag: tag, Summary: summary, Access: guard.May(permission.StaffWrite).Fresh(), Status: status}
	}
	route.Serve(t, get("/staff", "list-staff", "Who works here"), d.List)
	route.Serve(t, write(http.MethodPost, "/staff", "enrol-staff", "Take somebody in; an enrolment link is mailed", http.StatusCreated), d.Enrol)
	route.Serve(t, write(http.MethodPut, "/staff/{id}/roles", "set-staff-roles", "Give somebody these roles and no others", 0), d.SetRoles)
	route.Serve(t, write(http.MethodPut, "/staff/{id}/status", "set-staff-status", "Suspend somebody, whose sessions end, or let them in again", 0), d.SetStatus)
	route.Serve(t, write(http.MethodPost, "/staff/{id}/enrolment", "renew-enrolment", "Mail another enrolment link; older ones no longer work", 0), d.RenewEnrolment)
	route.Serve(t, get("/roles", "list-roles", "Roles of staff"), d.Roles)
	route.Serve(t, get("/roles/permissions", "list-role-permissions", "What roles can give"), d.Permissions)
	route.Serve(t, write(http.MethodPost, "/roles", "create-role", "Create a role, of permissions that you have yourself", http.StatusCreated), d.CreateRole)
	route.Serve(t, write(http.MethodPut, "/roles/{name}", "change-role", "Change a role, whole", 0), d.ChangeRole)
	route.ServeRaw(t, write(http.MethodDelete, "/roles/{name}", "delete-role", "Take a role from everybody, and away", http.StatusNoContent), d.DeleteRole)
	route.ServeRaw(t, route.Operation{Method: http.MethodPost, Path: "/enrolment", ID: "use-enrolment", Tag: tag,
		Summary: "Set a password by an enrolment link, on the admin site, and sign in; a second factor has to be set up next", Access: guard.Open(guard.Password)},
		signingIn(e, guard.SiteAdmin, d.UseEnrolment))
	e.impersonationOperations(t, d)
}

func (e *edge) impersonationOperations(t route.Table, d staff.Desk) {
	const tag = "impersonation"
	may := guard.May(permission.Impersonate)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/impersonations", ID: "list-impersonations", Tag: tag, Summary: "When who looked at which account, newest first",
		Access: may}, d.Impersonations)
	route.Serve(t, route.Operation{Method: http.MethodPost, Path: "/impersonations", ID: "impersonate", Tag: tag,
		Summary: "Look at an account as one of its people, for half an hour: gives a way to the account site", Access: may.Fresh(), Status: http.StatusCreated}, d.Impersonate)
	route.ServeRaw(t, route.Operation{Method: http.MethodPost, Path: "/impersonations/begin", ID: "begin-impersonation", Tag: tag,
		Summary: "Begin to look, on the account site; signing out ends it", Access: guard.Open(guard.Link)}, signingIn(e, guard.SiteAccount, d.BeginImpersonation))
}

// signingIn answers with the session that a handler has opened on a site, and its cookie.
func signingIn[I any](e *edge, site guard.Site, open func(context.Context, *I) (token.Token, error)) func(context.Context, *I) (*session.Output, error) {
	return func(ctx context.Context, in *I) (*session.Output, error) {
		t, err := open(ctx, in)
		if err != nil {
			return nil, err
		}
		return e.sessions().Begun(ctx, site, t)
	}
}
