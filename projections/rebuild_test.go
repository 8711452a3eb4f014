package projections_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/clickhouse/clickhousetest"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/projections"
)

const (
	partitions = 2
	old        = 40 // rows that only Postgres has
	pollEvery  = 20 * time.Millisecond
	pollBound  = 60 * time.Second
)

// reading is a message, and a row: the last value of a meter.
type reading struct {
	ID      uint64 `json:"id"`
	Version uint64 `json:"version"`
	Value   int64  `json:"value"`
}

// readings is the read model under test. What it backfills stands for a topic that has dropped its beginning.
type readings struct {
	click  driver.Conn
	topic  string
	differ atomic.Bool
	insert atomic.Int64
}

func (m *readings) Name() string         { return "readings" }
func (m *readings) Topic() (string, int) { return m.topic, partitions }
func (m *readings) Table() string        { return "reading" }

func (m *readings) Insert(ctx context.Context, table string, records []kafka.Record) error {
	m.insert.Add(1)
	var rows []reading
	for _, r := range records {
		var row reading
		if err := json.Unmarshal(r.Value, &row); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return m.write(ctx, table, rows)
}

func (m *readings) write(ctx context.Context, table string, rows []reading) error {
	batch, err := m.click.PrepareBatch(ctx, "insert into "+table+" (id, version, value)")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := batch.Append(r.ID, r.Version, r.Value); err != nil {
			return err
		}
	}
	return batch.Send()
}

func (m *readings) CreateTable(ctx context.Context, table string) error {
	return m.click.Exec(ctx, "create table if not exists "+table+" (id UInt64, version UInt64, value Int64) engine = ReplacingMergeTree(version) order by id")
}

func (m *readings) Backfill(ctx context.Context, table string, cursor json.RawMessage) (json.RawMessage, int64, error) {
	var done uint64
	if cursor != nil {
		if err := json.Unmarshal(cursor, &done); err != nil {
			return nil, 0, err
		}
	}
	var rows []reading
	for id := done; id < min(done+10, old); id++ {
		rows = append(rows, reading{ID: 1000 + id, Version: 1, Value: int64(id)})
	}
	if err := m.write(ctx, table, rows); err != nil {
		return nil, 0, err
	}
	if done += uint64(len(rows)); done == old {
		return nil, int64(len(rows)), nil
	}
	next, err := json.Marshal(done)
	return next, int64(len(rows)), err
}

func (m *readings) BackfillTotal(context.Context) (int64, error) { return old, nil }

func (m *readings) Check(context.Context, string) error {
	if m.differ.Load() {
		return fmt.Errorf("by one: %w", projections.ErrDiffers)
	}
	return nil
}

// content is all of the table's state in one line.
func (m *readings) content(t *testing.T) string {
	t.Helper()
	var s string
	err := m.click.QueryRow(context.Background(), "select toString(count()) || ' rows, sum ' || toString(sum(value)) || ', hash ' || toString(groupBitXor(cityHash64(id, version, value))) from reading final").Scan(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (m *readings) tables(t *testing.T) string {
	t.Helper()
	var names []string
	if err := m.click.QueryRow(context.Background(), "select groupArray(name) from (select name from system.tables where database = currentDatabase() and name like 'reading%' order by name)").Scan(&names); err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

type fixture struct {
	t      *testing.T
	model  *readings
	pool   *pgxpool.Pool
	client *kafka.Client
}

func setup(t *testing.T) fixture {
	t.Helper()
	cluster := kafkatest.New(t)
	f := fixture{t: t, pool: postgrestest.New(t).Pool(postgres.RoleCommand), client: cluster.Client(t)}
	f.model = &readings{click: clickhousetest.New(t).Conn(), topic: cluster.Topic(t, partitions)}
	if err := f.model.CreateTable(t.Context(), "reading"); err != nil {
		t.Fatal(err)
	}
	var past []reading
	for id := range uint64(old) {
		past = append(past, reading{ID: 1000 + id, Version: 1, Value: int64(id)})
	}
	if err := f.model.write(t.Context(), "reading", past); err != nil {
		t.Fatal(err)
	}
	return f
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (f fixture) rebuilder() *projections.Rebuilder {
	return projections.NewRebuilder(f.pool, f.client, f.model.click, quiet())
}

func (f fixture) produce(from, to uint64) {
	f.t.Helper()
	for n := from; n < to; n++ {
		value, err := json.Marshal(reading{ID: n % 100, Version: n, Value: int64(n * 7)})
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := f.client.Produce(f.t.Context(), f.model.topic, int(n%partitions), []kafka.Message{{Value: value}}); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f fixture) live() {
	f.t.Helper()
	runner := projections.NewRunner(consumer.Config{MaxWait: 20 * time.Millisecond, LeaseTTL: 2 * time.Second}, f.pool, f.client, f.model, quiet(), prometheus.NewRegistry())
	if err := runner.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = runner.Stop(context.Background()) })
}

// caughtUp waits until the live projector has taken everything.
func (f fixture) caughtUp() {
	f.t.Helper()
	deadline := time.After(pollBound)
	for {
		behind := int64(0)
		for p := range partitions {
			_, next, err := f.client.Offsets(f.t.Context(), f.model.topic, p)
			if err != nil {
				f.t.Fatal(err)
			}
			var at int64
			_ = f.pool.QueryRow(f.t.Context(), "select next from consumer_offset where consumer = 'readings' and partition = $1", p).Scan(&at) // no row yet: at 0
			behind += next - at
		}
		if behind == 0 {
			return
		}
		select {
		case <-deadline:
			f.t.Fatalf("%d messages behind", behind)
		case <-time.After(pollEvery):
		}
	}
}

func TestRebuildEqualsLive(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.produce(0, 300)
	f.live()
	f.caughtUp()
	want := f.model.content(t)
	if err := f.model.click.Exec(t.Context(), "alter table reading delete where id % 3 = 0 settings mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	if f.model.content(t) == want {
		t.Fatal("the damage did nothing")
	}
	var done, total int64
	if err := f.rebuilder().Rebuild(t.Context(), f.model, func(d, n int64) { done, total = d, n }); err != nil {
		t.Fatal(err)
	}
	if got := f.model.content(t); got != want {
		t.Errorf("rebuilt %s, live had %s", got, want)
	}
	if done != total || done < old+300 || f.model.tables(t) != "reading" {
		t.Errorf("done %d of %d, tables %s", done, total, f.model.tables(t))
	}
}

// Whatever moment it is interrupted at, and while messages keep coming, the rebuild ends with what is right.
func TestRebuildGoesOnAfterInterruptions(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.produce(0, 100)
	f.live()
	interrupted := 0
	for stopAt := 1; ; stopAt++ {
		f.produce(uint64(100+stopAt*10), uint64(110+stopAt*10))
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		err := f.rebuilder().Rebuild(ctx, f.model, func(int64, int64) {
			if told++; told == stopAt {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "canceled") {
			t.Fatal(err)
		}
		interrupted++
	}
	f.caughtUp()
	got := f.model.content(t)
	if err := f.rebuilder().Rebuild(t.Context(), f.model, nil); err != nil {
		t.Fatal(err)
	}
	if again := f.model.content(t); again != got || interrupted < 3 || f.model.tables(t) != "reading" {
		t.Errorf("after %d interruptions %s, built anew %s, tables %s", interrupted, got, again, f.model.tables(t))
	}
}

func TestRebuildThatDiffersChangesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.produce(0, 10)
	want := f.model.content(t)
	f.model.differ.Store(true)
	if err := f.rebuilder().Rebuild(t.Context(), f.model, nil); !errors.Is(err, projections.ErrDiffers) {
		t.Fatalf("got %v", err)
	}
	if got := f.model.content(t); got != want {
		t.Errorf("the live table is %s, was %s", got, want)
	}
	f.model.differ.Store(false)
	if err := f.rebuilder().Rebuild(t.Context(), f.model, nil); err != nil {
		t.Error(err)
	}
}
