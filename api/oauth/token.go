package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/ezscale/platform/api/problem"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// token exchanges codes, refresh tokens and clients' secrets for access tokens.
func (s *Server) token(c *gin.Context) {
	ctx, end := within(c.Request.Context())
	defer end()
	c.Request = c.Request.WithContext(ctx)
	request, response, err := s.exchange(c)
	if err != nil {
		s.refuse(c, request, err)
		return
	}
	s.metrics.issued.WithLabelValues(request.GetGrantTypes()[0]).Inc()
	s.provider.WriteAccessResponse(ctx, c.Writer, request, response)
}

func (s *Server) exchange(c *gin.Context) (fosite.AccessRequester, fosite.AccessResponder, error) {
	if err := form(c); err != nil {
		return nil, nil, err
	}
	ctx, kind := c.Request.Context(), c.Request.PostForm.Get("grant_type")
	if kind != "" && !slices.Contains([]string{cmd.GrantCode, cmd.GrantRefresh, cmd.GrantClient}, kind) {
		return nil, nil, fosite.ErrUnsupportedGrantType
	}
	request, err := s.provider.NewAccessRequest(ctx, c.Request, newSession(uuid.Nil, time.Time{}, ""))
	if err != nil {
		return request, nil, err
	}
	if kind == cmd.GrantClient {
		if err := grantItself(request); err != nil {
			return request, nil, err
		}
	}
	response, err := s.provider.NewAccessResponse(ctx, request)
	if errors.Is(err, fosite.ErrInvalidatedAuthorizeCode) { // two at once: the code came twice all the same
		if failed := s.cameTwice(ctx, request); failed != nil {
			err = failed
		}
	}
	return request, response, err
}

// cameTwice ends what was issued for a request's code.
func (s *Server) cameTwice(ctx context.Context, request fosite.AccessRequester) error {
	grant, err1 := uuid.Parse(request.GetID())
	of, err2 := uuid.Parse(request.GetClient().GetID())
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("ids of a code: %w", err)
	}
	s.store.reused(ctx, "code", grant, of)
	return cmd.RevokeRequest(ctx, s.Door, grant, s.MachineNow())
}

// grantItself gives a client by itself what it asks for of its permissions, or all of them.
func grantItself(request fosite.AccessRequester) error {
	of, ok := request.GetClient().(client)
	if !ok {
		return fosite.ErrInvalidClient
	}
	wanted := []string(request.GetRequestedScopes())
	if len(wanted) == 0 {
		wanted = of.byItself()
	}
	for _, scope := range wanted {
		if !slices.Contains(of.byItself(), scope) {
			return fosite.ErrInvalidScope.WithHint("A client by itself can have those of its scopes that are permissions.")
		}
		request.GrantScope(scope)
	}
	return nil
}

// refuse answers in the protocol's words (RFC 6749, 5.2).
func (s *Server) refuse(c *gin.Context, request fosite.AccessRequester, err error) {
	ctx := c.Request.Context()
	switch {
	case errors.Is(err, fosite.ErrInvalidatedAuthorizeCode), errors.Is(err, fosite.ErrSerializationFailure), errors.Is(err, fosite.ErrInactiveToken):
		err = fosite.ErrInvalidGrant.WithHint("It was used before, or revoked.")
	case fault.Is(err, fault.Unavailable):
		err = fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	told := protocol(err)
	if told.CodeField >= http.StatusInternalServerError {
		s.Log.ErrorContext(ctx, "a request for a token failed", "request_id", problem.RequestID(ctx), "error", err, "cause", errors.Unwrap(told))
	}
	if _, _, basic := c.Request.BasicAuth(); basic && told.CodeField == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Basic realm="ezscale"`)
	}
	s.metrics.refused.WithLabelValues(told.ErrorField).Inc()
	s.provider.WriteAccessError(ctx, c.Writer, request, told)
}

// authenticate finds which client asks, by its secret or, of a public one, its id alone.
func (s *Server) authenticate(c *gin.Context) (client, error) {
	if err := form(c); err != nil {
		return client{}, err
	}
	found, err := s.provider.AuthenticateClient(c.Request.Context(), c.Request, c.Request.PostForm)
	if err != nil {
		return client{}, err
	}
	return found.(client), nil
}

// presented finds the token that a client asks about, if it is the client's own.
func (s *Server) presented(ctx context.Context, of client, text string) (access.OAuthToken, string, error) {
	for prefix, kind := range map[token.Prefix]string{token.OAuthAccess: access.OAuthAccess, token.OAuthRefresh: access.OAuthRefresh} {
		t, err := token.Parse(prefix, text)
		if err != nil {
			continue
		}
		found, err := s.store.token(ctx, kind, t.Hash())
		if err == nil && found.ClientID != of.ID {
			err = fosite.ErrNotFound
		}
		return found, kind, err
	}
	return access.OAuthToken{}, "", fosite.ErrNotFound
}

// revoke ends a token and all of its family (RFC 7009). What is no token, or another client's, is as good as revoked.
func (s *Server) revoke(c *gin.Context) {
	ctx := c.Request.Context()
	of, err := s.authenticate(c)
	if err == nil && c.Request.PostForm.Get("token") == "" {
		err = fosite.ErrInvalidRequest.WithHint("There is no token in the request.")
	}
	if err != nil {
		s.refuse(c, nil, err)
		return
	}
	found, _, err := s.presented(ctx, of, c.Request.PostForm.Get("token"))
	if err == nil {
		err = cmd.RevokeRequest(ctx, s.Door, found.RequestID, s.MachineNow())
	}
	if err != nil && !errors.Is(err, fosite.ErrNotFound) {
		s.refuse(c, nil, err)
		return
	}
	c.Status(http.StatusOK)
}

// introspection is what a client may know of its own token (RFC 7662).
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Issuer    string `json:"iss,omitempty"`
}

// introspect tells a confidential client whether a token of its own works. Of others' it learns nothing.
func (s *Server) introspect(c *gin.Context) {
	ctx := c.Request.Context()
	of, err := s.authenticate(c)
	if err == nil && of.IsPublic() {
		err = fosite.ErrInvalidClient.WithHint("A client without a secret cannot ask this.")
	}
	if err != nil {
		s.refuse(c, nil, err)
		return
	}
	found, kind, err := s.presented(ctx, of, c.Request.PostForm.Get("token"))
	if err != nil && !errors.Is(err, fosite.ErrNotFound) {
		s.refuse(c, nil, err)
		return
	}
	if err != nil || !found.Works(s.MachineNow()) {
		c.JSON(http.StatusOK, introspection{})
		return
	}
	about := introspection{Active: true, Scope: joined(found.Allowed()), ClientID: found.ClientID.String(), ExpiresAt: found.ExpiresAt.Unix(), IssuedAt: found.IssuedAt.Unix(), Issuer: s.issuer(ctx)}
	if kind == access.OAuthAccess {
		about.TokenType = "Bearer"
	}
	if found.PersonID != uuid.Nil {
		about.Subject = found.PersonID.String()
	}
	c.JSON(http.StatusOK, about)
}
