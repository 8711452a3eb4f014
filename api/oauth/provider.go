package oauth

import (
	"context"
	"encoding/hex"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"

	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
)

const (
	identityLifetime = time.Hour // of an ID token
	minState         = 8         // bytes of state
)

// provider puts fosite together, of the handlers that are wanted and no others: what is not here is no grant.
func provider(store *storage, ids *identities) *fosite.Fosite {
	config := &fosite.Config{
		AuthorizeCodeLifespan: cmd.CodeLifetime, AccessTokenLifespan: cmd.AccessLifetime, RefreshTokenLifespan: cmd.RefreshLifetime, IDTokenLifespan: identityLifetime,
		EnforcePKCE: true, EnforcePKCEForPublicClients: true,
		ScopeStrategy: fosite.ExactScopeStrategy, AudienceMatchingStrategy: fosite.DefaultAudienceMatchingStrategy,
		RedirectSecureChecker: func(_ context.Context, u *url.URL) bool { return cmd.CheckRedirect(u.String()) == "" },
		SanitationWhiteList:   []string{"redirect_uri", "code_challenge", "code_challenge_method", "nonce"},
		RefreshTokenScopes:    []string{cmd.ScopeOffline}, AllowedPromptValues: []string{"consent", "login", "select_account"},
		MinParameterEntropy: minState, OmitRedirectScopeParam: true, ClientSecretsHasher: secrets{},
	}
	strategy := tokens{}
	code := &oauth2.AuthorizeExplicitGrantHandler{AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, AuthorizeCodeStrategy: strategy,
		CoreStorage: store, TokenRevocationStorage: store, Config: config}
	refresh := &oauth2.RefreshTokenGrantHandler{AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, TokenRevocationStorage: store, Config: config}
	itself := &oauth2.ClientCredentialsGrantHandler{HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: strategy, AccessTokenStorage: store, Config: config}, Config: config}
	proof := &pkce.Handler{AuthorizeCodeStrategy: strategy, Storage: store, Config: config}
	helper := &openid.IDTokenHandleHelper{IDTokenStrategy: ids}
	identity := &openid.OpenIDConnectExplicitHandler{OpenIDConnectRequestStorage: store, IDTokenHandleHelper: helper, Config: config,
		OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, config)} // reads hints alone, which ask drops
	again := &openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: helper, Config: config}
	config.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, proof, identity}
	config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{code, refresh, itself, proof, identity, again}
	return fosite.NewOAuth2Provider(store, config)
}

// tokens draws codes and tokens as package token does. What fosite calls a signature is the hash that is stored.
type tokens struct{}

func signature(prefix token.Prefix, text string) string {
	t, err := token.Parse(prefix, text)
	if err != nil {
		return ""
	}
	return signatureOf(t)
}

func signatureOf(t token.Token) string {
	hash := t.Hash()
	return hex.EncodeToString(hash[:])
}

// hashOf reads a signature; what was no token has none, and is not found.
func hashOf(signature string) (secret.Hash, error) {
	stored, err := hex.DecodeString(signature)
	if err != nil || len(stored) != len(secret.Hash{}) {
		return secret.Hash{}, fosite.ErrNotFound
	}
	return secret.HashOf(stored)
}

func draw(prefix token.Prefix) (text, signature string, err error) {
	t := token.New(prefix)
	return t.Reveal(), signatureOf(t), nil
}

func valid(prefix token.Prefix, text string) error {
	if _, err := token.Parse(prefix, text); err != nil {
		return fosite.ErrInvalidTokenFormat
	}
	return nil
}

func (tokens) AccessTokenSignature(_ context.Context, text string) string {
	return signature(token.OAuthAccess, text)
}

func (tokens) GenerateAccessToken(context.Context, fosite.Requester) (string, string, error) {
	return draw(token.OAuthAccess)
}

func (tokens) ValidateAccessToken(_ context.Context, _ fosite.Requester, text string) error {
	return valid(token.OAuthAccess, text)
}

func (tokens) RefreshTokenSignature(_ context.Context, text string) string {
	return signature(token.OAuthRefresh, text)
}

func (tokens) GenerateRefreshToken(context.Context, fosite.Requester) (string, string, error) {
	return draw(token.OAuthRefresh)
}

func (tokens) ValidateRefreshToken(_ context.Context, _ fosite.Requester, text string) error {
	return valid(token.OAuthRefresh, text)
}

func (tokens) AuthorizeCodeSignature(_ context.Context, text string) string {
	return signature(token.OAuthCode, text)
}

func (tokens) GenerateAuthorizeCode(context.Context, fosite.Requester) (string, string, error) {
	return draw(token.OAuthCode)
}

func (tokens) ValidateAuthorizeCode(_ context.Context, _ fosite.Requester, text string) error {
	return valid(token.OAuthCode, text)
}

// secrets compares clients' secrets with their hashes. They are drawn, not chosen, so a fast hash does.
type secrets struct{}

func (secrets) Compare(_ context.Context, hash, data []byte) error {
	stored, err := secret.HashOf(hash)
	if err != nil {
		return err
	}
	given, err := token.Parse(token.ClientSecret, string(data))
	if err != nil || !given.Hash().Equal(stored) {
		return fosite.ErrInvalidClient
	}
	return nil
}

func (secrets) Hash(context.Context, []byte) ([]byte, error) { return nil, fosite.ErrMisconfiguration }
