// Package meter counts what exporters report into the counters that customers are billed by, exactly once.
//
// One worker per partition of flows.raw.v1, under a lease. It reads envelopes from where the last committed flush
// ended, counts them in memory (package count) and writes everything in one transaction about once a second:
// hourly usage, ten-second slots, cycle totals with the quota thresholds they cross, the loss ledger and its
// details, and the offset, compared and set. So a counter and the place in the log it was counted from can never
// disagree: after a crash the worker reads the same envelopes again and comes to the same counters.
//
// What it knows of sequences (package track) is too large to write each second. It goes into meter.state about
// every ten, with its own offset; after a start the worker takes the envelopes from there to the committed offset
// once more through the same code and throws the counts away, so that the trackers are what they were.
//
// Attribution is by the assignments valid at the receive time, from a view that is asked for news after each
// fetch and before its first envelope: what was assigned before a packet was received is known when it is counted.
//
// A usage window is emitted to usage.v1 after the commit, absolute, so repeats do no harm; what was flushed but
// not known to be emitted is emitted again after a start. Usage in an hour without a cycle waits in usage_pending.
//
// Failures. Postgres away: the worker keeps what it has, stops fetching and repeats the flush. A commit whose
// answer is lost, a lost lease: it forgets everything and starts from the database. An offset that Kafka no
// longer has: it stops and is unhealthy until an operator decides; it never jumps. An envelope that cannot be
// read is counted and left out: it was not written by a collector.
package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/desk"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/progress"
	"github.com/ezscale/platform/metering/meter/prune"
	"github.com/ezscale/platform/metering/sflow"
)

// Waker is told when events wait in the outbox.
type Waker interface{ Wake() }

// Meter runs the workers of its partitions.
type Meter struct {
	cfg     Config
	shared  *shared
	workers []*worker
	pruner  *prune.Pruner

	mu     sync.Mutex
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// shared is what the workers of one process have in common.
type shared struct {
	cfg         Config
	pool        *pgxpool.Pool
	kafka       *kafka.Client
	waker       Waker
	attribution *owners.Attribution
	desks       *desk.Desks
	metrics     *metrics
	log         *slog.Logger
}

// New makes a meter on a pool with postgres.RoleMeter. It starts nothing.
func New(cfg Config, pool *pgxpool.Pool, client *kafka.Client, waker Waker, log *slog.Logger, reg prometheus.Registerer) (*Meter, error) {
	cfg = cfg.withDefaults()
	if cfg.Now == nil {
		return nil, errors.New("meter: Config.Now is required")
	}
	if _, err := sflow.New(cfg.Decoder); err != nil {
		return nil, fmt.Errorf("meter: %w", err)
	}
	s := &shared{
		cfg: cfg, pool: pool, kafka: client, waker: waker, log: log,
		attribution: owners.New(pool, cfg.Now), desks: desk.New(cfg.Desks, cfg.PageRows), metrics: newMetrics(reg),
	}
	m := &Meter{cfg: cfg, shared: s, pruner: prune.New(pool, cfg.SlotRetention, s.metrics.pruned, log)}
	for _, p := range cfg.Partitions {
		m.workers = append(m.workers, newWorker(s, p))
	}
	return m, nil
}

// Start begins to meter and returns. A second Start does nothing.
func (m *Meter) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cancel != nil {
		return nil
	}
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, w := range m.workers {
		m.done.Go(func() { w.run(ctx) })
	}
	m.done.Go(func() { m.pruner.Run(ctx) })
	return nil
}

// Stop flushes what was counted, emits its windows, gives the leases back, and waits for all of it or ctx.
func (m *Meter) Stop(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cancel == nil {
		return nil
	}
	m.cancel()
	m.cancel = nil
	ended := make(chan struct{})
	go func() {
		m.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the meter: %w", ctx.Err())
	}
}

// Health is nil while every leased partition makes progress or has nothing to do. Partitions that another meter
// holds are that one's care.
func (m *Meter) Health() error {
	var failures []error
	now := m.cfg.Machine()
	for _, w := range m.workers {
		if err := w.progress.Health(now, m.cfg.StallAfter); err != nil {
			failures = append(failures, fmt.Errorf("partition %d: %w", w.partition, err))
		}
	}
	return errors.Join(failures...)
}

// Lag is how far one partition is behind.
type Lag struct {
	Partition int
	progress.Lag
}

// Lag tells how far each partition is behind.
func (m *Meter) Lag() []Lag {
	now := m.cfg.Now()
	lags := make([]Lag, len(m.workers))
	for i, w := range m.workers {
		lags[i] = Lag{w.partition, w.progress.Lag(now)}
	}
	return lags
}
