package bandwidth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/clickhouse/clickhousetest"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/projections"
	"github.com/ezscale/platform/schemas/events"
)

const patience = 60 * time.Second

// midnight is in the middle of the usage that tests make, so that batches span two partitions.
var midnight = time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)

type fixture struct {
	t        *testing.T
	model    *UsageMinute
	owner    *pgxpool.Pool
	command  *pgxpool.Pool
	kafka    *kafka.Client
	click    driver.Conn
	exporter uuid.UUID
	services []uuid.UUID
	random   *rand.Rand
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	cluster, db := kafkatest.New(t), postgrestest.New(t)
	f := &fixture{
		t: t, owner: db.Pool(postgres.RoleOwner), command: db.Pool(postgres.RoleCommand), kafka: cluster.Client(t),
		click: clickhousetest.New(t).Conn(), exporter: uuid.New(), random: rand.New(rand.NewPCG(1, 2)),
	}
	f.model = NewUsageMinute(f.command, f.kafka, f.click)
	f.model.topic = cluster.Topic(t, events.UsagePartitions)
	customer, plan := uuid.New(), uuid.New()
	f.exec(`insert into customer (id, email, name, created_at) values ($1, 'a@example.com', 'A', now())`, customer)
	f.exec(`insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
		values ($1, 'p', 500, 'USD', 'month', 'l2', 'sum', '{}', now())`, plan)
	f.exec(`insert into exporter (id, name, source, count_policy, created_at) values ($1, 'leaf', '192.0.2.0/24', 'ingress', now())`, f.exporter)
	for i := range 5 {
		f.services = append(f.services, uuid.New())
		f.exec(`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at) values ($1, $2, $3, $4, '2026-01-01', 1, now())`,
			f.services[i], fmt.Sprint("svc-", i), customer, plan)
	}
	f.exec(`insert into meter (partition, watermark) values (0, $1)`, midnight.Add(3*time.Hour))
	return f
}

func (f *fixture) exec(sql string, arguments ...any) {
	f.t.Helper()
	if _, err := f.owner.Exec(context.Background(), sql, arguments...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// count adds usage to Postgres and gives the window that a meter would emit.
func (f *fixture) count() events.UsageWindow {
	f.t.Helper()
	service := f.services[f.random.IntN(len(f.services))]
	slot := midnight.Add(time.Duration(f.random.IntN(2*360)-360) * 10 * time.Second)
	u := events.UsageSlot{
		BytesInL2: f.random.Int64N(1e12), BytesOutL2: f.random.Int64N(1e9), BytesInL3: f.random.Int64N(1e9), BytesOutL3: f.random.Int64N(1e9),
		PacketsIn: 10, PacketsOut: 20, SamplesIn: 1, SamplesOut: 2,
	}
	counts := []any{service, u.BytesInL2, u.BytesOutL2, u.BytesInL3, u.BytesOutL3, u.PacketsIn, u.PacketsOut, u.SamplesIn, u.SamplesOut}
	f.exec(`insert into usage_hourly as h (service_id, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out, hour, exporter_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (service_id, hour, exporter_id) do update set
		bytes_in_l2 = h.bytes_in_l2 + excluded.bytes_in_l2, bytes_out_l2 = h.bytes_out_l2 + excluded.bytes_out_l2,
		bytes_in_l3 = h.bytes_in_l3 + excluded.bytes_in_l3, bytes_out_l3 = h.bytes_out_l3 + excluded.bytes_out_l3,
		packets_in = h.packets_in + excluded.packets_in, packets_out = h.packets_out + excluded.packets_out,
		samples_in = h.samples_in + excluded.samples_in, samples_out = h.samples_out + excluded.samples_out`,
		append(counts, slot.Truncate(time.Hour), f.exporter)...)
	f.exec(`insert into usage_slot as h (service_id, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out, slot, meter, flush)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 1) on conflict (service_id, slot) do update set version = h.version + 1,
		bytes_in_l2 = h.bytes_in_l2 + excluded.bytes_in_l2, bytes_out_l2 = h.bytes_out_l2 + excluded.bytes_out_l2,
		bytes_in_l3 = h.bytes_in_l3 + excluded.bytes_in_l3, bytes_out_l3 = h.bytes_out_l3 + excluded.bytes_out_l3,
		packets_in = h.packets_in + excluded.packets_in, packets_out = h.packets_out + excluded.packets_out,
		samples_in = h.samples_in + excluded.samples_in, samples_out = h.samples_out + excluded.samples_out`, append(counts, slot)...)
	return f.window(service, slot.Truncate(time.Minute))
}

func (f *fixture) window(service uuid.UUID, start time.Time) events.UsageWindow {
	rows, err := f.model.minutes(context.Background(), cursor{Minute: start.Add(-time.Second)})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range rows {
		if r.service == service && r.start.Equal(start) {
			return f.asWindow(r)
		}
	}
	f.t.Fatal("no such minute")
	return events.UsageWindow{}
}

func (f *fixture) asWindow(r row) events.UsageWindow {
	w := events.UsageWindow{ServiceID: r.service, Start: r.start, Version: int64(r.version)}
	for i := range slotCount {
		s := events.UsageSlot{Offset: i * slotSeconds, BytesInL2: r.slots[0][i], BytesOutL2: r.slots[1][i], BytesInL3: r.slots[2][i], BytesOutL3: r.slots[3][i]}
		if len(w.Slots) == 0 {
			s.PacketsIn, s.PacketsOut, s.SamplesIn, s.SamplesOut = r.PacketsIn, r.PacketsOut, r.SamplesIn, r.SamplesOut
		}
		w.Slots = append(w.Slots, s)
	}
	return w
}

func (f *fixture) emit(w events.UsageWindow) {
	f.t.Helper()
	value, err := json.Marshal(w)
	if err != nil {
		f.t.Fatal(err)
	}
	f.produce(events.Partition(events.VirtualShard(w.ServiceID), events.UsagePartitions), value)
}

func (f *fixture) produce(partition int, value []byte) {
	f.t.Helper()
	if _, err := f.kafka.Produce(context.Background(), f.model.topic, partition, []kafka.Message{{Value: value}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) run() *consumer.Runner {
	f.t.Helper()
	cfg := consumer.Config{MaxWait: 20 * time.Millisecond, Backoff: 10 * time.Millisecond, Now: time.Now}
	runner := projections.NewRunner(cfg, f.command, f.kafka, f.model, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := runner.Start(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = runner.Stop(context.Background()) })
	return runner
}

func (f *fixture) await(what string, ok func() error) {
	f.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	f.t.Fatalf("%s: %v", what, err)
}

// rows reads the table as queries see it.
func (f *fixture) rows() []string {
	f.t.Helper()
	found, err := f.click.Query(context.Background(), "select toString(tuple(*)) from usage_minute final order by service_id, start")
	if err != nil {
		f.t.Fatal(err)
	}
	defer found.Close()
	var rows []string
	for found.Next() {
		var r string
		if err := found.Scan(&r); err != nil {
			f.t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

func (f *fixture) rebuild() error {
	rebuilder := projections.NewRebuilder(f.command, f.kafka, f.click, slog.New(slog.DiscardHandler))
	return rebuilder.Rebuild(context.Background(), f.model, nil)
}

func TestRebuildEqualsLive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.run()
	var emitted []events.UsageWindow
	for range 150 {
		emitted = append(emitted, f.count())
	}
	f.random.Shuffle(len(emitted), func(i, j int) { emitted[i], emitted[j] = emitted[j], emitted[i] })
	for _, w := range append(emitted, emitted[:20]...) {
		f.emit(w)
	}
	check := func() error { return f.model.Check(context.Background(), f.model.Table()) }
	f.await("the table agrees with Postgres", check)
	live := f.rows()
	for range 2 {
		if err := f.rebuild(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(live, f.rows()); diff != "" || len(live) < 100 {
			t.Fatalf("%d rows: %s", len(live), diff)
		}
	}
	f.emit(f.count())
	f.await("the live projector writes into the rebuilt table", check)
}

func TestRebuildTakesFromPostgresWhatTheTopicLacks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 30 {
		f.count()
	}
	if err := f.model.Check(context.Background(), Name); !errors.Is(err, projections.ErrDiffers) {
		t.Fatalf("an empty table agrees: %v", err)
	}
	if err := f.rebuild(); err != nil {
		t.Fatal(err)
	}
	if err := f.model.Check(context.Background(), Name); err != nil {
		t.Error(err)
	}
}

func TestCheckSeesOneByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 10 {
		f.count()
	}
	if err := f.rebuild(); err != nil {
		t.Fatal(err)
	}
	f.exec("update usage_hourly set bytes_out_l3 = bytes_out_l3 + 1 where service_id = (select min(service_id::text)::uuid from usage_hourly)")
	if err := f.model.Check(context.Background(), Name); !errors.Is(err, projections.ErrDiffers) {
		t.Errorf("%v", err)
	}
	f.exec(`insert into usage_late (service_id, hour, bytes_out_l3) select service_id, hour, 1 from usage_hourly
		where service_id = (select min(service_id::text)::uuid from usage_hourly)`)
	if err := f.model.Check(context.Background(), Name); err != nil {
		t.Errorf("late usage is known, yet: %v", err)
	}
}

// Port counters have no samples, and a port that stood still has a minute without a byte.
func TestCheckKnowsPortsThatBill(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 10 {
		f.count()
	}
	f.exec("update usage_hourly set samples_in = 0, samples_out = 0")
	f.exec("update usage_slot set samples_in = 0, samples_out = 0")
	f.exec("insert into usage_hourly (service_id, exporter_id, hour) values ($1, $2, $3)", f.services[0], f.exporter, midnight.Add(-2*time.Hour))
	f.exec("insert into usage_slot (service_id, slot, meter, flush) values ($1, $2, 0, 1)", f.services[0], midnight.Add(-2*time.Hour))
	if err := f.rebuild(); err != nil {
		t.Fatal(err)
	}
	f.exec("update usage_hourly set bytes_out_l2 = bytes_out_l2 + 1 where hour = $1", midnight.Add(-2*time.Hour))
	if err := f.model.Check(context.Background(), Name); !errors.Is(err, projections.ErrDiffers) {
		t.Errorf("a byte more: %v", err)
	}
}

func TestBadWindowsAreParked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.run()
	w := f.count()
	p := events.Partition(events.VirtualShard(w.ServiceID), events.UsagePartitions)
	f.produce(p, []byte(`{"service_id":"nobody"}`))
	f.emit(w)
	f.await("the good one arrives", func() error { return f.model.Check(context.Background(), Name) })
	var parked int
	if err := f.owner.QueryRow(context.Background(), "select count(*) from parked_message where consumer = $1 and partition = $2", Name, p).Scan(&parked); err != nil || parked != 1 {
		t.Errorf("%d parked, %v", parked, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := events.UsageWindow{ServiceID: uuid.New(), Start: midnight, Version: 3, Slots: []events.UsageSlot{{Offset: 0, BytesInL2: 1, SamplesIn: 5}, {Offset: 50, BytesInL2: 2, BytesOutL3: 7}}}
	change := func(f func(w *events.UsageWindow)) events.UsageWindow {
		w := good
		w.Slots = append([]events.UsageSlot(nil), good.Slots...)
		f(&w)
		return w
	}
	value, _ := json.Marshal(good)
	r, err := parse(value)
	if err != nil || r.BytesInL2 != 3 || r.SamplesIn != 5 || r.slots[0][5] != 2 || r.slots[3][5] != 7 || r.version != 3 {
		t.Errorf("%+v %v", r, err)
	}
	for name, w := range map[string]events.UsageWindow{
		"no service":   change(func(w *events.UsageWindow) { w.ServiceID = uuid.Nil }),
		"no version":   change(func(w *events.UsageWindow) { w.Version = 0 }),
		"half minute":  change(func(w *events.UsageWindow) { w.Start = midnight.Add(30 * time.Second) }),
		"before 1970":  change(func(w *events.UsageWindow) { w.Start = midnight.AddDate(-100, 0, 0) }),
		"odd slot":     change(func(w *events.UsageWindow) { w.Slots[1].Offset = 55 }),
		"a slot twice": change(func(w *events.UsageWindow) { w.Slots[1].Offset = 0 }),
		"beyond":       change(func(w *events.UsageWindow) { w.Slots[1].Offset = 60 }),
	} {
		value, _ := json.Marshal(w)
		if _, err := parse(value); !errors.Is(err, ErrWindow) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"service_id":"018f0000-0000-7000-8000-000000000001","start":"2026-05-01T00:00:00Z","version":1,"slots":[{"offset":10,"bytes_in_l2":5}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := parse(value)
		if err != nil {
			return
		}
		if r.start.Second() != 0 || r.version == 0 || len(r.slots[0]) != slotCount {
			t.Fatalf("%+v", r)
		}
	})
}
