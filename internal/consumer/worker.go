package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/kafka"
)

const (
	releaseBound = 5 * time.Second
	commitBound  = 2 * time.Minute // of one batch, its handler included
)

var errFull = errors.New("the batch is full")

// worker works on one leased partition.
type worker struct {
	runner    *Runner
	partition int
	lease     *Lease
	cancel    context.CancelFunc
	done      chan struct{}

	next      int64
	producers producers
	reader    *kafka.Reader
	records   []kafka.Record
	renewedAt time.Time
	retryAt   time.Time // when to look for requested retries
	state     state
}

// state is what Health and metrics see of a worker.
type state struct {
	mu      sync.Mutex
	lag     int64
	movedAt time.Time
	trouble error
	stopped bool // the trouble does not pass by itself
}

func (s *state) progressed(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.movedAt, s.trouble, s.stopped = at, nil, false
}

func (s *state) behind(lag int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lag = lag; lag == 0 {
		s.movedAt, s.trouble, s.stopped = at, nil, false
	}
}

func (s *state) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
	s.stopped = errors.Is(err, kafka.ErrOffsetOutOfRange) || errors.Is(err, kafka.ErrCorrupt)
}

func (s *state) health(now time.Time, stallAfter time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return s.trouble
	case (s.lag > 0 || s.trouble != nil) && now.Sub(s.movedAt) > stallAfter:
		return fmt.Errorf("%d messages wait and none was taken since %s: %w", s.lag, s.movedAt.UTC().Format(time.RFC3339), orUnknown(s.trouble))
	}
	return nil
}

func (w *worker) finished() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	defer w.cancel()
	defer w.release()
	w.renewedAt = w.runner.cfg.Now()
	for failures := 0; ctx.Err() == nil; failures++ {
		before := w.next
		err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrFenced) {
			w.runner.log.Warn("lease lost", "topic", w.runner.cfg.Topic, "partition", w.partition)
			return
		}
		if w.next != before {
			failures = 0
		}
		w.trouble("the partition waits", err)
		_ = background.Pause(ctx, w.runner.backoff(failures))
		if err := w.renew(ctx); errors.Is(err, ErrFenced) {
			return
		}
	}
}

func (w *worker) release() {
	if w.reader != nil {
		_ = w.reader.Close() // nothing is lost with a connection for reading
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseBound)
	defer cancel()
	if err := w.lease.Release(ctx); err != nil {
		w.runner.log.Warn("lease not given up, it ends by itself", "error", err)
	}
}

func (w *worker) trouble(what string, err error) {
	w.state.failed(err)
	w.runner.metrics.failures.Inc()
	w.runner.log.Error(what, "topic", w.runner.cfg.Topic, "partition", w.partition, "offset", w.next, "error", err)
}

func (r *Runner) backoff(failures int) time.Duration {
	return min(r.cfg.Backoff<<min(failures, 16), r.cfg.MaxBackoff)
}

// session reads from the committed offset until something fails.
func (w *worker) session(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if w.reader != nil {
		_ = w.reader.Close() // a new one starts from the committed offset
		w.reader = nil
	}
	reader, err := w.runner.kafka.OpenReader(ctx, w.runner.cfg.Topic, w.partition, w.next)
	if err != nil {
		return err
	}
	w.reader = reader
	for ctx.Err() == nil {
		if err := w.turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// load reads the books. A consumer that never took anything begins with the first message that is kept.
func (w *worker) load(ctx context.Context) (err error) {
	if w.next, w.producers, err = w.lease.books(ctx); err != nil {
		return err
	}
	if w.next > 0 {
		return nil
	}
	w.next, _, err = w.runner.kafka.Offsets(ctx, w.runner.cfg.Topic, w.partition)
	if err != nil || w.next == 0 {
		return err
	}
	return w.inTransaction(ctx, func(tx pgx.Tx) error { return w.lease.Advance(ctx, tx, 0, w.next) })
}

// turn is one fetch and its effects.
func (w *worker) turn(ctx context.Context) error {
	if err := w.retryParked(ctx); err != nil {
		return err
	}
	w.records = w.records[:0]
	_, err := w.reader.Fetch(ctx, w.runner.cfg.MaxWait, func(r kafka.Record) error {
		if len(w.records) == w.runner.cfg.MaxRecords {
			return errFull
		}
		w.records = append(w.records, r)
		return nil
	})
	if err != nil && !errors.Is(err, errFull) {
		return err
	}
	if w.reader.Offset() > w.next {
		if err := w.process(ctx, w.records, w.reader.Offset()); err != nil {
			return err
		}
	}
	lag := w.reader.HighWater() - w.next
	w.state.behind(lag, w.runner.cfg.Now())
	w.runner.metrics.lag.WithLabelValues(label(w.partition)).Set(float64(lag))
	return w.renewWhenDue(ctx)
}

func (w *worker) renewWhenDue(ctx context.Context) error {
	if w.runner.cfg.Now().Sub(w.renewedAt) < w.runner.cfg.LeaseTTL/3 {
		return nil
	}
	return w.renew(ctx)
}

func (w *worker) renew(ctx context.Context) error {
	if err := w.lease.Renew(ctx); err != nil {
		return err
	}
	w.renewedAt = w.runner.cfg.Now()
	return nil
}

// process commits records as one batch. When that fails again and again it takes them one by one and parks the
// ones at fault.
func (w *worker) process(ctx context.Context, records []kafka.Record, next int64) error {
	err := w.insist(ctx, func() error { return w.commit(ctx, records, next) })
	if err == nil || !isPoison(err) {
		return err
	}
	for i := range records {
		after := next
		if i+1 < len(records) {
			after = records[i+1].Offset
		}
		if err := w.processOne(ctx, records[i:i+1], after); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) processOne(ctx context.Context, one []kafka.Record, next int64) error {
	err := w.insist(ctx, func() error { return w.commit(ctx, one, next) })
	if err == nil || !isPoison(err) {
		return err
	}
	return w.insist(ctx, func() error { return w.park(ctx, one[0], next, err) })
}

// poison is a handler's failure that came back at every attempt.
type poison struct{ error }

func (p poison) Unwrap() error { return p.error }

func isPoison(err error) bool { return errors.As(err, new(poison)) }

// insist repeats do. Failures of the surroundings are waited out; after Attempts of the others the last one comes
// back as poison.
func (w *worker) insist(ctx context.Context, do func() error) error {
	attempts := 0
	for failures := 0; ; failures++ {
		err := do()
		if err == nil || errors.Is(err, ErrFenced) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if isBlamed(err) {
			if attempts++; attempts >= w.runner.cfg.Attempts {
				return poison{err}
			}
		}
		w.runner.metrics.retries.Inc()
		w.trouble("a batch failed and is repeated", err)
		_ = background.Pause(ctx, w.runner.backoff(failures))
		if err := w.renew(ctx); errors.Is(err, ErrFenced) {
			return err
		}
	}
}

// commit makes the effects of records and moves the offset to next.
func (w *worker) commit(ctx context.Context, records []kafka.Record, next int64) error {
	fresh, seen, gaps := w.producers.sift(records)
	batch := Batch{Topic: w.runner.cfg.Topic, Partition: w.partition, Records: fresh, Next: next}
	// What has begun is finished: stopping between two batches is cheaper than repeating one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitBound)
	defer cancel()
	step := w.runner.cfg.Step
	if w.runner.effect != nil && len(fresh) > 0 {
		step("effect")
		if err := w.runner.effect.Apply(ctx, batch); err != nil {
			return handlerFault{err}
		}
	}
	step("begin")
	err := w.inTransaction(ctx, func(tx pgx.Tx) error {
		if err := w.advance(ctx, tx, next, seen); err != nil {
			return err
		}
		step("advanced")
		if w.runner.handler != nil && len(fresh) > 0 {
			if err := w.handle(ctx, tx, batch); err != nil {
				return err
			}
		}
		step("handled")
		return nil
	})
	if err != nil {
		return err
	}
	step("committed")
	w.moved(next, seen)
	w.runner.metrics.records.Add(float64(len(fresh)))
	w.runner.metrics.duplicates.Add(float64(len(records) - len(fresh)))
	for _, g := range gaps {
		w.alarm(g)
	}
	return nil
}

// handle blames the records for a handler's error unless the connection broke under it.
func (w *worker) handle(ctx context.Context, tx pgx.Tx, b Batch) error {
	err := w.runner.handler.Handle(ctx, tx, b)
	if err == nil || tx.Conn().IsClosed() {
		return err
	}
	return handlerFault{err}
}

func (w *worker) advance(ctx context.Context, tx pgx.Tx, next int64, seen producers) error {
	if err := w.lease.Advance(ctx, tx, w.next, next); err != nil {
		return err
	}
	return seen.save(ctx, tx, w.lease.key)
}

func (w *worker) moved(next int64, seen producers) {
	w.next = next
	w.renewedAt = w.runner.cfg.Now()
	w.producers.merge(seen)
	w.state.progressed(w.renewedAt)
}

func (w *worker) alarm(g gap) {
	w.runner.metrics.gaps.Inc()
	w.runner.log.Error("a producer's messages are missing", "topic", w.runner.cfg.Topic, "partition", w.partition, "offset", g.offset,
		"producer", g.producer, "expected_sequence", g.expected, "got_sequence", g.got)
}

func (w *worker) inTransaction(ctx context.Context, do func(pgx.Tx) error) error {
	return inTransaction(ctx, w.runner.pool, do)
}
