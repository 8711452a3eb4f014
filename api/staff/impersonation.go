package staff

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

const (
	kindImpersonation = "staff.impersonation"
	impersonateWithin = time.Minute // from the admin site to the account site
)

// Impersonate says whom somebody wants to look at an account as, and why.
type Impersonate struct {
	PersonID   uuid.UUID `json:"person_id" format:"uuid"`
	CustomerID uuid.UUID `json:"customer_id" format:"uuid" doc:"An account that the person is in"`
	Reason     string    `json:"reason" maxLength:"200" doc:"At least 10 characters. The account's people see that staff looked, not why"`
	Ticket     string    `json:"ticket,omitempty" maxLength:"100"`
	Write      bool      `json:"write,omitempty" doc:"Change things, too; needs customers.write"`
}

// ImpersonationWay is where to go on.
type ImpersonationWay struct {
	URL       string    `json:"url" doc:"On the account site; it works once"`
	ExpiresAt time.Time `json:"expires_at"`
}

// pass is what the account site needs to know. It lies in the database for a minute.
type pass struct {
	ImpersonatorID uuid.UUID `json:"impersonator_id"`
	Impersonate
}

// Impersonate gives one of the staff a way to the account site. Nothing begins before they come there, which is when all
// that is asked here is asked again.
func (d Desk) Impersonate(ctx context.Context, in *struct{ Body Impersonate }) (ImpersonationWay, error) {
	p := guard.PrincipalOf(ctx)
	if !p.IsStaff() || in.Body.Write && !p.Permissions.Has(permission.CustomersWrite) {
		return ImpersonationWay{}, problem.New(ctx, http.StatusForbidden, "not_allowed", "this is not yours to do")
	}
	var fields fault.Fields
	access.CheckReason(&fields, in.Body.Reason, in.Body.Ticket)
	if err := fields.Err(); err != nil {
		return ImpersonationWay{}, err
	}
	if _, err := identity.FindImpersonable(ctx, d.Postgres, in.Body.PersonID, in.Body.CustomerID); fault.Is(err, fault.NotFound) {
		return ImpersonationWay{}, access.NotImpersonable()
	} else if err != nil {
		return ImpersonationWay{}, err
	}
	value, err := json.Marshal(pass{p.Person, in.Body})
	if err != nil {
		return ImpersonationWay{}, fmt.Errorf("write a pass as JSON: %w", err)
	}
	t := token.New(token.Impersonation)
	if err := d.Proofs.Begun.Put(ctx, kindImpersonation, t.Hash(), value, impersonateWithin); err != nil {
		return ImpersonationWay{}, err
	}
	url := *d.Sites.Account
	url.Path, url.Fragment = "/impersonate", t.Reveal()
	return ImpersonationWay{URL: url.String(), ExpiresAt: d.MachineNow().Add(impersonateWithin)}, nil
}

// BeginImpersonation is what the account site sends of such a way. Token is the part of the URL after #.
type BeginImpersonation struct {
	Token secret.Text `json:"token" maxLength:"100"`
}

// BeginImpersonation opens the session in which staff look at an account. Its token is for the cookie.
func (d Desk) BeginImpersonation(ctx context.Context, in *struct{ Body BeginImpersonation }) (token.Token, error) {
	if _, err := guard.NeedSite(ctx, guard.SiteAccount); err != nil {
		return token.Token{}, err
	}
	value, err := d.Proofs.Begun.Take(ctx, kindImpersonation, sha256.Sum256([]byte(in.Body.Token.Reveal())))
	if errors.Is(err, ephemeral.ErrGone) {
		return token.Token{}, access.LinkNotValid()
	}
	if err != nil {
		return token.Token{}, err
	}
	var p pass
	if err := json.Unmarshal(value, &p); err != nil {
		return token.Token{}, fmt.Errorf("read a pass: %w", err)
	}
	session := token.New(token.Session)
	order := access.BeginImpersonation{SessionID: uuid.New(), Hash: session.Hash(), ImpersonatorID: p.ImpersonatorID, PersonID: p.PersonID, CustomerID: p.CustomerID,
		Reason: p.Reason, Ticket: p.Ticket, Widened: p.Write, At: d.MachineNow(), Replaces: replaced(ctx)}
	_, err = command.Run(ctx, d.Commands, d.metaOf(ctx, "staff:"+p.ImpersonatorID.String()+" as person:"+p.PersonID.String()), order)
	return session, err
}

// ImpersonationsInput narrows the list of who looked at which account.
type ImpersonationsInput struct {
	Page
	Impersonator uuid.UUID `query:"impersonator_id" format:"uuid" doc:"Who looked"`
	Person       uuid.UUID `query:"person_id" format:"uuid" doc:"As whom"`
	Customer     string    `query:"customer" maxLength:"254" doc:"At which account: mail address or id"`
	From         time.Time `query:"from" doc:"Begun at this time or later"`
	To           time.Time `query:"to" doc:"Begun before"`
	Open         bool      `query:"open" doc:"Those that go on now alone"`
}

// Impersonations lists when who looked at which account.
func (d Desk) Impersonations(ctx context.Context, in *ImpersonationsInput) (query.List[identity.Impersonation], error) {
	filter := identity.ImpersonationFilter{Impersonator: in.Impersonator, Person: in.Person, Customer: in.Customer, From: in.From, To: in.To, Open: in.Open}
	return identity.ListImpersonations(ctx, d.Postgres, filter, d.MachineNow(), query.Page{Limit: in.Limit, Cursor: in.Cursor})
}
