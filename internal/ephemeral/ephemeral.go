// Package ephemeral keeps values that live for minutes and are taken once: the data of a WebAuthn ceremony, a login that
// waits for its second factor, an OAuth authorization request. They lie in Postgres, so that what one process began
// another can end. The client holds a token; the key is its hash, so the table ends nobody's login.
//
// Take removes and gives a value in one statement: of any number at once, one gets it. It has a transaction of its own on
// purpose. In the caller's, a failure after it would put the value back, and a challenge could be answered again. If the
// answer of Postgres is lost on its way, so is the value: at most once, never twice.
//
// What has expired is not found, swept or not. A time of expiry further ahead than any value may live is from before a
// leap of the clock, and counts as past. The time is the caller's; processes may differ by a minute.
//
// Anybody can begin a login as often as the limits on attempts let them. Behind those, a kind has room for 65,536 values,
// expired ones among them: more are refused with ErrFull, so that a flood, or a sweep that does not run, fills no disk.
// The oldest do not make way, or a flood would end the logins of others. To count a kind at each Put would take too long;
// so it is counted in 256 parts, by the key's first byte, which for hashes comes to the same.
//
// The table is unlogged: a Put waits for no disk, and after a crash of the server what was begun is begun anew. Values are
// stored as they come: seal before what nobody may read in the database.
package ephemeral

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
)

// Bounds of a value.
const (
	MaxValue = 16 << 10 // bytes
	MaxLife  = time.Hour
)

const (
	maxKind  = 40 // bytes
	partRows = 65536 / 256
	maxAhead = MaxLife + time.Minute
	callTime = 5 * time.Second
)

var (
	// ErrGone is of a value that is not there: expired, taken, or never put. They cannot be told apart.
	ErrGone = errors.New("the value is gone")
	// ErrChanged is of a value that is another than the caller has read.
	ErrChanged = errors.New("the value has changed")
	// ErrExists is of a key that has a value: keys are drawn afresh.
	ErrExists = errors.New("the key has a value")
	// ErrFull is of a kind that has no room; it is fault.Unavailable.
	ErrFull = errors.New("too many values of this kind")
	// ErrTooLarge is of a value of more than 16 KiB; it is fault.Invalid.
	ErrTooLarge = errors.New("the value is too large")
	// ErrBounds is of a kind or a life out of bounds: a mistake in the program.
	ErrBounds = errors.New("the kind or the life of a value is out of bounds")
)

var kindPattern = regexp.MustCompile(`^[a-z][a-z0-9_.]*$`)

// Store keeps values. Any number of goroutines and processes may use one table.
type Store struct {
	pool    *pgxpool.Pool
	now     func() time.Time
	metrics *metrics
}

// New makes a store. The pool is one of postgres.RoleDoor or RoleCommand.
func New(pool *pgxpool.Pool, now func() time.Time, reg prometheus.Registerer) *Store {
	return &Store{pool: pool, now: now, metrics: newMetrics(reg)}
}

// Put keeps a value under a new key. Kind is a constant of the program, lower_snake_case with dots between parts; life is
// more than 0 and at most MaxLife. Errors: ErrBounds, ErrTooLarge, ErrExists, ErrFull, fault.Unavailable.
func (s *Store) Put(ctx context.Context, kind string, key secret.Hash, value []byte, life time.Duration) error {
	if len(kind) > maxKind || !kindPattern.MatchString(kind) || life <= 0 || life > MaxLife {
		return fmt.Errorf("%w: %q, %v", ErrBounds, kind, life)
	}
	if len(value) > MaxValue {
		return tooLarge(kind, value)
	}
	now := s.now()
	first, last := part(key)
	var room, put bool
	err := s.one(ctx, `
		with room as materialized (
			select count(*) < $6 as ok from
				(select from ephemeral where kind = $1 and key between $7 and $8 limit $6) counted
		), put as (
			insert into ephemeral (kind, key, value, expires_at) select $1, $2, $3, $4 from room where ok
			on conflict (kind, key) do update set value = excluded.value, expires_at = excluded.expires_at
				where ephemeral.expires_at <= $5
			returning 1
		)
		select ok, exists (select from put) from room`,
		[]any{kind, key[:], notNull(value), now.Add(life), now, partRows, first, last}, &room, &put)
	switch {
	case err != nil:
		return s.unavailable("put", kind, err)
	case !room:
		s.metrics.full.WithLabelValues(kind).Inc()
		return full(kind)
	case !put:
		return fmt.Errorf("%w: %s", ErrExists, kind)
	}
	s.metrics.put.WithLabelValues(kind).Inc()
	return nil
}

// Take removes a value and gives it, to one caller alone. Errors: ErrGone, fault.Unavailable.
func (s *Store) Take(ctx context.Context, kind string, key secret.Hash) ([]byte, error) {
	now := s.now()
	var value []byte
	var alive bool
	err := s.one(ctx, `delete from ephemeral where kind = $1 and key = $2 returning value, expires_at > $3 and expires_at <= $4`,
		[]any{kind, key[:], now, now.Add(maxAhead)}, &value, &alive)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !alive {
		s.metrics.gone.WithLabelValues(kind).Inc()
		return nil, fmt.Errorf("%w: %s", ErrGone, kind)
	}
	if err != nil {
		return nil, s.unavailable("take", kind, err)
	}
	s.metrics.taken.WithLabelValues(kind).Inc()
	return value, nil
}

// Peek gives a value and leaves it: it is still there for all who come. Errors: ErrGone, fault.Unavailable.
func (s *Store) Peek(ctx context.Context, kind string, key secret.Hash) ([]byte, error) {
	now := s.now()
	var value []byte
	err := s.one(ctx, `select value from ephemeral where kind = $1 and key = $2 and expires_at > $3 and expires_at <= $4`,
		[]any{kind, key[:], now, now.Add(maxAhead)}, &value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s", ErrGone, kind)
	}
	if err != nil {
		return nil, s.unavailable("peek", kind, err)
	}
	return value, nil
}

// Update replaces a value that the caller has read, and leaves its expiry: of several who have read the same, one
// replaces it and the others get ErrChanged, so that what one has noted is not lost. Errors: ErrTooLarge, ErrGone,
// ErrChanged, fault.Unavailable.
func (s *Store) Update(ctx context.Context, kind string, key secret.Hash, read, value []byte) error {
	if len(value) > MaxValue {
		return tooLarge(kind, value)
	}
	now := s.now()
	var there, updated bool
	err := s.one(ctx, `
		with locked as materialized (
			select value = $3 as same from ephemeral where kind = $1 and key = $2 and expires_at > $5 and expires_at <= $6 for update
		), updated as (
			update ephemeral set value = $4 where kind = $1 and key = $2 and (select same from locked) returning 1
		)
		select exists (select from locked), exists (select from updated)`,
		[]any{kind, key[:], notNull(read), notNull(value), now, now.Add(maxAhead)}, &there, &updated)
	switch {
	case err != nil:
		return s.unavailable("update", kind, err)
	case !there:
		return fmt.Errorf("%w: %s", ErrGone, kind)
	case !updated:
		return fmt.Errorf("%w: %s", ErrChanged, kind)
	}
	return nil
}

// one runs a statement that gives one row.
func (s *Store) one(ctx context.Context, sql string, args []any, to ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.pool.QueryRow(ctx, sql, args...).Scan(to...)
}

// part gives the bounds of the part that a key is counted in.
func part(key secret.Hash) (first, last []byte) {
	first = append(key[:1:1], make([]byte, len(key)-1)...)
	last = append(key[:1:1], bytes.Repeat([]byte{0xff}, len(key)-1)...)
	return first, last
}

// notNull keeps an empty value from being none.
func notNull(value []byte) []byte { return append([]byte{}, value...) }

func tooLarge(kind string, value []byte) error {
	f := fault.New(fault.Invalid, "too_large", "the input is too large")
	f.Cause = fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, kind, len(value), MaxValue)
	return f
}

func full(kind string) error {
	f := fault.New(fault.Unavailable, "too_many_begun", "too much has been begun and not ended; try again later")
	f.Cause = fmt.Errorf("%w: %s", ErrFull, kind)
	return f
}

// unavailable is what the caller gets when Postgres does not answer. It holds no value.
func (s *Store) unavailable(what, kind string, err error) error {
	s.metrics.failures.Inc()
	f := fault.New(fault.Unavailable, "ephemeral_unavailable", "this cannot be begun or ended now; try again later")
	f.Cause = fmt.Errorf("%s a value of %s: %w", what, kind, err)
	return f
}
