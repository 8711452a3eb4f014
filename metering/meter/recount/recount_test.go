package recount_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/recount"
	"github.com/ezscale/platform/metering/meter/recount/recounttest"
)

var (
	hour = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	span = recount.Span{From: hour, To: hour.Add(time.Hour)}
)

// both reads the books and recounts the span.
func both(t *testing.T, r *recount.Recounter, span recount.Span, services ...uuid.UUID) (*recount.Books, *recount.Result) {
	t.Helper()
	books, err := r.Books(context.Background(), span, services)
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.Count(context.Background(), span, books, recount.Options{Services: services})
	if err != nil {
		t.Fatal(err)
	}
	return books, result
}

// busy writes hours of traffic of all exporters and services, with repeats and late packets.
func busy(w *recounttest.World, hours int) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range hours * 60 {
		at := hour.Add(-2*time.Hour + time.Duration(n)*time.Minute)
		for e := range w.Exporters {
			var packets []metertest.Packet
			for i := range w.Services {
				received := at.Add(time.Duration(random.IntN(60_000)) * time.Millisecond)
				packets = append(packets, w.Packet(e, received, recounttest.Address(i), recounttest.Peer(random.IntN(9)), 100+uint32(random.IntN(1400))),
					w.Packet(e, received, recounttest.Peer(random.IntN(9)), recounttest.Address(i), 100+uint32(random.IntN(1400))))
			}
			packets = append(packets, w.Reading(e, at.Add(time.Duration(random.IntN(60_000))*time.Millisecond), 9, uint64(n)*1_000_003, uint64(n)*70_001),
				packets[random.IntN(len(packets))])
			w.Send(e, at.Add(time.Minute), packets...)
		}
		w.Report(at.Add(time.Minute))
	}
}

func TestARecountIsTheBooks(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 2, 3)
	w.Exec(`insert into binding (id, exporter_id, if_index, service_id, valid) values ($1, $2, 9, $3, '[2026-03-01 10:20,)')`, uuid.New(), w.Exporters[1], w.Services[2])
	busy(w, 4)
	late := w.Packet(0, hour.Add(time.Minute), recounttest.Address(0), recounttest.Peer(0), 1000)
	w.Send(0, hour.Add(30*time.Hour), late, late) // from a spool, the next day
	w.Meter()
	w.Send(1, hour.Add(31*time.Hour), w.Packet(1, hour.Add(time.Minute), recounttest.Address(0), recounttest.Peer(0), 1000)) // no meter has seen it
	r := w.Recounter(0, nil)
	books, result := both(t, r, span)
	if len(result.Sums) != 6 || result.Rejected != 0 {
		t.Errorf("%d rows, %d rejected", len(result.Sums), result.Rejected)
	}
	if diff := cmp.Diff(books.Usage, result.Sums); diff != "" {
		t.Errorf("the books (-) and the log (+):\n%s", diff)
	}
	if all := 4*60*3 + 1; result.Envelopes >= int64(all) || result.Envelopes < int64(2*60*3) {
		t.Errorf("%d envelopes were read of %d: not from an hour before the span to the meters' place", result.Envelopes, all)
	}
	if got, want := books.Watermark, hour.Add(2*time.Hour); !got.Equal(want) {
		t.Errorf("watermark %s, want %s", got, want)
	}
	some, one := both(t, r, recount.Span{From: hour, To: hour.Add(2 * time.Hour)}, w.Services[1])
	if diff := cmp.Diff(some.Usage, one.Sums); diff != "" || len(one.Sums) != 4 {
		t.Errorf("one service, two hours: %s", diff)
	}
}

// A development clock runs ahead: what is received is written, by the machine's time, long before.
func TestTimesAhead(t *testing.T) {
	t.Parallel()
	const ahead = 31 * 24 * time.Hour
	w := recounttest.New(t, 1, 1)
	w.Send(0, hour.Add(-ahead), w.Packet(0, hour.Add(time.Second), recounttest.Address(0), recounttest.Peer(0), 1000))
	w.Report(hour)
	w.Meter()
	if books, result := both(t, w.Recounter(ahead, nil), span); len(result.Sums) != 1 || !cmp.Equal(books.Usage, result.Sums) {
		t.Errorf("books %v, log %v", books.Usage, result.Sums)
	}
}

// sums are L2 bytes in and out by service.
func sums(deltas []recount.Delta) map[uuid.UUID][2]int64 {
	by := map[uuid.UUID][2]int64{}
	for _, d := range deltas {
		by[d.Service] = [2]int64{by[d.Service][0] + d.By.BytesInL2, by[d.Service][1] + d.By.BytesOutL2}
	}
	return by
}

const correction = `insert into usage_correction (id, kind, service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3,
	packets_in, packets_out, samples_in, samples_out, batch, reason, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $1, 'test', now())`

func (c world) correct(kind string, k recount.Key, u count.Usage) {
	c.Exec(correction, uuid.New(), kind, k.Service, k.Exporter, k.Time(), u.BytesInL2, u.BytesOutL2, u.BytesInL3, u.BytesOutL3,
		u.PacketsIn, u.PacketsOut, u.SamplesIn, u.SamplesOut)
}

type world struct{ *recounttest.World }

// After an assignment is corrected, the log says what the books must become; once they have, it says nothing more.
func TestDeltasOfACorrectedAssignment(t *testing.T) {
	t.Parallel()
	w := world{recounttest.New(t, 1, 2)}
	w.Send(0, hour, w.Packet(0, hour.Add(10*time.Minute), recounttest.Address(0), recounttest.Peer(0), 1000),
		w.Packet(0, hour.Add(40*time.Minute), recounttest.Address(0), recounttest.Peer(0), 500),
		w.Packet(0, hour.Add(50*time.Minute), recounttest.Peer(0), recounttest.Address(0), 100))
	w.Report(hour.Add(time.Hour))
	w.Meter()
	a, b := w.Services[0], w.Services[1]
	released := recount.Key{Service: a, Exporter: w.Exporters[0], Hour: hour.Unix() / 3600}
	w.correct("quarantine_release", released, count.Usage{BytesOutL2: 77, SamplesOut: 1})
	w.Exec(`update assignment set valid = tstzrange(lower(valid), $2) where service_id = $1`, a, hour.Add(30*time.Minute))
	w.Exec(`insert into assignment (id, prefix, service_id, valid) values ($1, '10.0.0.0/32', $2, tstzrange($3, null))`, uuid.New(), b, hour.Add(30*time.Minute))
	r := w.Recounter(0, nil)
	want := map[uuid.UUID][2]int64{a: {-10_000, -50_000}, b: {10_000, 50_000}}
	look := func(what string, want map[uuid.UUID][2]int64) []recount.Delta {
		t.Helper()
		books, result := both(t, r, span)
		deltas := recount.Deltas(books, result.Sums)
		if diff := cmp.Diff(want, sums(deltas)); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
		return deltas
	}
	look("with a release that waits", want)
	w.Meter()
	deltas := look("with a release that is applied", want)
	for _, d := range deltas {
		w.correct("remeter", d.Key, d.By)
	}
	look("with corrections that wait", map[uuid.UUID][2]int64{})
	w.Meter()
	look("with corrections that are applied", map[uuid.UUID][2]int64{})
	if got := recounttest.One[int64](w.World, `select bytes_out_l2 from usage_hourly where service_id = $1`, a); got != 100_077 {
		t.Errorf("a has %d bytes, want 100,000 of the log and 77 of the release", got)
	}
}

// trimmed is a log whose beginning was deleted.
type trimmed struct {
	*kafka.Client
	first int64
}

func (l trimmed) Offsets(ctx context.Context, topic string, partition int) (int64, int64, error) {
	_, next, err := l.Client.Offsets(ctx, topic, partition)
	return l.first, next, err
}

func TestHeld(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 1, 1)
	for i := range 5 {
		w.Report(hour.Add(time.Duration(i) * 10 * time.Minute))
	}
	ctx := context.Background()
	if held, err := w.Recounter(0, nil).Held(ctx); err != nil || !held.IsZero() {
		t.Errorf("a whole log: %s, %v", held, err)
	}
	r := w.Recounter(0, trimmed{w.Kafka, 2})
	if held, err := r.Held(ctx); err != nil || !held.Equal(hour.Add(2*time.Hour)) {
		t.Errorf("a log from 10:20 on is whole for recounts from %s on, want 12:00 (%v)", held, err)
	}
	if err := r.Require(ctx, span); !errors.Is(err, recount.ErrNotHeld) {
		t.Errorf("a span before it: %v", err)
	}
	if err := r.Require(ctx, recount.Span{From: hour.Add(2 * time.Hour), To: hour.Add(3 * time.Hour)}); err != nil {
		t.Errorf("a span behind it: %v", err)
	}
	if err := w.Recounter(0, trimmed{w.Kafka, 5}).Require(ctx, span); !errors.Is(err, recount.ErrNotHeld) {
		t.Errorf("an emptied log: %v", err)
	}
}

// A cycle's terms say what a difference does to its bill; hours that no cycle covers wait for one.
func TestCycles(t *testing.T) {
	t.Parallel()
	w := world{recounttest.New(t, 1, 2)}
	cycle := func(service int, from, to, status, basis, direction string) uuid.UUID {
		id := uuid.New()
		w.Exec(`insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, byte_basis, direction, thresholds, currency)
			select $1, $2, plan_id, $3::timestamptz, $4::timestamptz, $5, $6, $7, '{75}', 'USD' from service where id = $2`,
			id, w.Services[service], from, to, status, basis, direction)
		return id
	}
	february := cycle(0, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "closed", "l2", "max")
	march := cycle(0, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "open", "l3", "sum")
	cycle(0, "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", "open", "l3", "sum")
	key := func(service int, at time.Time) recount.Key {
		return recount.Key{Service: w.Services[service], Exporter: w.Exporters[0], Hour: at.Unix() / 3600}
	}
	w.Exec(`insert into usage_hourly (service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2) values ($1, $2, '2026-02-10T00:00:00Z', 100, 80)`, w.Services[0], w.Exporters[0])
	w.correct("remeter", key(0, hour), count.Usage{BytesInL3: 5})
	deltas := []recount.Delta{
		{Key: key(0, hour.AddDate(0, 0, -10)), By: count.Usage{BytesInL2: -60, BytesInL3: -1000}}, // now out is the larger
		{Key: key(0, hour), By: count.Usage{BytesInL3: 7, BytesOutL3: 1}},
		{Key: key(1, hour), By: count.Usage{BytesInL2: 9}},
	}
	cycles, err := w.Recounter(0, nil).Cycles(context.Background(), recount.Span{From: hour.AddDate(0, 0, -28), To: hour.AddDate(0, 1, 10)}, deltas)
	if err != nil || len(cycles) != 2 {
		t.Fatalf("%d cycles: %+v, %v", len(cycles), cycles, err)
	}
	for i, want := range []recount.Cycle{{ID: february, Closed: true, Old: 100, New: 80}, {ID: march, Old: 5, New: 13}} {
		if got := cycles[i]; got.ID != want.ID || got.Closed != want.Closed || got.Old != want.Old || got.New != want.New {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// What a recount cannot know is said, not corrected away.
func TestDoubts(t *testing.T) {
	t.Parallel()
	w := world{recounttest.New(t, 1, 1)}
	ctx, r := context.Background(), w.Recounter(0, nil)
	sample := metertest.Sample{Sequence: 1, Source: 7, Input: 7, Output: 8, Rate: 5000, FrameLength: 100, IPLength: 82, Src: recounttest.Address(0), Dst: recounttest.Peer(0)}
	again := sample
	again.Sequence = 2
	w.Send(0, hour, w.Packet(0, hour, recounttest.Address(0), recounttest.Peer(0), 1000), w.Packet(0, hour, recounttest.Address(0), recounttest.Peer(0), 500),
		metertest.SFlow(hour.UnixNano(), metertest.Datagram{Agent: netip.MustParseAddr("192.0.2.0"), SubAgent: 1, Sequence: 1, Uptime: 1, Samples: []metertest.Sample{sample, again}}))
	w.Exec(`update exporter set rate_max = 50`) // the packets have rate 100
	w.Meter()
	doubts := func() []string {
		t.Helper()
		_, result := both(t, r, span)
		all, err := r.Doubts(ctx, span, result)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	w.Exec(`insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, rate_given, samples, frame_length, ip_length, reason, decided_at)
		values ($1, $2, $3, $4, 'out', 100, 'released', 100, 2, 1500, 1464, 'it is 100', now())`, uuid.New(), w.Exporters[0], hour, w.Services[0])
	if got := doubts(); len(got) != 0 {
		t.Errorf("with the bounds of then: %v", got)
	}
	w.Exec(`update exporter set rate_max = 1000`)
	if got := doubts(); len(got) != 1 {
		t.Errorf("with bounds that take the released samples for good, and leave others aside: %v", got)
	}
	w.Exec(`delete from quarantine_decision`)
	if got := doubts(); len(got) != 1 {
		t.Errorf("with bounds that take samples which somebody may still release: %v", got)
	}
	w.Exec(`insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, samples, frame_length, ip_length, reason, decided_at)
		select gen_random_uuid(), exporter_id, hour, service_id, direction, rate, 'rejected', samples, frame_length, ip_length, 'a test', now() from quarantine_hourly`)
	if got := doubts(); len(got) != 0 {
		t.Errorf("with samples that nobody can release any more: %v", got)
	}
	w.Exec(`insert into binding (id, exporter_id, if_index, service_id, valid) values ($1, $2, 7, $3, '[2026-01-01,)')`, uuid.New(), w.Exporters[0], w.Services[0])
	w.Exec(`insert into port_hourly (exporter_id, if_index, hour, gap_seconds) values ($1, 7, $2, 600), ($1, 8, $2, 3600)`, w.Exporters[0], hour.Add(-time.Hour))
	if got := doubts(); len(got) != 0 {
		t.Errorf("a short gap, and a long one of a port that bills nobody: %v", got)
	}
	w.Exec(`update port_hourly set gap_seconds = 3600 where if_index = 7`)
	if got := doubts(); len(got) != 1 {
		t.Errorf("a port was silent for the hour before: %v", got)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		span recount.Span
		ok   bool
	}{
		"an hour":    {span, true},
		"two months": {recount.Span{From: hour, To: hour.Add(recount.MaxSpan)}, true},
		"too long":   {recount.Span{From: hour, To: hour.Add(recount.MaxSpan + time.Hour)}, false},
		"nothing":    {recount.Span{From: hour, To: hour}, false},
		"backwards":  {recount.Span{From: hour, To: hour.Add(-time.Hour)}, false},
		"not whole":  {recount.Span{From: hour.Add(time.Minute), To: hour.Add(time.Hour)}, false},
		"no time":    {recount.Span{}, false},
	} {
		if err := c.span.Check(); (err == nil) != c.ok || err != nil && !errors.Is(err, recount.ErrSpan) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
