// Package limiter bounds how often something may be tried by those who have not logged in: per account, per network and
// in all. It keeps token buckets in Postgres, so that all processes count together. A bucket holds Burst tokens and fills
// evenly, an empty one within Per. An attempt takes one token from each bucket that it names.
//
// # All or none
//
// Take takes from every bucket or from none. If a refused attempt still cost tokens, whoever has used up their network's
// share could go on and empty the buckets of accounts, one after the other, and so lock their owners out; and what the
// owner tries while their account is empty would use up the share of their network. So what is refused costs nobody
// anything, and no work: it only reads, takes no lock and leaves no row, so a flood of refusals is borne. What remains:
// who has tokens of their own can spend them on another's account. So give guesses at passwords a limit of their own,
// whose refusal leaves passkeys and recovery alone, and let no limit but the network's and the global one be shared.
//
// Take comes before the secret is looked at; attempts at once then find as many tokens as there are. Give hands back
// what a success has taken, and no more: if a success filled the bucket, a guesser would log in to an account of their
// own now and then and guess for ever. Reset is for those who decide that it should be full: staff, a password reset.
//
// # In Postgres
//
// A Take is one call of an SQL function (00011_doors.sql). It locks the buckets in the order of their ids, which all
// others do too, so no two wait for each other. A bucket is stored as its debt, the time until it is full, and when that
// was so; whole microseconds, so nothing is lost in rounding and no timer fills it. A full bucket needs no row, and Sweep
// removes it. The table is unlogged: an attempt waits for no disk, and a crash of the server fills every bucket, which
// gives a guesser one burst more.
//
// If Postgres does not answer, the error is fault.Unavailable, and the attempt has not been allowed.
//
// The time is the caller's. Where it goes back, or processes differ, by up to a minute, buckets do not refill until it has
// caught up; from a longer leap they go on at once. Neither gives a token.
//
// What is counted can be a mail address, so its SHA-256 is stored. That keeps it out of what people see of the table; it
// does not keep one who has the table from testing a guess.
package limiter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/fault"
)

const (
	maxBurst = 1_000_000
	maxPer   = 31 * 24 * time.Hour
	maxName  = 60 // bytes
	maxKeys  = 8  // of one attempt
	callTime = 5 * time.Second
)

var (
	// ErrLimit is of a limit that is out of bounds: a mistake in the program.
	ErrLimit = errors.New("the limit is out of bounds")
	// ErrKeys is of no keys, too many, or the same one twice: a mistake in the program.
	ErrKeys = errors.New("an attempt is counted in one to eight different buckets")
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_.]*$`)

// Limit is a kind of bucket: a constant of the program or of its configuration.
type Limit struct {
	Name  string        // lower_snake_case, dots between parts: "login.account"; it names the bucket and the metric
	Burst int           // tokens of a full bucket, 1 to 1,000,000
	Per   time.Duration // time to refill the whole burst, at most 31 days; a token takes at least 1 µs
}

// Validate tells whether a limit can be held.
func (l Limit) Validate() error {
	if len(l.Name) > maxName || !namePattern.MatchString(l.Name) {
		return fmt.Errorf("%w: name %q", ErrLimit, l.Name)
	}
	if l.Burst < 1 || l.Burst > maxBurst || l.Per > maxPer || l.step() < 1 {
		return fmt.Errorf("%w: %s has %d in %v", ErrLimit, l.Name, l.Burst, l.Per)
	}
	return nil
}

// step is the time of one token in microseconds.
func (l Limit) step() int64 { return l.Per.Microseconds() / int64(l.Burst) }

// Key names one bucket.
type Key struct {
	Limit Limit
	Of    string // what is counted, in one spelling: mail addresses in lower case; "" for a global limit
}

// id is unambiguous: no name has a zero byte.
func (k Key) id() [sha256.Size]byte { return sha256.Sum256([]byte(k.Limit.Name + "\x00" + k.Of)) }

// Verdict is the answer to an attempt. Of a refused one it names the limit with the longest to wait and how long that
// is: then all have a token, unless others take it before.
type Verdict struct {
	Allowed    bool
	RetryAfter time.Duration // in microseconds; more than 0 if refused
	Limit      string
}

// Limiter counts attempts. Any number of goroutines and processes may count together.
type Limiter struct {
	pool    *pgxpool.Pool
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics
}

// New makes a limiter. The pool is one of postgres.RoleDoor or RoleCommand.
func New(pool *pgxpool.Pool, now func() time.Time, log *slog.Logger, reg prometheus.Registerer) *Limiter {
	return &Limiter{pool: pool, now: now, log: log, metrics: newMetrics(reg)}
}

// Take takes a token from each bucket, or from none if one of them has none. Errors: ErrLimit, ErrKeys,
// fault.Unavailable. With an error nothing is allowed; tokens may have been taken.
func (l *Limiter) Take(ctx context.Context, keys ...Key) (Verdict, error) {
	b, err := bucketsOf(keys)
	if err != nil {
		return Verdict{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var refused *int
	var wait *int64
	err = l.pool.QueryRow(ctx, "select refused, wait_us from limiter_take($1, $2, $3, $4)",
		b.ids, b.steps, b.rooms, l.now().UnixMicro()).Scan(&refused, &wait)
	if err != nil {
		return Verdict{}, l.unavailable("take", err)
	}
	if refused == nil || wait == nil {
		l.metrics.allowed.Inc()
		return Verdict{Allowed: true}, nil
	}
	name := keys[*refused-1].Limit.Name
	l.metrics.refused.WithLabelValues(name).Inc()
	return Verdict{RetryAfter: time.Duration(*wait) * time.Microsecond, Limit: name}, nil
}

// Give gives a token back to each bucket: for an attempt that was allowed and turned out to be rightful. No bucket gets
// more than full. Errors as of Take.
func (l *Limiter) Give(ctx context.Context, keys ...Key) error {
	b, err := bucketsOf(keys)
	if err != nil {
		return err
	}
	return l.exec(ctx, "give", "select limiter_give($1, $2, $3, $4)", b.ids, b.steps, b.rooms, l.now().UnixMicro())
}

// Reset fills the buckets. Errors as of Take.
func (l *Limiter) Reset(ctx context.Context, keys ...Key) error {
	b, err := bucketsOf(keys)
	if err != nil {
		return err
	}
	return l.exec(ctx, "reset", `with locked as materialized
			(select id from limiter_bucket where id = any ($1) order by id for update)
		delete from limiter_bucket b using locked where b.id = locked.id`, b.ids)
}

func (l *Limiter) exec(ctx context.Context, what, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if _, err := l.pool.Exec(ctx, sql, args...); err != nil {
		return l.unavailable(what, err)
	}
	return nil
}

// unavailable is what the caller gets when Postgres does not answer.
func (l *Limiter) unavailable(what string, err error) error {
	l.metrics.failures.Inc()
	f := fault.New(fault.Unavailable, "limiter_unavailable", "attempts cannot be counted now; try again later")
	f.Cause = fmt.Errorf("%s tokens: %w", what, err)
	return f
}

// buckets are keys as Postgres takes them, in the keys' order.
type buckets struct {
	ids          [][]byte
	steps, rooms []int64 // microseconds of one token and of all
}

func bucketsOf(keys []Key) (buckets, error) {
	if len(keys) < 1 || len(keys) > maxKeys {
		return buckets{}, fmt.Errorf("%w: %d", ErrKeys, len(keys))
	}
	var b buckets
	for _, k := range keys {
		if err := k.Limit.Validate(); err != nil {
			return buckets{}, err
		}
		id := k.id()
		if slices.ContainsFunc(b.ids, func(other []byte) bool { return bytes.Equal(other, id[:]) }) {
			return buckets{}, fmt.Errorf("%w: %s twice", ErrKeys, k.Limit.Name)
		}
		b.ids = append(b.ids, id[:])
		b.steps = append(b.steps, k.Limit.step())
		b.rooms = append(b.rooms, k.Limit.step()*int64(k.Limit.Burst))
	}
	return b, nil
}
