package collector_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/embedded/flock"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/schemas/events"
)

// victimVariable makes this program a collector without Kafka, to be killed. Its value is the data directory.
const victimVariable = "EZSCALE_TEST_VICTIM"

type nobody struct{}

func (nobody) Produce(context.Context, string, int, []kafka.Message) (int64, error) {
	return 0, errAway
}

// beVictim collects until it is killed, and says where and how much.
func beVictim(dir string) error {
	registry := prometheus.NewRegistry()
	c := collector.New(collector.Config{DataDir: dir, Listen: []string{"127.0.0.1:0"}}, collector.Dependencies{
		Kafka: nobody{}, Exporters: exporters(exporter(1, "127.0.30.1/32")).read, Now: time.Now,
		Offset: func() time.Duration { return 0 }, Log: slog.New(slog.DiscardHandler), Metrics: registry,
	})
	if err := c.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(c.Addrs()[0])
	select {}
}

// spooled counts the datagrams of the envelopes in a data directory's spool.
func spooled(t testing.TB, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "spool", "*", "*.spool"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		count += strings.Count(string(content), marker)
	}
	return count
}

const marker = "a datagram to be counted"

// kill -9 half a second after the last datagram, Kafka away all the time: the next process sends everything, under
// the first one's name and numbers.
func TestKilledWithKafkaAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimVariable+"="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = victim.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, err := net.ResolveUDPAddr("udp", strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 30, 1)}, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const count = 3000
	s := &sender{conn: conn, tail: marker}
	for range count / 100 {
		s.send(t, 100, 700, "127.0.30.1")
		time.Sleep(time.Millisecond)
	}
	eventually(t, "all in the spool", func() bool { return spooled(t, dir) == count })
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // killed

	r := newRig(t, collector.Config{DataDir: dir}, exporters(exporter(1, "127.0.30.1/32")))
	newSender(t, r, "127.0.30.1").send(t, 10, 100, "127.0.30.1")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: count + 10}))
	numbers := got.numbers[uuid.UUID{15: 1}]
	inOrder(t, numbers[:count], 1, count)
	inOrder(t, numbers[count:], 1, 10)
	if len(got.holes) > 0 || len(got.boots) != 2 || len(got.collectors) != 1 {
		t.Errorf("holes %v, %d boots, %d collectors", got.holes, len(got.boots), len(got.collectors))
	}
	eventually(t, "spool empty", func() bool { return r.metric(t, "spool_bytes") == 0 })
}

// An answer lost before a stop leads to repeats after the restart, which the numbers tell.
func TestRestartRepeatsRecognisably(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: t.TempDir()}
	d := exporters(exporter(1, "127.0.31.1/32"))
	r, g := newGated(t, cfg, d)
	g.lose.Store(1 << 30) // taken, but nobody is told
	s := newSender(t, r, "127.0.31.1")
	s.send(t, 300, 500, "127.0.31.1")
	eventually(t, "all of them", func() bool { return r.metric(t, "datagrams_total") == 300 })
	r.read(t, events.FlowPartitions, has(map[byte]int{1: 1})) // one request, over and over: the rest waits behind it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	g.lose.Store(0)
	r.start(t, cfg, g, exporters(exporter(1, "127.0.31.1/32")))
	eventually(t, "spool empty", func() bool { return r.metric(t, "spool_bytes") == 0 })
	s = newSender(t, r, "127.0.31.1")
	s.next = 300
	s.send(t, 10, 500, "127.0.31.1")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 310}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 310)
	if got.repeats == 0 || len(got.holes) > 0 {
		t.Errorf("%d repeats, holes %v", got.repeats, got.holes)
	}
}

// Memory full, then disk full: the oldest are kept, in order, and the rest is counted.
func TestSpoolTakesOverFromMemory(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: t.TempDir(), EnvelopeBytes: 20 << 10, QueueBytes: 200 << 10, SpoolBytes: 600 << 10, ReportEvery: 50 * time.Millisecond}
	r, g := newGated(t, cfg, exporters(exporter(1, "127.0.32.1/32")))
	g.away.Store(true)
	s := newSender(t, r, "127.0.32.1")
	const count = 2000
	for range count / 20 {
		s.send(t, 20, 1000, "127.0.32.1")
		time.Sleep(2 * time.Millisecond)
	}
	eventually(t, "drops", func() bool {
		return r.metric(t, "datagrams_total") == count && r.metric(t, "dropped_datagrams_total") > 0 && r.metric(t, "spool_bytes") > 400<<10
	})
	eventually(t, "unhealthy", func() bool { return r.Health(t.Context()) != nil })
	g.away.Store(false)
	got := r.read(t, events.FlowPartitions, func(g reading) bool {
		return len(g.reports) > 0 && g.reports[len(g.reports)-1].SpoolDrops+int64(len(g.numbers[uuid.UUID{15: 1}])) == count
	})
	numbers := got.numbers[uuid.UUID{15: 1}]
	inOrder(t, numbers[:400], 1, 400)
	if len(got.holes) > 0 {
		t.Error(got.holes)
	}
	eventually(t, "all sent", func() bool { return r.metric(t, "spool_bytes") < 20<<10 && r.metric(t, "queue_bytes") < 20<<10 })
}

// A spool that cannot be written is told once, whatever waits, stays in sight until Kafka takes envelopes again, and costs
// nothing that memory holds.
func TestSpoolThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: t.TempDir(), EnvelopeBytes: 20 << 10, QueueBytes: 4 << 20, ReportEvery: time.Hour}
	r, g := newGated(t, cfg, exporters(exporter(1, "127.0.34.1/32")))
	place := filepath.Join(cfg.DataDir, "spool")
	if err := errors.Join(os.RemoveAll(place), os.WriteFile(place, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	g.away.Store(true)
	s := newSender(t, r, "127.0.34.1")
	for range 50 {
		s.send(t, 20, 1000, "127.0.34.1")
		time.Sleep(2 * time.Millisecond)
	}
	unwritable := func() bool {
		err := r.Health(t.Context())
		return err != nil && strings.Contains(err.Error(), "cannot be used")
	}
	eventually(t, "unwritable", func() bool { return r.metric(t, "datagrams_total") == 1000 && unwritable() })
	for range 20 {
		if !unwritable() {
			t.Fatal("the spool is well again all of a sudden")
		}
		time.Sleep(5 * time.Millisecond)
	}
	g.away.Store(false)
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 1000}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 1000)
	eventually(t, "healthy", func() bool { return r.Health(t.Context()) == nil })
}

// A broker that hangs: what is in flight moves to the spool with the rest, and is not sent twice when it is answered.
func TestSpoolWhileARequestHangs(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: t.TempDir(), QueueBytes: 100 << 10, EnvelopeBytes: 20 << 10, ReportEvery: time.Hour}
	r, g := newGated(t, cfg, exporters(exporter(1, "127.0.33.1/32")))
	g.hold.Lock()
	s := newSender(t, r, "127.0.33.1")
	for range 50 {
		s.send(t, 20, 1000, "127.0.33.1")
		time.Sleep(2 * time.Millisecond)
	}
	eventually(t, "spooling", func() bool { return r.metric(t, "datagrams_total") == 1000 && r.metric(t, "spool_bytes") > 500<<10 })
	g.hold.Unlock()
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 1000}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 1000)
	if got.repeats > 0 || len(got.holes) > 0 {
		t.Errorf("%d repeats, holes %v", got.repeats, got.holes)
	}
	eventually(t, "all sent", func() bool { return r.metric(t, "spool_bytes") == 0 && r.metric(t, "queue_bytes") == 0 })
}

// Two collectors on other ports of one machine, set up alike, would write one spool and be one producer.
func TestADataDirectoryIsOfOneCollector(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: t.TempDir(), Listen: []string{"127.0.0.1:0"}}
	one, other := idle(t, cfg), idle(t, cfg)
	if err := one.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(t.Context()); !errors.Is(err, flock.ErrHeld) {
		t.Errorf("the second: %v", err)
	}
	if err := one.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Listen = []string{"no address"}
	if err := idle(t, cfg).Start(t.Context()); err == nil {
		t.Error("started without an address")
	}
	if err := other.Start(t.Context()); err != nil {
		t.Errorf("after the first has stopped: %v", err)
	}
	if err := other.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func idle(t testing.TB, cfg collector.Config) *collector.Collector {
	t.Helper()
	return collector.New(cfg, collector.Dependencies{
		Kafka: taking{}, Exporters: exporters().read, Now: time.Now, Offset: func() time.Duration { return 0 },
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
}

// taking takes everything.
type taking struct{}

func (taking) Produce(context.Context, string, int, []kafka.Message) (int64, error) { return 0, nil }
