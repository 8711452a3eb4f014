package limiter_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

// fixture is a limiter on a database of its own, with a clock that is moved by hand.
type fixture struct {
	testing.TB
	db       *postgrestest.DB
	pool     *pgxpool.Pool
	registry *prometheus.Registry
	limiter  *limiter.Limiter
	now      atomic.Int64 // Unix microseconds
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, db: postgrestest.New(t), registry: prometheus.NewRegistry()}
	f.pool = f.db.Pool(postgres.RoleDoor)
	f.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	f.limiter = limiter.New(f.pool, f.clock, slog.New(slog.NewTextHandler(io.Discard, nil)), f.registry)
	return f
}

func (f *fixture) clock() time.Time     { return time.UnixMicro(f.now.Load()).UTC() }
func (f *fixture) move(d time.Duration) { f.now.Add(d.Microseconds()) }
func (f *fixture) rows() (n int) {
	f.Helper()
	f.scan(&n, "select count(*) from limiter_bucket")
	return n
}
func (f *fixture) scan(to any, q string) {
	f.Helper()
	f.must(f.pool.QueryRow(f.Context(), q).Scan(to))
}
func (f *fixture) give(k ...limiter.Key)  { f.Helper(); f.must(f.limiter.Give(f.Context(), k...)) }
func (f *fixture) reset(k ...limiter.Key) { f.Helper(); f.must(f.limiter.Reset(f.Context(), k...)) }

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) take(keys ...limiter.Key) limiter.Verdict {
	f.Helper()
	v, err := f.limiter.Take(f.Context(), keys...)
	f.must(err)
	return v
}

// tokens counts what is left in a bucket, by taking it.
func (f *fixture) tokens(k limiter.Key) (n int) {
	f.Helper()
	for f.take(k).Allowed {
		n++
	}
	return n
}

func account(of string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "login.account", Burst: 10, Per: 15 * time.Minute}, Of: of}
}

func network(of string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "login.network", Burst: 3, Per: time.Minute}, Of: of}
}

func global() limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "login.global", Burst: 100_000, Per: time.Minute}}
}

func TestTakeRefillsEvenly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	k := account("a@example.net")
	if n := f.tokens(k); n != 10 {
		t.Errorf("a new bucket had %d tokens", n)
	}
	f.move(60 * time.Second)
	want := limiter.Verdict{RetryAfter: 30 * time.Second, Limit: "login.account"}
	if diff := cmp.Diff(want, f.take(k)); diff != "" {
		t.Errorf("after two thirds of a token's time (-want +got):\n%s", diff)
	}
	f.move(30 * time.Second)
	if !f.take(k).Allowed || f.take(k).Allowed {
		t.Error("one token's time gives one token")
	}
	f.move(time.Hour)
	if n := f.tokens(k); n != 10 {
		t.Errorf("after a long time there were %d tokens", n)
	}
}

// Who has used up their network's share cannot go on to empty accounts, nor the reverse.
func TestARefusedAttemptCostsNobody(t *testing.T) {
	t.Parallel()
	f := setup(t)
	victim, mine := account("victim@example.net"), network("203.0.113.0/24")
	f.tokens(mine)
	for range 50 {
		if v := f.take(global(), victim, mine); v.Allowed || v.Limit != "login.network" {
			t.Fatalf("got %+v", v)
		}
	}
	if n := f.rows(); n != 1 {
		t.Errorf("refused attempts left %d rows beside the empty bucket's", n-1)
	}
	if n := f.tokens(victim); n != 10 {
		t.Errorf("the victim was left %d tokens", n)
	}
	home := network("198.51.100.0/24")
	for range 50 {
		f.take(home, victim)
	}
	if n := f.tokens(home); n != 3 {
		t.Errorf("the victim's network was left %d tokens", n)
	}
}

func TestTheLongestToWaitIsNamed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a, n := account("a"), network("n")
	f.tokens(a)
	f.tokens(n)
	for _, keys := range [][]limiter.Key{{a, n, global()}, {global(), n, a}} {
		if diff := cmp.Diff(limiter.Verdict{RetryAfter: 90 * time.Second, Limit: "login.account"}, f.take(keys...)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	f.move(90 * time.Second)
	if v := f.take(a, n); !v.Allowed {
		t.Errorf("after RetryAfter: %+v", v)
	}
}

func TestGiveAndReset(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a, n := account("a"), network("n")
	f.give(a, n) // neither is there: nothing to give back to
	f.take(a, n)
	f.give(a, n)
	f.give(a, n) // more than was taken
	if got := f.tokens(a); got != 10 {
		t.Errorf("%d tokens after a give too many", got)
	}
	f.give(a)
	if got := f.tokens(a); got != 1 {
		t.Errorf("a give to an empty bucket gave %d", got)
	}
	f.reset(a)
	if got := f.tokens(a); got != 10 {
		t.Errorf("%d tokens after a reset", got)
	}
}

// One who guesses cannot win tokens by logging in to an account of their own in between.
func TestASuccessPaysForItselfAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	n, guesses := network("n"), 0
	for range 20 {
		if f.take(n, account("victim")).Allowed {
			guesses++
		}
		if f.take(n, account("own")).Allowed {
			f.give(n, account("own"))
		}
	}
	if guesses != 3 {
		t.Errorf("%d guesses of a burst of 3", guesses)
	}
}

func TestTheClockLeapsBack(t *testing.T) {
	t.Parallel()
	cases := []struct {
		back, wait time.Duration // wait: from then on until the next token
	}{
		{0, 90 * time.Second},
		{time.Second, 91 * time.Second},
		{time.Minute, 150 * time.Second},
		{time.Minute + time.Microsecond, 90 * time.Second},
		{365 * 24 * time.Hour, 90 * time.Second},
	}
	f := setup(t)
	for _, c := range cases {
		k := account(c.back.String())
		f.tokens(k)
		f.move(-c.back)
		if v := f.take(k); v.Allowed || v.RetryAfter != c.wait {
			t.Errorf("%v back: %+v, want to wait %v", c.back, v, c.wait)
		}
		f.move(c.wait)
		if !f.take(k).Allowed || f.take(k).Allowed {
			t.Errorf("%v back: not one token after %v", c.back, c.wait)
		}
	}
}

// Two processes whose clocks differ win nothing by taking turns.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	k, allowed := account("a"), 0
	for i := range 200 {
		f.move([]time.Duration{20 * time.Second, -20 * time.Second}[i%2])
		if f.take(k).Allowed {
			allowed++
		}
	}
	if allowed != 10 {
		t.Errorf("%d allowed of 10", allowed)
	}
}

// A limit that was made shorter holds at once; what was owed of the longer one is not.
func TestALimitChanges(t *testing.T) {
	t.Parallel()
	f := setup(t)
	k := limiter.Key{Limit: limiter.Limit{Name: "x", Burst: 1, Per: 24 * time.Hour}}
	f.tokens(k)
	k.Limit.Per = time.Minute
	if v := f.take(k); v.Allowed || v.RetryAfter != time.Minute {
		t.Errorf("got %+v", v)
	}
	f.move(time.Minute)
	if v := f.take(k); !v.Allowed {
		t.Errorf("after a minute: %+v", v)
	}
}

func TestParallelTakesOfOneBucket(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := limiter.New(f.db.Pool(postgres.RoleCommand), f.clock, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	var allowed atomic.Int64
	var all errgroup.Group
	for i := range 50 {
		all.Go(func() error {
			v, err := []*limiter.Limiter{f.limiter, other}[i%2].Take(t.Context(), account("a"), network(strconv.Itoa(i)))
			if v.Allowed {
				allowed.Add(1)
			}
			return err
		})
	}
	f.must(all.Wait())
	if n := allowed.Load(); n != 10 {
		t.Errorf("%d allowed of a burst of 10", n)
	}
}

// Attempts that name their buckets in every order, with gives, resets and sweeps among them, never wait in a circle:
// Postgres would end one of them with an error.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var all errgroup.Group
	for worker := range 8 {
		all.Go(func() error {
			for i := range 60 {
				keys := []limiter.Key{account(strconv.Itoa(i % 3)), global(), network(strconv.Itoa(i % 5)), account("shared")}
				for range (worker + i) % len(keys) {
					keys = append(keys[1:], keys[0])
				}
				if worker%2 == 1 {
					keys[0], keys[3] = keys[3], keys[0]
				}
				if err := f.oneOfAll(worker+i, keys); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatalf("%v: %v", err, errors.Unwrap(err))
	}
}

func (f *fixture) oneOfAll(i int, keys []limiter.Key) error {
	f.move(time.Second)
	switch i % 6 {
	case 3:
		return f.limiter.Give(f.Context(), keys...)
	case 4:
		return f.limiter.Reset(f.Context(), keys...)
	case 5:
		_, err := f.limiter.Sweep(f.Context())
		return err
	}
	_, err := f.limiter.Take(f.Context(), keys...)
	return err
}

func TestItFailsClosed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	query := limiter.New(f.db.Pool(postgres.RoleQuery), f.clock, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	_, swept := query.Sweep(t.Context())
	for what, err := range map[string]error{"give": query.Give(t.Context(), global()), "reset": query.Reset(t.Context(), global()), "sweep": swept} {
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(errors.Unwrap(err).Error(), what+" tokens") {
			t.Errorf("%s without rights: %v", what, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := f.limiter.Take(ended, global()); v.Allowed || !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was ended: %+v, %v", v, err)
	}
	f.pool.Close()
	if v, err := f.limiter.Take(t.Context(), account("secret@example.net")); v.Allowed || !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("without Postgres: %+v, %v", v, err)
	}
}

func TestMistakesOfTheProgramAreRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	with := func(name string, burst int, per time.Duration) []limiter.Key {
		return []limiter.Key{{Limit: limiter.Limit{Name: name, Burst: burst, Per: per}}}
	}
	cases := map[string]struct {
		keys []limiter.Key
		want error
	}{
		"none":       {nil, limiter.ErrKeys},
		"too many":   {make([]limiter.Key, 9), limiter.ErrKeys},
		"twice":      {[]limiter.Key{account("a"), network("n"), account("a")}, limiter.ErrKeys},
		"no name":    {with("", 1, time.Second), limiter.ErrLimit},
		"bad name":   {with("a\x00b", 1, time.Second), limiter.ErrLimit},
		"long name":  {with(strings.Repeat("a", 61), 1, time.Second), limiter.ErrLimit},
		"no burst":   {with("a", 0, time.Second), limiter.ErrLimit},
		"less":       {with("a", -1, -time.Second), limiter.ErrLimit},
		"much":       {with("a", 1_000_001, time.Hour), limiter.ErrLimit},
		"no time":    {with("a", 1, 0), limiter.ErrLimit},
		"too fast":   {with("a", 1001, time.Millisecond), limiter.ErrLimit},
		"too slow":   {with("a", 1, 32*24*time.Hour), limiter.ErrLimit},
		"zero value": {make([]limiter.Key, 1), limiter.ErrLimit},
	}
	for name, c := range cases {
		v, err := f.limiter.Take(t.Context(), c.keys...)
		if !errors.Is(err, c.want) || v.Allowed {
			t.Errorf("take, %s: %+v, %v", name, v, err)
		}
		if err := f.limiter.Give(t.Context(), c.keys...); !errors.Is(err, c.want) {
			t.Errorf("give, %s: %v", name, err)
		}
		if err := f.limiter.Reset(t.Context(), c.keys...); !errors.Is(err, c.want) {
			t.Errorf("reset, %s: %v", name, err)
		}
	}
}

// Nothing of what is counted can be read in the table, and no two keys are one.
func TestWhatIsStored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.take(account("a@example.net"), network("203.0.113.0/24"))
	f.take(network("a"), account("a")) // the same text of another limit is another bucket
	if n := f.rows(); n != 4 {
		t.Errorf("%d rows of 4 buckets", n)
	}
	var hashed bool
	f.scan(&hashed, `select exists (select from limiter_bucket where id = sha256(convert_to('login.account', 'UTF8') || '\x00' || convert_to('a@example.net', 'UTF8')))
		and not exists (select from limiter_bucket where position(convert_to('example', 'UTF8') in id) > 0)`)
	if !hashed {
		t.Error("what is counted is not stored as its hash")
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.pool.Exec(t.Context(), `insert into limiter_bucket (id, debt, at)
		select sha256(i::text::bytea), 60000000, $1 from generate_series(1, 3500) i`, f.clock().UnixMicro())
	f.must(err)
	f.take(account("a"))
	if n, err := f.limiter.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d that were not full, %v", n, err)
	}
	f.move(time.Minute)
	if n, err := f.limiter.Sweep(t.Context()); n != 3500 || err != nil {
		t.Errorf("swept %d of 3500, %v", n, err)
	}
	if n := f.rows(); n != 1 {
		t.Errorf("%d rows are left of 1", n)
	}
	f.move(30 * time.Second)
	if n, err := f.limiter.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d of 1, %v", n, err)
	}
}

// A sweep passes over what somebody works on, and does not wait.
func TestSweepPassesOverLockedRows(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.take(account("a"), network("n"))
	f.move(time.Hour)
	tx, err := f.pool.Begin(t.Context())
	f.must(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), "select from limiter_bucket order by id limit 1 for update")
	f.must(err)
	if n, err := f.limiter.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d of 1 that was free, %v", n, err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.tokens(network("n"))
	f.move(time.Hour)
	_, err := f.limiter.Sweep(t.Context())
	f.must(err)
	f.pool.Close()
	_, _ = f.limiter.Take(t.Context(), network("n"))
	want := `
# HELP ezscale_limiter_allowed_total Attempts that found a token in each of their buckets.
# TYPE ezscale_limiter_allowed_total counter
ezscale_limiter_allowed_total 3
# HELP ezscale_limiter_failures_total Calls that Postgres did not answer: the attempt was not allowed.
# TYPE ezscale_limiter_failures_total counter
ezscale_limiter_failures_total 1
# HELP ezscale_limiter_refused_total Attempts refused, by the limit with the longest to wait.
# TYPE ezscale_limiter_refused_total counter
ezscale_limiter_refused_total{limit="login.network"} 1
# HELP ezscale_limiter_swept_total Buckets removed because they were full again.
# TYPE ezscale_limiter_swept_total counter
ezscale_limiter_swept_total 1
`
	if err := testutil.GatherAndCompare(f.registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
