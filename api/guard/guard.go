// Package guard is what stands between a request and its handler: who asks, whether he may, what every answer
// carries, and what a stranger is told when something fails.
//
// Access is decided in Authorise alone: every operation names who may call it, and one that does not is refused to
// everybody. The operator's token is compared by hash in constant time. Development sessions live in memory, hashed
// and bounded. Problems (RFC 9457) hold a code, a sentence and the request's id, never an internal error's text.
package guard

import (
	"crypto/sha256"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Guard holds what the checks need.
type Guard struct {
	Sessions    *Sessions
	token       [sha256.Size]byte
	hasToken    bool
	development bool
	log         *slog.Logger
	metrics     *metrics
}

// New makes a guard that accepts the operator's token (empty: none) and, in development, sessions.
func New(token string, development bool, log *slog.Logger, reg prometheus.Registerer) *Guard {
	return &Guard{Sessions: newSessions(), token: sha256.Sum256([]byte(token)), hasToken: token != "", development: development, log: log, metrics: newMetrics(reg)}
}
