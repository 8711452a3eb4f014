package reports_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query/reports"
)

// ports fills the books: port 5 of e1 is a gigabit port, sampled itself and bound to s2 since eleven; port 6 is seen
// only by samples of others, and its agent tells nothing of it.
func ports(b books) {
	b.exec(`insert into port (exporter_id, if_index, if_type, speed, octets_in, octets_out, read_at, rate, name, fcs_errors, status)
		values ($1, 5, 6, 1000000000, 18446744073709551615, 12, $2, 512, 'xe-0/0/5', 4, 1)`, exporter(1), now)
	b.exec(`insert into binding (id, exporter_id, if_index, service_id, valid) values
		('00000000-0000-0000-0000-0000000000b1', $1, 5, $2, tstzrange($3, null)), ('00000000-0000-0000-0000-0000000000b2', $1, 5, $4, tstzrange($5, $3))`,
		exporter(1), service(2), hour(11), service(1), hour(8))
	b.exec(`insert into port_hourly (exporter_id, if_index, hour, octets_in, octets_out, packets_in, packets_out, readings, resets, implausible, gap_seconds,
			flow_in, flow_out, flow_in_elsewhere, flow_out_elsewhere, samples_in, samples_out, samples_in_elsewhere, samples_out_elsewhere) values
		($1, 5, $2, 3000000, 900000, 30, 9, 180, 1, 2, 240, 3100000, 0, 7, 800000, 400, 0, 1, 300),
		($1, 5, $3, 6000000, 100000, 60, 1, 180, 0, 0, 0, 5900000, 0, 0, 100000, 800, 0, 0, 50),
		($1, 6, $3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4000, 0, 0, 0, 4, 0)`, exporter(1), hour(10), hour(11))
	b.exec(`insert into port_reconciliation (exporter_id, if_index, hour, ratio_in, ratio_out, verdict, judged_at) values
		($1, 5, $2, 1.0333, 0.8889, 'off', $4), ($1, 5, $3, 0.9833, 1, 'ok', $4), ($1, 6, $3, null, null, 'unknown', $4)`, exporter(1), hour(10), hour(11), hour(12))
	b.exec(`insert into port_rate_hourly (exporter_id, if_index, hour, rate, samples) values ($1, 5, $2, 512, 400), ($1, 5, $3, 512, 600), ($1, 5, $3, 1024, 200), ($1, 6, $3, 64, 4)`,
		exporter(1), hour(10), hour(11))
}

func TestTopPorts(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	ports(b)
	five := reports.TopPort{ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", Speed: 1_000_000_000, ServiceID: of(service(2)), Service: of("s2"),
		OctetsIn: 9_000_000, OctetsOut: 1_000_000, Octets: 10_000_000, UsePercent: of(0.001), // 72 Mbit of 7,200,000 Mbit in two hours
		FlowIn: 9_000_000, FlowOut: 0, FlowInElsewhere: 7, FlowOutElsewhere: 900_000, SamplesIn: 1200, RatioIn: of(1.0), RatioOut: of(0.9),
		Readings: 360, Resets: 1, Implausible: 2, GapSeconds: 240}
	six := reports.TopPort{ExporterID: exporter(1), Exporter: "e1", IfIndex: 6, FlowInElsewhere: 4000}
	same(t, []reports.TopPort{five, six}, list(b, reports.TopPorts(), reports.Request{}))
	same(t, []reports.TopPort{five}, list(b, reports.TopPorts(), reports.Request{Service: "s2"}))
	five.ServiceID, five.Service = of(service(1)), of("s1")
	if got := list(b, reports.TopPorts(), reports.Request{From: hour(10), To: hour(11)}); len(got) != 1 || *got[0].Service != "s1" {
		t.Errorf("before the binding changed: %+v", got)
	}
}

func TestReconciliationAndPortHours(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	ports(b)
	ten := reports.ReconciledHour{ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", Hour: hour(10), Verdict: "off", RatioIn: of(1.0333), RatioOut: of(0.8889), Deviation: of(0.1111),
		OctetsIn: 3_000_000, OctetsOut: 900_000, FlowIn: 3_100_000, FlowOut: 800_000, SamplesIn: 400, SamplesOut: 300, Resets: 1, GapSeconds: 240, ServiceID: of(service(1)), Service: of("s1"), JudgedAt: hour(12)}
	eleven := reports.ReconciledHour{ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", Hour: hour(11), Verdict: "ok", RatioIn: of(0.9833), RatioOut: of(1.0), Deviation: of(0.0167),
		OctetsIn: 6_000_000, OctetsOut: 100_000, FlowIn: 5_900_000, FlowOut: 100_000, SamplesIn: 800, SamplesOut: 50, ServiceID: of(service(2)), Service: of("s2"), JudgedAt: hour(12)}
	six := reports.ReconciledHour{ExporterID: exporter(1), Exporter: "e1", IfIndex: 6, Hour: hour(11), Verdict: "unknown", FlowIn: 4000, SamplesIn: 4, JudgedAt: hour(12)}
	same(t, []reports.ReconciledHour{six, eleven, ten}, list(b, reports.Reconciliation(), reports.Request{}))
	same(t, []reports.ReconciledHour{ten, eleven, six}, list(b, reports.Reconciliation(), reports.Request{Sort: "deviation"}))
	same(t, []reports.ReconciledHour{ten}, list(b, reports.Reconciliation(), reports.Request{State: "off"}))
	same(t, []reports.ReconciledHour{eleven}, list(b, reports.Reconciliation(), reports.Request{Service: "s2"}))
	same(t, []reports.ReconciledHour{six}, list(b, reports.Reconciliation(), reports.Request{Exporter: "e1", Port: 6}))
	hours := list(b, reports.PortHours(), reports.Request{Exporter: "e1", Port: 5, Order: "asc"})
	want := []reports.PortHour{
		{ExporterID: exporter(1), IfIndex: 5, Hour: hour(10), OctetsIn: 3_000_000, OctetsOut: 900_000, PacketsIn: 30, PacketsOut: 9, Readings: 180, Resets: 1, Implausible: 2, GapSeconds: 240,
			FlowIn: 3_100_000, FlowInElsewhere: 7, FlowOutElsewhere: 800_000, SamplesIn: 400, SamplesInElsewhere: 1, SamplesOutElsewhere: 300, Verdict: of("off"), RatioIn: of(1.0333), RatioOut: of(0.8889)},
		{ExporterID: exporter(1), IfIndex: 5, Hour: hour(11), OctetsIn: 6_000_000, OctetsOut: 100_000, PacketsIn: 60, PacketsOut: 1, Readings: 180,
			FlowIn: 5_900_000, FlowOutElsewhere: 100_000, SamplesIn: 800, SamplesOutElsewhere: 50, Verdict: of("ok"), RatioIn: of(0.9833), RatioOut: of(1.0)},
	}
	same(t, want, hours)
}

func TestRatesAboveTheUsualAreFlagged(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	ports(b)
	port := reports.RateHour{ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", UsualRate: 512}
	row := func(h int, rate, samples int64, share float64, above bool) reports.RateHour {
		r := port
		r.Hour, r.Rate, r.Samples, r.SharePercent, r.AboveUsual = hour(h), rate, samples, share, above
		return r
	}
	got := list(b, reports.Rates(), reports.Request{Port: 5, Sort: "rate", Order: "asc"})
	same(t, []reports.RateHour{row(10, 512, 400, 100, false), row(11, 512, 600, 75, false), row(11, 1024, 200, 25, true)}, got)
	same(t, []reports.RateHour{row(11, 1024, 200, 25, true)}, list(b, reports.Rates(), reports.Request{State: "above"}))
}

func TestBindingsAndPort(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	ports(b)
	was := reports.PortBinding{ID: uuid.MustParse("00000000-0000-0000-0000-0000000000b2"), ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", ServiceID: service(1), Service: "s1", Since: hour(8), Until: of(hour(11))}
	is := reports.PortBinding{ID: uuid.MustParse("00000000-0000-0000-0000-0000000000b1"), ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", ServiceID: service(2), Service: "s2", Since: hour(11)}
	same(t, []reports.PortBinding{was, is}, list(b, reports.Bindings(), reports.Request{Sort: "service"}))
	same(t, []reports.PortBinding{is}, list(b, reports.Bindings(), reports.Request{From: hour(12), To: hour(13)}))
	ctx := context.Background()
	got, err := reports.FindPort(ctx, b.read, "e1", 5, now)
	if err != nil {
		t.Fatal(err)
	}
	want := reports.PortDetail{ExporterID: exporter(1), Exporter: "e1", IfIndex: 5, Port: "xe-0/0/5", IfType: of(int64(6)), Speed: of(int64(1_000_000_000)), AdminUp: of(true), OperUp: of(false), FCSErrors: of(int64(4)),
		OctetsIn: of(int64(9223372036854775807)), OctetsOut: of(int64(12)), Rate: of(int64(512)), ReadAt: of(now), BindingID: of(is.ID), ServiceID: of(service(2)), Service: of("s2"), BoundSince: of(hour(11))}
	if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(time.Microsecond)); diff != "" {
		t.Error(diff)
	}
	if got, err := reports.FindPort(ctx, b.read, exporter(1).String(), 6, now); err != nil || got.Speed != nil || got.Service != nil {
		t.Errorf("a port known by flows alone: %+v %v", got, err)
	}
	for exporter, port := range map[string]int64{"e1": 7, "e2": 5, "e9": 5} {
		if _, err := reports.FindPort(ctx, b.read, exporter, port, now); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s/%d: %v", exporter, port, err)
		}
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.usage(1, 1, 11, 800, 80, 0)
	b.usage(1, 2, 11, 200, 20, 1)
	b.exec(`insert into usage_evidence (service_id, exporter_id, hour, reason, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
		values ($1, $2, $3, 'bound', 1, 2, 3, 4, 5, 6, 7, 8), ($1, $2, $3, 'attachment', 9, 9, 9, 9, 9, 9, 9, 9), ($4, $2, $5, 'bound', 1, 1, 1, 1, 1, 1, 1, 1)`,
		service(1), exporter(1), hour(11), service(2), hour(9))
	bound := reports.EvidenceHour{ServiceID: service(1), Service: "s1", ExporterID: exporter(1), Exporter: "e1", Hour: hour(11), Reason: "bound",
		BytesInL2: 1, BytesOutL2: 2, BytesInL3: 3, BytesOutL3: 4, PacketsIn: 5, PacketsOut: 6, SamplesIn: 7, SamplesOut: 8, BilledInL2: 1000, BilledOutL2: 100}
	same(t, []reports.EvidenceHour{bound}, list(b, reports.Evidence(), reports.Request{State: "bound", Service: "s1"}))
	if got := list(b, reports.Evidence(), reports.Request{}); len(got) != 2 {
		t.Errorf("all: %+v", got)
	}
}
