package meter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/meter"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
	"github.com/ezscale/platform/schemas/events"
)

const patience = 60 * time.Second

var epoch = time.Date(2026, 3, 1, 10, 59, 30, 0, time.UTC)

// world is a small company in a database, and topics of its own.
type world struct {
	t          testing.TB
	db         *postgrestest.DB
	owner      *pgxpool.Pool
	kafka      *kafka.Client
	topic      string
	usageTopic string
	brokers    []string
	customer   uuid.UUID
	plan       uuid.UUID
	exporters  []uuid.UUID
	services   []uuid.UUID
	log        [][]byte // everything in partition 0 of topic
	forget     bool     // keep no log
	sent       int64
	collector  metertest.Collector
}

func newWorld(t testing.TB, exporters, services int) *world {
	t.Helper()
	cluster := kafkatest.New(t)
	w := &world{
		t: t, db: postgrestest.New(t), brokers: cluster.Brokers, kafka: cluster.Client(t), topic: cluster.Topic(t, 1), usageTopic: cluster.Topic(t, events.UsagePartitions),
		customer: uuid.New(), plan: uuid.New(), collector: metertest.Collector{ID: uuid.New(), Boot: epoch.UnixNano()},
	}
	w.owner = w.db.Pool(postgres.RoleOwner)
	w.exec(`insert into customer (id, email, name, created_at) values ($1, 'a@example.com', 'A', now())`, w.customer)
	w.exec(`insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
		values ($1, 'p', 500, 'USD', 'month', 'l2', 'sum', '{75,90,100}', now())`, w.plan)
	for i := range exporters {
		w.addExporter(i)
	}
	for i := range services {
		w.addService(i)
	}
	return w
}

func (w *world) exec(sql string, arguments ...any) {
	w.t.Helper()
	if _, err := w.owner.Exec(context.Background(), sql, arguments...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) addExporter(i int) {
	id := uuid.New()
	w.exporters = append(w.exporters, id)
	w.exec(`insert into exporter (id, name, source, count_policy, created_at) values ($1, $2, $3, 'ingress', now())`,
		id, fmt.Sprintf("leaf-%d", i), netip.PrefixFrom(agentOf(i), 32))
}

func (w *world) addService(i int) {
	id := uuid.New()
	w.services = append(w.services, id)
	w.exec(`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at) values ($1, $2, $3, $4, '2026-01-01', 1, now())`,
		id, fmt.Sprintf("svc-%d", i), w.customer, w.plan)
	w.exec(`insert into assignment (id, prefix, service_id, valid) values ($1, $2, $3, '[2026-01-01,)')`,
		uuid.New(), netip.PrefixFrom(addressOf(i), 32), id)
}

func (w *world) addCycle(service int, from, to string, quota int64) uuid.UUID {
	id := uuid.New()
	w.exec(`insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, quota_bytes, byte_basis, direction, thresholds, currency)
		values ($1, $2, $3, $4::timestamptz, $5::timestamptz, 'open', $6, 'l2', 'sum', '{75,90,100}', 'USD')`, id, w.services[service], w.plan, from, to, quota)
	return id
}

func agentOf(i int) netip.Addr   { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
func addressOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// send appends envelopes to the log.
func (w *world) send(values ...[]byte) {
	w.t.Helper()
	var messages []kafka.Message
	for _, v := range values {
		messages = append(messages, kafka.Message{Value: v})
	}
	if _, err := w.kafka.Produce(context.Background(), w.topic, 0, messages); err != nil {
		w.t.Fatal(err)
	}
	if w.sent += int64(len(values)); !w.forget {
		w.log = append(w.log, values...)
	}
}

// config is a meter of partition 0 that does everything often.
func (w *world) config() meter.Config {
	return meter.Config{
		Partitions: []int{0}, Topic: w.topic, UsageTopic: w.usageTopic, Now: time.Now,
		FlushInterval: 50 * time.Millisecond, IdleInterval: 50 * time.Millisecond, BehindFlush: 100 * time.Millisecond,
		EmitInterval: 100 * time.Millisecond, StateInterval: 300 * time.Millisecond, LeaseTTL: 5 * time.Second, RetryLease: 100 * time.Millisecond,
		StallAfter: 10 * time.Second, PageRows: 3,
	}
}

type noWaker struct{}

func (noWaker) Wake() {}

// start runs a meter until stop is called or the test ends.
func (w *world) start(cfg meter.Config) (m *meter.Meter, stop func()) {
	w.t.Helper()
	m, err := meter.New(cfg, w.db.Pool(postgres.RoleMeter), w.kafka, noWaker{}, slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := m.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Stop(ctx); err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(stop)
	return m, stop
}

// await polls until ok or the test's patience is over.
func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// awaitCounted waits until the whole log is committed.
func (w *world) awaitCounted() {
	w.t.Helper()
	w.await("the log is counted", func() bool { return w.committed() == w.sent })
}

func (w *world) committed() int64 {
	return one[int64](w, "select coalesce(max(next), 0) from consumer_offset where topic = $1", w.topic)
}

func one[T any](w *world, sql string, arguments ...any) T {
	w.t.Helper()
	var v T
	if err := w.owner.QueryRow(context.Background(), sql, arguments...).Scan(&v); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// hourly are the books: usage by service, exporter and hour.
type hourly map[string]count.Usage

func hourlyKey(service, exporter uuid.UUID, hour time.Time) string {
	return fmt.Sprint(service, " ", exporter, " ", hour.UTC().Format(time.RFC3339))
}

func (w *world) books() hourly {
	w.t.Helper()
	books := hourly{}
	found, err := w.owner.Query(context.Background(), `select service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3,
		packets_in, packets_out, samples_in, samples_out from usage_hourly`)
	if err != nil {
		w.t.Fatal(err)
	}
	var service, exporter uuid.UUID
	var hour time.Time
	var u count.Usage
	if _, err := pgx.ForEachRow(found, []any{&service, &exporter, &hour, &u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3,
		&u.PacketsIn, &u.PacketsOut, &u.SamplesIn, &u.SamplesOut}, func() error {
		books[hourlyKey(service, exporter, hour)] = u
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return books
}

// direct counts the log in memory, from its beginning, without a meter.
func (w *world) direct() (hourly, count.Loss) {
	w.t.Helper()
	var assignments []prefix.Assignment
	for i := range w.services {
		assignments = append(assignments, prefix.Assignment{Prefix: netip.PrefixFrom(addressOf(i), 32), Owner: int32(i), From: 0, To: prefix.Forever})
	}
	table, err := prefix.New(assignments)
	if err != nil {
		w.t.Fatal(err)
	}
	exporters := map[uuid.UUID]*ownership.Exporter{}
	for i, id := range w.exporters {
		exporters[id] = &ownership.Exporter{ID: id, Index: int32(i), RateMin: 1, RateMax: 1_000_000}
	}
	c := count.New(track.NewBook(), &sflow.Decoder{})
	c.Use(&ownership.Snapshot{Exporters: exporters, Prefixes: table})
	for i, value := range w.log {
		if _, err := c.Envelope(value, int64(i)); err != nil {
			w.t.Fatal(err)
		}
	}
	books := hourly{}
	c.Tally.Each(func(service int32, column count.Column, u *count.Usage) {
		hour := time.Unix(column.Slot*10, 0).Truncate(time.Hour)
		key := hourlyKey(w.services[service], w.exporters[column.Exporter], hour)
		sum := books[key]
		sum.Add(u)
		books[key] = sum
	})
	var loss count.Loss
	for _, l := range c.Tally.Losses {
		loss.Datagrams, loss.DatagramsLost = loss.Datagrams+l.Datagrams, loss.DatagramsLost+l.DatagramsLost
		loss.DatagramsDuplicate, loss.Restarts = loss.DatagramsDuplicate+l.DatagramsDuplicate, loss.Restarts+l.Restarts
		loss.Samples, loss.SamplesLost = loss.Samples+l.Samples, loss.SamplesLost+l.SamplesLost
	}
	return books, loss
}

func (w *world) loss() count.Loss {
	w.t.Helper()
	var l count.Loss
	if err := w.owner.QueryRow(context.Background(), `select coalesce(sum(datagrams), 0), coalesce(sum(datagrams_lost), 0), coalesce(sum(datagrams_duplicate), 0),
		coalesce(sum(restarts), 0), coalesce(sum(samples), 0), coalesce(sum(samples_lost), 0) from loss_hourly`).
		Scan(&l.Datagrams, &l.DatagramsLost, &l.DatagramsDuplicate, &l.Restarts, &l.Samples, &l.SamplesLost); err != nil {
		w.t.Fatal(err)
	}
	return l
}

// windows reads usage.v1 whole and keeps the newest of each window.
func (w *world) windows() map[string]events.UsageWindow {
	w.t.Helper()
	newest := map[string]events.UsageWindow{}
	for p := range events.UsagePartitions {
		first, next, err := w.kafka.Offsets(context.Background(), w.usageTopic, p)
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := w.kafka.OpenReader(context.Background(), w.usageTopic, p, first)
		if err != nil {
			w.t.Fatal(err)
		}
		for r.Offset() < next {
			if _, err := r.Fetch(context.Background(), time.Second, func(record kafka.Record) error {
				var u events.UsageWindow
				if err := json.Unmarshal(record.Value, &u); err != nil {
					return err
				}
				if events.Partition(events.VirtualShard(u.ServiceID), events.UsagePartitions) != p || uuid.UUID(record.Key) != u.ServiceID {
					return errors.New("a window in the wrong place")
				}
				key := fmt.Sprint(u.ServiceID, u.Start)
				if old, ok := newest[key]; !ok || u.Version > old.Version {
					newest[key] = u
				}
				return nil
			}); err != nil {
				w.t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			w.t.Error(err)
		}
	}
	return newest
}

// windowSums are the bytes of all windows, L2 in and out.
func (w *world) windowSums() [2]int64 {
	var sum [2]int64
	for _, u := range w.windows() {
		for _, s := range u.Slots {
			sum[0], sum[1] = sum[0]+s.BytesInL2, sum[1]+s.BytesOutL2
		}
	}
	return sum
}

func (w *world) hourlySums() [2]int64 {
	var sum [2]int64
	for _, u := range w.books() {
		sum[0], sum[1] = sum[0]+u.BytesInL2, sum[1]+u.BytesOutL2
	}
	return sum
}
