package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ory/fosite"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/oauth/signing"
	"github.com/ezscale/platform/api/problem"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/limiter"
)

const (
	requestTime = 15 * time.Second
	maxForm     = 16 << 10 // bytes
	keysCached  = time.Hour
)

// endpoint is one address of the protocol.
type endpoint struct {
	method, path string
	perMinute    int // requests of one network
	handle       func(*gin.Context)
}

func (s *Server) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/.well-known/openid-configuration", 120, s.discovery},
		{http.MethodGet, "/oauth/jwks", 120, s.jwks},
		{http.MethodGet, "/oauth/authorize", 60, s.authorize},
		{http.MethodPost, "/oauth/token", 120, s.token},
		{http.MethodGet, "/oauth/userinfo", 300, s.userinfo},
		{http.MethodPost, "/oauth/userinfo", 300, s.userinfo},
		{http.MethodPost, "/oauth/revoke", 120, s.revoke},
		{http.MethodPost, "/oauth/introspect", 600, s.introspect},
	}
}

// Routes puts the protocol's addresses on the router, each limited by network.
func (s *Server) Routes(router gin.IRoutes) {
	for _, e := range s.endpoints() {
		router.Handle(e.method, e.path, s.bounded(e))
	}
}

// bounded lets a request come to its handler when it came to a site, its network has not sent too many, and not for long.
func (s *Server) bounded(e endpoint) gin.HandlerFunc {
	limit := limiter.Limit{Name: "oauth." + name(e.path), Burst: e.perMinute, Per: time.Minute}
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), requestTime)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Header("Cache-Control", "no-store")
		if guard.SiteOf(ctx) == guard.NoSite {
			problem.New(ctx, http.StatusNotFound, "no_such_address", "there is nothing at this address").Write(c.Writer)
			return
		}
		verdict, err := s.Limiter.Take(ctx, limiter.Key{Limit: limit, Of: limiter.NetworkOf(guard.IP(ctx)).String()})
		if err != nil {
			s.Guard.Problem(ctx, "", err).Write(c.Writer)
			return
		}
		if !verdict.Allowed {
			c.Header("Retry-After", strconv.Itoa(int(verdict.RetryAfter/time.Second)+1))
			problem.New(ctx, http.StatusTooManyRequests, "too_many_attempts", "too many requests; try again later").Write(c.Writer)
			return
		}
		e.handle(c)
	}
}

// name is an address as a limit's name: its last word.
func name(path string) string {
	if path == "/.well-known/openid-configuration" {
		return "discovery"
	}
	return path[len("/oauth/"):]
}

// discovery is what clients configure themselves by (OpenID Connect Discovery 1.0, 3; RFC 8414).
func (s *Server) discovery(c *gin.Context) {
	ctx := c.Request.Context()
	at := s.issuer(ctx)
	var scopes []string
	for _, scope := range cmd.Scopes(string(guard.SiteOf(ctx))) {
		scopes = append(scopes, scope.Scope)
	}
	c.Header("Cache-Control", "public, max-age="+strconv.Itoa(int(keysCached.Seconds())))
	c.JSON(http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + "/oauth/authorize", "token_endpoint": at + "/oauth/token", "userinfo_endpoint": at + "/oauth/userinfo",
		"jwks_uri": at + "/oauth/jwks", "revocation_endpoint": at + "/oauth/revoke", "introspection_endpoint": at + "/oauth/introspect",
		"scopes_supported": scopes, "response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"grant_types_supported": []string{cmd.GrantCode, cmd.GrantRefresh, cmd.GrantClient}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported":         []string{signing.Algorithm},
		"token_endpoint_auth_methods_supported":         []string{"client_secret_basic", "client_secret_post", "none"},
		"introspection_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":              []string{"S256"},
		"claims_supported":                              []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "locale", "zoneinfo", "email", "email_verified"},
		"claims_parameter_supported":                    false, "request_parameter_supported": false, "request_uri_parameter_supported": false,
		"authorization_response_iss_parameter_supported": true,
	})
}

// jwks is the public keys (RFC 7517), those to come and those of before included.
func (s *Server) jwks(c *gin.Context) {
	ctx := c.Request.Context()
	read, _, err := s.keys.Of(ctx, guard.SiteOf(ctx))
	if err != nil {
		s.Guard.Problem(ctx, "", err).Write(c.Writer)
		return
	}
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, key := range read {
		set.Keys = append(set.Keys, key.Public)
	}
	c.Header("Cache-Control", "public, max-age="+strconv.Itoa(int(keysCached.Seconds())))
	c.JSON(http.StatusOK, set)
}

// authorize sends a browser on to where its person is asked, if the request is sound. It writes nothing: a page of
// anybody's can send a browser here.
func (s *Server) authorize(c *gin.Context) {
	ctx := c.Request.Context()
	_, err := s.ask(ctx, c.Request.URL.RawQuery)
	var why *refused
	switch {
	case err == nil:
		c.Redirect(http.StatusSeeOther, "/consent?"+c.Request.URL.RawQuery)
	case errors.As(err, &why) && why.back != nil && protocol(why.error).CodeField < http.StatusInternalServerError:
		c.Redirect(http.StatusSeeOther, s.refusal(ctx, why.back, why.state, why.error))
	case errors.As(err, &why) && protocol(why.error).CodeField < http.StatusInternalServerError:
		s.page(c, protocol(why.error).GetDescription())
	default:
		s.Guard.Problem(ctx, "", err).Write(c.Writer)
	}
}

const errorPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>This request cannot be answered</title>
<h1>This request cannot be answered</h1><p>The application that sent you here has made a mistake, or somebody wants to mislead you. Nothing was given to it.</p>
<p>%s</p><p>Request %s</p></html>
`

// page tells a person what may not be told to the address that the request names.
func (s *Server) page(c *gin.Context, why string) {
	c.Header("Content-Type", "text/html; charset=utf-8")
	c.Status(http.StatusBadRequest)
	_, _ = fmt.Fprintf(c.Writer, errorPage, html.EscapeString(why), html.EscapeString(problem.RequestID(c.Request.Context())))
}

// form reads a request of a client: parameters in the body, each once, and none in the address, which is logged.
func form(c *gin.Context) error {
	r := c.Request
	r.Body = http.MaxBytesReader(c.Writer, r.Body, maxForm)
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.URL.RawQuery != "":
		return fosite.ErrInvalidRequest.WithHint("Parameters belong into the body, not into the address.")
	case err != nil || kind != "application/x-www-form-urlencoded":
		return fosite.ErrInvalidRequest.WithHint("The body has to be application/x-www-form-urlencoded.")
	case r.ParseForm() != nil:
		return fosite.ErrInvalidRequest.WithHint("The body is not well-formed, or too long.")
	}
	for _, values := range r.PostForm {
		if len(values) != 1 {
			return fosite.ErrInvalidRequest.WithHint("A parameter came more than once.")
		}
	}
	return nil
}
