package consumer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/kafka"
)

// Runner runs one instance of a consumer: it leases its share of the partitions and works on each in a goroutine
// of its own.
type Runner struct {
	cfg     Config
	pool    *pgxpool.Pool
	kafka   *kafka.Client
	handler Handler // or
	effect  Effect
	log     *slog.Logger
	metrics *metrics

	work background.Group

	mu        sync.Mutex
	workers   map[int]*worker
	managedAt time.Time
	trouble   error // of leasing
}

// New makes a runner whose effects are in Postgres.
func New(cfg Config, pool *pgxpool.Pool, client *kafka.Client, handler Handler, log *slog.Logger, reg prometheus.Registerer) *Runner {
	r := newRunner(cfg, pool, client, log, reg)
	r.handler = handler
	return r
}

// NewEffect makes a runner whose effects are elsewhere and bear repetition.
func NewEffect(cfg Config, pool *pgxpool.Pool, client *kafka.Client, effect Effect, log *slog.Logger, reg prometheus.Registerer) *Runner {
	r := newRunner(cfg, pool, client, log, reg)
	r.effect = effect
	return r
}

func newRunner(cfg Config, pool *pgxpool.Pool, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Runner {
	cfg = cfg.withDefaults()
	return &Runner{
		cfg: cfg, pool: pool, kafka: client, log: log.With("consumer", cfg.Name), workers: make(map[int]*worker),
		metrics: newMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"consumer": cfg.Name}, reg)),
	}
}

func (c Config) withDefaults() Config {
	if c.Instance == "" {
		c.Instance = uuid.NewString()
	}
	if c.MaxPartitions <= 0 {
		c.MaxPartitions = c.Partitions
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Step == nil {
		c.Step = func(string) {}
	}
	c.LeaseTTL = orElse(c.LeaseTTL, 15*time.Second)
	c.MaxRecords = orElse(c.MaxRecords, 2000)
	c.MaxWait = orElse(c.MaxWait, 500*time.Millisecond)
	c.Attempts = orElse(c.Attempts, 3)
	c.Backoff = orElse(c.Backoff, 100*time.Millisecond)
	c.MaxBackoff = orElse(c.MaxBackoff, 10*time.Second)
	c.StallAfter = orElse(c.StallAfter, time.Minute)
	c.RetryPoll = orElse(c.RetryPoll, 2*time.Second)
	return c
}

func orElse[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Start begins to lease and to work. It returns at once.
func (r *Runner) Start(ctx context.Context) error {
	ctx, ok := r.work.Start(ctx)
	if !ok {
		return nil
	}
	r.managedAt = r.cfg.Now()
	r.work.Go(func() { r.manage(ctx) })
	return nil
}

// Stop lets each partition finish the batch it is committing, gives up the leases and returns, or with ctx.
func (r *Runner) Stop(ctx context.Context) error {
	if err := r.work.Stop(ctx); err != nil {
		return fmt.Errorf("stop consumer %s: %w", r.cfg.Name, err)
	}
	return nil
}

// Health is nil while this instance moves, or has nothing to do. Else it says what stands still and why.
func (r *Runner) Health() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	if now.Sub(r.managedAt) > r.cfg.StallAfter {
		return fmt.Errorf("consumer %s: no leases could be renewed since %s: %w", r.cfg.Name, r.managedAt.UTC().Format(time.RFC3339), orUnknown(r.trouble))
	}
	for _, w := range r.workers {
		if err := w.state.health(now, r.cfg.StallAfter); err != nil {
			return fmt.Errorf("consumer %s, %s/%d: %w", r.cfg.Name, r.cfg.Topic, w.partition, err)
		}
	}
	return nil
}

func orUnknown(err error) error {
	if err == nil {
		return errors.New("the reason is not known")
	}
	return err
}

func (r *Runner) manage(ctx context.Context) {
	defer r.stopAll()
	for ctx.Err() == nil {
		err := r.balance(ctx)
		r.mu.Lock()
		if r.trouble = err; err == nil {
			r.managedAt = r.cfg.Now()
		}
		r.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			r.log.Error("leases cannot be balanced", "error", err)
		}
		_ = background.Pause(ctx, r.cfg.LeaseTTL/3)
	}
}

// balance takes free partitions up to this instance's share, and gives back what is above it.
func (r *Runner) balance(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.LeaseTTL)
	defer cancel()
	live, err := r.announce(ctx)
	if err != nil {
		return err
	}
	r.reap()
	share := min((r.cfg.Partitions+live-1)/live, r.cfg.MaxPartitions)
	r.shed(share)
	return r.take(ctx, share)
}

const announceSQL = `
with mine as (
    select slot from consumer_instance where consumer = $1 and topic = $2 and (owner = $3 or expires_at <= now())
    order by owner = $3 desc, slot limit 1 for update skip locked
), next as (
    select coalesce((select slot from mine), (select coalesce(max(slot), -1) + 1 from consumer_instance where consumer = $1 and topic = $2)) as slot
)
insert into consumer_instance as i (consumer, topic, slot, owner, expires_at) select $1, $2, slot, $3, now() + $4::interval from next
on conflict (consumer, topic, slot) do update set owner = excluded.owner, expires_at = excluded.expires_at
    where i.owner = excluded.owner or i.expires_at <= now()`

// announce says that this instance lives, and counts those that do. Losing a race for a slot is mended next time.
func (r *Runner) announce(ctx context.Context) (live int, err error) {
	if _, err := r.pool.Exec(ctx, announceSQL, r.cfg.Name, r.cfg.Topic, r.cfg.Instance, r.cfg.LeaseTTL); err != nil {
		return 0, fmt.Errorf("announce the instance: %w", err)
	}
	err = r.pool.QueryRow(ctx, `select count(distinct owner) from consumer_instance where consumer = $1 and topic = $2 and expires_at > now()`,
		r.cfg.Name, r.cfg.Topic).Scan(&live)
	if err != nil {
		return 0, fmt.Errorf("count the instances: %w", err)
	}
	return max(live, 1), nil
}

// retire lets the others know at once that this instance is gone.
func (r *Runner) retire(ctx context.Context) {
	_, err := r.pool.Exec(ctx, `update consumer_instance set expires_at = '-infinity' where consumer = $1 and topic = $2 and owner = $3`,
		r.cfg.Name, r.cfg.Topic, r.cfg.Instance)
	if err != nil {
		r.log.Warn("the instance was not signed off, its share is free when its lease ends", "error", err)
	}
}

func (r *Runner) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for partition, w := range r.workers {
		if w.finished() {
			delete(r.workers, partition)
		}
	}
	r.metrics.leases.Set(float64(len(r.workers)))
}

func (r *Runner) shed(share int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	excess := len(r.workers) - share
	for _, w := range r.workers {
		if excess <= 0 {
			return
		}
		w.cancel() // it ends after its batch and releases the lease
		excess--
	}
}

// take begins at a partition of the instance's own, so that instances that start together do not all try the same.
func (r *Runner) take(ctx context.Context, share int) error {
	h := fnv.New32a()
	h.Write([]byte(r.cfg.Instance))
	start := int(h.Sum32() % uint32(r.cfg.Partitions))
	for i := range r.cfg.Partitions {
		partition := (start + i) % r.cfg.Partitions
		if r.holds(partition, share) {
			continue
		}
		key := Key{Consumer: r.cfg.Name, Topic: r.cfg.Topic, Partition: partition}
		lease, err := Acquire(ctx, r.pool, key, r.cfg.Instance, r.cfg.LeaseTTL)
		if errors.Is(err, ErrHeld) {
			continue
		}
		if err != nil {
			return err
		}
		r.begin(partition, lease)
	}
	return nil
}

// holds tells whether a partition is worked on here already, or there is no room for another.
func (r *Runner) holds(partition, share int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, here := r.workers[partition]
	return here || len(r.workers) >= share
}

func (r *Runner) begin(partition int, lease *Lease) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{runner: r, partition: partition, lease: lease, cancel: cancel, done: make(chan struct{})}
	w.state.progressed(r.cfg.Now())
	r.mu.Lock()
	r.workers[partition] = w
	r.mu.Unlock()
	go w.run(ctx)
}

func (r *Runner) stopAll() {
	r.mu.Lock()
	workers := make([]*worker, 0, len(r.workers))
	for _, w := range r.workers {
		w.cancel()
		workers = append(workers, w)
	}
	r.mu.Unlock()
	for _, w := range workers {
		<-w.done
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseBound)
	defer cancel()
	r.retire(ctx)
}

func inTransaction(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, do)
}
