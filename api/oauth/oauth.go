// Package oauth lets programs act for people: an OAuth 2.1 authorization server and OpenID provider on each site, built on
// ory/fosite (docs/decisions/017-oauth.md).
//
// Each site is an issuer of its own, at its own origin, with its own clients, keys and tokens; every look-up names the
// site of the request. Clients get codes by PKCE (S256) from a person who is asked each time, refresh tokens that change
// at every use, and access tokens that package guard takes: at most what the person may do at that moment. There is no
// implicit grant, none by password, no dynamic registration and no request object.
//
// Fosite decides about requests; what it would keep lies in Postgres (storage), where codes and tokens are hashes, and
// whether one is over is told by the injected clock, not by fosite's. The addresses of the protocol are on gin: their
// answers have the protocol's shapes (RFC 6749), not ours. What people and staff do with clients are operations as
// everywhere else.
package oauth

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/oauth/signing"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/query"
)

// Door is a pool with the role that reads what people and clients prove themselves with.
type Door interface {
	guard.Door
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Config is what the server stands on.
type Config struct {
	Sites      guard.Sites
	Guard      *guard.Guard
	Commands   *command.DB
	Door       Door
	Postgres   query.Postgres // what requests ask: a query.Wall
	Limiter    *limiter.Limiter
	Vault      *vault.Vault
	Now        func() time.Time // the business clock, of commands
	MachineNow func() time.Time // the machine's, by which codes and tokens live
	Log        *slog.Logger
	Registry   prometheus.Registerer
}

// Server answers for both sites.
type Server struct {
	Config
	provider *fosite.Fosite
	store    *storage
	keys     *signing.Keys
	metrics  *metrics
}

// New makes a server. It starts nothing.
func New(cfg Config) *Server {
	s := &Server{Config: cfg, metrics: newMetrics(cfg.Registry), keys: signing.New(cfg.Door, cfg.Vault, cfg.MachineNow, cfg.Log)}
	s.store = &storage{door: cfg.Door, now: cfg.MachineNow, log: cfg.Log, metrics: s.metrics}
	s.provider = provider(s.store, &identities{sites: cfg.Sites, keys: s.keys, now: cfg.MachineNow})
	return s
}

// issuer is the name of a site's server: its origin (RFC 8414).
func (s *Server) issuer(ctx context.Context) string { return issuer(s.Sites, guard.SiteOf(ctx)) }

func issuer(sites guard.Sites, site guard.Site) string {
	u := sites.URL(site)
	return u.Scheme + "://" + u.Host
}

func (s *Server) meta(ctx context.Context) command.Meta {
	return guard.Meta(ctx, s.Now())
}

type metrics struct {
	issued, refused, reused *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_oauth_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		issued:  counter("issued_total", "Access tokens issued, by grant.", "grant"),
		refused: counter("refused_total", "Requests for tokens that were refused, by the protocol's error.", "error"),
		reused:  counter("reused_total", "Grants revoked because a code or a refresh token came a second time.", "what"),
	}
	reg.MustRegister(m.issued, m.refused, m.reused)
	return m
}
