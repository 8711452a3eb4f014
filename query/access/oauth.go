package access

import (
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
)

// OAuthClient is a program as the door knows it.
type OAuthClient struct {
	ID           uuid.UUID
	Site         string
	Name         string
	SecretHash   []byte // nil: a public client
	RedirectURIs []string
	Grants       []string
	Scopes       []string
	CustomerID   *uuid.UUID // the account that it acts for by itself
}

// OAuthCode is an authorization code, used or over or not.
type OAuthCode struct {
	GrantID     uuid.UUID
	ClientID    uuid.UUID
	PersonID    uuid.UUID
	CustomerID  *uuid.UUID
	Scopes      []string
	ProvedAt    time.Time
	RedirectURI string
	Challenge   *string // nil: was tried
	Nonce       string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
	Alive       bool // the grant stands, and its person could sign in
}

// OAuthToken is an access or refresh token. Person is the zero one for a client that acts by itself.
type OAuthToken struct {
	Person
	Hash         []byte
	Site         string
	RequestID    uuid.UUID
	GrantID      *uuid.UUID
	ClientID     uuid.UUID
	ClientName   string
	Scopes       []string
	ClientScopes []string // what the client may have now
	IssuedAt     time.Time
	ExpiresAt    time.Time
	UsedAt       *time.Time
	ProvedAt     time.Time // when the person last proved who they are, before they consented
	Alive        bool      // the grant stands, its person could sign in and is in the account
}

// Works tells whether the token may be used.
func (t OAuthToken) Works(now time.Time) bool {
	return t.Alive && t.UsedAt == nil && t.ExpiresAt.After(now)
}

// Allowed is what of the token's scopes its client may still have.
func (t OAuthToken) Allowed() []string {
	return slices.DeleteFunc(slices.Clone(t.Scopes), func(s string) bool { return !slices.Contains(t.ClientScopes, s) })
}

// Kinds of OAuthToken.
const (
	OAuthAccess  = "access"
	OAuthRefresh = "refresh"
)

// Claims are what a client may be told of a person.
type Claims struct {
	Name          string
	Email         string
	EmailVerified bool
	Locale        string
	TimeZone      string
}

// OAuthKey is a key of ID tokens.
type OAuthKey struct {
	KID       string
	Sealed    []byte
	Public    json.RawMessage
	SignsFrom time.Time
}

var (
	//go:embed find_oauth_client.sql
	findOAuthClientSQL string
	//go:embed find_oauth_code.sql
	findOAuthCodeSQL string
	//go:embed oauth_tokens.sql
	oauthTokensSQL string
	//go:embed find_claims.sql
	findClaimsSQL string
	//go:embed list_oauth_keys.sql
	listOAuthKeysSQL string
)

// FindOAuthClient finds a client of a site. Errors: NotFound.
func FindOAuthClient(ctx context.Context, db query.Postgres, site string, id uuid.UUID) (OAuthClient, error) {
	return query.One[OAuthClient](ctx, db, "client", findOAuthClientSQL, site, id)
}

// FindOAuthCode finds a code of a site by its hash, whether it still works or not. Errors: NotFound.
func FindOAuthCode(ctx context.Context, db query.Postgres, site string, hash secret.Hash) (OAuthCode, error) {
	return query.One[OAuthCode](ctx, db, "code", findOAuthCodeSQL, site, hash[:])
}

// FindOAuthToken finds a token of a site by its hash, whether it still works or not. Errors: NotFound.
func FindOAuthToken(ctx context.Context, db query.Postgres, site, kind string, hash secret.Hash) (OAuthToken, error) {
	return query.One[OAuthToken](ctx, db, "token", oauthTokensSQL+" and t.hash = $2 and k.site = $3", kind, hash[:], site)
}

// FindOAuthTokens finds access tokens by their hashes, of whichever site, whether they still work or not.
func FindOAuthTokens(ctx context.Context, db query.Postgres, hashes []secret.Hash) ([]OAuthToken, error) {
	list := make([][]byte, len(hashes))
	for i := range hashes {
		list[i] = hashes[i][:]
	}
	return query.All[OAuthToken](ctx, db, oauthTokensSQL+" and t.hash = any($2)", OAuthAccess, list)
}

// FindClaims tells who an active person of a site is. Errors: NotFound.
func FindClaims(ctx context.Context, db query.Postgres, site string, person uuid.UUID) (Claims, error) {
	return query.One[Claims](ctx, db, "person", findClaimsSQL, site, person)
}

// ListOAuthKeys lists a site's keys, the oldest first.
func ListOAuthKeys(ctx context.Context, db query.Postgres, site string) ([]OAuthKey, error) {
	return query.All[OAuthKey](ctx, db, listOAuthKeysSQL, site)
}
