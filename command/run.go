package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

const maxKeyBytes = 255

// Retry bounds the repetition of a transaction that met another one. Zero values take the defaults.
type Retry struct {
	Attempts int           // in all; default 8
	Base     time.Duration // longest first pause, doubling; default 10 ms
	Max      time.Duration // longest pause; default 500 ms
	Jitter   func() float64
	Sleep    func(context.Context, time.Duration) error
}

// Waker is told after each commit that the outbox has something.
type Waker interface{ Wake() }

// DB is what commands run on.
type DB struct {
	pool    *pgxpool.Pool
	waker   Waker
	log     *slog.Logger
	metrics *metrics
	retry   Retry
	shapes  *shapes
}

// Option changes a default of NewDB.
type Option func(*DB)

// WithRetry sets how transactions are repeated.
func WithRetry(r Retry) Option { return func(db *DB) { db.retry = r } }

// NewDB makes the place to run commands on: a pool with the command role, who is woken after a commit, and
// where to log and count.
func NewDB(pool *pgxpool.Pool, waker Waker, log *slog.Logger, reg prometheus.Registerer, options ...Option) *DB {
	db := &DB{pool: pool, waker: waker, log: log, metrics: newMetrics(reg), shapes: &shapes{}}
	for _, o := range options {
		o(db)
	}
	db.retry = db.retry.withDefaults()
	return db
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 8
	}
	if r.Base <= 0 {
		r.Base = 10 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 500 * time.Millisecond
	}
	if r.Jitter == nil {
		r.Jitter = rand.Float64
	}
	if r.Sleep == nil {
		r.Sleep = background.Pause
	}
	return r
}

// Run runs one command in one transaction. Errors: what Validate and Handle give; fault.Conflict
// "version_mismatch", "idempotency_key_reused" or "busy" (still in the way after all attempts);
// fault.Unavailable when the database cannot be reached, or went away so that the outcome is not known: repeat
// with the same Key. All others are internal.
func Run[R any](ctx context.Context, db *DB, meta Meta, c Command[R]) (R, error) {
	var result R
	o := order{name: c.Name(), meta: meta, command: c, shapes: db.shapes}
	o.restore = func(stored []byte) error { return json.Unmarshal(stored, &result) }
	o.handle = func(ctx context.Context, tx pgx.Tx) (_ any, evs []events.Event, err error) {
		var zero R
		result = zero
		result, evs, err = c.Handle(ctx, tx, meta)
		return result, evs, err
	}
	timer := db.metrics.start(o.name)
	err := o.prepare(c.Validate, c.Aggregates)
	if err == nil {
		err = db.repeat(ctx, &o)
	}
	outcome := o.outcome(err)
	timer(outcome)
	db.logRun(ctx, &o, outcome, err)
	if err != nil {
		var zero R
		return zero, err
	}
	return result, nil
}

// order is one run of a command, its result type forgotten.
type order struct {
	name       string
	meta       Meta
	command    any
	shapes     *shapes
	aggregates []events.Aggregate
	input      []byte   // JSON, with the secrets left out
	audit      []byte   // JSON, with all redacted fields left out
	hash       [32]byte // of name, input and secrets
	attempts   int
	replayed   bool
	handle     func(context.Context, pgx.Tx) (any, []events.Event, error)
	restore    func(stored []byte) error
}

func (o *order) prepare(validate func() error, aggregates func() []events.Aggregate) (err error) {
	if err := validate(); err != nil {
		return err
	}
	if len(o.meta.Key) > maxKeyBytes {
		return fault.New(fault.Invalid, "idempotency_key_too_long", "an idempotency key has at most %d bytes", maxKeyBytes)
	}
	if o.aggregates = aggregates(); len(o.aggregates) == 0 {
		return fmt.Errorf("command %s names no aggregate", o.name)
	}
	if o.input, err = json.Marshal(o.command); err != nil {
		return fmt.Errorf("write the input of %s as JSON: %w", o.name, err)
	}
	shape := o.shapes.of(reflect.TypeOf(o.command))
	if o.audit, err = shape.redact(o.input); err != nil {
		return fmt.Errorf("redact the input of %s: %w", o.name, err)
	}
	o.hash = shape.hash(o.name, o.input, o.command)
	return nil
}

// repeat runs attempts until one is not in another's way.
func (db *DB) repeat(ctx context.Context, o *order) error {
	for {
		o.attempts++
		err := db.attempt(ctx, o)
		if err == nil || !isRepeatable(err) {
			return o.explain(ctx, err)
		}
		if o.attempts >= db.retry.Attempts {
			return busy(err)
		}
		db.metrics.retries.WithLabelValues(o.name).Inc()
		if err := db.retry.Sleep(ctx, db.retry.pause(o.attempts)); err != nil {
			return err
		}
	}
}

// pause is between half and all of a doubling, capped span.
func (r Retry) pause(attempt int) time.Duration {
	span := min(r.Base<<min(attempt-1, 20), r.Max)
	return span/2 + time.Duration(r.Jitter()*float64(span/2))
}

func (db *DB) attempt(ctx context.Context, o *order) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return unreachable{err}
	}
	defer conn.Release()
	tx := &transaction{conn: conn.Conn()}
	defer tx.abandon()
	stored, err := o.begin(ctx, tx)
	if err != nil {
		return err
	}
	if stored != nil {
		o.replayed = true
		return o.restore(stored)
	}
	result, evs, err := o.handle(ctx, tx)
	if err != nil {
		return err
	}
	if err := o.finish(ctx, tx, result, evs); err != nil {
		return err
	}
	if len(evs) > 0 {
		db.waker.Wake()
	}
	return nil
}

func (db *DB) logRun(ctx context.Context, o *order, outcome string, err error) {
	attributes := []any{"command", o.name, "outcome", outcome, "actor", o.meta.Actor, "request_id", o.meta.RequestID, "attempts", o.attempts}
	if len(o.aggregates) > 0 {
		attributes = append(attributes, "aggregate", o.aggregates[0].Subject())
	}
	var f *fault.Error
	switch {
	case err == nil:
		db.log.InfoContext(ctx, "command", attributes...)
	case errors.As(err, &f):
		db.log.InfoContext(ctx, "command", append(attributes, "code", f.Code)...)
	default:
		db.log.ErrorContext(ctx, "command", append(attributes, "error", withoutValues(err))...)
	}
}
