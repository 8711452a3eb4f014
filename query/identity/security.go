package identity

import (
	"context"
	_ "embed"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Profile is a person as they see themselves, and which proofs they have set up.
type Profile struct {
	PersonID        uuid.UUID
	Site            string
	Name            string
	Email           string
	EmailVerified   bool
	Locale          string
	TimeZone        string
	PasswordSetAt   *time.Time
	TOTPConfirmedAt *time.Time
	RecoveryCodes   int // that are left
}

// Passkey is one as its owner tells it from others.
type Passkey struct {
	ID         uuid.UUID  `json:"id" format:"uuid"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	BackedUp   bool       `json:"backed_up" doc:"It is synced to other devices"`
	AAGUID     []byte     `json:"-"`
	Provider   string     `json:"provider" db:"-" doc:"What keeps it, as it says itself; empty if it does not"`
	Cloned     bool       `json:"cloned" doc:"It may have been copied, and no longer works"`
}

// OwnSession is a session that is open, as its owner sees it.
type OwnSession struct {
	ID           uuid.UUID   `json:"id" format:"uuid"`
	Current      bool        `json:"current" db:"-" doc:"It is the one that asks"`
	Site         string      `json:"site" enum:"account,admin"`
	IP           *netip.Addr `json:"ip,omitempty"`
	UserAgent    string      `json:"user_agent"`
	Factors      []string    `json:"factors" nullable:"false"`
	OpenedAt     time.Time   `json:"opened_at"`
	SeenAt       time.Time   `json:"seen_at"`
	ExpiresAt    time.Time   `json:"expires_at"`
	Impersonated bool        `json:"impersonated" doc:"Staff look at the account as this person"`
}

// OwnToken is an API token as its owner sees it.
type OwnToken struct {
	ID         uuid.UUID  `json:"id" format:"uuid"`
	Name       string     `json:"name"`
	Hint       string     `json:"hint" doc:"Its first signs"`
	CustomerID *uuid.UUID `json:"customer_id,omitempty" format:"uuid" doc:"The account that it is for"`
	Scopes     []string   `json:"scopes" nullable:"false"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

//go:embed find_profile.sql
var findProfileSQL string

//go:embed list_passkeys.sql
var listPasskeysSQL string

//go:embed list_sessions.sql
var listSessionsSQL string

//go:embed list_tokens.sql
var listTokensSQL string

// FindProfile finds a person by id. Errors: NotFound.
func FindProfile(ctx context.Context, db query.Postgres, person uuid.UUID) (Profile, error) {
	return query.One[Profile](ctx, db, "person", findProfileSQL, person)
}

// ListPasskeys lists a person's passkeys, oldest first.
func ListPasskeys(ctx context.Context, db query.Postgres, person uuid.UUID) ([]Passkey, error) {
	return query.All[Passkey](ctx, db, listPasskeysSQL, person)
}

// ListSessions lists a person's sessions that are open, the last used first: a hundred at most.
func ListSessions(ctx context.Context, db query.Postgres, person uuid.UUID, now time.Time) ([]OwnSession, error) {
	return query.All[OwnSession](ctx, db, listSessionsSQL, person, now, nil)
}

// FindSession finds one of them. Errors: NotFound.
func FindSession(ctx context.Context, db query.Postgres, person, session uuid.UUID, now time.Time) (OwnSession, error) {
	return query.One[OwnSession](ctx, db, "session", listSessionsSQL, person, now, session)
}

// ListTokens lists a person's tokens that are not revoked, newest first: two hundred at most.
func ListTokens(ctx context.Context, db query.Postgres, person uuid.UUID) ([]OwnToken, error) {
	return query.All[OwnToken](ctx, db, listTokensSQL, person, nil)
}

// FindToken finds one of them. Errors: NotFound.
func FindToken(ctx context.Context, db query.Postgres, person, token uuid.UUID) (OwnToken, error) {
	return query.One[OwnToken](ctx, db, "token", listTokensSQL, person, token)
}
