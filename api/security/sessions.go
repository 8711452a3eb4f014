package security

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	accesscmd "github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

func (d Desk) sessionOperations(t route.Table) {
	route.Serve(t, operation(http.MethodGet, "/me/sessions", "list-sessions", "Where one is signed in", inPerson()), d.sessions)
	route.ServeRaw(t, operation(http.MethodDelete, "/me/sessions/{id}", "end-session", "Sign out elsewhere; live streams of the session end", inPerson()), d.endSession)
	route.ServeRaw(t, operation(http.MethodDelete, "/me/sessions", "end-other-sessions", "Sign out everywhere but here", inPerson()), d.endOtherSessions)
}

func (d Desk) sessions(ctx context.Context, _ *struct{}) (query.List[identity.OwnSession], error) {
	p := guard.PrincipalOf(ctx)
	all, err := identity.ListSessions(ctx, d.Postgres, p.Person, d.MachineNow())
	for i := range all {
		all[i].Current = all[i].ID == p.Session
	}
	return query.List[identity.OwnSession]{Items: all}, err
}

func (d Desk) endSession(ctx context.Context, in *struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}) (*done, error) {
	p, now := guard.PrincipalOf(ctx), d.MachineNow()
	if _, err := identity.FindSession(ctx, d.Postgres, p.Person, in.ID, now); err != nil {
		return nil, err
	}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), accesscmd.EndSession{SessionID: in.ID, PersonID: p.Person, Elsewhere: in.ID != p.Session, At: now})
	return &done{}, err
}

func (d Desk) endOtherSessions(ctx context.Context, _ *struct{}) (*done, error) {
	p := guard.PrincipalOf(ctx)
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), accesscmd.EndSessions{PersonID: p.Person, But: &p.Session, At: d.MachineNow()})
	return &done{}, err
}
