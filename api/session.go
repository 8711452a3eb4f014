package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// Session is who is signed in.
type Session struct {
	Role        string     `json:"role" enum:"customer,staff"`
	CustomerID  *uuid.UUID `json:"customer_id,omitempty" format:"uuid"`
	Name        string     `json:"name"`
	Development bool       `json:"development" doc:"The development login, clock and mailbox are there"`
}

// LoginBody chooses a role of the development login.
type LoginBody struct {
	Role     string `json:"role" enum:"customer,staff"`
	Customer string `json:"customer,omitempty" maxLength:"254" doc:"Id or mail address; absent: the first one by mail address"`
}

type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

type endedOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (e *edge) session(p *guard.Principal) Session {
	s := Session{Role: p.Role, Name: p.Name, Development: e.config.Development}
	if p.Role == guard.RoleCustomer {
		s.CustomerID = &p.Customer
	}
	return s
}

func (e *edge) getSession(ctx context.Context, _ *struct{}) (Session, error) {
	return e.session(guard.PrincipalOf(ctx)), nil
}

// signIn opens a development session, for this machine only: the login has no password. The session that the
// browser had ends: a session never changes its role.
func (e *edge) signIn(ctx context.Context, in *struct{ Body LoginBody }) (*sessionOutput, error) {
	if !guard.IsLocal(ctx) {
		return nil, guard.NewProblem(ctx, http.StatusForbidden, "not_local",
			"the development login has no password and is only for a browser on the machine that serves it; come through a tunnel (ssh -L)")
	}
	p := guard.Principal{Role: guard.RoleStaff, Name: "Staff", Actor: "staff:development"}
	if in.Body.Role == guard.RoleCustomer {
		customer, err := e.loginCustomer(ctx, in.Body.Customer)
		if err != nil {
			return nil, err
		}
		p = guard.Principal{Role: guard.RoleCustomer, Customer: customer.ID, Name: customer.Name, Actor: "customer:" + customer.ID.String()}
	}
	e.endSession(ctx)
	return &sessionOutput{SetCookie: e.cookie(ctx, e.guard.Sessions.Open(p), int(guard.SessionLength/time.Second)), Body: e.session(&p)}, nil
}

func (e *edge) loginCustomer(ctx context.Context, reference string) (identity.Customer, error) {
	if reference != "" {
		return identity.FindCustomer(ctx, e.Background, query.Staff(), reference)
	}
	first, err := identity.ListCustomers(ctx, e.Background, query.Staff(), "", query.Page{Limit: 1})
	if err != nil {
		return identity.Customer{}, err
	}
	if len(first.Items) == 0 {
		return identity.Customer{}, fault.New(fault.NotFound, "customer_not_found", "there is no customer yet")
	}
	return first.Items[0], nil
}

func (e *edge) signOut(ctx context.Context, _ *struct{}) (*endedOutput, error) {
	e.endSession(ctx)
	return &endedOutput{SetCookie: e.cookie(ctx, "", -1)}, nil
}

func (e *edge) endSession(ctx context.Context) {
	if p := guard.PrincipalOf(ctx); p != nil && p.Session != "" {
		e.guard.Sessions.Close(p.Session)
	}
}

func (e *edge) cookie(ctx context.Context, value string, maxAge int) http.Cookie {
	return http.Cookie{Name: guard.SessionCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: guard.IsSecure(ctx), SameSite: http.SameSiteStrictMode}
}
