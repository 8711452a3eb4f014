package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

var (
	errHeld   = errors.New("another relay leads")
	errFenced = errors.New("another relay has taken over")
)

// Config names a relay and bounds it. Zero values take the defaults.
type Config struct {
	RangeID    int    // row of table relay: which virtual shards
	Topic      string // default events.TopicEvents
	Partitions int    // default events.EventPartitions
	Instance   string // of this process, unique and new with each start; default a random one

	LeaseTTL   time.Duration // default 10 s
	Poll       time.Duration // longest wait without a wake; default 200 ms
	BatchRows  int           // default 1,000
	BatchBytes int           // of keys, payloads and headers; below the broker's limit; default 700,000
	Backoff    time.Duration // first pause after a failure, doubling; default 50 ms
	MaxBackoff time.Duration // default 5 s
	StallAfter time.Duration // an event waiting longer than this is unhealthy; default 30 s
	KeepDays   int           // of published events in the outbox; default 7
	AheadDays  int           // partitions made in advance; default 7

	// Now is the machine's clock, not the business clock: it times waiting. Required.
	Now func() time.Time
	// Step, when set, is called before each step that a crash test kills at. Nil in production.
	Step func(name string)
}

const keepEvery = time.Hour

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = events.TopicEvents
	}
	if c.Instance == "" {
		c.Instance = uuid.NewString()
	}
	if c.Step == nil {
		c.Step = func(string) {}
	}
	c.Partitions = orElse(c.Partitions, events.EventPartitions)
	c.LeaseTTL = orElse(c.LeaseTTL, 10*time.Second)
	c.Poll = orElse(c.Poll, 200*time.Millisecond)
	c.BatchRows = orElse(c.BatchRows, 1000)
	c.BatchBytes = orElse(c.BatchBytes, 700_000)
	c.Backoff = orElse(c.Backoff, 50*time.Millisecond)
	c.MaxBackoff = orElse(c.MaxBackoff, 5*time.Second)
	c.StallAfter = orElse(c.StallAfter, 30*time.Second)
	c.KeepDays = orElse(c.KeepDays, 7)
	c.AheadDays = orElse(c.AheadDays, 7)
	return c
}

func orElse[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Relay publishes the outbox of one range of virtual shards while it leads, and stands by while another does.
type Relay struct {
	cfg     Config
	pool    *pgxpool.Pool
	kafka   *kafka.Client
	log     *slog.Logger
	metrics *metrics
	state   state

	work background.Group
	wake chan struct{} // holds one
}

// NewRelay makes a relay; the pool needs the command role.
func NewRelay(cfg Config, pool *pgxpool.Pool, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Relay {
	cfg = cfg.withDefaults()
	labels := prometheus.Labels{"range": fmt.Sprint(cfg.RangeID)}
	return &Relay{
		cfg: cfg, pool: pool, kafka: client, log: log.With("relay", cfg.RangeID),
		metrics: newMetrics(prometheus.WrapRegistererWith(labels, reg)), wake: make(chan struct{}, 1),
	}
}

// Start begins to stand by, or to lead. It returns at once.
func (r *Relay) Start(ctx context.Context) error {
	ctx, ok := r.work.Start(ctx)
	if !ok {
		return nil
	}
	r.state.reached(r.cfg.Now())
	r.work.Go(func() { r.run(ctx) })
	r.work.Go(func() { r.listen(ctx) })
	return nil
}

// Stop ends publishing and gives up the lease. What was on its way is published again by the next leader.
func (r *Relay) Stop(ctx context.Context) error {
	if err := r.work.Stop(ctx); err != nil {
		return fmt.Errorf("stop the relay: %w", err)
	}
	return nil
}

// Health is nil while events are published as they come, or another relay leads. Else it says what is stuck.
func (r *Relay) Health() error { return r.state.health(r.cfg.Now(), r.cfg.StallAfter) }

func (r *Relay) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := r.cfg.Now()
		err := r.lead(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errHeld) {
			failures = 0
			r.state.standby(r.cfg.Now())
			_ = background.Pause(ctx, r.cfg.LeaseTTL/3)
			continue
		}
		if r.cfg.Now().Sub(began) > r.cfg.LeaseTTL {
			failures = 0
		}
		r.fail("the relay begins anew", err)
		_ = background.Pause(ctx, r.backoff(failures))
	}
}

func (r *Relay) fail(what string, err error) {
	r.state.failed(err)
	r.log.Error(what, "error", err)
}

func (r *Relay) backoff(failures int) time.Duration {
	return min(r.cfg.Backoff<<min(failures, 16), r.cfg.MaxBackoff)
}

// lead takes the lease and publishes until it is lost or something fails.
func (r *Relay) lead(ctx context.Context) error {
	l, err := r.takeLease(ctx)
	if err != nil {
		return err
	}
	defer r.releaseLease(l)
	r.log.Info("relay leads", "epoch", l.epoch)
	var keptAt time.Time
	idle := r.cfg.Poll
	for ctx.Err() == nil {
		if now := r.cfg.Now(); now.Sub(keptAt) > keepEvery {
			r.keepDays(ctx)
			keptAt = now
		}
		n, err := l.publish(ctx)
		if err != nil {
			return err
		}
		r.state.reached(r.cfg.Now())
		if n > 0 {
			idle = 0
			continue
		}
		if idle, err = l.idle(ctx, idle); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// keepDays looks after the day partitions. Without it nothing is lost: rows go to the default partition.
func (r *Relay) keepDays(ctx context.Context) {
	for _, call := range []struct {
		sql  string
		days int
	}{{"select outbox_add_days($1)", r.cfg.AheadDays}, {"select outbox_drop_days($1)", r.cfg.KeepDays}} {
		var n int
		if err := r.pool.QueryRow(ctx, call.sql, call.days).Scan(&n); err != nil {
			r.log.Warn("outbox partitions were not looked after, again in an hour", "error", err)
			return
		}
	}
}

// listen turns notifications into wakes. When it cannot, the relay polls.
func (r *Relay) listen(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := r.listenOnce(ctx)
		if ctx.Err() == nil {
			r.log.Warn("no notifications, the relay polls", "error", err)
			_ = background.Pause(ctx, r.backoff(failures))
		}
	}
}

func (r *Relay) listenOnce(ctx context.Context) error {
	pooled, err := r.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // a listening connection must not go back to the pool
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+Channel); err != nil {
		return err
	}
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		r.Wake()
	}
}

// Wake makes the relay look at the outbox now.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
