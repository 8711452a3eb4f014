package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/internal/permission"
)

// Session is who is signed in, and what he may do.
type Session struct {
	Role         string                  `json:"role" enum:"customer,staff"`
	PersonID     *uuid.UUID              `json:"person_id,omitempty" format:"uuid" doc:"Absent: the operator's token"`
	Name         string                  `json:"name"`
	Email        string                  `json:"email,omitempty"`
	CustomerID   *uuid.UUID              `json:"customer_id,omitempty" format:"uuid" doc:"The account that is looked at"`
	Account      string                  `json:"account,omitempty" doc:"Its name"`
	Rights       string                  `json:"rights,omitempty" doc:"In that account: owner, billing, technical, read_only"`
	Permissions  []permission.Permission `json:"permissions" nullable:"false"`
	Restricted   string                  `json:"restricted,omitempty" doc:"Why there are no permissions: second_factor_required, no_account"`
	Factors      []string                `json:"factors,omitempty" doc:"What the session was opened with"`
	SecondFactor bool                    `json:"second_factor" doc:"A passkey or an authenticator is set up"`
	ExpiresAt    *time.Time              `json:"expires_at,omitempty"`
	Impersonated string                  `json:"impersonated,omitempty" doc:"Staff look at the account as this person, until expires_at: the reason they gave"`
	Development  bool                    `json:"development" doc:"The development login, clock and mailbox are there"`
}

type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

type endedOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (e *edge) sessionOperations(t route.Table) {
	const tag = "session"
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/session", ID: "get-session", Tag: tag, Summary: "Who is signed in", Access: guard.Self()}, e.getSession)
	route.ServeRaw(t, route.Operation{Method: http.MethodDelete, Path: "/session", ID: "sign-out", Tag: tag, Summary: "Sign out; live streams of the session end",
		Access: guard.Open(), Status: http.StatusNoContent}, e.signOut)
}

func (e *edge) session(p *guard.Principal) Session {
	s := Session{Role: "customer", Name: p.Name, Email: p.Email, Account: p.Account, Rights: p.Rights, Permissions: p.Permissions.List(), Restricted: p.Restricted,
		Factors: p.Factors, SecondFactor: p.SecondFactor, Development: e.config.Development}
	if p.IsStaff() {
		s.Role = "staff"
	}
	if p.Person != uuid.Nil {
		s.PersonID = &p.Person
	}
	if p.Customer != uuid.Nil {
		s.CustomerID = &p.Customer
	}
	if p.InPerson() {
		s.ExpiresAt = &p.ExpiresAt
	}
	if p.Impersonator != nil {
		s.Impersonated = p.Reason
	}
	return s
}

func (e *edge) getSession(ctx context.Context, _ *struct{}) (Session, error) {
	return e.session(guard.PrincipalOf(ctx)), nil
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
	return command.Meta{Actor: guard.ActorOf(ctx), RequestID: guard.RequestID(ctx), IP: guard.IP(ctx), UserAgent: guard.UserAgent(ctx), Now: e.Clock.Now(), NewID: uuid.New}
}
