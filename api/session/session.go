// Package session opens sessions and gives their tokens new values, for whoever has seen a proof: the login, a step-up,
// an enrolment. A token is drawn here, shown once in a cookie, and known to the commands by its hash alone.
//
// Whatever changes what a session may do changes its token too, so that a cookie that somebody had before is worth
// nothing after. The change says which token it replaces: of two at once one succeeds, and the browser keeps its cookie.
package session

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
)

// Session is who is signed in, and what they may do.
type Session struct {
	Role           string                  `json:"role" enum:"customer,staff"`
	PersonID       *uuid.UUID              `json:"person_id,omitempty" format:"uuid" doc:"Absent: the operator's token, or an application without the scope openid"`
	Name           string                  `json:"name" doc:"Empty: an application without the scope profile"`
	Email          string                  `json:"email,omitempty" doc:"Absent: the operator's token, or an application without the scope email"`
	CustomerID     *uuid.UUID              `json:"customer_id,omitempty" format:"uuid" doc:"The account that is looked at"`
	Account        string                  `json:"account,omitempty" doc:"Its name"`
	Rights         string                  `json:"rights,omitempty" doc:"In that account: owner, billing, technical, read_only"`
	Permissions    []permission.Permission `json:"permissions" nullable:"false"`
	Restricted     string                  `json:"restricted,omitempty" doc:"Why there are no permissions: second_factor_required, no_account"`
	Factors        []string                `json:"factors,omitempty" doc:"What the session was opened with"`
	SecondFactor   bool                    `json:"second_factor" doc:"A passkey or an authenticator is set up"`
	ExpiresAt      *time.Time              `json:"expires_at,omitempty"`
	Impersonated   string                  `json:"impersonated,omitempty" doc:"Staff look at the account as this person, until expires_at: the reason they gave"`
	ImpersonatedBy string                  `json:"impersonated_by,omitempty" doc:"Who of the staff looks"`
	Development    bool                    `json:"development" doc:"The development login, clock and mailbox are there"`
}

// Output is a session and the cookies that go with it.
type Output struct {
	SetCookie []string `header:"Set-Cookie"`
	Body      Session
}

// Keeper opens and changes sessions.
type Keeper struct {
	Commands    *command.DB
	Guard       *guard.Guard
	Now         func() time.Time // the business clock
	MachineNow  func() time.Time // the clock that sessions live by
	Development bool
}

// Of describes what a principal's session is. To an application it tells who the person is as far as its scopes go.
func (k Keeper) Of(p *guard.Principal) Session {
	s := Session{Role: "customer", Account: p.Account, Rights: p.Rights, Permissions: p.Permissions.List(), Restricted: p.Restricted,
		Factors: p.Factors, SecondFactor: p.SecondFactor, Development: k.Development}
	if p.IsStaff() {
		s.Role = "staff"
	}
	if p.Person != uuid.Nil && p.MayKnow(oauth.ScopeOpenID) {
		s.PersonID = &p.Person
	}
	if p.Person == uuid.Nil || p.MayKnow(oauth.ScopeProfile) {
		s.Name = p.Name
	}
	if p.MayKnow(oauth.ScopeEmail) {
		s.Email = p.Email
	}
	if p.Customer != uuid.Nil {
		s.CustomerID = &p.Customer
	}
	if p.InPerson() {
		s.ExpiresAt = &p.ExpiresAt
	}
	if p.Impersonator != nil {
		s.Impersonated, s.ImpersonatedBy = p.Reason, p.ImpersonatedBy
	}
	return s
}

// Meta is what a command of the request runs with, which no key repeats.
func (k Keeper) Meta(ctx context.Context, actor string) command.Meta {
	meta := guard.Meta(ctx, k.Now())
	meta.Actor = actor
	return meta
}

// Lifetimes are how long a session lasts, at most and without a request. Staff's are not remembered.
func Lifetimes(site guard.Site, remember bool) (lifetime, idle time.Duration) {
	switch {
	case site == guard.SiteAdmin:
		return 12 * time.Hour, 30 * time.Minute
	case remember:
		return 30 * 24 * time.Hour, 7 * 24 * time.Hour
	}
	return 12 * time.Hour, 2 * time.Hour
}

// Opening is a session to be opened.
type Opening struct {
	Site           guard.Site
	Person         uuid.UUID
	Customer       *uuid.UUID // the account to look at; nil: the first that the person is in
	Factors        []string
	Lifetime, Idle time.Duration
	Password       secret.Hash // SHA-256 of the stored hash that there was at the proof; zero: it does not matter
	Actor          string      // who orders it; empty: the person
}

// Open opens a session in place of the one that the browser had. Errors: those of access.OpenSession.
func (k Keeper) Open(ctx context.Context, o Opening) (*Output, error) {
	t := token.New(token.Session)
	open := access.OpenSession{SessionID: uuid.New(), Hash: t.Hash(), Site: string(o.Site), PersonID: o.Person, CustomerID: o.Customer,
		Factors: o.Factors, At: k.MachineNow(), Lifetime: o.Lifetime, Idle: o.Idle, Password: o.Password}
	if p := guard.PrincipalOf(ctx); p != nil && p.InPerson() {
		open.Replaces = &p.Session
	}
	if o.Actor == "" {
		o.Actor = actor(o.Site, o.Person)
	}
	if _, err := command.Run(ctx, k.Commands, k.Meta(ctx, o.Actor), open); err != nil {
		return nil, err
	}
	return k.shown(ctx, o.Site, t)
}

// actor is a person as the audit log has them, before they are signed in.
func actor(site guard.Site, person uuid.UUID) string {
	if site == guard.SiteAdmin {
		return "staff:" + person.String()
	}
	return "person:" + person.String()
}

// Prove adds a factor that the person signed in has just shown, and gives the session another token. Errors: those of
// access.ProveAgain.
func (k Keeper) Prove(ctx context.Context, factor string) (*Output, error) {
	p := guard.PrincipalOf(ctx)
	return changed(ctx, k, func(hash secret.Hash) access.ProveAgain {
		return access.ProveAgain{SessionID: p.Session, PersonID: p.Person, Was: p.SessionHash, Hash: hash, Factor: factor, At: k.MachineNow()}
	})
}

// Choose has the session look at another account, and gives it another token. Errors: those of access.ChooseAccount.
func (k Keeper) Choose(ctx context.Context, customer uuid.UUID) (*Output, error) {
	p := guard.PrincipalOf(ctx)
	return changed(ctx, k, func(hash secret.Hash) access.ChooseAccount {
		return access.ChooseAccount{SessionID: p.Session, PersonID: p.Person, CustomerID: customer, Was: p.SessionHash, Hash: hash, At: k.MachineNow()}
	})
}

// changed runs a command that gives the session a new token.
func changed[C command.Command[access.Renewed]](ctx context.Context, k Keeper, with func(secret.Hash) C) (*Output, error) {
	t := token.New(token.Session)
	if _, err := command.Run(ctx, k.Commands, k.Meta(ctx, guard.ActorOf(ctx)), with(t.Hash())); err != nil {
		return nil, err
	}
	return k.shown(ctx, guard.SiteOf(ctx), t)
}

// Begun is the session that a handler's own command has opened.
func (k Keeper) Begun(ctx context.Context, site guard.Site, t token.Token) (*Output, error) {
	return k.shown(ctx, site, t)
}

// shown is the session of a new token, as the door finds it.
func (k Keeper) shown(ctx context.Context, site guard.Site, t token.Token) (*Output, error) {
	who, err := k.Guard.SessionOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if who == nil {
		return nil, problem.NotSignedIn(ctx) // it was ended, or the person suspended, in this moment
	}
	cookie := guard.Cookie(site, t.Reveal())
	return &Output{SetCookie: []string{cookie.String()}, Body: k.Of(who)}, nil
}
