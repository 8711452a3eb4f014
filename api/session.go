package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// Bounds of development sessions.
const (
	maxSessions   = 10_000
	sessionLength = 12 * time.Hour
	sessionBytes  = 32
)

// sessions are the development logins: opaque random ids, kept hashed, in memory, gone with the process.
type sessions struct {
	mu    sync.Mutex
	byKey map[string]*login
}

type login struct {
	principal principal
	until     time.Time // of the real clock: a business clock that leaps must not sign everybody out
}

func newSessions() *sessions { return &sessions{byKey: map[string]*login{}} }

func sessionKey(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// open makes a session and gives its id, which is not kept. When there are too many, the expired go, then the one
// that expires first.
func (s *sessions) open(p principal) string {
	secret := make([]byte, sessionBytes)
	_, _ = rand.Read(secret) // never fails, as crypto/rand promises
	id := base64.RawURLEncoding.EncodeToString(secret)
	p.session, p.ended = sessionKey(id), make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.byKey) >= maxSessions {
		s.makeRoom(now)
	}
	s.byKey[p.session] = &login{principal: p, until: now.Add(sessionLength)}
	return id
}

func (s *sessions) makeRoom(now time.Time) {
	first := ""
	for key, l := range s.byKey {
		switch {
		case now.After(l.until):
			s.end(key)
		case first == "" || l.until.Before(s.byKey[first].until):
			first = key
		}
	}
	if len(s.byKey) >= maxSessions {
		s.end(first)
	}
}

func (s *sessions) find(id string) *principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.byKey[sessionKey(id)]
	if !ok {
		return nil
	}
	if time.Now().After(l.until) {
		s.end(sessionKey(id))
		return nil
	}
	return &l.principal
}

// close ends a session and its streams.
func (s *sessions) close(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(key)
}

func (s *sessions) end(key string) {
	if l, ok := s.byKey[key]; ok {
		close(l.principal.ended)
		delete(s.byKey, key)
	}
}

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

func (e *edge) session(p *principal) Session {
	s := Session{Role: p.role, Name: p.name, Development: e.config.Development}
	if p.role == roleCustomer {
		s.CustomerID = &p.customer
	}
	return s
}

func (e *edge) getSession(ctx context.Context, _ *struct{}) (Session, error) {
	return e.session(principalOf(ctx)), nil
}

// signIn opens a development session. The one that the browser had ends: a session never changes its role.
func (e *edge) signIn(ctx context.Context, in *struct{ Body LoginBody }) (*sessionOutput, error) {
	p := principal{role: roleStaff, name: "Staff", actor: "staff:development"}
	if in.Body.Role == roleCustomer {
		customer, err := e.loginCustomer(ctx, in.Body.Customer)
		if err != nil {
			return nil, err
		}
		p = principal{role: roleCustomer, customer: customer.ID, name: customer.Name, actor: "customer:" + customer.ID.String()}
	}
	e.endSession(ctx)
	return &sessionOutput{SetCookie: e.cookie(ctx, e.sessions.open(p), int(sessionLength/time.Second)), Body: e.session(&p)}, nil
}

func (e *edge) loginCustomer(ctx context.Context, reference string) (identity.Customer, error) {
	if reference != "" {
		return identity.FindCustomer(ctx, e.Postgres, query.Staff(), reference)
	}
	first, err := identity.ListCustomers(ctx, e.Postgres, query.Staff(), "", query.Page{Limit: 1})
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
	if p := principalOf(ctx); p != nil && p.session != "" {
		e.sessions.close(p.session)
	}
}

func (e *edge) cookie(ctx context.Context, value string, maxAge int) http.Cookie {
	return http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: isSecure(ctx), SameSite: http.SameSiteStrictMode}
}
