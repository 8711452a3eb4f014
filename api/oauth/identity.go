package oauth

import (
	"context"
	"time"

	"github.com/ory/fosite"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/oauth/signing"
)

// identities makes ID tokens (OpenID Connect Core 1.0, 2) by the injected clock.
type identities struct {
	sites guard.Sites
	keys  *signing.Keys
	now   func() time.Time
}

// claims are those of an ID token. Who somebody is beyond their id, userinfo tells.
type claims struct {
	Issuer     string `json:"iss"`
	Subject    string `json:"sub"`
	Audience   string `json:"aud"`
	ExpiresAt  int64  `json:"exp"`
	IssuedAt   int64  `json:"iat"`
	AuthTime   int64  `json:"auth_time"`
	Nonce      string `json:"nonce,omitempty"`
	AccessHash string `json:"at_hash,omitempty"`
}

// GenerateIDToken signs who a request's person is, for its client.
func (i *identities) GenerateIDToken(ctx context.Context, lifetime time.Duration, r fosite.Requester) (string, error) {
	s, ok := r.GetSession().(*session)
	if !ok || s.claims.Subject == "" {
		return "", fosite.ErrServerError
	}
	site, now := guard.SiteOf(ctx), i.now()
	return i.keys.Sign(ctx, site, claims{Issuer: issuer(i.sites, site), Subject: s.claims.Subject, Audience: r.GetClient().GetID(), ExpiresAt: now.Add(lifetime).Unix(), IssuedAt: now.Unix(),
		AuthTime: s.claims.AuthTime.Unix(), Nonce: s.claims.Nonce, AccessHash: s.claims.AccessTokenHash})
}
