package api

import (
	"context"
	"net/http"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
)

// Session is who is signed in, and what they may do.
type Session = session.Session

type endedOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (e *edge) sessionOperations(t route.Table) {
	const tag = "session"
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/session", ID: "get-session", Tag: tag, Summary: "Who is signed in", Access: guard.Self()}, e.getSession)
	route.ServeRaw(t, route.Operation{Method: http.MethodDelete, Path: "/session", ID: "sign-out", Tag: tag, Summary: "Sign out; live streams of the session end",
		Access: guard.Open(guard.Reading), Status: http.StatusNoContent}, e.signOut)
}

// sessions opens and changes sessions.
func (e *edge) sessions() session.Keeper {
	return session.Keeper{Commands: e.Commands, Guard: e.guard, Now: e.Clock.Now, MachineNow: e.MachineNow, Development: e.config.Development}
}

func (e *edge) getSession(ctx context.Context, _ *struct{}) (Session, error) {
	return e.sessions().Of(guard.PrincipalOf(ctx)), nil
}

// signOut ends the session, if there is one, and takes the cookie.
func (e *edge) signOut(ctx context.Context, _ *struct{}) (*endedOutput, error) {
	if p := guard.PrincipalOf(ctx); p != nil && p.InPerson() {
		end := access.EndSession{SessionID: p.Session, PersonID: p.Person, At: e.MachineNow()}
		if _, err := command.Run(ctx, e.Commands, e.meta(ctx), end); err != nil {
			return nil, err
		}
	}
	return &endedOutput{SetCookie: guard.Cookie(guard.SiteOf(ctx), "")}, nil
}

// meta is what a command runs with that no key repeats.
func (e *edge) meta(ctx context.Context) command.Meta {
	return guard.Meta(ctx, e.Clock.Now())
}
