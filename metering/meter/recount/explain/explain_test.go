package explain_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter/recount/explain"
	"github.com/ezscale/platform/metering/meter/recount/recounttest"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 2, 2)
	hour := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	w.Exec(`insert into assignment (id, prefix, service_id, valid) values ($1, '198.51.100.5/32', $2, '[1066-10-14,9999-12-31)')`, uuid.New(), w.Services[0])
	w.Send(0, hour, w.Packet(0, hour, recounttest.Address(0), recounttest.Peer(1), 1000), w.Packet(0, hour, recounttest.Address(0), recounttest.Peer(2), 500),
		w.Packet(0, hour, recounttest.Peer(1), recounttest.Address(0), 100), w.Packet(0, hour.Add(time.Hour), recounttest.Address(0), recounttest.Peer(1), 999))
	w.Send(1, hour, w.Packet(1, hour, recounttest.Peer(5), recounttest.Peer(6), 200), w.Packet(1, hour, recounttest.Address(1), recounttest.Peer(6), 64))
	w.Exec(`insert into usage_correction (id, kind, service_id, exporter_id, hour, bytes_in_l2, batch, reason, created_at)
		values ($1, 'quarantine_release', $2, $3, $4, 7, $1, 'rate was 512', now())`, uuid.New(), w.Services[0], w.Exporters[1], hour)
	w.Exec(`insert into quarantine_hourly (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length) values ($1, $2, $3, 'in', 0, 9, 900, 800)`,
		w.Exporters[1], hour, w.Services[0])
	for decision, rate := range map[string]*int64{"released": new(int64(512)), "rejected": nil} {
		w.Exec(`insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, rate_given, samples, frame_length, ip_length, reason, decided_at)
			values ($1, $2, $3, $4, 'in', 0, $5, $6, 4, 400, 300, 'r', now())`, uuid.New(), w.Exporters[1], hour, w.Services[0], decision, rate)
	}
	w.Report(hour.Add(2 * time.Hour))
	w.Meter()
	e, err := explain.Explain(context.Background(), w.DB.Pool(postgres.RoleQuery), w.Recounter(0, nil), w.Services[0], hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	line := func(exporter, agent, direction, prefix string, samples, l2, l3 int64) explain.Line {
		return explain.Line{Exporter: exporter, Kind: "sample", Agent: agent, Port: 7, Direction: direction, Prefix: prefix, Rate: 100,
			Samples: samples, Packets: samples * 100, BytesL2: l2, BytesL3: l3}
	}
	lines := []explain.Line{
		line("leaf-0", "192.0.2.0", "out", "10.0.0.0/32", 2, 150_000, 146_400),
		line("leaf-1", "192.0.2.1", "out", "198.51.100.5/32", 1, 20_000, 18_200),
		line("leaf-0", "192.0.2.0", "in", "10.0.0.0/32", 1, 10_000, 8_200),
	}
	if diff := cmp.Diff(lines, e.Lines); diff != "" {
		t.Error(diff)
	}
	peers := []explain.Peer{{Address: "198.51.100.1", BytesIn: 10_000, BytesOut: 100_000, Samples: 2},
		{Address: "198.51.100.2", BytesOut: 50_000, Samples: 1}, {Address: "198.51.100.6", BytesOut: 20_000, Samples: 1}}
	if diff := cmp.Diff(peers, e.Peers); diff != "" {
		t.Error(diff)
	}
	if len(e.Sums) != 2 || !e.Complete || !e.InLog || e.LogFrom != nil || e.Service != "svc-0" || len(e.Losses) != 2 {
		t.Errorf("%+v", e)
	}
	for _, s := range e.Sums {
		if s.Difference != (explain.Usage{}) {
			t.Errorf("%s: difference %+v", s.Exporter, s.Difference)
		}
	}
	if len(e.Corrections) != 1 || e.Corrections[0].Exporter != "leaf-1" || e.Corrections[0].AppliedAt == nil {
		t.Errorf("corrections %+v", e.Corrections)
	}
	quarantined := []explain.Quarantined{{Exporter: "leaf-1", Direction: "in", Samples: 9, FrameLength: 900, Released: 4, Rejected: 4}}
	if diff := cmp.Diff(quarantined, e.Quarantined); diff != "" {
		t.Error(diff)
	}
	w.Exec(`update usage_hourly set bytes_in_l2 = bytes_in_l2 + 3 where service_id = $1 and exporter_id = $2`, w.Services[0], w.Exporters[0])
	e, err = explain.Explain(context.Background(), w.DB.Pool(postgres.RoleQuery), w.Recounter(0, nil), w.Services[0], hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	var off int64
	for _, s := range e.Sums {
		off += s.Difference.BytesInL2
	}
	if off != 3 {
		t.Errorf("three bytes too many in the books show as %d", off)
	}
}
