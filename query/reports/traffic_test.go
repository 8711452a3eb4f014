package reports_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ezscale/platform/query/reports"
)

func same[T any](t *testing.T, want, got []T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(reports.Keyed{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// traffic fills the books: s1 by both exporters, s2 by port counters alone, s3 in quarantine alone.
func traffic(b books) {
	b.usage(1, 1, 10, 5000, 1000, 90)
	b.usage(1, 1, 11, 3000, 1000, 10)
	b.usage(1, 2, 11, 2000, 0, 96) // 196 samples in all: 196/14 = 14 %
	b.usage(2, 1, 12, 4000, 4000, 0)
	b.usage(2, 1, 13, 9_999_999, 0, 5) // after the range
	b.quarantine(1, 11, 1, "in", 20000, 5)
	b.decide(1, 11, 1, "in", 20000, 2, "rejected", nil, now)
	b.quarantine(2, 12, 3, "out", 0, 7)
	b.quarantine(2, 9, 3, "out", 0, 70) // before the range
	b.exec(`insert into loss_hourly (exporter_id, hour, datagrams, datagrams_lost, samples_lost, records_lost, bytes_unattributed_l2) values
		($1, $3, 100, 7, 20, 1, 600), ($1, $4, 50, 1, 0, 0, 0), ($2, $4, 10, 2, 3, 4, 50), ($1, $5, 9, 99, 99, 99, 99)`, exporter(1), exporter(2), hour(10), hour(12), hour(13))
}

func TestTopServices(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	traffic(b)
	first := reports.TopService{ServiceID: service(1), Service: "s1", Customer: "Ann", BytesInL2: 10000, BytesOutL2: 2000, BytesL2: 12000, BytesInL3: 9000, BytesOutL3: 1800, BytesL3: 10800,
		SharePercent: of(60.0), PacketsIn: 100, PacketsOut: 20, Samples: 196, ErrorBoundPercent: of(14.0), DatagramsLost: 7 + 1 + 2, SamplesLost: 23, RecordsLost: 5, SamplesQuarantined: 3}
	counted := reports.TopService{ServiceID: service(2), Service: "s2", Customer: "Bob", BytesInL2: 4000, BytesOutL2: 4000, BytesL2: 8000, BytesInL3: 3600, BytesOutL3: 3600, BytesL3: 7200,
		SharePercent: of(40.0), PacketsIn: 40, PacketsOut: 40, ErrorBoundPercent: of(0.0), DatagramsLost: 8, SamplesLost: 20, RecordsLost: 1}
	held := reports.TopService{ServiceID: service(3), Service: "s3", Customer: "Bob", SamplesQuarantined: 7}
	same(t, []reports.TopService{first, counted, held}, list(b, reports.TopServices(), reports.Request{}))
	same(t, []reports.TopService{held, counted, first}, list(b, reports.TopServices(), reports.Request{Order: "asc"}))
	same(t, []reports.TopService{counted, first, held}, list(b, reports.TopServices(), reports.Request{Sort: "bytes_out_l2"}))
	same(t, []reports.TopService{first, counted, held}, list(b, reports.TopServices(), reports.Request{Sort: "error_bound_percent"})) // without one: last
	if got := list(b, reports.TopServices(), reports.Request{Search: "ANN"}); len(got) != 1 || got[0].Service != "s1" {
		t.Errorf("by customer: %+v", got)
	}
	only := list(b, reports.TopServices(), reports.Request{Exporter: "e2"})
	if len(only) != 2 || only[0].BytesL2 != 2000 || *only[0].SharePercent != 100 || only[0].DatagramsLost != 2 {
		t.Errorf("of one exporter: %+v", only)
	}
	b.exec(`update loss_hourly set datagrams_lost = -2, samples_lost = -3, records_lost = -4 where exporter_id = $1`, exporter(2)) // late ones of the day before
	first.DatagramsLost, first.SamplesLost, first.RecordsLost = 8, 20, 1
	same(t, []reports.TopService{first, counted, held}, list(b, reports.TopServices(), reports.Request{}))
	if e2 := list(b, reports.TopExporters(), reports.Request{Exporter: "e2"}); len(e2) != 1 || e2[0].DatagramsLost != 0 || e2[0].SamplesLost != 0 || e2[0].RecordsLost != 0 {
		t.Errorf("an exporter that took gaps back: %+v", e2)
	}
}

func TestTopExporters(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	traffic(b)
	b.exec(`insert into exporter (id, name, source, count_policy, created_at) values (gen_random_uuid(), 'never heard', '192.0.2.9', 'ingress', now())`)
	same(t, []reports.TopExporter{
		{ExporterID: exporter(1), Exporter: "e1", BytesInL2: 12000, BytesOutL2: 6000, BytesL2: 18000, BytesL3: 16200, SharePercent: of(90.0), Services: 2, BytesUnattributedL2: 600,
			Samples: 100, ErrorBoundPercent: of(19.6), Datagrams: 150, DatagramsLost: 8, SamplesLost: 20, RecordsLost: 1, SamplesQuarantined: 3},
		{ExporterID: exporter(2), Exporter: "e2", BytesInL2: 2000, BytesL2: 2000, BytesL3: 1800, SharePercent: of(10.0), Services: 1, BytesUnattributedL2: 50,
			Samples: 96, ErrorBoundPercent: of(20.004166), Datagrams: 10, DatagramsLost: 2, SamplesLost: 3, RecordsLost: 4, SamplesQuarantined: 7},
	}, list(b, reports.TopExporters(), reports.Request{}))
}

func TestUnattributed(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.exec(`insert into unattributed_hourly (exporter_id, hour, address, bytes_l2, bytes_l3, packets, samples) values
		($1, $3, '198.51.100.7', 100, 90, 2, 1), ($1, $4, '198.51.100.7', 200, 180, 4, 2), ($2, $4, '198.51.100.7', 300, 270, 6, 3),
		($1, $3, '2001:db8::9', 5000, 4500, 50, 5), ($2, $3, '::', 400, 360, 9, 9), ($2, $5, '198.51.100.8', 77777, 1, 1, 1)`,
		exporter(1), exporter(2), hour(10), hour(12), hour(9))
	six := reports.UnattributedAddress{Address: "2001:db8::9", Exporters: "e1", BytesL2: 5000, BytesL3: 4500, Packets: 50, Samples: 5, Hours: 1, FirstHour: hour(10), LastHour: hour(10)}
	four := reports.UnattributedAddress{Address: "198.51.100.7", Exporters: "e1, e2", BytesL2: 600, BytesL3: 540, Packets: 12, Samples: 6, Hours: 2, FirstHour: hour(10), LastHour: hour(12)}
	others := reports.UnattributedAddress{Address: "others", Exporters: "e2", BytesL2: 400, BytesL3: 360, Packets: 9, Samples: 9, Hours: 1, FirstHour: hour(10), LastHour: hour(10)}
	same(t, []reports.UnattributedAddress{six, four, others}, list(b, reports.Unattributed(), reports.Request{}))
	for search, want := range map[string][]reports.UnattributedAddress{"198.51.100.0/24": {four}, "198.51.100.7": {four}, "2001:db8::1/32": {six}, "::/0": {six}, "10.0.0.0/8": nil} {
		same(t, want, list(b, reports.Unattributed(), reports.Request{Search: search}))
	}
	four.Exporters, four.BytesL2, four.BytesL3, four.Packets, four.Samples, four.Hours, four.FirstHour = "e2", 300, 270, 6, 3, 1, hour(12)
	same(t, []reports.UnattributedAddress{others, four}, list(b, reports.Unattributed(), reports.Request{Exporter: exporter(2).String()}))
}

func TestIngest(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.exec(`insert into exporter_seen (exporter_id, first_at, last_at) values ($1, $2, $3)`, exporter(1), hour(10).Add(20*time.Minute+30*time.Second), now)
	b.exec(`insert into loss_hourly (exporter_id, hour, datagrams, datagrams_lost, datagrams_duplicate, datagrams_rejected, restarts, samples, samples_evidence, samples_lost, samples_dropped,
			samples_quarantined, samples_without_ip, samples_rejected, samples_unattributed, bytes_unattributed_l2, counter_samples, discard_samples, samples_unknown, kernel_drops, spool_drops,
			records, records_lost, sets_without_template, samples_elsewhere)
		values ($1, $3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23), ($2, $4, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
		exporter(1), exporter(2), hour(10), hour(11))
	b.exec(`insert into reject_hourly (exporter_id, hour, reason, count) values ($1, $2, 'truncated', 3), ($1, $2, 'version', 9)`, exporter(1), hour(10))
	b.exec(`insert into loss_minute (exporter_id, minute, datagrams, datagrams_lost)
		select $1, $2::timestamptz + m * interval '1 minute', case when m = 25 then 0 else 1 end, 0 from generate_series(20, 49) m`, exporter(1), hour(10))
	b.exec(`insert into loss_minute (exporter_id, minute, datagrams, datagrams_lost) select $1, $2::timestamptz + m * interval '1 minute', 1, 0 from generate_series(0, 27) m`, exporter(1), hour(12))
	full := reports.IngestHour{ExporterID: exporter(1), Exporter: "e1", Hour: hour(10), SilentMinutes: of(int64(40 - 29)), Datagrams: 1, DatagramsLost: 2, DatagramsDuplicate: 3, DatagramsRejected: 4,
		Rejected: reports.Reasons{"truncated": 3, "version": 9}, Restarts: 5, Samples: 6, SamplesEvidence: 7, SamplesLost: 8, SamplesDropped: 9, SamplesQuarantined: 10, SamplesWithoutIP: 11,
		SamplesRejected: 12, SamplesUnattributed: 13, BytesUnattributedL2: 14, CounterSamples: 15, DiscardSamples: 16, SamplesUnknown: 17, KernelDrops: 18, SpoolDrops: 19,
		Records: 20, RecordsLost: 21, SetsWithoutTemplate: 22, SamplesElsewhere: 23}
	silent := reports.IngestHour{ExporterID: exporter(1), Exporter: "e1", Hour: hour(11), SilentMinutes: of(int64(60)), Rejected: reports.Reasons{}}
	running := reports.IngestHour{ExporterID: exporter(1), Exporter: "e1", Hour: hour(12), SilentMinutes: of(int64(29 - 28)), Rejected: reports.Reasons{}} // the minute 12:29 has not settled
	replayed := reports.IngestHour{ExporterID: exporter(2), Exporter: "e2", Hour: hour(11), Datagrams: 60, Rejected: reports.Reasons{}}
	same(t, []reports.IngestHour{running, replayed, silent, full}, list(b, reports.Ingest(), reports.Request{}))
	same(t, []reports.IngestHour{full, running, silent}, list(b, reports.Ingest(), reports.Request{Exporter: "e1", Sort: "datagrams_lost"})[:3])
	if got := list(b, reports.Ingest(), reports.Request{State: "trouble"}); len(got) != 3 {
		t.Errorf("trouble: %+v", got)
	}
	b.exec(`update loss_hourly set samples_dropped = 3, datagrams_lost = -2, samples_lost = -2, records_lost = -2 where exporter_id = $1`, exporter(2)) // late ones of the hour before
	if got := list(b, reports.Ingest(), reports.Request{State: "trouble"}); len(got) != 4 {
		t.Errorf("trouble, with late datagrams that took back another hour's gaps: %+v", got)
	}
	if got := full.Rejected.String(); got != "version: 9, truncated: 3" {
		t.Errorf("reasons: %q", got)
	}
}
