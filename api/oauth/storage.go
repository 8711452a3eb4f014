package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query/access"
)

// storage is where fosite keeps what it issues: in rows of our own shape. A code's row holds what fosite would keep in
// three sessions (the code's, PKCE's, OpenID's), so it is written once and read thrice.
type storage struct {
	door    Door
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics
}

type transactionKey struct{}

// transaction is the one that a request may have open.
type transaction struct{ tx pgx.Tx }

// within gives a request the room for one transaction, and what ends it if nobody has.
func within(ctx context.Context) (_ context.Context, end func()) {
	t := &transaction{}
	return context.WithValue(ctx, transactionKey{}, t), func() {
		if t.tx != nil {
			_ = t.tx.Rollback(context.WithoutCancel(ctx)) // it was not committed: there is nothing to tell
		}
	}
}

// BeginTX begins the request's transaction.
func (s *storage) BeginTX(ctx context.Context) (context.Context, error) {
	t, _ := ctx.Value(transactionKey{}).(*transaction)
	if t == nil || t.tx != nil {
		return ctx, errors.New("a request has room for one transaction")
	}
	var err error
	if t.tx, err = s.door.Begin(ctx); err != nil {
		return ctx, fmt.Errorf("begin: %w", err)
	}
	return ctx, nil
}

// Commit ends the request's transaction.
func (s *storage) Commit(ctx context.Context) error { return finish(ctx, pgx.Tx.Commit) }

// Rollback takes back what the request's transaction did.
func (s *storage) Rollback(ctx context.Context) error { return finish(ctx, pgx.Tx.Rollback) }

func finish(ctx context.Context, by func(pgx.Tx, context.Context) error) error {
	t, _ := ctx.Value(transactionKey{}).(*transaction)
	if t == nil || t.tx == nil {
		return nil
	}
	tx := t.tx
	t.tx = nil
	if err := by(tx, ctx); err != nil {
		return fmt.Errorf("end a transaction: %w", err)
	}
	return nil
}

// db is the transaction, if one is open.
func (s *storage) db(ctx context.Context) guard.Door {
	if t, _ := ctx.Value(transactionKey{}).(*transaction); t != nil && t.tx != nil {
		return t.tx
	}
	return s.door
}

// missing makes fosite's answer of ours.
func missing(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fosite.ErrNotFound
	}
	return err
}

// GetClient finds a client of the request's site.
func (s *storage) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.String() != id {
		return nil, fosite.ErrNotFound
	}
	found, err := access.FindOAuthClient(ctx, s.db(ctx), string(guard.SiteOf(ctx)), parsed)
	if err != nil {
		return nil, missing(err)
	}
	return client{found}, nil
}

// ClientAssertionJWTValid refuses: no client proves itself by a JWT.
func (s *storage) ClientAssertionJWTValid(context.Context, string) error {
	return fosite.ErrInvalidClient
}

// SetClientAssertionJWT refuses as well.
func (s *storage) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrInvalidClient
}

// CreateAuthorizeCodeSession writes the code of a consent, whose id the request has.
func (s *storage) CreateAuthorizeCodeSession(ctx context.Context, signature string, r fosite.Requester) error {
	hash, err := hashOf(signature)
	if err != nil {
		return err
	}
	grant, err := uuid.Parse(r.GetID())
	if err != nil {
		return fmt.Errorf("id of a grant: %w", err)
	}
	form := r.GetRequestForm()
	return cmd.PutCode(ctx, s.db(ctx), cmd.Code{Hash: hash, GrantID: grant, RedirectURI: form.Get("redirect_uri"), Challenge: form.Get("code_challenge"), Nonce: form.Get("nonce"), At: s.now()})
}

// code finds a code, used or over or not.
func (s *storage) code(ctx context.Context, signature string) (access.OAuthCode, *fosite.Request, error) {
	hash, err := hashOf(signature)
	if err != nil {
		return access.OAuthCode{}, nil, err
	}
	found, err := access.FindOAuthCode(ctx, s.db(ctx), string(guard.SiteOf(ctx)), hash)
	if err != nil {
		return found, nil, missing(err)
	}
	of, err := s.GetClient(ctx, found.ClientID.String())
	if err != nil {
		return found, nil, err
	}
	form := url.Values{"redirect_uri": {found.RedirectURI}, "nonce": {found.Nonce}}
	if found.Challenge != nil {
		form.Set("code_challenge", *found.Challenge)
		form.Set("code_challenge_method", "S256")
	}
	return found, request(found.GrantID, of, found.Scopes, found.CreatedAt, form, newSession(found.PersonID, found.ProvedAt, found.Nonce)), nil
}

func request(id uuid.UUID, of fosite.Client, scopes []string, at time.Time, form url.Values, s fosite.Session) *fosite.Request {
	return &fosite.Request{ID: id.String(), Client: of, RequestedScope: scopes, GrantedScope: scopes, RequestedAt: at, Form: form, Session: s}
}

// GetAuthorizeCodeSession finds a code that works. One that was used tells so, with its request, whose tokens fosite then
// revokes.
func (s *storage) GetAuthorizeCodeSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	found, r, err := s.code(ctx, signature)
	switch {
	case err != nil:
		return nil, err
	case found.UsedAt != nil:
		s.reused(ctx, "code", found.GrantID, found.ClientID)
		return r, fosite.ErrInvalidatedAuthorizeCode
	case !found.Alive || !found.ExpiresAt.After(s.now()):
		return nil, fosite.ErrNotFound
	}
	return r, nil
}

func (s *storage) reused(ctx context.Context, what string, grant, client uuid.UUID) {
	s.metrics.reused.WithLabelValues(what).Inc()
	s.log.WarnContext(ctx, "what works once came twice: everything issued with it is revoked", "what", what, "grant", grant, "client", client, "request_id", problem.RequestID(ctx))
}

// InvalidateAuthorizeCodeSession takes a code. Of several at once one gets it.
func (s *storage) InvalidateAuthorizeCodeSession(ctx context.Context, signature string) error {
	hash, err := hashOf(signature)
	if err != nil {
		return err
	}
	taken, err := cmd.UseCode(ctx, s.db(ctx), hash, s.now())
	if err == nil && !taken {
		return fosite.ErrInvalidatedAuthorizeCode
	}
	return err
}

// CreatePKCERequestSession has nothing to do: the code's row holds the challenge.
func (s *storage) CreatePKCERequestSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetPKCERequestSession finds a code's challenge, unless it was tried.
func (s *storage) GetPKCERequestSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	found, r, err := s.code(ctx, signature)
	if err != nil {
		return nil, err
	}
	if found.Challenge == nil {
		return nil, fosite.ErrNotFound
	}
	return r, nil
}

// DeletePKCERequestSession forgets the challenge, before it is compared: a code has one attempt.
func (s *storage) DeletePKCERequestSession(ctx context.Context, signature string) error {
	hash, err := hashOf(signature)
	if err != nil {
		return err
	}
	return cmd.SpendProof(ctx, s.db(ctx), hash)
}

// CreateOpenIDConnectSession has nothing to do: grant and code hold what ID tokens say.
func (s *storage) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession finds what an ID token says, of the code itself and not its signature.
func (s *storage) GetOpenIDConnectSession(ctx context.Context, code string, _ fosite.Requester) (fosite.Requester, error) {
	_, r, err := s.code(ctx, tokens{}.AuthorizeCodeSignature(ctx, code))
	if err != nil {
		return nil, err
	}
	if !r.GetGrantedScopes().Has(cmd.ScopeOpenID) {
		return nil, fosite.ErrNotFound
	}
	return r, nil
}

// DeleteOpenIDConnectSession has nothing to do.
func (s *storage) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

// issued is a token's row.
func (s *storage) issued(signature string, r fosite.Requester) (cmd.Token, error) {
	hash, err := hashOf(signature)
	if err != nil {
		return cmd.Token{}, err
	}
	id, err1 := uuid.Parse(r.GetID())
	of, err2 := uuid.Parse(r.GetClient().GetID())
	if err := errors.Join(err1, err2); err != nil {
		return cmd.Token{}, fmt.Errorf("ids of a token: %w", err)
	}
	t := cmd.Token{Hash: hash, RequestID: id, ClientID: of, Scopes: r.GetGrantedScopes(), At: s.now()}
	if r.GetSession().GetSubject() != "" {
		t.GrantID = &id
	}
	return t, nil
}

// put writes a token down, unless its grant was revoked meanwhile.
func (s *storage) put(ctx context.Context, signature string, r fosite.Requester, by func(context.Context, cmd.Door, cmd.Token) (bool, error)) error {
	t, err := s.issued(signature, r)
	if err != nil {
		return err
	}
	stands, err := by(ctx, s.db(ctx), t)
	if err == nil && !stands {
		return fosite.ErrInactiveToken
	}
	return err
}

// CreateAccessTokenSession writes an access token down.
func (s *storage) CreateAccessTokenSession(ctx context.Context, signature string, r fosite.Requester) error {
	return s.put(ctx, signature, r, cmd.PutAccess)
}

// CreateRefreshTokenSession writes a refresh token down.
func (s *storage) CreateRefreshTokenSession(ctx context.Context, signature, _ string, r fosite.Requester) error {
	return s.put(ctx, signature, r, cmd.PutRefresh)
}

// token finds a token, used or over or not.
func (s *storage) token(ctx context.Context, kind string, hash secret.Hash) (access.OAuthToken, error) {
	found, err := access.FindOAuthToken(ctx, s.db(ctx), string(guard.SiteOf(ctx)), kind, hash)
	return found, missing(err)
}

// GetRefreshTokenSession finds a refresh token that works. One that was used tells so, with its request, whose family
// fosite then revokes.
func (s *storage) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	hash, err := hashOf(signature)
	if err != nil {
		return nil, err
	}
	found, err := s.token(ctx, access.OAuthRefresh, hash)
	if err != nil {
		return nil, err
	}
	of, err := s.GetClient(ctx, found.ClientID.String())
	if err != nil {
		return nil, err
	}
	r := request(found.RequestID, of, found.Scopes, found.IssuedAt, url.Values{}, newSession(found.PersonID, found.ProvedAt, ""))
	switch {
	case found.UsedAt != nil:
		s.reused(ctx, "refresh token", found.RequestID, found.ClientID)
		return r, fosite.ErrInactiveToken
	case !found.Works(s.now()):
		return nil, fosite.ErrNotFound
	}
	return r, nil
}

// RotateRefreshToken takes a refresh token. Of several at once one gets it.
func (s *storage) RotateRefreshToken(ctx context.Context, _, signature string) error {
	hash, err := hashOf(signature)
	if err != nil {
		return err
	}
	taken, err := cmd.UseRefresh(ctx, s.db(ctx), hash, s.now())
	if err == nil && !taken {
		return fosite.ErrSerializationFailure
	}
	return err
}

// RevokeRefreshToken ends a request's whole family.
func (s *storage) RevokeRefreshToken(ctx context.Context, request string) error {
	id, err := uuid.Parse(request)
	if err != nil {
		return fosite.ErrNotFound
	}
	return cmd.RevokeRequest(ctx, s.db(ctx), id, s.now())
}

// RevokeAccessToken does the same: there is no half of a family.
func (s *storage) RevokeAccessToken(ctx context.Context, request string) error {
	return s.RevokeRefreshToken(ctx, request)
}

// GetAccessTokenSession is of fosite's introspection, which is not used: guard reads access tokens.
func (s *storage) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteAccessTokenSession has nothing to do: a used family is revoked whole.
func (s *storage) DeleteAccessTokenSession(context.Context, string) error { return nil }

// DeleteRefreshTokenSession has nothing to do: a used token is kept, to be known when it comes again.
func (s *storage) DeleteRefreshTokenSession(context.Context, string) error { return nil }
