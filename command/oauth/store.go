package oauth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/internal/secret"
)

// How long things work.
const (
	CodeLifetime    = time.Minute
	AccessLifetime  = 15 * time.Minute
	RefreshLifetime = 30 * 24 * time.Hour
)

// Door is a pool with the role ezscale_door, or a transaction of it.
type Door interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Code is an authorization code, by its hash.
type Code struct {
	Hash        secret.Hash
	GrantID     uuid.UUID
	RedirectURI string
	Challenge   string // PKCE, S256
	Nonce       string
	At          time.Time
}

// Token is an access or a refresh token, by its hash. GrantID is nil for a client that acts by itself.
type Token struct {
	Hash      secret.Hash
	RequestID uuid.UUID
	GrantID   *uuid.UUID
	ClientID  uuid.UUID
	Scopes    []string
	At        time.Time
}

const (
	insertCode = `insert into oauth_code (hash, grant_id, redirect_uri, challenge, nonce, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7)`
	useCode    = `update oauth_code set used_at = $2 where hash = $1 and used_at is null and expires_at > $2`
	spendProof = `update oauth_code set challenge = null where hash = $1`

	insertToken = `
insert into oauth_token (hash, kind, request_id, grant_id, client_id, scopes, issued_at, expires_at)
select $1, $2, $3, $4, $5, $6, $7, $8
where $4::uuid is null or exists (select from oauth_grant where id = $4 and revoked_at is null for share)`
	extendGrant = `update oauth_grant set used_at = $2, expires_at = greatest(expires_at, $3) where id = $1`
	useRefresh  = `update oauth_token set used_at = $2 where hash = $1 and kind = 'refresh' and used_at is null and expires_at > $2`

	revokeFamily  = `update oauth_grant set revoked_at = $2 where id = $1 and revoked_at is null`
	deleteRequest = `delete from oauth_token where request_id = $1 and kind = 'access'`
)

// PutCode writes a code down.
func PutCode(ctx context.Context, door Door, c Code) error {
	_, err := door.Exec(ctx, insertCode, c.Hash[:], c.GrantID, c.RedirectURI, c.Challenge, c.Nonce, c.At, c.At.Add(CodeLifetime))
	return wrap("insert code", err)
}

// UseCode takes a code, and tells whether it was there to be taken: of many at once one gets it.
func UseCode(ctx context.Context, door Door, hash secret.Hash, at time.Time) (bool, error) {
	tag, err := door.Exec(ctx, useCode, hash[:], at)
	return tag.RowsAffected() == 1, wrap("use code", err)
}

// SpendProof forgets a code's challenge: it can be met once, or failed once.
func SpendProof(ctx context.Context, door Door, hash secret.Hash) error {
	_, err := door.Exec(ctx, spendProof, hash[:])
	return wrap("forget a challenge", err)
}

// PutAccess writes an access token down, and tells whether its grant still stands.
func PutAccess(ctx context.Context, door Door, t Token) (bool, error) {
	return putToken(ctx, door, t, "access", AccessLifetime)
}

// PutRefresh writes a refresh token down, and tells whether its grant still stands.
func PutRefresh(ctx context.Context, door Door, t Token) (bool, error) {
	return putToken(ctx, door, t, "refresh", RefreshLifetime)
}

func putToken(ctx context.Context, door Door, t Token, kind string, lifetime time.Duration) (bool, error) {
	ends := t.At.Add(lifetime)
	tag, err := door.Exec(ctx, insertToken, t.Hash[:], kind, t.RequestID, t.GrantID, t.ClientID, list(t.Scopes), t.At, ends)
	if err != nil || tag.RowsAffected() == 0 || t.GrantID == nil {
		return tag.RowsAffected() == 1, wrap("insert token", err)
	}
	_, err = door.Exec(ctx, extendGrant, t.GrantID, t.At, ends)
	return true, wrap("extend grant", err)
}

// UseRefresh takes a refresh token, and tells whether it was there to be taken.
func UseRefresh(ctx context.Context, door Door, hash secret.Hash, at time.Time) (bool, error) {
	tag, err := door.Exec(ctx, useRefresh, hash[:], at)
	return tag.RowsAffected() == 1, wrap("use refresh token", err)
}

// RevokeRequest ends everything that was issued for a request: a grant with its family, or what a client got by itself.
func RevokeRequest(ctx context.Context, door Door, request uuid.UUID, at time.Time) error {
	if _, err := door.Exec(ctx, revokeFamily, request, at); err != nil {
		return wrap("revoke a grant", err)
	}
	_, err := door.Exec(ctx, deleteRequest, request)
	return wrap("delete access tokens", err)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
