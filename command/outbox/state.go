package outbox

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// state is what Health sees of a relay.
type state struct {
	mu        sync.Mutex
	reachedAt time.Time // last time that Postgres answered as it should
	waiting   int64
	oldest    time.Time // since when the oldest event waits; zero: none does
	trouble   error
	isStuck   bool // the trouble does not pass by itself
}

func (s *state) reached(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reachedAt = at
}

func (s *state) standby(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reachedAt, s.waiting, s.oldest, s.trouble, s.isStuck = at, 0, time.Time{}, nil, false
}

func (s *state) published(at time.Time) {
	s.standby(at)
}

func (s *state) lagging(now time.Time, waiting int64, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.oldest = waiting, time.Time{}
	if waiting > 0 {
		s.oldest = now.Add(-age)
	}
}

func (s *state) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isStuck {
		s.trouble = err
	}
}

func (s *state) stuck(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble, s.isStuck = err, true
}

func (s *state) health(now time.Time, stallAfter time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isStuck:
		return fmt.Errorf("the relay is stuck: %w", s.trouble)
	case !s.oldest.IsZero() && now.Sub(s.oldest) > stallAfter:
		return fmt.Errorf("%d events wait for the relay, the oldest since %s: %w", s.waiting, s.oldest.UTC().Format(time.RFC3339), s.why())
	case now.Sub(s.reachedAt) > stallAfter:
		return fmt.Errorf("the relay does not move since %s: %w", s.reachedAt.UTC().Format(time.RFC3339), s.why())
	}
	return nil
}

func (s *state) why() error {
	if s.trouble == nil {
		return errors.New("a transaction may be open for too long")
	}
	return s.trouble
}

type metrics struct {
	published, retries  prometheus.Counter
	lagRows, lagSeconds prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ezscale_relay_published_total", Help: "Events that are in Kafka and behind the cursor.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ezscale_relay_retries_total", Help: "Batches sent again because Kafka did not take them.",
		}),
		lagRows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ezscale_relay_lag_rows", Help: "Events in the outbox that are not published, counted up to 10,000.",
		}),
		lagSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ezscale_relay_lag_seconds", Help: "How long the oldest of them has waited.",
		}),
	}
	reg.MustRegister(m.published, m.retries, m.lagRows, m.lagSeconds)
	return m
}
