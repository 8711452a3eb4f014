package collector_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

const bound = 30 * time.Second

// rig is a collector on loopback, writing to a topic of its own.
type rig struct {
	*collector.Collector
	client  *kafka.Client
	topic   string
	metrics *prometheus.Registry
	now     func() time.Time // [time.Now]
}

// directory is a source of exporters that a test may change.
type directory struct {
	mu      sync.Mutex
	list    []collector.Exporter
	changed bool
	err     error
	asked   int
}

func (d *directory) set(err error, list ...collector.Exporter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list, d.changed, d.err = list, true, err
}

func (d *directory) read(context.Context) ([]collector.Exporter, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	changed := d.changed
	d.changed = false
	return d.list, changed, d.err
}

func (d *directory) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func exporter(n byte, source string) collector.Exporter {
	return collector.Exporter{ID: uuid.UUID{15: n}, Source: netip.MustParsePrefix(source)}
}

func exporters(list ...collector.Exporter) *directory { return &directory{list: list, changed: true} }

// newRig fills what the test leaves open in cfg and starts the collector.
func newRig(t testing.TB, cfg collector.Config, d *directory) *rig {
	t.Helper()
	cluster := kafkatest.New(t)
	r := &rig{client: cluster.Client(t), topic: cfg.Topic}
	if r.topic == "" {
		r.topic = cluster.Topic(t, events.FlowPartitions)
	}
	return r.start(t, cfg, r.client, d)
}

func (r *rig) start(t testing.TB, cfg collector.Config, producer collector.Producer, d *directory) *rig {
	t.Helper()
	cfg.Topic = r.topic
	if cfg.Listen == nil {
		cfg.Listen = []string{"127.0.0.1:0"}
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.metrics = prometheus.NewRegistry()
	r.Collector = collector.New(cfg, collector.Dependencies{
		Kafka: producer, Exporters: d.read, Now: r.now, Offset: func() time.Duration { return 0 },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: r.metrics,
	})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *rig) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// metric reads one of the collector's own figures.
func (r *rig) metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "ezscale_collector_"+name {
			return f.Metric[0].GetCounter().GetValue() + f.Metric[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// sender is a device: its own address and port, numbered datagrams.
type sender struct {
	conn *net.UDPConn
	next uint32
	tail string // ends every datagram
}

func newSender(t testing.TB, r *rig, source string) *sender {
	t.Helper()
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(source)}, net.UDPAddrFromAddrPort(r.Addrs()[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &sender{conn: conn}
}

// send sends count datagrams of size bytes, each an sFlow header with the given agent and the number in its place.
func (s *sender) send(t testing.TB, count, size int, agent string) {
	t.Helper()
	b := make([]byte, max(size, 20))
	binary.BigEndian.PutUint32(b, 5)
	binary.BigEndian.PutUint32(b[4:], 1)
	copy(b[len(b)-len(s.tail):], s.tail)
	copy(b[8:], netip.MustParseAddr(agent).AsSlice())
	for range count {
		s.next++
		binary.BigEndian.PutUint32(b[16:], s.next)
		if _, err := s.conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

func number(d envelope.Datagram) int { return int(binary.BigEndian.Uint32(d.Payload[16:])) }

// reading is what a topic holds: producer repeats dropped as a meter would.
type reading struct {
	numbers  map[uuid.UUID][]int // by exporter, in order
	received map[uuid.UUID][]int64
	reports  []envelope.Report
	repeats  int
	holes    []string

	collectors map[uuid.UUID]bool
	boots      map[int64]bool
}

// read reads the topic from its start until enough says so.
func (r *rig) read(t testing.TB, partitions int, enough func(reading) bool) reading {
	t.Helper()
	got := reading{numbers: map[uuid.UUID][]int{}, received: map[uuid.UUID][]int64{}, collectors: map[uuid.UUID]bool{}, boots: map[int64]bool{}}
	last := map[string]uint64{}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var readers []*kafka.Reader
	for p := range partitions {
		reader := r.reader(ctx, t, p)
		defer reader.Close()
		readers = append(readers, reader)
	}
	for !enough(got) {
		for p, reader := range readers {
			_, err := reader.Fetch(ctx, time.Millisecond, func(rec kafka.Record) error { return got.add(p, rec.Value, last) })
			if err != nil {
				t.Fatalf("read partition %d: %v; so far %d reports, %v, the last %+v", p, err, len(got.reports), counts(got.numbers),
					got.reports[max(len(got.reports)-1, 0):])
			}
		}
	}
	return got
}

// reader opens a partition at its start. A new topic's leaders may still be unknown to the broker itself.
func (r *rig) reader(ctx context.Context, t testing.TB, partition int) *kafka.Reader {
	t.Helper()
	for {
		reader, err := r.client.OpenReader(ctx, r.topic, partition, 0)
		if err == nil {
			return reader
		}
		if !errors.Is(err, kafka.ErrUnavailable) || ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func counts(numbers map[uuid.UUID][]int) map[byte]int {
	by := map[byte]int{}
	for id, n := range numbers {
		by[id[15]] = len(n)
	}
	return by
}

func (g *reading) add(partition int, value []byte, last map[string]uint64) error {
	h, body, err := envelope.Parse(value)
	if err != nil {
		return err
	}
	g.collectors[h.Collector], g.boots[h.Boot] = true, true
	producer := fmt.Sprint(h.Collector, h.Boot, partition)
	if h.Sequence <= last[producer] {
		g.repeats++
		return nil
	}
	if h.Sequence != last[producer]+1 {
		g.holes = append(g.holes, fmt.Sprintf("partition %d: %d after %d", partition, h.Sequence, last[producer]))
	}
	last[producer] = h.Sequence
	if h.Kind == envelope.KindReport {
		report, err := body.Report()
		g.reports = append(g.reports, report)
		return err
	}
	for d, ok := body.Next(); ok; d, ok = body.Next() {
		g.numbers[h.Exporter] = append(g.numbers[h.Exporter], number(d))
		g.received[h.Exporter] = append(g.received[h.Exporter], d.Received)
	}
	return nil
}

// inOrder checks that an exporter's datagrams are first … last, each once and in order.
func inOrder(t testing.TB, numbers []int, first, last int) {
	t.Helper()
	if len(numbers) != last-first+1 {
		t.Errorf("%d datagrams, want %d", len(numbers), last-first+1)
	}
	for i, n := range numbers {
		if n != first+i {
			t.Fatalf("datagram %d at place of %d", n, first+i)
		}
	}
}

func has(want map[byte]int) func(reading) bool {
	return func(r reading) bool {
		got := counts(r.numbers)
		for id, n := range want {
			if got[id] < n {
				return false
			}
		}
		return true
	}
}

func TestDatagramsArriveOnceAndInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{Sockets: 3}, exporters(exporter(1, "127.0.1.1/32"), exporter(2, "127.0.1.2/32"), exporter(3, "127.0.1.0/24")))
	before := time.Now().UnixNano()
	const count = 2000
	var group sync.WaitGroup
	for _, source := range []string{"127.0.1.1", "127.0.1.2", "127.0.1.77"} {
		s := newSender(t, r, source)
		group.Go(func() {
			for range count / 100 {
				s.send(t, 100, 900, source)
				time.Sleep(time.Millisecond)
			}
		})
	}
	group.Wait()
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: count, 2: count, 3: count}))
	for n := byte(1); n <= 3; n++ {
		inOrder(t, got.numbers[uuid.UUID{15: n}], 1, count)
		for _, at := range got.received[uuid.UUID{15: n}] {
			if at < before || at > time.Now().UnixNano() {
				t.Fatalf("received at %v", time.Unix(0, at))
			}
		}
	}
	if len(got.holes) > 0 || r.metric(t, "datagrams_total") != 3*count || r.metric(t, "kernel_drops_total") != 0 {
		t.Errorf("holes %v, counted %v", got.holes, r.metric(t, "datagrams_total"))
	}
	if err := r.Health(t.Context()); err != nil {
		t.Error(err)
	}
}
