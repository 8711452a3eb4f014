package recount_test

import (
	"context"
	"errors"
	"math/rand/v2"
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
			packets = append(packets, packets[random.IntN(len(packets))])
			w.Send(e, at.Add(time.Minute), packets...)
		}
		w.Report(at.Add(time.Minute))
	}
}

func TestARecountIsTheBooks(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 2, 3)
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
