package audit

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// state is what Health sees of a sealer.
type state struct {
	mu        sync.Mutex
	reachedAt time.Time     // last time that Postgres answered as it should
	oldest    time.Duration // how long the oldest row had waited then
	trouble   error
}

func (s *state) reached(at time.Time, oldest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reachedAt, s.oldest = at, oldest
}

func (s *state) sealed(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reachedAt, s.oldest, s.trouble = at, 0, nil
}

func (s *state) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
}

func (s *state) health(now time.Time, stallAfter time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	why := s.trouble
	if why == nil {
		why = errors.New("a transaction may be open for too long")
	}
	switch {
	case s.oldest > stallAfter:
		return fmt.Errorf("audit rows wait to be sealed for %s: %w", s.oldest.Round(time.Second), why)
	case now.Sub(s.reachedAt) > stallAfter:
		return fmt.Errorf("the audit sealer does not move since %s: %w", s.reachedAt.UTC().Format(time.RFC3339), why)
	}
	return nil
}

type metrics struct {
	rows, seconds prometheus.Gauge
	sealed, heads prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ezscale_audit_unsealed_rows", Help: "Audit rows that are not in the chain yet, counted up to 10,000.",
		}),
		seconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ezscale_audit_unsealed_seconds", Help: "How long the oldest of them has waited.",
		}),
		sealed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ezscale_audit_sealed_total", Help: "Audit rows that this process has put into the chain.",
		}),
		heads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ezscale_audit_heads_total", Help: "Heads of the chain that this process has signed.",
		}),
	}
	reg.MustRegister(m.rows, m.seconds, m.sealed, m.heads)
	return m
}
