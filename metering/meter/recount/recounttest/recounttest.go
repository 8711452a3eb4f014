// Package recounttest gives tests of recounts a small hosting company, a raw log of one partition, and a meter on both.
package recounttest

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/recount"
	"github.com/ezscale/platform/schemas/events"
)

const patience = 60 * time.Second

// World is one test's company: exporters leaf-0 …, services svc-0 … with a prefix each, and their log.
type World struct {
	testing.TB
	DB         *postgrestest.DB
	Owner      *pgxpool.Pool
	Kafka      *kafka.Client
	Topic      string
	Exporters  []uuid.UUID
	Services   []uuid.UUID
	Collector  metertest.Collector
	usageTopic string
	sequences  map[int]uint32
	sent       int64
}

// New makes it.
func New(t testing.TB, exporters, services int) *World {
	t.Helper()
	cluster := kafkatest.New(t)
	w := &World{TB: t, DB: postgrestest.New(t), Kafka: cluster.Client(t), Topic: cluster.Topic(t, 1), usageTopic: cluster.Topic(t, events.UsagePartitions),
		Collector: metertest.Collector{ID: uuid.New(), Boot: 1}, sequences: map[int]uint32{}}
	w.Owner = w.DB.Pool(postgres.RoleOwner)
	customer, plan := uuid.New(), uuid.New()
	w.Exec(`insert into customer (id, email, name, created_at) values ($1, 'a@example.com', 'A', now())`, customer)
	w.Exec(`insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
		values ($1, 'p', 500, 'USD', 'month', 'l2', 'sum', '{75,90,100}', now())`, plan)
	for i := range exporters {
		w.Exporters = append(w.Exporters, uuid.New())
		w.Exec(`insert into exporter (id, name, source, count_policy, created_at) values ($1, $2, $3, 'ingress', now())`,
			w.Exporters[i], fmt.Sprintf("leaf-%d", i), netip.PrefixFrom(agent(i), 32))
	}
	for i := range services {
		w.Services = append(w.Services, uuid.New())
		w.Exec(`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at) values ($1, $2, $3, $4, '2026-01-01', 1, now())`,
			w.Services[i], fmt.Sprintf("svc-%d", i), customer, plan)
		w.Exec(`insert into assignment (id, prefix, service_id, valid) values ($1, $2, $3, '[2026-01-01,)')`,
			uuid.New(), netip.PrefixFrom(Address(i), 32), w.Services[i])
	}
	return w
}

func agent(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }

// Address is that of a service.
func Address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// Peer is an address that no service has.
func Peer(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }

// Exec runs a statement as the owner.
func (w *World) Exec(sql string, arguments ...any) {
	w.Helper()
	if _, err := w.Owner.Exec(context.Background(), sql, arguments...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

// One reads one value as the owner.
func One[T any](w *World, sql string, arguments ...any) T {
	w.Helper()
	var v T
	if err := w.Owner.QueryRow(context.Background(), sql, arguments...).Scan(&v); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return v
}

// Packet is a sampled packet from a to b of so many bytes, at rate 100, received at a time in a datagram of its own.
func (w *World) Packet(exporter int, at time.Time, a, b netip.Addr, bytes uint32) metertest.Packet {
	w.sequences[exporter]++
	seq := w.sequences[exporter]
	return metertest.SFlow(at.UnixNano(), metertest.Datagram{Agent: agent(exporter), Sequence: seq, Uptime: seq, Samples: []metertest.Sample{
		{Sequence: seq, Source: 7, Input: 7, Output: 8, Rate: 100, FrameLength: bytes, IPLength: bytes - 18, Src: a, Dst: b},
	}})
}

// Send appends an exporter's packets to the log, as if it was written at a time.
func (w *World) Send(exporter int, written time.Time, packets ...metertest.Packet) {
	w.Helper()
	w.Write(written, w.Collector.Envelopes(w.Exporters[exporter], packets...)...)
}

// Report appends a collector's report that it has sent all that it received before a time.
func (w *World) Report(at time.Time) {
	w.Helper()
	w.Write(at, w.Collector.Report(envelope.Report{Host: "c1", At: at, Watermark: at}))
}

// Write appends values to the log.
func (w *World) Write(written time.Time, values ...[]byte) {
	w.Helper()
	var messages []kafka.Message
	for _, v := range values {
		messages = append(messages, kafka.Message{Value: v, Time: written})
	}
	if _, err := w.Kafka.Produce(context.Background(), w.Topic, 0, messages); err != nil {
		w.Fatal(err)
	}
	w.sent += int64(len(values))
}

// Meter lets a meter count the whole log, and apply the corrections that wait, and stops it.
func (w *World) Meter() {
	w.Helper()
	m, err := meter.New(meter.Config{
		Partitions: []int{0}, Topic: w.Topic, UsageTopic: w.usageTopic, Now: time.Now, FlushInterval: 50 * time.Millisecond,
		IdleInterval: 50 * time.Millisecond, BehindFlush: 100 * time.Millisecond,
	}, w.DB.Pool(postgres.RoleMeter), w.Kafka, noWaker{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		w.Fatal(err)
	}
	if err := m.Start(context.Background()); err != nil {
		w.Fatal(err)
	}
	for deadline := time.Now().Add(patience); w.behind(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("the log is not counted within %s: %v", patience, m.Health())
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		w.Error(err)
	}
}

func (w *World) behind() bool {
	next := One[int64](w, "select coalesce(max(next), 0) from consumer_offset where topic = $1", w.Topic)
	waiting := One[int64](w, "select count(*) from usage_correction where applied_at is null")
	return next < w.sent || waiting > 0
}

type noWaker struct{}

func (noWaker) Wake() {}

// Recounter is one on the world's log, or on one that is put before it.
func (w *World) Recounter(ahead time.Duration, log recount.Log) *recount.Recounter {
	if log == nil {
		log = w.Kafka
	}
	return recount.New(recount.Config{Topic: w.Topic, Partitions: 1, Now: time.Now, Ahead: ahead}, w.DB.Pool(postgres.RoleQuery), log)
}
