package oauth

import (
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"

	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/query/access"
)

// session is what fosite carries from a consent to its tokens. It is never stored: the grant's row is. It knows no expiry,
// since fosite would compare it with a clock of its own; the storage finds nothing that is over.
type session struct {
	person  uuid.UUID // nil UUID: a client by itself
	claims  *jwt.IDTokenClaims
	headers *jwt.Headers
}

func newSession(person uuid.UUID, proved time.Time, nonce string) *session {
	s := &session{person: person, claims: &jwt.IDTokenClaims{AuthTime: proved, RequestedAt: proved, Nonce: nonce}, headers: &jwt.Headers{}}
	if person != uuid.Nil {
		s.claims.Subject = person.String()
	}
	return s
}

func (s *session) SetExpiresAt(fosite.TokenType, time.Time)        {}
func (s *session) GetExpiresAt(fosite.TokenType) (never time.Time) { return never }
func (s *session) GetUsername() string                             { return "" }
func (s *session) GetSubject() string                              { return s.claims.Subject }
func (s *session) IDTokenClaims() *jwt.IDTokenClaims               { return s.claims }
func (s *session) IDTokenHeaders() *jwt.Headers                    { return s.headers }
func (s *session) Clone() fosite.Session {
	return newSession(s.person, s.claims.AuthTime, s.claims.Nonce)
}

var _ openid.Session = (*session)(nil)

// client is a client as fosite asks for it.
type client struct{ access.OAuthClient }

func (c client) GetID() string                      { return c.ID.String() }
func (c client) GetHashedSecret() []byte            { return c.SecretHash }
func (c client) GetRedirectURIs() []string          { return c.RedirectURIs }
func (c client) GetGrantTypes() fosite.Arguments    { return c.Grants }
func (c client) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c client) GetScopes() fosite.Arguments        { return c.Scopes }
func (c client) IsPublic() bool                     { return c.SecretHash == nil }
func (c client) GetAudience() fosite.Arguments      { return nil }
func (c client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeQuery}
}

// byItself is what of a client's scopes it may have without a person: permissions.
func (c client) byItself() []string { return cmd.Permissions(c.Scopes) }
