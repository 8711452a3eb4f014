package meter_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/metertest"
)

// counters is a datagram with a reading of port 9 of exporter 0, that many seconds after the epoch.
func (w *world) counters(seq uint32, seconds int64, in, out uint64) []byte {
	return w.collector.Envelopes(w.exporters[0], metertest.SFlow(epoch.UnixNano()+seconds*1e9, metertest.Datagram{
		Agent: agentOf(0), Sequence: seq, Uptime: uint32(1000 * (seconds + 1)),
		Samples:  []metertest.Sample{{Sequence: seq, Source: 9, Rate: 100, Input: 9, Output: 2, FrameLength: 1000, IPLength: 982, Src: addressOf(0), Dst: addressOf(1)}},
		Counters: []metertest.Counter{{Sequence: seq, Port: 9, Speed: 10e9, OctetsIn: in, OctetsOut: out, PacketsIn: uint32(in / 1000), PacketsOut: uint32(out / 1000)}},
	}))[0]
}

// A bound port bills its service by its counters over the hour's end, its flows are evidence, the other end of them counts.
func TestABoundPortInTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2)
	cycle := w.addCycle(0, "2026-03-01", "2026-04-01", 10_000)
	w.exec("insert into binding (id, exporter_id, if_index, service_id, valid) values ($1, $2, 9, $3, '[2026-01-01,)')", uuid.New(), w.exporters[0], w.services[0])
	w.send(w.counters(1, 0, 5000, 0), w.counters(2, 20, 7000, 1000))
	_, stop := w.start(w.config())
	w.awaitCounted()
	stop()
	w.start(w.config())
	w.send(w.counters(3, 40, 9000, 4000)) // the hour ends at 30
	w.awaitCounted()
	type row struct{ in, out, samples int64 }
	hour := func(service int, at string) (r row) {
		r.in = one[int64](w, "select coalesce(sum(bytes_in_l2), 0)::bigint from usage_hourly where service_id = $1 and hour = $2", w.services[service], at)
		r.out = one[int64](w, "select coalesce(sum(bytes_out_l2), 0)::bigint from usage_hourly where service_id = $1 and hour = $2", w.services[service], at)
		r.samples = one[int64](w, "select coalesce(sum(samples_in + samples_out), 0)::bigint from usage_hourly where service_id = $1 and hour = $2", w.services[service], at)
		return r
	}
	if r := hour(0, "2026-03-01 10:00Z"); r != (row{1000 + 1500, 2000 + 1000, 0}) {
		t.Errorf("before eleven: %+v", r)
	}
	if r := hour(0, "2026-03-01 11:00Z"); r != (row{1500, 1000, 0}) {
		t.Errorf("after eleven: %+v", r)
	}
	if r := hour(1, "2026-03-01 10:00Z"); r != (row{200_000, 0, 2}) {
		t.Errorf("the other end: %+v", r)
	}
	if n := one[int64](w, "select bytes_out_l2 from usage_evidence where service_id = $1 and reason = 'bound' and hour = '2026-03-01 10:00Z'", w.services[0]); n != 200_000 {
		t.Errorf("%d bytes of evidence", n)
	}
	if n := one[int64](w, "select bytes_in_l2 + bytes_out_l2 from usage_cycle where cycle_id = $1", cycle); n != 8000 {
		t.Errorf("%d bytes in the cycle", n)
	}
	if n := one[int64](w, "select count(*) from quota_alert where cycle_id = $1 and threshold = 75", cycle); n != 1 {
		t.Errorf("%d alerts of 75 %%", n)
	}
	if n := one[int64](w, "select flow_in from port_hourly where if_index = 9 and hour = '2026-03-01 10:00Z'"); n != 200_000 {
		t.Errorf("%d bytes of flows at the port", n)
	}
	if n := one[int64](w, "select sum(samples)::bigint from port_rate_hourly where if_index = 9 and rate = 100"); n != 3 {
		t.Errorf("%d samples of the rate", n)
	}
}

func (w *world) correct(service int, kind string, bytes int64) {
	w.exec(`insert into usage_correction (id, kind, service_id, exporter_id, hour, bytes_in_l2, bytes_in_l3, packets_in, samples_in, batch, reason, created_at)
		values ($1, $2, $3, $4, '2026-03-01 10:00Z', $5::bigint, $5::bigint, sign($5::bigint), sign($5::bigint), $6, 'a test', now())`, uuid.New(), kind, w.services[service], w.exporters[0], bytes, uuid.New())
}

func (w *world) applied() int64 {
	return one[int64](w, "select count(*) from usage_correction where applied_at is not null")
}

// Corrections are taken once each, also while nothing comes, whatever dies; they reach hours, cycles and alerts.
func TestCorrectionsAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2)
	cycle := w.addCycle(0, "2026-03-01", "2026-04-01", 10_000)
	w.send(w.report(epoch.Add(time.Second)))
	w.correct(0, "quarantine_release", 5000)
	_, stop := w.start(w.config())
	w.await("the first correction", func() bool { return w.applied() == 1 })
	w.correct(0, "quarantine_release", 3000)
	w.correct(1, "quarantine_release", 70) // its service has no cycle yet
	w.await("corrections while nothing comes", func() bool { return w.applied() == 3 })
	stop()
	w.correct(0, "remeter", -1000)
	w.start(w.config())
	w.await("one of before the start", func() bool { return w.applied() == 4 })
	later := w.addCycle(1, "2026-03-01", "2026-04-01", 10_000)
	w.send(w.report(epoch.Add(2 * time.Second)))
	w.await("the cycle that came later", func() bool {
		return one[int64](w, "select coalesce(sum(bytes_in_l2), 0)::bigint from usage_cycle where cycle_id = $1", later) == 70
	})
	for what, c := range map[string]struct{ got, want int64 }{
		"hourly": {one[int64](w, "select sum(bytes_in_l2)::bigint from usage_hourly where service_id = $1", w.services[0]), 7000},
		"late":   {one[int64](w, "select sum(bytes_in_l2)::bigint from usage_late where service_id = $1", w.services[0]), 7000},
		"cycle":  {one[int64](w, "select bytes_in_l2 from usage_cycle where cycle_id = $1", cycle), 7000},
		"alerts": {one[int64](w, "select count(*) from quota_alert where cycle_id = $1 and threshold = 75", cycle), 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", what, c.got, c.want)
		}
	}
}

// Flows of a replay are counted at their own time, and by the exporter's settings.
func TestReplayedFlowsInTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2)
	value, err := w.collector.Flows(w.exporters[0], envelope.Flow{
		Start: epoch.UnixNano(), End: epoch.Add(time.Minute).UnixNano(), Src: addressOf(0), Dst: addressOf(1), BytesL2: 600, BytesL3: 540, Packets: 6, Rate: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.send(value, value)
	_, stop := w.start(w.config())
	w.awaitCounted()
	stop()
	if n := one[int64](w, "select bytes_out_l2 from usage_hourly where service_id = $1 and hour = '2026-03-01 10:00Z'", w.services[0]); n != 300 {
		t.Errorf("%d bytes before eleven", n)
	}
	if n := one[int64](w, "select sum(bytes_in_l3)::bigint from usage_hourly where service_id = $1", w.services[1]); n != 540 {
		t.Errorf("%d bytes in", n)
	}
	if n := one[int64](w, "select sum(records)::bigint from loss_hourly"); n != 1 {
		t.Errorf("%d records", n)
	}
	w.checkViews()
}
