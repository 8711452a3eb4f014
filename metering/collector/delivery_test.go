package collector_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

// gate is a Producer that fails as a broker would: away, or with the answer lost after the request was taken.
type gate struct {
	inner   collector.Producer
	away    atomic.Bool
	lose    atomic.Int64 // answers to lose
	lost    atomic.Int64
	tooMuch atomic.Int64 // bytes that a request may have, 0 for any
	hold    sync.RWMutex // locked while requests are to hang
}

var errAway = errors.New("broker is away")

func (g *gate) Produce(ctx context.Context, topic string, partition int, msgs []kafka.Message) (int64, error) {
	g.hold.RLock()
	defer g.hold.RUnlock()
	if g.away.Load() {
		return 0, errAway
	}
	size := 0
	for _, m := range msgs {
		size += len(m.Value)
	}
	if most := g.tooMuch.Load(); most > 0 && int64(size) > most {
		return 0, kafka.ErrTooLarge
	}
	offset, err := g.inner.Produce(ctx, topic, partition, msgs)
	if err == nil && g.lose.Add(-1) >= 0 {
		g.lost.Add(1)
		return 0, errAway
	}
	return offset, err
}

func newGated(t testing.TB, cfg collector.Config, d *directory) (*rig, *gate) {
	t.Helper()
	cluster := kafkatest.New(t)
	r := &rig{client: cluster.Client(t), topic: cluster.Topic(t, events.FlowPartitions)}
	g := &gate{inner: r.client}
	return r.start(t, cfg, g, d), g
}

func TestBrokerAwayAndBack(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, collector.Config{}, exporters(exporter(1, "127.0.10.1/32")))
	s := newSender(t, r, "127.0.10.1")
	s.send(t, 500, 500, "127.0.10.1")
	g.away.Store(true)
	for range 10 {
		s.send(t, 100, 500, "127.0.10.1")
		time.Sleep(5 * time.Millisecond)
	}
	eventually(t, "failures", func() bool { return r.metric(t, "produce_errors_total") > 0 && r.metric(t, "queue_bytes") > 0 })
	g.away.Store(false)
	s.send(t, 500, 500, "127.0.10.1")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 2000}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 2000)
	if len(got.holes) > 0 {
		t.Error(got.holes)
	}
	eventually(t, "queue empty", func() bool { return r.metric(t, "queue_bytes") == 0 })
}

// An answer that is lost leads to the same envelopes again, and their numbers tell.
func TestLostAnswersMakeRecognisableRepeats(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, collector.Config{ReportEvery: time.Hour}, exporters(exporter(1, "127.0.11.1/32")))
	s := newSender(t, r, "127.0.11.1")
	for range 20 {
		g.lose.Store(2)
		s.send(t, 50, 500, "127.0.11.1")
		time.Sleep(10 * time.Millisecond)
	}
	eventually(t, "lost answers", func() bool { return g.lost.Load() >= 2 })
	g.lose.Store(0)
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 1000}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 1000)
	if got.repeats < 2 || len(got.holes) > 0 {
		t.Errorf("%d repeats, holes %v", got.repeats, got.holes)
	}
}

func TestSmallerBroker(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, collector.Config{EnvelopeBytes: 8 << 10}, exporters(exporter(1, "127.0.12.1/32")))
	g.tooMuch.Store(20 << 10)
	newSender(t, r, "127.0.12.1").send(t, 1000, 1000, "127.0.12.1")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 1000}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 1000)
	if len(got.holes) > 0 || got.repeats > 0 {
		t.Errorf("%d repeats, holes %v", got.repeats, got.holes)
	}
}

// What the queue cannot hold is dropped without a number and counted; the report says so.
func TestFullQueueDropsTheNewest(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, collector.Config{QueueBytes: 100 << 10, ReportEvery: 50 * time.Millisecond}, exporters(exporter(1, "127.0.13.1/32")))
	g.away.Store(true)
	s := newSender(t, r, "127.0.13.1")
	for range 20 {
		s.send(t, 20, 1000, "127.0.13.1")
		time.Sleep(5 * time.Millisecond)
	}
	eventually(t, "drops", func() bool {
		return r.metric(t, "datagrams_total") == 400 && r.metric(t, "dropped_datagrams_total") > 0
	})
	g.away.Store(false)
	got := r.read(t, events.FlowPartitions, func(g reading) bool {
		return len(g.reports) > 0 && g.reports[len(g.reports)-1].SpoolDrops+int64(len(g.numbers[uuid.UUID{15: 1}])) == 400
	})
	if n := got.numbers[uuid.UUID{15: 1}]; len(n) == 0 || !slices.IsSorted(n) {
		t.Errorf("kept %v", n)
	}
	if len(got.holes) > 0 {
		t.Error(got.holes)
	}
}

func TestStopDeliversAndReports(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{FlushEvery: time.Hour, ReportEvery: time.Hour, Host: "here"}, exporters(exporter(1, "127.0.14.1/32")))
	newSender(t, r, "127.0.14.1").send(t, 100, 500, "127.0.14.1")
	sent := time.Now()
	r.stop(t)
	got := r.read(t, events.FlowPartitions, func(g reading) bool { return len(g.reports) == events.FlowPartitions })
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 100)
	for _, report := range got.reports {
		if report.Datagrams != 100 || report.Bytes != 50_000 || report.Host != "here" || report.Listen != r.Addrs()[0].String() || report.ReceiveBuffer == 0 {
			t.Errorf("last report %+v", report)
		}
		if report.Watermark.Before(sent.Add(-time.Minute)) || report.Watermark.After(report.At) {
			t.Errorf("watermark %v, sent %v", report.Watermark, sent)
		}
	}
	if err := r.Health(t.Context()); err == nil {
		t.Error("a stopped collector is healthy")
	}
}

func TestStopSaysWhatIsLeftBehind(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, collector.Config{}, exporters(exporter(1, "127.0.15.1/32")))
	g.away.Store(true)
	newSender(t, r, "127.0.15.1").send(t, 10, 500, "127.0.15.1")
	eventually(t, "received", func() bool { return r.metric(t, "datagrams_total") == 10 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Stop(ctx); err == nil || !strings.Contains(err.Error(), "10 datagrams") {
		t.Errorf("stop: %v", err)
	}
}

func TestUnhealthyWhenKafkaTakesNothing(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	r, g := newGated(t, collector.Config{}, exporters())
	r.stop(t)
	r.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	r.start(t, collector.Config{}, g, exporters())
	g.away.Store(true)
	eventually(t, "failures", func() bool { return r.metric(t, "produce_errors_total") > 0 })
	ahead.Store(int64(time.Minute))
	eventually(t, "unhealthy, with the reason", func() bool { return errors.Is(r.Health(t.Context()), errAway) })
	g.away.Store(false)
	eventually(t, "healthy", func() bool { return r.Health(t.Context()) == nil })
}

// The kernel's drops are seen: a socket with a small buffer whose reader is kept busy elsewhere.
func TestKernelDropsAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{Sockets: 1, ReceiveBuffer: 4096, Pause: 20 * time.Millisecond, ReportEvery: 20 * time.Millisecond},
		exporters(exporter(1, "127.0.16.1/32")))
	s := newSender(t, r, "127.0.16.1")
	const count = 3000
	s.send(t, count, 1000, "127.0.16.1")
	eventually(t, "every datagram counted or known to be dropped", func() bool {
		return r.metric(t, "datagrams_total")+r.metric(t, "kernel_drops_total") == count
	})
	drops := int64(r.metric(t, "kernel_drops_total"))
	if drops == 0 {
		t.Fatal("nothing was dropped")
	}
	r.read(t, events.FlowPartitions, func(g reading) bool {
		return len(g.reports) > 0 && g.reports[len(g.reports)-1].KernelDrops == drops
	})
}

// The watermark never passes a datagram that comes later on the partition.
func TestWatermarkHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{ReportEvery: 5 * time.Millisecond}, exporters(exporter(1, "127.0.17.1/32")))
	s := newSender(t, r, "127.0.17.1")
	for range 100 {
		s.send(t, 20, 300, "127.0.17.1")
		time.Sleep(time.Millisecond)
	}
	partition := events.Partition(events.VirtualShard(uuid.UUID{15: 1}), events.FlowPartitions)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	reader := r.reader(ctx, t, partition)
	defer reader.Close()
	var watermark time.Time
	var sequence uint64
	for seen := 0; seen < 2000; {
		_, err := reader.Fetch(ctx, 10*time.Millisecond, func(rec kafka.Record) error {
			h, body, err := envelope.Parse(rec.Value)
			if err != nil || h.Sequence <= sequence { // a slow broker makes repeats
				return err
			}
			sequence = h.Sequence
			if h.Kind == envelope.KindReport {
				report, err := body.Report()
				if report.Watermark.Before(watermark) {
					t.Errorf("watermark went back from %v to %v", watermark, report.Watermark)
				}
				watermark = report.Watermark
				return err
			}
			for d, ok := body.Next(); ok; d, ok = body.Next() {
				if seen++; time.Unix(0, d.Received).Before(watermark) {
					t.Errorf("received %v after watermark %v", time.Unix(0, d.Received), watermark)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
