// Package access answers what the door asks: who a session or a token belongs to, what somebody proves who they are by, and
// which sessions are over. It is the one reader of hashes and sealed seeds, on a pool with a database role of its own
// (ezscale_door): the read side shows people, and cannot read these.
//
// What it finds may be used at once: a session that is over, of a person who is suspended, or of another site is not
// found; nor is one of staff who look at an account and may not any more. Sessions and tokens live by the machine's clock,
// which the caller brings; a development clock that leaps signs nobody out.
package access

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
)

// Person is who stands behind a session or a token, and what they may draw on.
type Person struct {
	PersonID     uuid.UUID
	Name         string
	Email        string
	CustomerID   *uuid.UUID // the account that is looked at; nil: none
	CustomerName string
	Rights       string   // of the person in that account; empty: none any more
	Granted      []string // permissions of their roles
	TOTP         bool     // has an authenticator set up
	Passkeys     int
}

// Session is a session that is open.
type Session struct {
	Person
	ID               uuid.UUID
	Site             string
	Factors          []string
	OpenedAt         time.Time
	ProvedAt         time.Time
	SeenAt           time.Time
	ExpiresAt        time.Time
	Impersonator     *uuid.UUID
	ImpersonatorName string
	Reason           string
	Widened          bool
}

// Token is an API token that works.
type Token struct {
	Person
	ID         uuid.UUID
	Site       string
	Scopes     []string
	LastUsedAt *time.Time
}

// What works now, $1, by the rest of its condition.
var (
	//go:embed sessions.sql
	sessionsSQL string
	//go:embed tokens.sql
	tokensSQL string
)

// FindSession finds an open session of a site by its hash. Errors: NotFound.
func FindSession(ctx context.Context, db query.Postgres, site string, hash secret.Hash, now time.Time) (Session, error) {
	return query.One[Session](ctx, db, "session", sessionsSQL+" and s.hash = $2 and s.site = $3", now, hash[:], site)
}

// FindToken finds a token of a site that works by its hash. Errors: NotFound.
func FindToken(ctx context.Context, db query.Postgres, site string, hash secret.Hash, now time.Time) (Token, error) {
	return query.One[Token](ctx, db, "token", tokensSQL+" and t.hash = $2 and p.site = $3", now, hash[:], site)
}

// FindSessions finds those of sessions that are open, of whichever site.
func FindSessions(ctx context.Context, db query.Postgres, ids []uuid.UUID, now time.Time) ([]Session, error) {
	return query.All[Session](ctx, db, sessionsSQL+" and s.id = any($2)", now, ids)
}

// FindTokens finds those of tokens that work, of whichever site.
func FindTokens(ctx context.Context, db query.Postgres, ids []uuid.UUID, now time.Time) ([]Token, error) {
	return query.All[Token](ctx, db, tokensSQL+" and t.id = any($2)", now, ids)
}
