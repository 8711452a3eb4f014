// Package guard is what stands between a request and its handler: to which site it came, who asks, whether they may, what
// every answer carries, and what a stranger is told when something fails.
//
// Who asks is found by a session's cookie or a bearer token; both are random, and the database knows their hashes alone.
// Nothing is kept here: a session that is ended, a person who is suspended, a right that is taken away counts from the
// next request on, in every process; for streams, which have no next request, all of it is asked again every two seconds.
// Access is decided in one place (Access.decide): every operation names what it needs, and one that names nothing is refused to
// everybody.
//
// What is open to strangers names a Class too, Open(Password), and is counted by it before its handler runs: per network
// and in all, over all processes. What the handler knows more about, such as whose password is guessed, it counts itself;
// its 429 costs nothing here. An open operation without a class is refused, and fails a test of package api.
//
// The sites for customers and for staff are told apart by the host name. Who is signed in on one is nobody on the other.
package guard

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/internal/limiter"
)

// Config says what the guard guards.
type Config struct {
	Token       string // the operator's bearer token; empty: none is accepted
	Sites       Sites
	Development bool
	Door        Door
	Limiter     *limiter.Limiter // counts the calls of open operations; nil: they are refused
	Now         func() time.Time // the machine's clock: sessions live by it
	Gate        Assertions       // what stands before the admin site; nil: nothing
	Proxies     []netip.Prefix   // whose word about where a request came from counts
}

// Guard holds what the checks need.
type Guard struct {
	Watch       *Watch
	sites       Sites
	door        Door
	limiter     *limiter.Limiter
	now         func() time.Time
	token       [sha256.Size]byte
	hasToken    bool
	development bool
	gate        Assertions
	proxies     []netip.Prefix
	log         *slog.Logger
	metrics     *metrics
}

// New makes a guard.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Guard {
	g := &Guard{
		sites: cfg.Sites, door: cfg.Door, limiter: cfg.Limiter, now: cfg.Now,
		token: sha256.Sum256([]byte(cfg.Token)), hasToken: cfg.Token != "",
		development: cfg.Development, gate: cfg.Gate, proxies: slices.Clone(cfg.Proxies), log: log, metrics: newMetrics(reg),
	}
	g.Watch = &Watch{find: g.find, now: cfg.Now, log: log, open: map[*watched]struct{}{}}
	return g
}

// Problem is what a stranger may know of an error, which is logged where it is ours.
func (g *Guard) Problem(ctx context.Context, where string, err error) *problem.Problem {
	return problem.Of(ctx, g.log, where, err)
}
