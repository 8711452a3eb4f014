package reports_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/ezscale/platform/query/reports"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.quarantine(1, 10, 1, "in", 20000, 10)
	b.quarantine(1, 12, 1, "in", 20000, 4)
	b.quarantine(1, 12, 1, "out", 20000, 6)
	b.quarantine(2, 11, 1, "in", 0, 3) // decided whole
	b.decide(1, 10, 1, "in", 20000, 3, "released", of(int64(512)), hour(12))
	b.decide(1, 10, 1, "in", 20000, 1, "rejected", nil, hour(12).Add(time.Minute))
	b.decide(2, 11, 1, "in", 0, 3, "rejected", nil, hour(9))
	b.exec(`insert into port_rate_hourly (exporter_id, if_index, hour, rate, samples) values ($1, 5, $2, 512, 10), ($1, 5, $2, 1024, 9), ($1, 6, $2, 20000, 99)`, exporter(1), hour(10))

	row := func(e, h int, direction string, rate, samples, open int64) reports.QuarantineRow {
		return reports.QuarantineRow{ExporterID: exporter(e), Exporter: "e" + string(rune('0'+e)), Hour: hour(h), ServiceID: service(1), Service: "s1", Direction: direction, Rate: rate,
			Samples: samples, FrameLength: samples * 100, IPLength: samples * 90, OpenSamples: open, OpenFrameLength: open * 100, OpenIPLength: open * 90}
	}
	same(t, []reports.QuarantineRow{row(1, 12, "out", 20000, 6, 6), row(1, 12, "in", 20000, 4, 4), row(1, 10, "in", 20000, 10, 6)}, list(b, reports.Quarantine(), reports.Request{}))
	same(t, []reports.QuarantineRow{row(2, 11, "in", 0, 3, 0)}, list(b, reports.Quarantine(), reports.Request{State: "all", Exporter: "e2"}))
	same(t, []reports.QuarantineGroup{{ExporterID: exporter(1), Exporter: "e1", ServiceID: service(1), Service: "s1", Rate: 20000, RateMin: 1, RateMax: 10000, UsualRate: of(int64(512)),
		Samples: 16, FrameLengthIn: 1000, FrameLengthOut: 600, IPLengthIn: 900, IPLengthOut: 540, Hours: 2, FirstHour: hour(10), LastHour: hour(12)}}, list(b, reports.QuarantineGroups(), reports.Request{}))
	if got := list(b, reports.QuarantineGroups(), reports.Request{Rate: of(int64(512))}); len(got) != 0 {
		t.Errorf("of another rate: %+v", got)
	}
	released := reports.QuarantineDecision{DecidedAt: hour(12), Decision: "released", ExporterID: exporter(1), Exporter: "e1", Hour: hour(10), ServiceID: service(1), Service: "s1", Direction: "in",
		Rate: 20000, RateGiven: of(int64(512)), Samples: 3, FrameLength: 300, IPLength: 270, Reason: "because"}
	got := list(b, reports.QuarantineDecisions(), reports.Request{State: "released"})
	if diff := cmp.Diff([]reports.QuarantineDecision{released}, got, cmpopts.IgnoreTypes(reports.Keyed{}, uuid.UUID{}), cmpopts.IgnoreFields(reports.QuarantineDecision{}, "ID")); diff != "" {
		t.Error(diff)
	}
	if got := list(b, reports.QuarantineDecisions(), reports.Request{}); len(got) != 2 || got[0].Decision != "rejected" || got[0].RateGiven != nil {
		t.Errorf("newest first, and only of the range: %+v", got)
	}
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id, batch := uuid.New(), uuid.New()
	b.exec(`insert into usage_correction (id, kind, service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out, batch, reason, created_at, applied_at)
		values ($1, 'remeter', $3, $4, $5, -1, 2, -3, 4, -5, 6, -7, 8, $2, 'counted anew', $6, $7)`, id, batch, service(1), exporter(1), hour(2), hour(11), hour(12))
	b.exec(`insert into usage_correction (id, kind, service_id, exporter_id, hour, bytes_in_l2, batch, reason, created_at)
		values (gen_random_uuid(), 'quarantine_release', $1, $2, $3, 9, $4, 'released', $5)`, service(2), exporter(1), hour(2), batch, hour(12))
	want := reports.UsageCorrection{ID: id, CreatedAt: hour(11), AppliedAt: of(hour(12)), Kind: "remeter", Batch: batch, ServiceID: service(1), Service: "s1", ExporterID: exporter(1), Exporter: "e1", Hour: hour(2),
		BytesInL2: -1, BytesOutL2: 2, BytesInL3: -3, BytesOutL3: 4, PacketsIn: -5, PacketsOut: 6, SamplesIn: -7, SamplesOut: 8, Reason: "counted anew"}
	same(t, []reports.UsageCorrection{want}, list(b, reports.Corrections(), reports.Request{State: "applied"}))
	if got := list(b, reports.Corrections(), reports.Request{}); len(got) != 2 || got[0].Kind != "quarantine_release" || got[0].AppliedAt != nil {
		t.Errorf("newest first: %+v", got)
	}
	if got := list(b, reports.Corrections(), reports.Request{State: "waiting", Service: "s1"}); len(got) != 0 {
		t.Errorf("waiting of s1: %+v", got)
	}
}
