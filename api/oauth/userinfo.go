package oauth

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/query/access"
)

func joined(scopes []string) string { return strings.Join(scopes, " ") }

// person is what userinfo tells (OpenID Connect Core 1.0, 5.1).
type person struct {
	Subject       string `json:"sub"`
	Name          string `json:"name,omitempty"`
	Locale        string `json:"locale,omitempty"`
	TimeZone      string `json:"zoneinfo,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
}

// userinfo tells who an access token's person is, as far as its scopes go. The token is in the header, and nowhere else.
func (s *Server) userinfo(c *gin.Context) {
	ctx := c.Request.Context()
	who := guard.PrincipalOf(ctx)
	switch {
	case c.Request.URL.RawQuery != "":
		problem.New(ctx, http.StatusBadRequest, "invalid_request", "this address takes no parameters: a token belongs into the Authorization header").Write(c.Writer)
		return
	case who == nil || who.Client == uuid.Nil:
		c.Header("WWW-Authenticate", `Bearer realm="ezscale"`)
		problem.New(ctx, http.StatusUnauthorized, "not_signed_in", "send an access token").Write(c.Writer)
		return
	case who.Person == uuid.Nil || !who.MayKnow(cmd.ScopeOpenID):
		c.Header("WWW-Authenticate", `Bearer realm="ezscale", error="insufficient_scope", scope="openid"`)
		problem.New(ctx, http.StatusForbidden, "not_allowed", "the token has not the scope openid").Write(c.Writer)
		return
	}
	claims, err := access.FindClaims(ctx, s.Door, string(who.Site), who.Person)
	if err != nil {
		s.Guard.Problem(ctx, "", err).Write(c.Writer)
		return
	}
	about := person{Subject: who.Person.String()}
	if who.MayKnow(cmd.ScopeProfile) {
		about.Name, about.Locale, about.TimeZone = claims.Name, claims.Locale, claims.TimeZone
	}
	if who.MayKnow(cmd.ScopeEmail) {
		about.Email, about.EmailVerified = claims.Email, &claims.EmailVerified
	}
	c.JSON(http.StatusOK, about)
}
