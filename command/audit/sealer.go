package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/background"
)

// sealLock is the advisory lock that the one sealer at work holds, for one transaction ("audit" in ASCII).
const sealLock = 0x6175646974

// errElsewhere says that another sealer is at work.
var errElsewhere = errors.New("another sealer is at work")

// Config bounds a sealer. Zero values take the defaults.
type Config struct {
	Poll       time.Duration // default 1 s
	BatchRows  int           // default 500
	BatchBytes int           // of JSON, about; default 8 MB
	HeadRows   int64         // a head is signed after so many rows, at the end of a batch; default 1,000
	HeadEvery  time.Duration // and after so long, when there is a row to sign for; default 1 h
	Hold       time.Duration // longest silence of a transaction before Postgres ends it, for another sealer; default 10 s
	StallAfter time.Duration // a row that waits longer is unhealthy; default 1 min

	// Now is the machine's clock, not the business clock. Required.
	Now func() time.Time
	// Step, when set, is called before each step of a batch with rows that a crash test kills at. Nil in production.
	Step func(name string)
}

func (c Config) withDefaults() Config {
	if c.Step == nil {
		c.Step = func(string) {}
	}
	c.Poll, c.BatchRows, c.BatchBytes = orElse(c.Poll, time.Second), orElse(c.BatchRows, 500), orElse(c.BatchBytes, 8<<20)
	c.HeadRows, c.HeadEvery = orElse(c.HeadRows, 1000), orElse(c.HeadEvery, time.Hour)
	c.Hold, c.StallAfter = orElse(c.Hold, 10*time.Second), orElse(c.StallAfter, time.Minute)
	return c
}

func orElse[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Sealer chains the audit log and signs its heads. Any number may run: one works at a time, and each batch is one
// transaction under an advisory lock, so a sealer that is killed leaves nothing half done, and one that freezes is
// cut off by Postgres. A second wall stands behind the lock: the end of the chain moves only from where it was read.
type Sealer struct {
	cfg     Config
	pool    *pgxpool.Pool
	key     ed25519.PrivateKey
	log     *slog.Logger
	metrics *metrics
	state   state

	work background.Group
}

// NewSealer makes a sealer; the pool needs the audit role.
func NewSealer(cfg Config, pool *pgxpool.Pool, key ed25519.PrivateKey, log *slog.Logger, reg prometheus.Registerer) *Sealer {
	return &Sealer{cfg: cfg.withDefaults(), pool: pool, key: key, log: log, metrics: newMetrics(reg)}
}

// Start begins to seal. It returns at once.
func (s *Sealer) Start(ctx context.Context) error {
	ctx, ok := s.work.Start(ctx)
	if !ok {
		return nil
	}
	s.state.reached(s.cfg.Now(), 0)
	s.work.Go(func() { s.run(ctx) })
	return nil
}

// Stop ends sealing. What is not sealed is found by the next sealer.
func (s *Sealer) Stop(ctx context.Context) error {
	if err := s.work.Stop(ctx); err != nil {
		return fmt.Errorf("stop the audit sealer: %w", err)
	}
	return nil
}

// Health is nil while rows are sealed as they come, by this sealer or another.
func (s *Sealer) Health() error { return s.state.health(s.cfg.Now(), s.cfg.StallAfter) }

func (s *Sealer) run(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := s.Seal(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.state.sealed(s.cfg.Now())
			if n > 0 {
				continue // there may be more
			}
		case !errors.Is(err, errElsewhere):
			s.state.failed(err)
			s.log.Error("the audit log is not sealed, again in a moment", "error", err)
		}
		s.measure(ctx)
		_ = background.Pause(ctx, s.cfg.Poll) // the loop sees that ctx has ended
	}
}

// measure keeps the gauges, whoever seals.
func (s *Sealer) measure(ctx context.Context) {
	count, oldest, err := measure(ctx, s.pool)
	if err != nil {
		if ctx.Err() == nil {
			s.state.failed(err)
		}
		return
	}
	s.metrics.rows.Set(float64(count))
	s.metrics.seconds.Set(oldest.Seconds())
	s.state.reached(s.cfg.Now(), oldest)
}

// Seal chains one batch, signs a head if one is due, and gives how many rows it passed. It does nothing while
// another sealer works.
func (s *Sealer) Seal(ctx context.Context) (int, error) {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("begin to seal: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := s.lock(ctx, tx); err != nil {
		return 0, err
	}
	was, err := readEnd(ctx, tx)
	if err != nil {
		return 0, err
	}
	batch, from, err := s.next(ctx, tx, was)
	if err != nil {
		return 0, err
	}
	is, seals := chain(from, batch)
	step := func(string) {}
	if len(seals) > 0 {
		step = s.cfg.Step
	}
	step("read")
	if is.cursor != was.cursor || len(seals) > 0 {
		if err := write(ctx, tx, was, is, seals); err != nil {
			return 0, err
		}
	}
	signed, err := s.sign(ctx, tx, is)
	if err != nil {
		return 0, err
	}
	step("written")
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("commit the seals: %w", err)
	}
	step("committed")
	s.metrics.sealed.Add(float64(len(seals)))
	s.metrics.heads.Add(float64(signed))
	return len(batch), nil
}

func (s *Sealer) lock(ctx context.Context, tx pgx.Tx) error {
	var mine bool
	err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock($1) from set_config('idle_in_transaction_session_timeout', $2, true)`,
		sealLock, fmt.Sprint(s.cfg.Hold.Milliseconds())).Scan(&mine)
	if err != nil {
		return fmt.Errorf("take the sealer's lock: %w", err)
	}
	if !mine {
		return errElsewhere
	}
	return nil
}

// next reads the rows to seal, and gives the end they are chained to. In a database that was restored from a dump,
// transactions count from the beginning again: first what the dump brought unsealed is sealed, in its own order, then
// the cursor begins anew.
func (s *Sealer) next(ctx context.Context, tx pgx.Tx, was end) ([]waiting, end, error) {
	if !was.restored {
		batch, err := readWaiting(ctx, tx, waitingSQL, was.cursor, s.cfg.BatchRows, s.cfg.BatchBytes)
		return batch, was, err
	}
	batch, err := readWaiting(ctx, tx, foreignSQL, was.cursor, s.cfg.BatchRows, s.cfg.BatchBytes)
	if err != nil || len(batch) > 0 {
		return batch, was, err
	}
	s.log.Warn("the database was restored: the audit chain goes on with this server's transactions", "sequence", was.sequence)
	from := was
	from.cursor = position{}
	batch, err = readWaiting(ctx, tx, waitingSQL, from.cursor, s.cfg.BatchRows, s.cfg.BatchBytes)
	return batch, from, err
}

// chain continues the chain with a batch.
func chain(from end, batch []waiting) (end, []seal) {
	seals := make([]seal, 0, len(batch))
	for i := range batch {
		row := &batch[i]
		from.cursor = position{row.TxID, row.ID}
		if row.sealed {
			continue
		}
		from.sequence++
		commitment := row.Personal.Commitment()
		from.hash = row.Next(from.hash, from.sequence, commitment)
		seals = append(seals, seal{from.sequence, row.ID, commitment, from.hash})
	}
	return from, seals
}

// sign makes a head if one is due.
func (s *Sealer) sign(ctx context.Context, tx pgx.Tx, is end) (int, error) {
	last, err := lastHead(ctx, tx)
	if err != nil {
		return 0, err
	}
	now := s.cfg.Now()
	news := is.sequence - last.Sequence
	if news <= 0 || news < s.cfg.HeadRows && now.Sub(last.At).Abs() < s.cfg.HeadEvery { // either way: a clock may have been ahead
		return 0, nil
	}
	return 1, writeHead(ctx, tx, Sign(s.key, is.sequence, is.hash, now))
}
