package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
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

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/schemas/events"
)

const (
	pollEvery = 10 * time.Millisecond
	pollBound = 30 * time.Second
)

type fixture struct {
	t      testing.TB
	pool   *pgxpool.Pool
	client *kafka.Client
	topic  string
	parts  int
}

func setup(t testing.TB, partitions int) fixture {
	t.Helper()
	cluster := kafkatest.New(t)
	database := postgrestest.New(t)
	_, err := database.Pool(postgres.RoleOwner).Exec(t.Context(), `create table effect (id bigint generated always as identity, partition int, value text);
		grant select, insert on effect to ezscale_command`)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{t: t, pool: database.Pool(postgres.RoleCommand), client: cluster.Client(t), topic: cluster.Topic(t, partitions), parts: partitions}
}

func (f fixture) config(instance string) consumer.Config {
	return consumer.Config{
		Name: "test", Topic: f.topic, Partitions: f.parts, Instance: instance, LeaseTTL: 600 * time.Millisecond,
		MaxWait: 20 * time.Millisecond, Backoff: 5 * time.Millisecond, RetryPoll: 20 * time.Millisecond,
	}
}

// insert is the effect under test: one row for each message.
func insert(ctx context.Context, tx pgx.Tx, b consumer.Batch) error {
	for _, r := range b.Records {
		if _, err := tx.Exec(ctx, "insert into effect (partition, value) values ($1, $2)", b.Partition, string(r.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (f fixture) start(cfg consumer.Config, handler consumer.Handler) (*consumer.Runner, *prometheus.Registry) {
	f.t.Helper()
	reg := prometheus.NewRegistry()
	return f.run(consumer.New(cfg, f.pool, f.client, handler, quiet(), reg)), reg
}

func (f fixture) run(r *consumer.Runner) *consumer.Runner {
	if err := r.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.stop(r) })
	return r
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (f fixture) stop(r *consumer.Runner) {
	ctx, cancel := context.WithTimeout(context.Background(), pollBound)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		f.t.Error(err)
	}
}

func plain(values ...string) (messages []kafka.Message) {
	for _, v := range values {
		messages = append(messages, kafka.Message{Value: []byte(v)})
	}
	return messages
}

func numbered(producer string, sequences ...int) (messages []kafka.Message) {
	for _, s := range sequences {
		messages = append(messages, kafka.Message{Value: []byte(strconv.Itoa(s)), Headers: []kafka.Header{
			{Key: events.HeaderProducer, Value: []byte(producer)}, {Key: events.HeaderSequence, Value: []byte(strconv.Itoa(s))},
		}})
	}
	return messages
}

func (f fixture) produce(partition int, messages ...kafka.Message) {
	f.t.Helper()
	if _, err := f.client.Produce(f.t.Context(), f.topic, partition, messages); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) values() string {
	f.t.Helper()
	var all *string
	if err := f.pool.QueryRow(context.Background(), "select string_agg(value, ' ' order by id) from effect").Scan(&all); err != nil {
		f.t.Fatal(err)
	}
	if all == nil {
		return ""
	}
	return *all
}

func (f fixture) await(what string, done func() bool) {
	f.t.Helper()
	deadline := time.After(pollBound)
	for !done() {
		select {
		case <-deadline:
			f.t.Fatalf("%s did not happen within %s; effects: %s", what, pollBound, f.values())
		case <-time.After(pollEvery):
		}
	}
}

func (f fixture) awaitValues(want string) {
	f.t.Helper()
	f.await("the effects "+want, func() bool { return f.values() == want })
}

func (f fixture) next(partition int) (next int64) {
	f.t.Helper()
	err := f.pool.QueryRow(context.Background(), "select next from consumer_offset where partition = $1", partition).Scan(&next)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		f.t.Fatal(err)
	}
	return next
}

func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

func TestEffectsHappenOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	f.produce(0, plain("a", "b", "c")...)
	first, _ := f.start(f.config("1"), consumer.HandlerFunc(insert))
	f.awaitValues("a b c")
	f.stop(first)
	f.produce(0, plain("d")...)
	second, _ := f.start(f.config("2"), consumer.HandlerFunc(insert))
	f.awaitValues("a b c d")
	if err := second.Health(); err != nil {
		t.Error(err)
	}
}

func TestProducerDuplicatesAreDroppedAndGapsAlarm(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	f.produce(0, numbered("p", 1, 2, 3)...)
	f.produce(0, numbered("p", 2, 3, 4)...)
	f.produce(0, numbered("q", 10)...)
	first, reg := f.start(f.config("1"), consumer.HandlerFunc(insert))
	f.awaitValues("1 2 3 4 10")
	f.stop(first)
	if d, g := metric(t, reg, "ezscale_consumer_duplicates_total"), metric(t, reg, "ezscale_consumer_gaps_total"); d != 2 || g != 0 {
		t.Errorf("%v duplicates, %v gaps, want 2 and 0", d, g)
	}
	f.produce(0, numbered("p", 4, 7)...)
	_, reg = f.start(f.config("2"), consumer.HandlerFunc(insert))
	f.awaitValues("1 2 3 4 10 7")
	f.await("the alarm", func() bool { return metric(t, reg, "ezscale_consumer_gaps_total") == 1 })
}

func failOn(bad string) consumer.HandlerFunc {
	return func(ctx context.Context, tx pgx.Tx, b consumer.Batch) error {
		if err := insert(ctx, tx, b); err != nil {
			return err
		}
		if slices.ContainsFunc(b.Records, func(r kafka.Record) bool { return string(r.Value) == bad }) {
			return fmt.Errorf("cannot bear %q \x00\xff", bad)
		}
		return nil
	}
}

func TestPoisonIsParkedAndRetried(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	aggregate := events.Aggregate{Type: "service", ID: uuid.New()}
	if _, err := f.pool.Exec(t.Context(), "insert into aggregate (type, id, version) values ($1, $2, 1)", aggregate.Type, aggregate.ID); err != nil {
		t.Fatal(err)
	}
	bad := kafka.Message{Key: []byte("k"), Value: []byte("bad"), Headers: []kafka.Header{
		{Key: events.HeaderSubject, Value: []byte(aggregate.Subject())}, {Key: "binary", Value: []byte{0, 255}},
	}}
	f.produce(0, plain("a")[0], bad, plain("b")[0])
	first, _ := f.start(f.config("1"), failOn("bad"))
	f.awaitValues("a b")
	parked := consumer.NewParked(f.pool)
	list, err := parked.List(t.Context(), "test", false, 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("parked: %v, %v", list, err)
	}
	m, err := parked.Show(t.Context(), list[0].ID)
	if err != nil || string(m.Key) != "k" || string(m.Value) != "bad" || m.Offset != 1 || m.Aggregate != aggregate.Subject() || !strings.Contains(m.Reason, `cannot bear "bad"`) {
		t.Errorf("got %+v, %v", m, err)
	}
	if diff := cmp.Diff(bad.Headers, m.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if flag := f.flag(aggregate); flag == nil || !strings.Contains(*flag, "cannot bear") {
		t.Errorf("flag %v", flag)
	}
	f.retry(parked, m.ID)
	f.await("a second failure", func() bool {
		m, err := parked.Show(t.Context(), m.ID)
		return err == nil && m.RetryAt == nil && m.Attempts == 4
	})
	f.stop(first)
	f.start(f.config("2"), consumer.HandlerFunc(insert))
	f.retry(parked, m.ID)
	f.awaitValues("a b bad")
	if m, err := parked.Show(t.Context(), m.ID); err != nil || m.ResolvedAt == nil || f.flag(aggregate) != nil {
		t.Errorf("after the retry: %+v, flag %v, %v", m, f.flag(aggregate), err)
	}
	if n, err := parked.Retry(t.Context(), m.ID, 12345); n != 0 || err != nil {
		t.Errorf("retry of a resolved one: %d, %v", n, err)
	}
}

func (f fixture) flag(a events.Aggregate) (flagged *string) {
	f.t.Helper()
	if err := f.pool.QueryRow(context.Background(), "select flagged from aggregate where type = $1 and id = $2", a.Type, a.ID).Scan(&flagged); err != nil {
		f.t.Fatal(err)
	}
	return flagged
}

func (f fixture) retry(parked *consumer.Parked, id int64) {
	f.t.Helper()
	if n, err := parked.Retry(f.t.Context(), id); n != 1 || err != nil {
		f.t.Fatalf("retry: %d, %v", n, err)
	}
}

func TestNothingIsParkedWhileSomethingIsAway(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	f.produce(0, plain("a", "b")...)
	var calls atomic.Int64
	cfg := f.config("1")
	cfg.StallAfter = time.Nanosecond
	r, _ := f.start(cfg, consumer.HandlerFunc(func(ctx context.Context, tx pgx.Tx, b consumer.Batch) error {
		if calls.Add(1) < 10 {
			return fmt.Errorf("the shop is closed: %w", consumer.ErrUnavailable)
		}
		return insert(ctx, tx, b)
	}))
	f.await("trouble", func() bool { return calls.Load() > 3 })
	if err := r.Health(); err == nil {
		t.Error("healthy while nothing moves")
	}
	f.awaitValues("a b")
	if list, err := consumer.NewParked(f.pool).List(t.Context(), "", true, 0); len(list) != 0 || err != nil {
		t.Errorf("parked %v, %v", list, err)
	}
}

func TestEffectsElsewhereComeBeforeTheOffset(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	var mu sync.Mutex
	var got []string
	failed := false
	effect := consumer.EffectFunc(func(_ context.Context, b consumer.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if f.next(0) > b.Records[0].Offset {
			t.Error("the offset moved before the effect")
		}
		if !failed {
			failed = true
			return errors.New("not at the first time")
		}
		for _, r := range b.Records {
			got = append(got, string(r.Value))
		}
		return nil
	})
	f.produce(0, plain("a", "b")...)
	f.run(consumer.NewEffect(f.config("1"), f.pool, f.client, effect, quiet(), prometheus.NewRegistry()))
	f.await("the offset", func() bool { return f.next(0) == 2 })
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func TestInstancesShareThePartitions(t *testing.T) {
	t.Parallel()
	const parts = 5
	f := setup(t, parts)
	f.start(f.config("1"), consumer.HandlerFunc(insert))
	held := func(owner string) (n int) {
		if err := f.pool.QueryRow(context.Background(), "select count(*) from consumer_offset where owner = $1 and expires_at > now()", owner).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	f.await("all leases", func() bool { return held("1") == parts })
	second, _ := f.start(f.config("2"), consumer.HandlerFunc(insert))
	f.await("an even share", func() bool { return held("1") == 3 && held("2") == 2 })
	f.stop(second)
	f.await("all leases again", func() bool { return held("1") == parts })
	var want int
	for p := range parts {
		for i := range 10 {
			f.produce(p, plain(strconv.Itoa(p*10+i))...)
			want++
		}
	}
	f.await("all effects", func() bool { return len(strings.Fields(f.values())) == want })
}

func TestAnOffsetOutOfRangeStopsThePartition(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	f.produce(0, plain("a")...)
	if _, err := f.pool.Exec(t.Context(), "insert into consumer_offset (consumer, topic, partition, next) values ('test', $1, 0, 7)", f.topic); err != nil {
		t.Fatal(err)
	}
	r, reg := f.start(f.config("1"), consumer.HandlerFunc(insert))
	f.await("an unhealthy consumer", func() bool { return errors.Is(r.Health(), kafka.ErrOffsetOutOfRange) })
	if next := f.next(0); next != 7 || f.values() != "" {
		t.Errorf("it jumped to %d: %s", next, f.values())
	}
	if testutil.CollectAndCount(reg, "ezscale_consumer_failures_total") != 1 {
		t.Error("the failure was not counted")
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	f := setup(t, 1)
	ctx := t.Context()
	key := consumer.Key{Consumer: "c", Topic: f.topic, Partition: 3}
	a, err := consumer.Acquire(ctx, f.pool, key, "a", time.Minute)
	if err != nil || a.Next() != 0 {
		t.Fatal(err)
	}
	if _, err := consumer.Acquire(ctx, f.pool, key, "b", time.Minute); !errors.Is(err, consumer.ErrHeld) {
		t.Errorf("a held lease: %v", err)
	}
	advance := func(l *consumer.Lease, expected, next int64) error {
		return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error { return l.Advance(ctx, tx, expected, next) })
	}
	if err := advance(a, 0, 5); err != nil {
		t.Error(err)
	}
	if err := advance(a, 0, 9); !errors.Is(err, consumer.ErrFenced) {
		t.Errorf("another expectation: %v", err)
	}
	if err := a.Release(ctx); err != nil {
		t.Error(err)
	}
	b, err := consumer.Acquire(ctx, f.pool, key, "b", time.Minute)
	if err != nil || b.Next() != 5 {
		t.Fatalf("after the release: %v", err)
	}
	for what, err := range map[string]error{"advance": advance(a, 5, 6), "renew": a.Renew(ctx)} {
		if !errors.Is(err, consumer.ErrFenced) {
			t.Errorf("%s by the old holder: %v", what, err)
		}
	}
	if err := a.Release(ctx); err != nil {
		t.Error(err)
	}
	if err := b.Renew(ctx); err != nil {
		t.Errorf("the old holder's release hit the new one: %v", err)
	}
}

func TestFreedLeasesAreTakenAtOnce(t *testing.T) {
	t.Parallel()
	const parts = 4
	f := setup(t, parts)
	_, err := f.pool.Exec(t.Context(), `insert into consumer_instance values ('test', $1, 0, 'dead', now() + interval '1 hour')`, f.topic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range parts {
		if _, err := consumer.Acquire(t.Context(), f.pool, consumer.Key{Consumer: "test", Topic: f.topic, Partition: p}, "dead", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := consumer.FreeLeases(t.Context(), f.pool); err != nil {
		t.Fatal(err)
	}
	f.start(f.config("1"), consumer.HandlerFunc(insert))
	for p := range parts {
		f.produce(p, plain("x")...)
	}
	f.awaitValues("x x x x")
}
