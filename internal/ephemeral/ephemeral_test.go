package ephemeral_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/secret"
)

const kind = "test.ceremony"

type fixture struct {
	testing.TB
	db       *postgrestest.DB
	pool     *pgxpool.Pool
	registry *prometheus.Registry
	store    *ephemeral.Store
	now      atomic.Int64 // Unix microseconds
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, db: postgrestest.New(t), registry: prometheus.NewRegistry()}
	f.pool = f.db.Pool(postgres.RoleDoor)
	f.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	f.store = ephemeral.New(f.pool, f.clock, f.registry)
	return f
}

func (f *fixture) clock() time.Time     { return time.UnixMicro(f.now.Load()).UTC() }
func (f *fixture) move(d time.Duration) { f.now.Add(d.Microseconds()) }

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) put(name, value string, life time.Duration) {
	f.Helper()
	f.must(f.store.Put(f.Context(), kind, key(name), []byte(value), life))
}

// is holds what an operation gave.
func (f *fixture) is(what string, got []byte, err error, want string, wantErr error) {
	f.Helper()
	if string(got) != want || !errors.Is(err, wantErr) {
		f.Errorf("%s: %q, %v; want %q, %v", what, got, err, want, wantErr)
	}
}

func (f *fixture) rows() (n int) {
	f.Helper()
	f.must(f.pool.QueryRow(f.Context(), "select count(*) from ephemeral").Scan(&n))
	return n
}

func key(name string) secret.Hash { return sha256.Sum256([]byte(name)) }

func TestAValueIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.put("a", "value", time.Minute)
	f.put("empty", "", time.Minute)
	for range 2 {
		got, err := f.store.Peek(t.Context(), kind, key("a"))
		f.is("peek", got, err, "value", nil)
	}
	got, err := f.store.Take(t.Context(), "test.other", key("a"))
	f.is("take of another kind", got, err, "", ephemeral.ErrGone)
	got, err = f.store.Take(t.Context(), kind, key("a"))
	f.is("take", got, err, "value", nil)
	got, err = f.store.Take(t.Context(), kind, key("a"))
	f.is("second take", got, err, "", ephemeral.ErrGone)
	got, err = f.store.Peek(t.Context(), kind, key("a"))
	f.is("peek after take", got, err, "", ephemeral.ErrGone)
	got, err = f.store.Take(t.Context(), kind, key("empty"))
	f.is("take of an empty value", got, err, "", nil)
}

func TestExpired(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, name := range []string{"a", "b", "c"} {
		f.put(name, "old", time.Minute)
	}
	f.move(time.Minute - time.Microsecond)
	got, err := f.store.Peek(t.Context(), kind, key("a"))
	f.is("just before", got, err, "old", nil)
	f.move(time.Microsecond)
	got, err = f.store.Peek(t.Context(), kind, key("a"))
	f.is("peek", got, err, "", ephemeral.ErrGone)
	f.is("update", nil, f.store.Update(t.Context(), kind, key("a"), []byte("old"), nil), "", ephemeral.ErrGone)
	got, err = f.store.Take(t.Context(), kind, key("a"))
	f.is("take", got, err, "", ephemeral.ErrGone)
	f.put("b", "new", time.Minute) // which was not swept
	got, err = f.store.Take(t.Context(), kind, key("b"))
	f.is("take of the new", got, err, "new", nil)
	if n := f.rows(); n != 1 {
		t.Errorf("%d rows are left of 1", n)
	}
}

// No leap of the clock makes a value live on for long.
func TestTheClockLeapsBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.put("a", "value", ephemeral.MaxLife)
	f.move(-time.Minute)
	got, err := f.store.Peek(t.Context(), kind, key("a"))
	f.is("a minute back", got, err, "value", nil)
	f.move(-time.Microsecond)
	got, err = f.store.Peek(t.Context(), kind, key("a"))
	f.is("more than a minute back", got, err, "", ephemeral.ErrGone)
	if n, err := f.store.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d of 1, %v", n, err)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.put("a", "1", time.Minute)
	f.move(30 * time.Second)
	f.must(f.store.Update(t.Context(), kind, key("a"), []byte("1"), []byte("2")))
	f.is("what has been replaced", nil, f.store.Update(t.Context(), kind, key("a"), []byte("1"), []byte("3")), "", ephemeral.ErrChanged)
	f.is("what is not there", nil, f.store.Update(t.Context(), kind, key("b"), nil, nil), "", ephemeral.ErrGone)
	got, err := f.store.Peek(t.Context(), kind, key("a"))
	f.is("peek", got, err, "2", nil)
	f.must(f.store.Update(t.Context(), kind, key("a"), []byte("2"), nil))
	f.must(f.store.Update(t.Context(), kind, key("a"), nil, []byte("4")))
	f.move(30 * time.Second)
	got, err = f.store.Take(t.Context(), kind, key("a"))
	f.is("an update does not lengthen a life", got, err, "", ephemeral.ErrGone)
}

func TestFiftyTakeAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := ephemeral.New(f.db.Pool(postgres.RoleCommand), f.clock, prometheus.NewRegistry())
	f.put("a", "value", time.Minute)
	var taken atomic.Int64
	var all errgroup.Group
	for i := range 50 {
		all.Go(func() error {
			got, err := []*ephemeral.Store{f.store, other}[i%2].Take(t.Context(), kind, key("a"))
			if err == nil && string(got) == "value" {
				taken.Add(1)
			} else if !errors.Is(err, ephemeral.ErrGone) {
				return err
			}
			return nil
		})
	}
	f.must(all.Wait())
	if n := taken.Load(); n != 1 {
		t.Errorf("%d took it", n)
	}
}

// What fifty note at once, one notes: a count of wrong codes loses none.
func TestFiftyUpdateAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.put("a", "0", time.Minute)
	var updated, put atomic.Int64
	var all errgroup.Group
	for i := range 50 {
		all.Go(func() error {
			err := f.store.Update(t.Context(), kind, key("a"), []byte("0"), []byte(strconv.Itoa(i+1)))
			if err == nil {
				updated.Add(1)
			} else if !errors.Is(err, ephemeral.ErrChanged) {
				return err
			}
			return nil
		})
		all.Go(func() error {
			err := f.store.Put(t.Context(), kind, key("b"), nil, time.Minute)
			if err == nil {
				put.Add(1)
			} else if !errors.Is(err, ephemeral.ErrExists) {
				return err
			}
			return nil
		})
	}
	f.must(all.Wait())
	if u, p := updated.Load(), put.Load(); u != 1 || p != 1 {
		t.Errorf("%d updates and %d puts of 1", u, p)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	large := make([]byte, ephemeral.MaxValue+1)
	cases := map[string]struct {
		kind  string
		value []byte
		life  time.Duration
		want  error
	}{
		"largest":      {"a", large[1:], ephemeral.MaxLife, nil},
		"too large":    {"a", large, time.Minute, ephemeral.ErrTooLarge},
		"too long":     {"a", nil, ephemeral.MaxLife + 1, ephemeral.ErrBounds},
		"no life":      {"a", nil, 0, ephemeral.ErrBounds},
		"less":         {"a", nil, -time.Minute, ephemeral.ErrBounds},
		"no kind":      {"", nil, time.Minute, ephemeral.ErrBounds},
		"bad kind":     {"A b", nil, time.Minute, ephemeral.ErrBounds},
		"kind of bulk": {strings.Repeat("a", 41), nil, time.Minute, ephemeral.ErrBounds},
	}
	for name, c := range cases {
		if err := f.store.Put(t.Context(), c.kind, key(name), c.value, c.life); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := f.store.Update(t.Context(), "a", key("largest"), large[1:], large); !errors.Is(err, ephemeral.ErrTooLarge) || !fault.Is(err, fault.Invalid) {
		t.Errorf("update: %v", err)
	}
	f.is("a key in use", nil, f.store.Put(t.Context(), "a", key("largest"), nil, time.Minute), "", ephemeral.ErrExists)
}

// A kind has its room, whichever its rows are, and others have theirs.
func TestFull(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.pool.Exec(t.Context(), `insert into ephemeral (kind, key, value, expires_at)
		select $1, sha256(i::text::bytea), '', $2 from generate_series(1, 70000) i`, kind, f.clock().Add(time.Minute))
	f.must(err)
	refused := 0
	for i := range 100 {
		if err := f.store.Put(t.Context(), kind, key("x"+strconv.Itoa(i)), nil, time.Minute); errors.Is(err, ephemeral.ErrFull) && fault.Is(err, fault.Unavailable) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused < 60 {
		t.Errorf("%d of 100 refused", refused)
	}
	f.must(f.store.Put(t.Context(), "test.other", key("x"), nil, time.Minute))
	f.move(time.Minute)
	if n, err := f.store.Sweep(t.Context()); n < 70000 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	f.put("x0", "", time.Minute)
}

// Half a room of evenly drawn keys is no reason to refuse.
func TestHalfFull(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.pool.Exec(t.Context(), `insert into ephemeral (kind, key, value, expires_at)
		select $1, sha256(i::text::bytea), '', $2 from generate_series(1, 32768) i`, kind, f.clock().Add(time.Minute))
	f.must(err)
	for i := range 256 {
		f.put("x"+strconv.Itoa(i), "", time.Minute)
	}
}

func TestSweepPassesOverWhatLivesAndWhatIsLocked(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for i := range 5 {
		f.put(strconv.Itoa(i), "", time.Duration(i+1)*time.Minute)
	}
	f.move(3 * time.Minute)
	tx, err := f.pool.Begin(t.Context())
	f.must(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	locked := key("0")
	_, err = tx.Exec(t.Context(), "select from ephemeral where key = $1 for update", locked[:])
	f.must(err)
	if n, err := f.store.Sweep(t.Context()); n != 2 || err != nil {
		t.Errorf("swept %d of 2, %v", n, err)
	}
	if n := f.rows(); n != 3 {
		t.Errorf("%d rows are left of 3", n)
	}
}

func TestItFailsClosed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.pool.Close()
	_, takeErr := f.store.Take(t.Context(), kind, key("a"))
	_, peekErr := f.store.Peek(t.Context(), kind, key("a"))
	_, sweepErr := f.store.Sweep(t.Context())
	for what, err := range map[string]error{
		"put": f.store.Put(t.Context(), kind, key("a"), []byte("canary"), time.Minute), "take": takeErr, "peek": peekErr, "sweep": sweepErr,
		"update": f.store.Update(t.Context(), kind, key("a"), nil, []byte("canary")),
	} {
		if !fault.Is(err, fault.Unavailable) || errors.Is(err, ephemeral.ErrGone) || !strings.HasPrefix(errors.Unwrap(err).Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.put("a", "", time.Minute)
	f.put("b", "", time.Minute)
	for range 2 {
		_, _ = f.store.Take(t.Context(), kind, key("a"))
	}
	f.move(time.Hour)
	_, err := f.store.Sweep(t.Context())
	f.must(err)
	f.pool.Close()
	_, _ = f.store.Take(t.Context(), kind, key("a"))
	want := `
# HELP ezscale_ephemeral_failures_total Calls that Postgres did not answer.
# TYPE ezscale_ephemeral_failures_total counter
ezscale_ephemeral_failures_total 1
# HELP ezscale_ephemeral_gone_total Takes that found nothing: expired, taken before, or never put.
# TYPE ezscale_ephemeral_gone_total counter
ezscale_ephemeral_gone_total{kind="test.ceremony"} 1
# HELP ezscale_ephemeral_put_total Values put.
# TYPE ezscale_ephemeral_put_total counter
ezscale_ephemeral_put_total{kind="test.ceremony"} 2
# HELP ezscale_ephemeral_swept_total Values removed because they had expired.
# TYPE ezscale_ephemeral_swept_total counter
ezscale_ephemeral_swept_total 1
# HELP ezscale_ephemeral_taken_total Values taken.
# TYPE ezscale_ephemeral_taken_total counter
ezscale_ephemeral_taken_total{kind="test.ceremony"} 1
`
	if err := testutil.GatherAndCompare(f.registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// Any bytes come back as they were.
func TestAnyValue(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "value")
		k := secret.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		if err := f.store.Put(f.Context(), kind, k, value, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got, err := f.store.Take(f.Context(), kind, k); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("got %x, %v", got, err)
		}
	})
}

func BenchmarkPutAndTake(b *testing.B) {
	f := setup(b)
	value := make([]byte, 1000)
	for i := 0; b.Loop(); i++ {
		k := key(strconv.Itoa(i))
		f.must(f.store.Put(b.Context(), kind, k, value, time.Minute))
		_, err := f.store.Take(b.Context(), kind, k)
		f.must(err)
	}
}
