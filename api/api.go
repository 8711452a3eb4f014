// Package api is the HTTP edge: huma's typed handlers on gin, OpenAPI 3.1 generated from them, problems as
// RFC 9457 has them, and one stream of server-sent events. It turns requests into commands and questions and
// their faults into problems; it holds no rule of its own and no SQL.
//
// Access is decided in one place (package guard): every operation names who may call it, and one that does not is
// refused to everybody. A customer's scope goes down into the statements of package query, so what is another's
// is not found rather than forbidden. People sign in by package login. The development login opens a session without
// any proof, for this machine alone; New refuses to make it in production.
//
// Every answer carries a strict Content-Security-Policy, a request id, and no detail of an internal error.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/live"
	"github.com/ezscale/platform/api/login"
	"github.com/ezscale/platform/api/oauth"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/bandwidth"
)

// Bounds of the server.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	defaultMaxStreams = 2000
)

// Config says how the edge serves. The zero value listens on a free port of 127.0.0.1, knows no operator's
// token and no login.
type Config struct {
	Address     string // host:port; default 127.0.0.1:0
	Token       string // the operator's bearer token; empty: none is accepted
	Sites       guard.Sites
	Production  bool
	Development bool             // development login, clock and mailbox; refused together with Production
	MaxStreams  int              // live streams at a time; default 2000
	Gate        guard.Assertions // what stands before the admin site; nil: nothing
	Proxies     []netip.Prefix   // whose word about where a request came from counts
}

// Clock is the platform's time.
type Clock interface {
	Now() time.Time
	Offset() time.Duration
	Advance(ctx context.Context, d time.Duration) (time.Time, error)
}

// Dependencies are what the edge is connected to. Optional ones may be nil.
type Dependencies struct {
	Commands   *command.DB
	Postgres   query.Postgres       // what requests ask: a query.Wall
	Background query.Postgres       // a read-only pool, for what asks on nobody's behalf: live streams' polls, the development login
	Door       oauth.Door           // a pool with the role that reads what people prove themselves with
	ClickHouse bandwidth.ClickHouse // optional
	Proofs     proofs.Tools
	Clock      Clock
	MachineNow func() time.Time // the machine's clock, by which sessions live
	Log        *slog.Logger
	Registry   prometheus.Registerer
	Health     func(context.Context) []observe.Part // optional: always ready
	Metrics    http.Handler                         // optional
	Web        http.Handler                         // optional: the pages, for every path that is not the API's
	// Mailbox lists the captured mails and posts, newest first (development only, optional).
	Mailbox func(context.Context) ([]Message, error)
	// Sweep drives the cycles that are due, after the clock was advanced (development only, optional).
	Sweep func(context.Context) error
}

// Server is the edge. Make it with New, then Start; or mount Handler elsewhere.
type Server struct {
	handler http.Handler
	edge    *edge
	http    *http.Server
	listen  net.Listener
	address string
	done    chan error
}

// edge is what the handlers share.
type edge struct {
	Dependencies
	config   Config
	advances advances
	sweeping background
	guard    *guard.Guard
	live     *live.Hub
	oauth    *oauth.Server
	signIns  *prometheus.CounterVec
	document []byte // OpenAPI
}

// New makes the edge without starting anything. It refuses a development login in production.
func New(cfg Config, deps Dependencies) (*Server, error) {
	if cfg.Production && cfg.Development {
		return nil, errors.New("the development login, clock and mailbox cannot be enabled in production")
	}
	if cfg.Sites.Account == nil || cfg.Sites.Admin == nil {
		return nil, errors.New("the sites have no names")
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = defaultMaxStreams
	}
	streams := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ezscale_api_live_streams", Help: "Live streams open now."})
	deps.Registry.MustRegister(streams)
	e := &edge{Dependencies: deps, config: cfg, signIns: login.NewSignIns(deps.Registry),
		sweeping: background{name: "sweep", work: deps.Sweep, log: deps.Log},
		guard: guard.New(guard.Config{Token: cfg.Token, Sites: cfg.Sites, Development: cfg.Development, Door: deps.Door, Limiter: deps.Proofs.Limiter, Now: deps.MachineNow,
			Gate: cfg.Gate, Proxies: cfg.Proxies}, deps.Log, deps.Registry),
		live: live.New(deps.Background, deps.Clock.Now, deps.Log, cfg.MaxStreams, streams)}
	e.oauth = oauth.New(oauth.Config{Sites: cfg.Sites, Guard: e.guard, Commands: deps.Commands, Door: deps.Door, Postgres: deps.Postgres,
		Limiter: deps.Proofs.Limiter, Vault: deps.Proofs.Vault, Now: deps.Clock.Now, MachineNow: deps.MachineNow, Log: deps.Log, Registry: deps.Registry})
	handler, err := e.routes()
	if err != nil {
		return nil, err
	}
	return &Server{edge: e, handler: handler, address: cfg.Address}, nil
}

// Handler serves everything that the edge serves.
func (s *Server) Handler() http.Handler { return s.handler }

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	listen, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	s.listen = listen
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.edge.Log.Handler(), slog.LevelWarn),
	}
	s.done = make(chan error, 1)
	go func() { s.done <- s.http.Serve(listen) }()
	return nil
}

// Addr is the bound address, once started.
func (s *Server) Addr() string { return s.listen.Addr().String() }

// Stop ends the streams, then waits for requests under way until ctx ends. It may be called without Start, and
// twice.
func (s *Server) Stop(ctx context.Context) error {
	s.edge.live.Stop()
	s.edge.sweeping.stop()
	if s.http == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("stop HTTP: %w", err), s.http.Close())
	}
	if end := <-s.done; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve HTTP: %w", end))
	}
	s.http = nil
	return err
}
