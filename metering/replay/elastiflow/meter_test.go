package elastiflow_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter"
	"github.com/ezscale/platform/metering/replay/document"
	"github.com/ezscale/platform/schemas/events"
)

type noWaker struct{}

func (noWaker) Wake() {}

// From Elasticsearch to the billing counters, with a broker whose answers get lost: every document once, egress left
// aside by the exporter's policy, and the same again when everything is replayed twice.
func TestCountedByTheMeter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	template(t, w.source, document.Codex, w.source.Index("flow")+"*")
	documents, _ := many(document.Codex, w.source.Index("flow"), 400, start(), start().Add(5*time.Minute), func(i int, f *traffic) {
		if f.side = "ingress"; i%4 == 0 {
			f.side = "egress"
		}
	})
	var want uint64
	for _, d := range documents {
		if source := d.Source.(m); source["flow.direction.name"] == "ingress" {
			want += source["flow.bytes"].(uint64)
		}
	}
	w.source.Write(t, documents...)
	w.startMeter()
	w.producer = &forgetful{inner: w.kafka}
	cfg := w.config()
	cfg.Page, cfg.Batch = 30, 60
	w.run(cfg, elasticsearch.Config{})
	w.awaitUsage(want)
	cfg.Name = "once more"
	w.run(cfg, elasticsearch.Config{})
	if l := w.read(); l.repeats == 0 {
		t.Error("nothing was sent twice: the test tested nothing")
	}
	time.Sleep(500 * time.Millisecond) // a flush of the meter and more
	w.awaitUsage(want)
}

// company puts the exporters and one service, which owns the sources, into the database.
func (w *world) company() {
	w.t.Helper()
	exec := func(sql string, arguments ...any) {
		if _, err := w.owner.Exec(context.Background(), sql, arguments...); err != nil {
			w.t.Fatalf("%s: %v", sql, err)
		}
	}
	customer, plan, service := uuid.New(), uuid.New(), uuid.New()
	exec(`insert into customer (id, email, name, created_at) values ($1, 'a@example.com', 'A', now())`, customer)
	exec(`insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
		values ($1, 'p', 500, 'USD', 'month', 'l2', 'sum', '{75,90,100}', now())`, plan)
	for _, e := range w.exporters {
		exec(`insert into exporter (id, name, source, count_policy, created_at) values ($1, $2, $3, 'ingress', now())`, e.ID, e.Name, e.Source)
	}
	exec(`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at) values ($1, 'svc', $2, $3, '2026-01-01', 1, now())`, service, customer, plan)
	exec(`insert into assignment (id, prefix, service_id, valid) values ($1, '192.0.2.0/24', $2, '[2026-01-01,)')`, uuid.New(), service)
}

// startMeter runs a meter of the leaf's partition.
func (w *world) startMeter() {
	w.t.Helper()
	partition := events.Partition(events.VirtualShard(leafID()), events.FlowPartitions)
	one, err := meter.New(meter.Config{
		Partitions: []int{partition}, Topic: w.topic, UsageTopic: kafkatest.New(w.t).Topic(w.t, events.UsagePartitions), Now: time.Now,
		FlushInterval: 50 * time.Millisecond, IdleInterval: 50 * time.Millisecond, BehindFlush: 100 * time.Millisecond,
		EmitInterval: 100 * time.Millisecond, StateInterval: 300 * time.Millisecond, LeaseTTL: 5 * time.Second, RetryLease: 100 * time.Millisecond,
		StallAfter: 10 * time.Second,
	}, w.db.Pool(postgres.RoleMeter), w.kafka, noWaker{}, slog.New(slog.NewTextHandler(w.t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := one.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := one.Stop(ctx); err != nil {
			w.t.Error(err)
		}
	})
}

// awaitUsage waits until the billing counters hold so many bytes out, and nothing in.
func (w *world) awaitUsage(want uint64) {
	w.t.Helper()
	var in, out uint64
	for deadline := time.Now().Add(bound / 2); ; time.Sleep(50 * time.Millisecond) {
		err := w.owner.QueryRow(context.Background(), "select coalesce(sum(bytes_in_l2), 0)::bigint, coalesce(sum(bytes_out_l2), 0)::bigint from usage_hourly").Scan(&in, &out)
		if err == nil && out == want && in == 0 {
			return
		}
		if time.Now().After(deadline) || out > want {
			w.t.Fatalf("%d bytes in and %d out were counted, want 0 and %d (%v)", in, out, want, err)
		}
	}
}
