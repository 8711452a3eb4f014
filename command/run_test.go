package command_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

var startOfTests = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tally is a command on a table of its own: it adds to a counter and may do what the test wants besides.
type tally struct {
	ID       uuid.UUID      `json:"id"`
	Label    string         `json:"label"`
	Add      int            `json:"add"`
	Password command.Secret `json:"password,omitzero"`
	Card     string         `json:"card,omitempty" audit:"redact"`
	also     func(ctx context.Context, tx pgx.Tx) error
	events   func() []events.Event
}

type total struct {
	Total int `json:"total"`
}

func (tally) Name() string { return "test.Tally" }

func (t tally) Validate() error {
	var fields fault.Fields
	fields.Check(t.Add > 0, "add", "must be above 0")
	return fields.Err()
}

func (t tally) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: t.ID}}
}

func (t tally) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (total, []events.Event, error) {
	var r total
	err := tx.QueryRow(ctx, `insert into tally as t (id, name, total) values ($1, $2, $3)
		on conflict (id) do update set total = t.total + excluded.total returning total`, t.ID, t.Label, t.Add).Scan(&r.Total)
	if err == nil && t.also != nil {
		err = t.also(ctx, tx)
	}
	if t.events != nil {
		return r, t.events(), err
	}
	return r, []events.Event{events.CustomerChanged{CustomerID: t.ID}}, err
}

func (tally) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{"tally_name_key": fault.New(fault.Conflict, "name_taken", "the name is taken")}
}

type wakes struct{ n atomic.Int64 }

func (w *wakes) Wake() { w.n.Add(1) }

type fixture struct {
	db    *command.DB
	owner *pgxpool.Pool
	wakes *wakes
	reg   *prometheus.Registry
	log   *strings.Builder
}

func setup(t testing.TB, options ...command.Option) fixture {
	t.Helper()
	server := postgrestest.New(t)
	f := fixture{owner: server.Pool(postgres.RoleOwner), wakes: &wakes{}, reg: prometheus.NewRegistry(), log: &strings.Builder{}}
	_, err := f.owner.Exec(t.Context(), `create table tally (id uuid primary key, name text not null unique, total int not null);
		grant select, insert, update on tally to ezscale_command`)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	if _, ok := t.(*testing.T); ok {
		log = slog.New(slog.NewJSONHandler(&locked{to: f.log}, nil))
	}
	f.db = command.NewDB(server.Pool(postgres.RoleCommand), f.wakes, log, f.reg, options...)
	return f
}

type locked struct {
	mu sync.Mutex
	to *strings.Builder
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

func meta(key string) command.Meta {
	newID := uuid.New
	if key != "" {
		newID = command.KeyedIDs("staff:a", key)
	}
	return command.Meta{Actor: "staff:a", Key: key, RequestID: "r1", Now: startOfTests, NewID: newID}
}

func code(t *testing.T, err error) string {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault", err)
	}
	return f.Code
}

func count(t testing.TB, pool *pgxpool.Pool, sql string, arguments ...any) int {
	t.Helper()
	var n int
	if err := pool.QueryRow(context.Background(), sql, arguments...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRunWritesEverythingOrNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := uuid.New()
	got, err := command.Run(t.Context(), f.db, meta("k1"), tally{ID: id, Label: "a", Add: 2})
	if err != nil || got.Total != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	boom := errors.New("boom")
	_, err = command.Run(t.Context(), f.db, meta("k2"), tally{ID: id, Label: "a", Add: 2, also: func(context.Context, pgx.Tx) error { return boom }})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want boom", err)
	}
	want := map[string]int{
		"select total from tally":                                             2,
		"select count(*) from audit where command = 'test.Tally'":             1,
		"select count(*) from idempotency":                                    1,
		"select count(*) from outbox where type = 'identity.CustomerChanged'": 1,
		"select version::int from aggregate":                                  1,
		"select count(*) from outbox where recorded_on is null":               0,
	}
	for sql, n := range want {
		if got := count(t, f.owner, sql); got != n {
			t.Errorf("%s: got %d, want %d", sql, got, n)
		}
	}
	if f.wakes.n.Load() != 1 {
		t.Errorf("the relay was woken %d times, want once", f.wakes.n.Load())
	}
	if n := testutil.CollectAndCount(f.reg, "ezscale_command_runs_total"); n != 2 {
		t.Errorf("got %d outcomes in the metrics, want ok and error", n)
	}
}

func TestRunRefusesInvalidInputBeforeTheDatabase(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := command.Run(t.Context(), f.db, meta("k"), tally{ID: uuid.New(), Label: "a"})
	if code(t, err) != "invalid_input" {
		t.Fatal(err)
	}
	if n := count(t, f.owner, "select count(*) from audit"); n != 0 {
		t.Errorf("%d audit rows", n)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := tally{ID: uuid.New(), Label: "a", Add: 3, Password: secret.New("p1")}
	for range 3 {
		got, err := command.Run(t.Context(), f.db, meta("k"), c)
		if err != nil || got.Total != 3 {
			t.Fatalf("got %v, %v; want the first response", got, err)
		}
	}
	other := c
	other.Add = 4
	guess := c
	guess.Password = secret.New("p2")
	for _, changed := range []tally{other, guess} {
		if _, err := command.Run(t.Context(), f.db, meta("k"), changed); code(t, err) != "idempotency_key_reused" || !fault.Is(err, fault.Conflict) {
			t.Errorf("got %v", err)
		}
	}
	elsewhere := meta("k")
	elsewhere.Actor = "staff:b"
	if got, err := command.Run(t.Context(), f.db, elsewhere, c); err != nil || got.Total != 6 {
		t.Errorf("another actor's key: got %v, %v", got, err)
	}
}

func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := tally{ID: uuid.New(), Label: "a", Add: 1}
	var group sync.WaitGroup
	results := make([]total, 8)
	for i := range results {
		group.Go(func() {
			var err error
			if results[i], err = command.Run(t.Context(), f.db, meta("same"), c); err != nil {
				t.Errorf("run %d: %v", i, err)
			}
		})
	}
	group.Wait()
	for _, r := range results {
		if r.Total != 1 {
			t.Errorf("got %v, want every run to give the one response", results)
			break
		}
	}
	if n := count(t, f.owner, "select count(*) from outbox"); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestExpectedVersion(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := tally{ID: uuid.New(), Label: "a", Add: 1}
	run := func(version int64) error {
		m := meta("")
		m.ExpectedVersion = &version
		_, err := command.Run(t.Context(), f.db, m, c)
		return err
	}
	if err := run(0); err != nil {
		t.Fatal(err)
	}
	if err := run(0); code(t, err) != "version_mismatch" || !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	if err := run(1); err != nil {
		t.Error(err)
	}
}

func TestConcurrentVersionsHaveNoGapsAndFollowTransactionIDs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ids := []uuid.UUID{uuid.New(), uuid.New()}
	const each = 20
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range each {
				id := ids[(i+n)%2]
				if _, err := command.Run(t.Context(), f.db, meta(""), tally{ID: id, Label: id.String(), Add: 1}); err != nil {
					t.Errorf("run: %v", err)
				}
			}
		})
	}
	group.Wait()
	if n := count(t, f.owner, `select count(*) from (select aggregate_version,
		row_number() over (partition by aggregate_id order by txid, position) as rank from outbox) o where aggregate_version <> rank`); n != 0 {
		t.Errorf("%d events out of order", n)
	}
	if n := count(t, f.owner, "select sum(version)::int from aggregate"); n != 4*each {
		t.Errorf("versions add up to %d, want %d", n, 4*each)
	}
}

func TestEventsAboutOthersMustBeTheirFirst(t *testing.T) {
	t.Parallel()
	f := setup(t)
	alert := uuid.New()
	about := func(id uuid.UUID) func() []events.Event {
		return func() []events.Event { return []events.Event{events.QuotaThresholdReached{AlertID: id}} }
	}
	if _, err := command.Run(t.Context(), f.db, meta(""), tally{ID: uuid.New(), Label: "a", Add: 1, events: about(alert)}); err != nil {
		t.Fatalf("a new aggregate: %v", err)
	}
	_, err := command.Run(t.Context(), f.db, meta(""), tally{ID: uuid.New(), Label: "b", Add: 1, events: about(alert)})
	if !errors.Is(err, outbox.ErrNotLocked) {
		t.Fatalf("got %v, want ErrNotLocked", err)
	}
	if n := count(t, f.owner, "select count(*) from tally"); n != 1 {
		t.Errorf("%d rows, want the refused command to have written nothing", n)
	}
}

func TestConstraintsAreExplained(t *testing.T) {
	t.Parallel()
	f := setup(t)
	if _, err := command.Run(t.Context(), f.db, meta(""), tally{ID: uuid.New(), Label: "a", Add: 1}); err != nil {
		t.Fatal(err)
	}
	_, err := command.Run(t.Context(), f.db, meta(""), tally{ID: uuid.New(), Label: "a", Add: 1})
	if code(t, err) != "name_taken" {
		t.Errorf("got %v", err)
	}
}

func TestRetriesHaveACap(t *testing.T) {
	t.Parallel()
	pauses := []time.Duration{}
	f := setup(t, command.WithRetry(command.Retry{
		Attempts: 4, Base: 8 * time.Millisecond, Max: 20 * time.Millisecond, Jitter: func() float64 { return 0.5 },
		Sleep: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil },
	}))
	failures := 2
	fail := func(ctx context.Context, tx pgx.Tx) error {
		if failures--; failures < 0 {
			return nil
		}
		_, err := tx.Exec(ctx, `do $$ begin raise serialization_failure; end $$`)
		return err
	}
	got, err := command.Run(t.Context(), f.db, meta("k"), tally{ID: uuid.New(), Label: "a", Add: 1, also: fail})
	if err != nil || got.Total != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	failures = 100
	_, err = command.Run(t.Context(), f.db, meta(""), tally{ID: uuid.New(), Label: "b", Add: 1, also: fail})
	if code(t, err) != "busy" {
		t.Errorf("got %v", err)
	}
	ms := time.Millisecond
	if diff := cmp.Diff([]time.Duration{6 * ms, 12 * ms, 6 * ms, 12 * ms, 15 * ms}, pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}

func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := command.Run(t.Context(), f.db, meta("k"), tally{ID: uuid.New(), Label: "a", Add: 1, Password: secret.New("hunter2"), Card: "4242"})
	if err != nil {
		t.Fatal(err)
	}
	var audit string
	if err := f.owner.QueryRow(t.Context(), "select input::text || (select string_agg(response::text, '') from idempotency) from audit").Scan(&audit); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{audit, f.log.String()} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "4242") {
			t.Errorf("a secret in %s", text)
		}
	}
	if strings.Count(audit, command.Redacted) != 2 {
		t.Errorf("audit row %s, want two redacted fields", audit)
	}
}

func TestHandlersMayUndoAPart(t *testing.T) {
	t.Parallel()
	f := setup(t)
	part := func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.Commit(ctx); err == nil {
			return errors.New("a handler could commit")
		}
		inner, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err := inner.Exec(ctx, "update tally set total = 99"); err != nil {
			return err
		}
		return inner.Rollback(ctx)
	}
	if _, err := command.Run(t.Context(), f.db, meta(""), tally{ID: uuid.New(), Label: "a", Add: 1, also: part}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, f.owner, "select total from tally"); n != 1 {
		t.Errorf("got %d, want the part undone", n)
	}
}

func TestADeadDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	f := setup(t)
	kill := func(ctx context.Context, tx pgx.Tx) error {
		if _, err := f.owner.Exec(ctx, "select pg_terminate_backend($1, 5000)", int32(tx.Conn().PgConn().PID())); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "select 1")
		return err
	}
	_, err := command.Run(t.Context(), f.db, meta("k"), tally{ID: uuid.New(), Label: "a", Add: 1, also: kill})
	if code(t, err) != "database_unavailable" {
		t.Fatalf("got %v", err)
	}
	if got, err := command.Run(t.Context(), f.db, meta("k"), tally{ID: uuid.New(), Label: "a", Add: 1}); err != nil || got.Total != 1 {
		t.Errorf("again: got %v, %v", got, err)
	}
}

func TestKeyedIDsRepeat(t *testing.T) {
	t.Parallel()
	draw := func(actor, key string) (ids [3]uuid.UUID) {
		next := command.KeyedIDs(actor, key)
		for i := range ids {
			ids[i] = next()
		}
		return ids
	}
	first := draw("a", "k")
	if first != draw("a", "k") {
		t.Error("the same key drew other ids")
	}
	if first == draw("ak", "") || first[0] == first[1] || first[0].Version() != 8 || first[0].Variant() != uuid.RFC4122 {
		t.Errorf("ids %v", first)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := tally{ID: uuid.New(), Label: "a", Add: 1}
	if _, err := command.Run(t.Context(), f.db, meta("k"), c); err != nil {
		t.Fatal(err)
	}
	if n, err := f.db.Forget(t.Context(), startOfTests); n != 0 || err != nil {
		t.Errorf("forgot %d, %v; want 0", n, err)
	}
	if n, err := f.db.Forget(t.Context(), startOfTests.Add(time.Second)); n != 1 || err != nil {
		t.Errorf("forgot %d, %v; want 1", n, err)
	}
}
