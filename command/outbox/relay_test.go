package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/schemas/events"
)

const (
	partitions = 3
	pollEvery  = 10 * time.Millisecond
	pollBound  = 30 * time.Second
)

type fixture struct {
	t      testing.TB
	pool   *pgxpool.Pool // in the role of commands
	owner  *pgxpool.Pool
	client *kafka.Client
	topic  string
}

func setup(t testing.TB) fixture {
	t.Helper()
	cluster := kafkatest.New(t)
	database := postgrestest.New(t)
	return fixture{t: t, pool: database.Pool(postgres.RoleCommand), owner: database.Pool(postgres.RoleOwner), client: cluster.Client(t), topic: cluster.Topic(t, partitions)}
}

func (f fixture) config(instance string) outbox.Config {
	return outbox.Config{Topic: f.topic, Partitions: partitions, Instance: instance, LeaseTTL: time.Second, Poll: 20 * time.Millisecond, Backoff: 5 * time.Millisecond, Now: time.Now}
}

func (f fixture) start(cfg outbox.Config) *outbox.Relay {
	f.t.Helper()
	relay := outbox.NewRelay(cfg, f.pool, f.client, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	if err := relay.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.stop(relay) })
	return relay
}

func (f fixture) stop(relay *outbox.Relay) {
	ctx, cancel := context.WithTimeout(context.Background(), pollBound)
	defer cancel()
	if err := relay.Stop(ctx); err != nil {
		f.t.Error(err)
	}
}

func (f fixture) append(evs ...events.Event) {
	f.t.Helper()
	f.inTransaction(func(tx pgx.Tx) error { return outbox.Append(f.t.Context(), tx, time.Now(), uuid.New, evs) })
}

func (f fixture) inTransaction(do func(pgx.Tx) error) {
	f.t.Helper()
	if err := pgx.BeginFunc(f.t.Context(), f.pool, do); err != nil {
		f.t.Fatal(err)
	}
}

func newCustomers(n int) (evs []events.Event) {
	for range n {
		evs = append(evs, events.CustomerRegistered{CustomerID: uuid.New()})
	}
	return evs
}

// onWire is what a reader of the topic sees of an event.
type onWire struct {
	events.Header
	partition int
	offset    int64
}

func (f fixture) read() (all []onWire) {
	f.t.Helper()
	for p := range partitions {
		_, next, err := f.client.Offsets(context.Background(), f.topic, p)
		if err != nil {
			f.t.Fatal(err)
		}
		reader, err := f.client.OpenReader(context.Background(), f.topic, p, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		for reader.Offset() < next {
			_, err := reader.Fetch(context.Background(), time.Second, func(r kafka.Record) error {
				h, err := events.ParseHeader(r.Header)
				if !bytes.Equal(r.Key, h.Aggregate.ID[:]) {
					f.t.Errorf("key %x of an event about %s", r.Key, h.Aggregate.Subject())
				}
				all = append(all, onWire{h, p, r.Offset})
				return err
			})
			if err != nil {
				f.t.Fatal(err)
			}
		}
		_ = reader.Close()
	}
	return all
}

func (f fixture) await(what string, done func() bool) {
	f.t.Helper()
	deadline := time.After(pollBound)
	for !done() {
		select {
		case <-deadline:
			f.t.Fatalf("%s did not happen within %s", what, pollBound)
		case <-time.After(pollEvery):
		}
	}
}

func (f fixture) published() int {
	var n int
	err := f.owner.QueryRow(context.Background(), `select count(*) from outbox o, relay r where (o.txid, o.position) <= (r.cursor_txid, r.cursor_position)`).Scan(&n)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func TestRelayPublishesInOrderWithNumbers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	cfg := f.config("a")
	cfg.BatchRows = 7
	relay := f.start(cfg)
	evs := newCustomers(50)
	f.append(evs[:20]...)
	f.append(evs[20:]...)
	f.await("publishing", func() bool { return f.published() == 50 })
	next := [partitions]int64{1, 1, 1}
	seen := map[uuid.UUID]bool{}
	for _, e := range f.read() {
		if e.Sequence != next[e.partition] || e.Producer != "outbox/0" || e.Epoch != 1 || e.AggregateVersion != 1 {
			t.Errorf("partition %d: %+v, want sequence %d", e.partition, e.Header, next[e.partition])
		}
		if want := events.Partition(events.VirtualShard(e.Aggregate.ID), partitions); e.partition != want {
			t.Errorf("%s is on partition %d, want %d", e.Aggregate.Subject(), e.partition, want)
		}
		next[e.partition]++
		seen[e.Aggregate.ID] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d events, want 50", len(seen))
	}
	if err := relay.Health(); err != nil {
		t.Error(err)
	}
}

// A transaction that is open holds back what comes after it; nothing is lost when it commits late.
func TestRelayStaysBelowTheHorizon(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.start(f.config("a"))
	slow, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(context.WithoutCancel(t.Context()))
	late := newCustomers(1)
	if err := outbox.Append(t.Context(), slow, time.Now(), uuid.New, late); err != nil {
		t.Fatal(err)
	}
	f.append(newCustomers(3)...)
	if n := len(f.read()); n != 0 {
		t.Errorf("%d events passed an open transaction", n)
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.await("publishing", func() bool { return f.published() == 4 })
	found := false
	for _, e := range f.read() {
		found = found || e.Aggregate == late[0].Aggregate()
	}
	if !found {
		t.Error("the late transaction's event is lost")
	}
}

func TestOneRelayLeadsAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.start(f.config("a"))
	f.append(newCustomers(2)...)
	f.await("publishing", func() bool { return f.published() == 2 })
	second := f.start(f.config("b"))
	f.append(newCustomers(2)...)
	f.await("publishing", func() bool { return f.published() == 4 })
	f.stop(first)
	f.append(newCustomers(2)...)
	f.await("publishing by the second", func() bool { return f.published() == 6 })
	epochs := map[int64]int{}
	for _, e := range f.read() {
		epochs[e.Epoch]++
	}
	if epochs[1] != 4 || epochs[2] != 2 {
		t.Errorf("events by epoch %v", epochs)
	}
	if err := second.Health(); err != nil {
		t.Error(err)
	}
}

// limited is larger than the broker takes; it is never skipped.
type limited struct {
	events.CustomerRegistered
	Filler string `json:"filler"`
}

func TestATooLargeEventIsNamedAndNotSkipped(t *testing.T) {
	t.Parallel()
	f := setup(t)
	large := limited{events.CustomerRegistered{CustomerID: uuid.New()}, strings.Repeat("x", 2<<20)}
	f.append(large)
	var id uuid.UUID
	if err := f.owner.QueryRow(t.Context(), "select event_id from outbox").Scan(&id); err != nil {
		t.Fatal(err)
	}
	f.append(newCustomers(5)...)
	relay := f.start(f.config("a"))
	f.await("an unhealthy relay", func() bool { return relay.Health() != nil })
	if err := relay.Health(); !errors.Is(err, kafka.ErrTooLarge) || !strings.Contains(err.Error(), id.String()) {
		t.Errorf("got %v, want it to name %s", err, id)
	}
	if n := f.published(); n != 0 {
		t.Errorf("%d events passed it", n)
	}
}

func TestAppendWantsLocksForWhatExists(t *testing.T) {
	t.Parallel()
	f := setup(t)
	evs := newCustomers(1)
	f.append(evs[0], evs[0])
	err := pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error { return outbox.Append(t.Context(), tx, time.Now(), uuid.New, evs) })
	if !errors.Is(err, outbox.ErrNotLocked) {
		t.Errorf("got %v, want ErrNotLocked", err)
	}
	f.inTransaction(func(tx pgx.Tx) error {
		return outbox.AppendLocked(t.Context(), tx, time.Now(), uuid.New, []events.Aggregate{evs[0].Aggregate()}, evs)
	})
	var versions string
	if err := f.owner.QueryRow(t.Context(), "select string_agg(aggregate_version::text, ',' order by txid, position) from outbox").Scan(&versions); err != nil {
		t.Fatal(err)
	}
	if versions != "1,2,3" {
		t.Errorf("versions %s", versions)
	}
}

func TestDayPartitionsComeAndGo(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.append(newCustomers(3)...)
	days := func() (n int) {
		if err := f.owner.QueryRow(t.Context(), `select count(*) from pg_inherits where inhparent = 'outbox'::regclass`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := days()
	if _, err := f.owner.Exec(t.Context(), `
		create table outbox_20200101 partition of outbox for values from ('2020-01-01') to ('2020-01-02');
		create table outbox_20200102 partition of outbox for values from ('2020-01-02') to ('2020-01-03');
		update outbox set recorded_on = '2020-01-01' where position = (select min(position) from outbox)`); err != nil {
		t.Fatal(err)
	}
	drop := func() (n int) {
		if err := f.pool.QueryRow(t.Context(), "select outbox_drop_days(7)").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := drop(); n != 1 {
		t.Errorf("dropped %d days while one of two still waits for the relay, want 1", n)
	}
	f.start(f.config("a"))
	f.await("publishing", func() bool { return f.published() == 3 })
	f.await("the old day's end", func() bool { drop(); return days() == before })
}

func TestQueryRoleKeepsOffTheOutbox(t *testing.T) {
	t.Parallel()
	database := postgrestest.New(t)
	for _, sql := range []string{"select outbox_drop_days(1)", "select outbox_add_days(1)"} {
		if _, err := database.Pool(postgres.RoleQuery).Exec(t.Context(), sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
}

func TestWakerGathersWakes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	waker := outbox.NewWaker(f.pool, slog.New(slog.NewTextHandler(io.Discard, nil)))
	cfg := f.config("a")
	cfg.Poll = pollBound // only a wake can make it look
	f.start(cfg)
	if err := waker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = waker.Stop(context.Background()) })
	f.await("listening", func() bool {
		var n int
		err := f.owner.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and query = 'listen outbox'`).Scan(&n)
		return err == nil && n == 1
	})
	for i := range 3 {
		f.append(newCustomers(1)...)
		for range 100 {
			waker.Wake()
		}
		f.await(fmt.Sprintf("publishing %d", i), func() bool { return f.published() == i+1 })
	}
}
