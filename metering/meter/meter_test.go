package meter_test

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/metertest"
)

// traffic makes random datagrams of a world's exporters, with loss, repeats and disorder.
type traffic struct {
	*world
	random *rand.Rand
	seq    []uint32 // of each exporter
	sample []uint32
	made   int
}

func newTraffic(w *world, seed uint64) *traffic {
	return &traffic{world: w, random: rand.New(rand.NewPCG(seed, 1)), seq: make([]uint32, len(w.exporters)), sample: make([]uint32, len(w.exporters))}
}

// envelopes are n datagrams of one exporter, a tenth of a second apart.
func (tr *traffic) envelopes(exporter, n int) [][]byte {
	var packets []metertest.Packet
	for range n {
		tr.seq[exporter]++
		if tr.random.IntN(50) == 0 {
			tr.seq[exporter]++
		}
		d := metertest.Datagram{Agent: agentOf(exporter), Sequence: tr.seq[exporter], Uptime: tr.seq[exporter]}
		for range 1 + tr.random.IntN(7) {
			tr.sample[exporter]++
			d.Samples = append(d.Samples, tr.draw(tr.sample[exporter]))
		}
		tr.made++
		packets = append(packets, metertest.SFlow(epoch.Add(time.Duration(tr.made)*100*time.Millisecond).UnixNano(), d))
		if tr.random.IntN(20) == 0 {
			packets = append(packets, packets[tr.random.IntN(len(packets))])
		}
	}
	tr.random.Shuffle(len(packets)/4, func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	return tr.collector.Envelopes(tr.exporters[exporter], packets...)
}

func (tr *traffic) draw(seq uint32) metertest.Sample {
	ends := [2]netip.Addr{addressOf(tr.random.IntN(len(tr.services))), netip.AddrFrom4([4]byte{198, 51, 100, byte(tr.random.IntN(9))})}
	if tr.random.IntN(5) == 0 {
		ends[1] = addressOf(tr.random.IntN(len(tr.services)))
	}
	at := tr.random.IntN(2)
	length := uint32(64 + tr.random.IntN(1400))
	return metertest.Sample{
		Sequence: seq, Source: 1, Rate: 512, Input: 1, Output: 2, FrameLength: length + 18, IPLength: length, Src: ends[at], Dst: ends[1-at],
	}
}

func (w *world) report(at time.Time) []byte {
	return w.collector.Report(envelope.Report{Host: "c1", Listen: ":6343", At: at, Watermark: at, ReceiveBuffer: 1, Datagrams: 2, Bytes: 3})
}

func TestCountersEqualTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 20)
	tr := newTraffic(w, 1)
	for i := range 20 {
		w.send(tr.envelopes(i%2, 40)...)
	}
	_, stop := w.start(w.config())
	w.awaitCounted()
	for i := range 10 {
		w.send(tr.envelopes(i%2, 40)...)
	}
	w.send(w.report(epoch.Add(time.Hour)))
	w.send(w.log[3], w.log[7]) // a producer's repeat
	w.awaitCounted()
	stop()
	want, loss := w.direct()
	if diff := cmp.Diff(want, w.books()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(loss, w.loss()); diff != "" {
		t.Error(diff)
	}
	if loss.DatagramsDuplicate == 0 || loss.DatagramsLost == 0 || len(want) < 40 {
		t.Errorf("the test tests little: %+v, %d rows", loss, len(want))
	}
	w.checkViews()
}

// checkViews compares everything that says the same in another way.
func (w *world) checkViews() {
	w.t.Helper()
	sums := w.hourlySums()
	slots := [2]int64{one[int64](w, "select sum(bytes_in_l2)::bigint from usage_slot"), one[int64](w, "select sum(bytes_out_l2)::bigint from usage_slot")}
	pending := [2]int64{
		one[int64](w, "select (coalesce((select sum(bytes_in_l2) from usage_pending), 0) + coalesce((select sum(bytes_in_l2) from usage_cycle), 0))::bigint"),
		one[int64](w, "select (coalesce((select sum(bytes_out_l2) from usage_pending), 0) + coalesce((select sum(bytes_out_l2) from usage_cycle), 0))::bigint"),
	}
	if slots != sums || pending != sums || w.windowSums() != sums {
		w.t.Errorf("hourly %v, slots %v, cycles and pending %v, windows %v", sums, slots, pending, w.windowSums())
	}
	minutes := one[int64](w, "select coalesce(sum(datagrams), 0)::bigint from loss_minute")
	if hours := w.loss().Datagrams; minutes != hours {
		w.t.Errorf("%d datagrams by minute, %d by hour", minutes, hours)
	}
	if n := one[int](w, "select count(*) from meter where partition = 0 and flush = emitted and state is not null and unemitted_from = 'infinity'"); n != 1 {
		w.t.Error("the meter's row is not at rest")
	}
}

// Counters that somebody has brought to their end stay there; everything else is written down.
func TestFullCountersStopNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 3)
	tr := newTraffic(w, 1)
	_, stop := w.start(w.config())
	defer stop()
	w.send(tr.envelopes(0, 200)...)
	w.awaitCounted()
	for _, table := range []string{"usage_slot", "usage_hourly", "usage_cycle"} {
		w.exec("update "+table+" set bytes_in_l2 = 9223372036854775000, bytes_out_l3 = 9223372036854775000 where service_id = $1", w.services[0])
	}
	w.send(tr.envelopes(0, 200)...)
	w.awaitCounted()
	if got := one[int64](w, "select max(bytes_in_l2) from usage_hourly"); got != 9223372036854775000 {
		t.Errorf("a full counter has %d bytes", got)
	}
}

func TestQuotaAlertsFireOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2)
	cycle := w.addCycle(0, "2026-03-01", "2026-04-01", 1_000_000)
	w.addCycle(1, "2026-03-01", "2026-04-01", 100_000_000_000)
	seq := uint32(0)
	send := func(bytes uint32) {
		seq++
		s := metertest.Sample{Sequence: seq, Source: 1, Rate: 1000, Input: 1, FrameLength: bytes / 1000, IPLength: bytes / 1000, Src: addressOf(0), Dst: netip.MustParseAddr("198.51.100.1")}
		w.send(w.collector.Envelopes(w.exporters[0], metertest.SFlow(epoch.UnixNano(), metertest.Datagram{Agent: agentOf(0), Sequence: seq, Samples: []metertest.Sample{s}}))...)
		w.awaitCounted()
	}
	w.start(w.config())
	for i, want := range []int{0, 1, 1, 3, 3} { // 0.7, 0.8, 0.89, 1.5, 1.6 MB
		send([]uint32{700_000, 100_000, 90_000, 610_000, 100_000}[i])
		if got := one[int](w, "select count(*) from quota_alert where cycle_id = $1", cycle); got != want {
			t.Fatalf("%d alerts after step %d, want %d", got, i, want)
		}
	}
	for _, threshold := range []int{75, 90, 100} {
		sql := `select count(*) from quota_alert q join outbox o on o.event_id = q.event_id and o.type = 'bandwidth.QuotaThresholdReached'
			where q.threshold = $1 and (o.payload->>'threshold')::int = $1 and (o.payload->>'customer_id')::uuid = $2
			and (o.payload->>'billable_bytes')::bigint = q.billable_bytes and q.quota_bytes = 1000000 and q.crossed_at = $3`
		if n := one[int](w, sql, threshold, w.customer, epoch); n != 1 {
			t.Errorf("%d alerts with an event at %d %%", n, threshold)
		}
	}
}

// What comes for a cycle that is closed is late usage: its bill tells of it.
func TestAClosedCycleAlertsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	cycle := w.addCycle(0, "2026-03-01", "2090-01-01", 1_000_000)
	w.exec("update cycle set status = 'closed'")
	w.start(w.config())
	s := metertest.Sample{Sequence: 1, Source: 1, Rate: 1000, Input: 1, FrameLength: 1500, IPLength: 1482, Src: addressOf(0), Dst: netip.MustParseAddr("198.51.100.1")}
	w.send(w.collector.Envelopes(w.exporters[0], metertest.SFlow(epoch.UnixNano(), metertest.Datagram{Agent: agentOf(0), Sequence: 1, Samples: []metertest.Sample{s}}))...)
	w.awaitCounted()
	if used, alerts := one[int64](w, "select bytes_out_l2 from usage_cycle where cycle_id = $1", cycle), one[int](w, "select count(*) from quota_alert"); used != 1_500_000 || alerts != 0 {
		t.Errorf("%d bytes and %d alerts, want 1.5 MB and none", used, alerts)
	}
}

// A threshold that new terms put below the usage is told with the next datagram; none is told twice for it.
func TestANewQuotaJudgesTheUsageAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	cycle := w.addCycle(0, "2026-03-01", "2026-04-01", 1_000_000)
	w.start(w.config())
	seq := uint32(0)
	for i, step := range []struct {
		quota int64
		bytes uint32
		want  string // threshold@quota in kB
	}{
		{1_000_000, 920_000, "75@1000 90@1000"},
		{1_200_000, 100_000, "75@1000 90@1000"},                   // 85 %: 75 has been told
		{1_200_000, 100_000, "75@1000 90@1000 90@1200"},           // 93 %: armed anew
		{1_000_000, 100_000, "75@1000 90@1000 100@1000 90@1200"},  // 122 %: 100 has not been told
		{1_000_000, 500_000, "75@1000 90@1000 100@1000 90@1200"},  // 172 %
		{10_000_000, 500_000, "75@1000 90@1000 100@1000 90@1200"}, // 22 %
	} {
		w.exec("update cycle set quota_bytes = $2 where id = $1 and quota_bytes <> $2", cycle, step.quota)
		seq++
		s := metertest.Sample{Sequence: seq, Source: 1, Rate: 1000, Input: 1, FrameLength: step.bytes / 1000, IPLength: step.bytes / 1000, Src: addressOf(0), Dst: netip.MustParseAddr("198.51.100.1")}
		w.send(w.collector.Envelopes(w.exporters[0], metertest.SFlow(epoch.UnixNano(), metertest.Datagram{Agent: agentOf(0), Sequence: seq, Samples: []metertest.Sample{s}}))...)
		w.awaitCounted()
		if got := one[string](w, "select string_agg(threshold || '@' || quota_bytes / 1000, ' ' order by quota_bytes, threshold) from quota_alert where cycle_id = $1", cycle); got != step.want {
			t.Fatalf("after step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestUsageWaitsForItsCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 3)
	tr := newTraffic(w, 2)
	w.start(w.config())
	w.send(tr.envelopes(0, 200)...)
	w.awaitCounted()
	if n := one[int](w, "select count(*) from usage_cycle"); n != 0 {
		t.Fatalf("%d cycles from nowhere", n)
	}
	for i := range w.services {
		w.addCycle(i, "2026-03-01", "2026-04-01", 1_000)
	}
	w.send(w.report(epoch))
	w.await("pending usage is settled", func() bool { return one[int](w, "select count(*) from usage_pending") == 0 })
	cycles := one[int64](w, "select sum(bytes_in_l2 + bytes_out_l2)::bigint from usage_cycle")
	if sums := w.hourlySums(); cycles != sums[0]+sums[1] {
		t.Errorf("%d bytes in cycles, %v counted", cycles, sums)
	}
	if n := one[int](w, "select count(*) from quota_alert"); n != 9 {
		t.Errorf("%d alerts, want three for each service", n)
	}
}

// A clock that runs ahead, of a collector or in a capture, makes nobody else's datagrams old: what is known of them stays known.
func TestADatagramFromTheFutureForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	cfg := w.config()
	cfg.Now, cfg.StateInterval = func() time.Time { return epoch.Add(time.Minute) }, time.Millisecond
	w.start(cfg)
	send := func(exporter int, at time.Time) {
		s := metertest.Sample{Sequence: 1, Source: 1, Rate: 1000, Input: 1, FrameLength: 1500, IPLength: 1482, Src: addressOf(0), Dst: netip.MustParseAddr("198.51.100.1")}
		w.send(w.collector.Envelopes(w.exporters[exporter], metertest.SFlow(at.UnixNano(), metertest.Datagram{Agent: agentOf(exporter), Sequence: 1, Samples: []metertest.Sample{s}}))...)
		w.awaitCounted()
	}
	send(0, epoch)
	send(1, epoch.AddDate(4, 0, 0))
	send(0, epoch)
	if n := one[int64](w, "select sum(datagrams_duplicate)::bigint from loss_hourly where exporter_id = $1", w.exporters[0]); n != 1 {
		t.Errorf("%d repeats were known, want 1", n)
	}
}

// A collector's clock that runs ahead closes no cycle early, and makes no slot of today an old one for as long as it did.
func TestAWatermarkIsNeverAheadOfTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	cfg, now := w.config(), epoch.Add(time.Minute)
	cfg.Now = func() time.Time { return now }
	w.start(cfg)
	w.send(w.collector.Report(envelope.Report{Host: "c1", At: epoch.AddDate(1, 0, 0), Watermark: epoch.AddDate(1, 0, 0)}))
	w.send(newTraffic(w, 12).envelopes(0, 50)...)
	w.awaitCounted()
	w.send(newTraffic(w, 13).envelopes(0, 50)...)
	w.awaitCounted()
	if at, late := one[time.Time](w, "select watermark from meter"), one[int](w, "select count(*) from usage_late"); !at.Equal(now) || late != 0 {
		t.Errorf("watermark %s and %d late hours, want %s and none", at, late, now)
	}
}

// Times beyond what nanoseconds since 1970 can say are for ever, and stop nobody's metering.
func TestIntervalsBeyondTheCalendar(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2)
	w.exec("update assignment set valid = tstzrange('1066-10-14', '9999-12-31') where service_id = $1", w.services[0])
	w.exec("update assignment set valid = tstzrange(lower(valid), '2300-01-01') where service_id = $1", w.services[1])
	w.exec("insert into assignment (id, prefix, service_id, valid) select gen_random_uuid(), prefix, service_id, tstzrange(v, v + interval '1 year') from assignment, (values ('2300-01-01'::timestamptz), ('2301-01-01')) x (v) where service_id = $1", w.services[1])
	w.exec(`insert into binding (id, exporter_id, if_index, service_id, valid) values (gen_random_uuid(), $1, 9, $2, '[1066-10-14,9999-12-31)')`, w.exporters[0], w.services[1])
	w.start(w.config())
	samples := []metertest.Sample{{Sequence: 1, Source: 1, Rate: 1000, Input: 1, FrameLength: 1500, IPLength: 1482, Src: addressOf(0), Dst: addressOf(1)}}
	w.send(w.collector.Envelopes(w.exporters[0], metertest.SFlow(epoch.UnixNano(), metertest.Datagram{Agent: agentOf(0), Sequence: 1, Samples: samples}))...)
	w.awaitCounted()
	used, evidence := one[int64](w, "select sum(bytes_out_l2)::bigint from usage_hourly"), one[int64](w, "select sum(bytes_in_l2)::bigint from usage_evidence where reason = 'bound'")
	if used != 1_500_000 || evidence != 1_500_000 {
		t.Errorf("%d bytes counted and %d kept as evidence, want 1.5 MB each", used, evidence)
	}
}

func TestNewAssignmentsCountAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	w.start(w.config())
	tr := newTraffic(w, 3)
	w.send(tr.envelopes(0, 10)...)
	w.awaitCounted()
	for i := 1; i < 12; i++ {
		w.addService(i)
		before := one[int64](w, "select coalesce(sum(samples_in + samples_out), 0)::bigint from usage_hourly where service_id = $1", w.services[i])
		w.send(tr.envelopes(0, 60)...)
		w.awaitCounted()
		after := one[int64](w, "select coalesce(sum(samples_in + samples_out), 0)::bigint from usage_hourly where service_id = $1", w.services[i])
		if before != 0 || after == 0 {
			t.Errorf("service %d had %d samples before and %d after it was made", i, before, after)
		}
	}
	want, _ := w.direct()
	got := w.books()
	for key, u := range got {
		if u.SamplesIn > want[key].SamplesIn {
			t.Errorf("%s: more than there was", key)
		}
	}
}

func TestLateSlotsAndPruning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 3)
	cfg := w.config()
	cfg.SlotRetention = time.Hour
	_, stop := w.start(cfg)
	tr := newTraffic(w, 4)
	w.send(tr.envelopes(0, 50)...)
	w.send(w.report(epoch.Add(3 * time.Hour)))
	w.awaitCounted()
	slots := one[int](w, "select count(*) from usage_slot")
	w.send(tr.envelopes(0, 50)...) // two hours too late for the graph
	w.awaitCounted()
	stop()
	if n := one[int](w, "select count(*) from usage_slot"); n != slots || slots == 0 {
		t.Errorf("%d slots, %d before the late ones", n, slots)
	}
	kept := one[int64](w, "select (select sum(samples_in) from usage_slot) + (select sum(samples_in) from usage_late)")
	if sum := one[int64](w, "select sum(samples_in)::bigint from usage_hourly"); kept != sum {
		t.Errorf("%d samples in slots and late ones, %d in hours", kept, sum)
	}
	want, _ := w.direct()
	if diff := cmp.Diff(want, w.books()); diff != "" {
		t.Error(diff)
	}
}

func TestOffsetOutOfRangeStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	w.exec(`insert into consumer_offset (consumer, topic, partition, next) values ('meter', $1, 0, 1000)`, w.topic)
	m, _ := w.start(w.config())
	w.send(newTraffic(w, 5).envelopes(0, 5)...)
	w.await("the meter is unhealthy", func() bool { return m.Health() != nil })
	if n := one[int64](w, "select next from consumer_offset where topic = $1", w.topic); n != 1000 {
		t.Errorf("jumped to %d", n)
	}
	if got := m.Health().Error(); !strings.Contains(got, "partition 0") || !strings.Contains(got, "the log ends at") {
		t.Errorf("reason: %s", got)
	}
}

// Connections that are cut at any moment, commits included, change nothing.
func TestPostgresConnectionsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 10)
	w.start(w.config())
	tr := newTraffic(w, 6)
	for i := range 40 {
		w.send(tr.envelopes(i%2, 20)...)
		w.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query like '%usage%'`)
		time.Sleep(time.Duration(tr.random.IntN(60)) * time.Millisecond)
	}
	w.awaitCounted()
	want, loss := w.direct()
	if diff := cmp.Diff(want, w.books()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(loss, w.loss()); diff != "" {
		t.Error(diff)
	}
}

// Two meters: one works, the other waits for its lease; together they count once.
func TestTwoMetersCountOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 5)
	tr := newTraffic(w, 7)
	_, stopOne := w.start(w.config())
	two, _ := w.start(w.config())
	for range 10 {
		w.send(tr.envelopes(0, 20)...)
	}
	w.awaitCounted()
	stopOne()
	for range 10 {
		w.send(tr.envelopes(0, 20)...)
	}
	w.awaitCounted()
	want, loss := w.direct()
	if diff := cmp.Diff(want, w.books()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(loss, w.loss()); diff != "" {
		t.Error(diff)
	}
	if err := two.Health(); err != nil {
		t.Error(err)
	}
}

func TestStartAndStopTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	m, stop := w.start(w.config())
	if err := m.Start(context.Background()); err != nil {
		t.Error(err)
	}
	stop()
	stop()
	if err := m.Start(context.Background()); err != nil {
		t.Error(err)
	}
	w.send(newTraffic(w, 8).envelopes(0, 5)...)
	w.awaitCounted()
}

// Partitions that count for the same services at the same time neither block nor disturb each other.
func TestPartitionsShareServices(t *testing.T) {
	t.Parallel()
	const partitions = 4
	w := newWorld(t, partitions, 30)
	w.topic = kafkatest.New(t).Topic(t, partitions)
	for i := range w.services {
		w.addCycle(i, "2026-03-01", "2026-04-01", 1_000_000)
	}
	cfg := w.config()
	cfg.Partitions = []int{0, 1, 2, 3}
	w.start(cfg)
	tr := newTraffic(w, 10)
	sent := [partitions]int64{}
	for range 30 {
		for p := range partitions {
			for _, value := range tr.envelopes(p, 20) {
				if _, err := w.kafka.Produce(context.Background(), w.topic, p, []kafka.Message{{Value: value}}); err != nil {
					t.Fatal(err)
				}
				w.log = append(w.log, value)
				sent[p]++
			}
		}
	}
	for p := range partitions {
		w.await("a partition is counted", func() bool {
			return one[int64](w, "select coalesce(max(next), 0) from consumer_offset where topic = $1 and partition = $2", w.topic, p) == sent[p]
		})
	}
	want, _ := w.direct()
	if diff := cmp.Diff(want, w.books()); diff != "" {
		t.Error(diff)
	}
	cycles := one[int64](w, "select sum(bytes_in_l2)::bigint from usage_cycle")
	slots := one[int64](w, "select sum(bytes_in_l2)::bigint from usage_slot")
	if sums := w.hourlySums(); cycles != sums[0] || slots != sums[0] {
		t.Errorf("hourly %d, cycles %d, slots %d", sums[0], cycles, slots)
	}
	if n := one[int](w, "select count(*) from quota_alert"); n != 3*len(w.services) {
		t.Errorf("%d alerts", n)
	}
}

// Windows that were flushed by a meter which died before it emitted them are emitted by the next.
func TestUnemittedWindowsAreEmittedByTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 5)
	tr := newTraffic(w, 11)
	cfg := w.config()
	cfg.EmitInterval = time.Hour
	cfg.UsageTopic = "no-such-topic-" + w.usageTopic
	_, stop := w.start(cfg)
	w.send(tr.envelopes(0, 300)...)
	w.awaitCounted()
	stop()
	if n := one[int](w, "select count(*) from meter where emitted < flush and unemitted_from < 'infinity'"); n != 1 {
		t.Fatal("nothing is left to emit")
	}
	_, stop = w.start(w.config())
	w.await("all windows are there", func() bool { return w.windowSums() == w.hourlySums() })
	stop()
	w.checkViews()
}
