package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/oauth/clients"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query/identity"
)

// Question is what a person is asked.
type Question struct {
	Client       QuestionClient `json:"client"`
	PersonID     uuid.UUID      `json:"person_id" format:"uuid" doc:"Who is asked"`
	Person       string         `json:"person" doc:"Their name"`
	CustomerID   *uuid.UUID     `json:"customer_id,omitempty" format:"uuid" doc:"The account that it is about, on the account site"`
	Account      string         `json:"account,omitempty" doc:"Its name"`
	Scopes       []cmd.Scope    `json:"scopes" nullable:"false"`
	RedirectHost string         `json:"redirect_host" doc:"Where the answer goes"`
}

// QuestionClient is who asks.
type QuestionClient struct {
	ID   uuid.UUID `json:"id" format:"uuid"`
	Name string    `json:"name"`
}

// QueryBody is an authorization request as the browser has it.
type QueryBody struct {
	Query string `json:"query" maxLength:"8192" doc:"The consent page's query, as it came from /oauth/authorize"`
}

// AnswerBody is a person's answer.
type AnswerBody struct {
	QueryBody
	Allow      bool       `json:"allow"`
	PersonID   uuid.UUID  `json:"person_id" format:"uuid" doc:"The question's: who was asked allows it, and nobody else"`
	CustomerID *uuid.UUID `json:"customer_id,omitempty" format:"uuid" doc:"The question's: who allows allows it for the account that was shown"`
}

// Onward is where the browser goes with the answer.
type Onward struct {
	RedirectTo string `json:"redirect_to"`
}

// Operations registers what people and staff do about clients.
func (s *Server) Operations(t route.Table) {
	mine := guard.Self().InPerson()
	route.Serve(t, route.Operation{Method: http.MethodPost, Path: "/consents/look", ID: "look-at-consent", Tag: "applications", Summary: "What an application asks of whoever is signed in", Access: mine}, s.look)
	route.Serve(t, route.Operation{Method: http.MethodPost, Path: "/consents", ID: "answer-consent", Tag: "applications", Summary: "Allow an application what it asks, or refuse it", Access: mine}, s.decide)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/me/applications", ID: "list-applications", Tag: "applications", Summary: "Applications that one has allowed something", Access: mine}, s.applications)
	route.ServeRaw(t, route.Operation{Method: http.MethodDelete, Path: "/me/applications/{id}", ID: "revoke-application", Tag: "applications", Summary: "Take back what one has allowed an application: its tokens end", Access: mine, Status: http.StatusNoContent}, s.forget)
	clients.Desk{Commands: s.Commands, Postgres: s.Postgres, MachineNow: s.MachineNow, Meta: s.meta}.Register(t)
}

// asks reads the request, and who is asked.
func (s *Server) asks(ctx context.Context, query string) (*asked, *guard.Principal, error) {
	who := guard.PrincipalOf(ctx)
	if who.Restricted != "" {
		return nil, nil, problem.New(ctx, http.StatusForbidden, who.Restricted, "you may do nothing yet that you could allow an application")
	}
	a, err := s.ask(ctx, query)
	var why *refused
	if errors.As(err, &why) {
		return nil, nil, fault.New(fault.Invalid, "authorization_request_invalid", "%s", protocol(why.error).GetDescription())
	}
	return a, who, err
}

func (s *Server) look(ctx context.Context, in *struct{ Body QueryBody }) (Question, error) {
	a, who, err := s.asks(ctx, in.Body.Query)
	if err != nil {
		return Question{}, err
	}
	return Question{Client: QuestionClient{ID: a.client.ID, Name: a.client.Name}, PersonID: who.Person, Person: who.Name, CustomerID: accountOf(who), Account: who.Account, Scopes: cmd.Described(string(who.Site), a.GetRequestedScopes()), RedirectHost: a.GetRedirectURI().Host}, nil
}

// accountOf is the account that somebody looks at; nil for staff.
func accountOf(who *guard.Principal) *uuid.UUID {
	if who.Customer == uuid.Nil {
		return nil
	}
	return &who.Customer
}

// outdated refuses an answer to a question that was put to somebody else, or was about another account: in another tab the
// browser may have become theirs since, and an account has several people.
func (b AnswerBody) outdated(ctx context.Context, who *guard.Principal) error {
	account := accountOf(who)
	switch {
	case b.PersonID != who.Person:
		return problem.New(ctx, http.StatusConflict, "person_changed", "you are signed in as somebody else now: look at the question again")
	case account != b.CustomerID && (account == nil || b.CustomerID == nil || *account != *b.CustomerID):
		return problem.New(ctx, http.StatusConflict, "account_changed", "you look at another account now: look at the question again")
	}
	return nil
}

// decide takes the answer. The person is asked each time, also for what they have allowed before.
func (s *Server) decide(ctx context.Context, in *struct{ Body AnswerBody }) (Onward, error) {
	a, who, err := s.asks(ctx, in.Body.Query)
	if err != nil {
		return Onward{}, err
	}
	if !in.Body.Allow {
		return Onward{RedirectTo: s.refusal(ctx, a.GetRedirectURI(), a.GetState(), fosite.ErrAccessDenied)}, nil
	}
	if err := in.Body.outdated(ctx, who); err != nil {
		return Onward{}, err
	}
	now := s.MachineNow()
	if a.wantsProof(who, now) {
		return Onward{}, problem.New(ctx, http.StatusForbidden, "proof_required", "prove again who you are, then repeat this")
	}
	grant := cmd.GrantConsent{GrantID: uuid.New(), ClientID: a.client.ID, PersonID: who.Person, CustomerID: accountOf(who), SessionID: who.Session, Scopes: a.GetRequestedScopes(), ProvedAt: who.ProvedAt, At: now}
	if _, err := command.Run(ctx, s.Commands, s.meta(ctx), grant); err != nil {
		return Onward{}, err
	}
	return s.code(ctx, a, who, grant.GrantID)
}

// wantsProof tells whether a newer proof is wanted than there is: by the client (OpenID Connect Core 1.0, 3.1.2.1), or for
// what goes on when the session is over, as for an API token: who finds a browser open shall not take that along.
func (a *asked) wantsProof(who *guard.Principal, now time.Time) bool {
	asksFresh := slices.Contains(strings.Fields(a.prompt), "login") || a.GetRequestedScopes().Has(cmd.ScopeOffline)
	if asksFresh && !who.IsFresh(now) {
		return true
	}
	return a.maxAge != nil && now.Sub(who.ProvedAt) > max(*a.maxAge, time.Minute) // who has just signed in is not sent again
}

// code draws the code and gives the client's address with it.
func (s *Server) code(ctx context.Context, a *asked, who *guard.Principal, grant uuid.UUID) (Onward, error) {
	a.SetID(grant.String())
	for _, scope := range a.GetRequestedScopes() {
		a.GrantScope(scope)
	}
	response, err := s.provider.NewAuthorizeResponse(ctx, a.AuthorizeRequester, newSession(who.Person, who.ProvedAt, a.GetRequestForm().Get("nonce")))
	if err != nil {
		return Onward{}, err
	}
	return Onward{RedirectTo: s.answer(ctx, a.GetRedirectURI(), response.GetParameters())}, nil
}

// Applications are what a person has allowed.
type Applications struct {
	Items []Application `json:"items" nullable:"false"`
}

// Application is a client with the meanings of what it was allowed.
type Application struct {
	ID         uuid.UUID   `json:"id" format:"uuid"`
	Name       string      `json:"name"`
	Scopes     []cmd.Scope `json:"scopes" nullable:"false"`
	AllowedAt  time.Time   `json:"allowed_at"`
	LastUsedAt time.Time   `json:"last_used_at" doc:"When it last got a token"`
}

func (s *Server) applications(ctx context.Context, _ *struct{}) (Applications, error) {
	who := guard.PrincipalOf(ctx)
	found, err := identity.ListApplications(ctx, s.Postgres, who.Person, s.MachineNow())
	list := Applications{Items: make([]Application, len(found))}
	for i, a := range found {
		list.Items[i] = Application{ID: a.ID, Name: a.Name, Scopes: cmd.Described(string(who.Site), a.Scopes), AllowedAt: a.AllowedAt, LastUsedAt: a.LastUsedAt}
	}
	return list, err
}

func (s *Server) forget(ctx context.Context, in *struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}) (*struct{}, error) {
	_, err := command.Run(ctx, s.Commands, s.meta(ctx), cmd.RevokeGrants{PersonID: guard.PrincipalOf(ctx).Person, ClientID: in.ID, At: s.MachineNow()})
	return nil, err
}
