package collector_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A datagram that comes with the registration waits for the table: nothing is lost, and order holds.
func TestRegisterAndSendAtOnce(t *testing.T) {
	t.Parallel()
	d := exporters(exporter(1, "127.0.2.1/32"))
	r := newRig(t, collector.Config{ReloadEvery: time.Hour}, d)
	eventually(t, "first read", func() bool { return d.count() > 0 })
	d.set(nil, exporter(1, "127.0.2.1/32"), exporter(2, "127.0.2.2/32"))
	newSender(t, r, "127.0.2.2").send(t, 1000, 300, "127.0.2.2")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{2: 1000}))
	inOrder(t, got.numbers[uuid.UUID{15: 2}], 1, 1000)
	if n := r.metric(t, "unknown_datagrams_total"); n != 0 {
		t.Errorf("%v counted as unknown", n)
	}
}

// So does a burst of one that was found unknown just before.
func TestRegisterAfterBeingUnknown(t *testing.T) {
	t.Parallel()
	d := exporters()
	r := newRig(t, collector.Config{}, d)
	s := newSender(t, r, "127.0.2.3")
	s.send(t, 5, 100, "127.0.2.3")
	eventually(t, "found unknown", func() bool { return r.metric(t, "unknown_datagrams_total") == 5 })
	d.set(nil, exporter(3, "127.0.2.3/32"))
	s.send(t, 6000, 300, "127.0.2.3")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{3: 6000}))
	inOrder(t, got.numbers[uuid.UUID{15: 3}], 6, 6005)
	if n := r.metric(t, "unknown_datagrams_total"); n != 5 {
		t.Errorf("%v counted as unknown", n)
	}
}

func TestUnknownSourcesAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{ReportEvery: 50 * time.Millisecond}, exporters(exporter(1, "127.0.3.1/32")))
	newSender(t, r, "127.0.3.9").send(t, 7, 100, "127.0.3.9")
	newSender(t, r, "127.0.3.1").send(t, 5, 100, "127.0.3.1")
	named := func(g reading) bool {
		return slices.ContainsFunc(g.reports, func(report envelope.Report) bool {
			return report.Datagrams == 5 && report.UnknownDatagrams == 7 && len(report.Unknown) == 1 &&
				report.Unknown[0].Source == "127.0.3.9" && report.Unknown[0].Datagrams == 7 && report.Unknown[0].Bytes == 700
		})
	}
	got := r.read(t, events.FlowPartitions, named)
	if len(got.numbers) > 1 {
		t.Errorf("unknown datagrams were sent on: %v", counts(got.numbers))
	}
}

// A flood of unknown sources neither grows without bound nor takes the known ones' place.
func TestUnknownFloodIsBounded(t *testing.T) {
	t.Parallel()
	d := exporters(exporter(1, "127.0.4.1/32"))
	r := newRig(t, collector.Config{}, d)
	known := newSender(t, r, "127.0.4.1")
	for i := range 100 {
		flood := newSender(t, r, netip.AddrFrom4([4]byte{127, 0, 5, byte(i)}).String())
		flood.send(t, 100, 1400, "127.0.5.1")
		known.send(t, 10, 100, "127.0.4.1")
	}
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 1000}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 1000)
	eventually(t, "all counted", func() bool { return r.metric(t, "unknown_datagrams_total") == 100*100 })
	if d.count() > 100 {
		t.Errorf("the table was read %d times", d.count())
	}
}

func TestTableIsSwapped(t *testing.T) {
	t.Parallel()
	d := exporters(exporter(1, "127.0.6.1/32"))
	r := newRig(t, collector.Config{ReloadEvery: 10 * time.Millisecond}, d)
	s := newSender(t, r, "127.0.6.1")
	s.send(t, 10, 100, "127.0.6.1")
	r.read(t, events.FlowPartitions, has(map[byte]int{1: 10}))
	d.set(nil, exporter(2, "127.0.6.0/24"))
	asked := d.count()
	eventually(t, "read anew", func() bool { return d.count() > asked+1 })
	s.send(t, 10, 100, "127.0.6.1")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{2: 10}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 10)
	inOrder(t, got.numbers[uuid.UUID{15: 2}], 11, 20)

	// Without an answer the last table stays.
	d.set(errors.New("postgres is away"))
	asked = d.count()
	eventually(t, "tried anew", func() bool { return d.count() > asked+1 })
	s.send(t, 10, 100, "127.0.6.1")
	got = r.read(t, events.FlowPartitions, has(map[byte]int{2: 20}))
	inOrder(t, got.numbers[uuid.UUID{15: 2}], 11, 30)
}

func TestStartsFromTheCopyOfTheTable(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: filepath.Join(t.TempDir(), "collector")}
	first := newRig(t, cfg, exporters(exporter(1, "127.0.7.1/32")))
	first.stop(t)
	away := exporters()
	away.set(errors.New("postgres is away"))
	cfg.Topic = first.topic
	second := newRig(t, cfg, away)
	if err := second.Health(t.Context()); err != nil {
		t.Error(err)
	}
	newSender(t, second, "127.0.7.1").send(t, 3, 100, "127.0.7.1")
	got := second.read(t, events.FlowPartitions, has(map[byte]int{1: 3}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 3)
}

func TestUnhealthyWithoutAnyTable(t *testing.T) {
	t.Parallel()
	away := exporters()
	away.set(errors.New("postgres is away"))
	r := newRig(t, collector.Config{ReloadEvery: 10 * time.Millisecond}, away)
	if err := r.Health(t.Context()); err == nil || !errors.Is(err, away.err) {
		t.Errorf("health: %v", err)
	}
	away.set(nil)
	eventually(t, "healthy", func() bool { return r.Health(t.Context()) == nil })
}

// Several devices behind one source are told apart by their agent address, and only then.
func TestAgentsBehindOneSource(t *testing.T) {
	t.Parallel()
	withAgent := func(n byte, agent string) collector.Exporter {
		e := exporter(n, "127.0.8.1/32")
		e.Agent = netip.MustParseAddr(agent)
		return e
	}
	alone := exporter(4, "127.0.8.2/32")
	alone.Agent = netip.MustParseAddr("192.0.2.4")
	r := newRig(t, collector.Config{}, exporters(withAgent(1, "192.0.2.1"), withAgent(2, "192.0.2.2"), alone))
	s := newSender(t, r, "127.0.8.1")
	s.send(t, 3, 100, "192.0.2.1")
	s.send(t, 4, 100, "192.0.2.2")
	s.send(t, 5, 100, "192.0.2.3") // nobody's
	newSender(t, r, "127.0.8.2").send(t, 6, 100, "192.0.2.9")
	got := r.read(t, events.FlowPartitions, has(map[byte]int{1: 3, 2: 4, 4: 6}))
	inOrder(t, got.numbers[uuid.UUID{15: 1}], 1, 3)
	inOrder(t, got.numbers[uuid.UUID{15: 2}], 4, 7)
	inOrder(t, got.numbers[uuid.UUID{15: 4}], 1, 6)
	eventually(t, "the third agent is unknown", func() bool { return r.metric(t, "unknown_datagrams_total") == 5 })

	if _, err := s.conn.Write([]byte("not sFlow, but long enough")); err != nil {
		t.Fatal(err)
	}
	got = r.read(t, events.FlowPartitions, has(map[byte]int{1: 4}))
	if n := got.numbers[uuid.UUID{15: 1}]; len(n) != 4 {
		t.Errorf("what cannot be read went elsewhere: %v", counts(got.numbers))
	}
}

func TestIdentityStaysAndBootGrows(t *testing.T) {
	t.Parallel()
	cfg := collector.Config{DataDir: t.TempDir()}
	var r *rig
	for range 3 {
		r = newRig(t, cfg, exporters())
		r.stop(t)
		cfg.Topic = r.topic
	}
	got := r.read(t, 1, func(g reading) bool { return len(g.boots) == 3 })
	if len(got.collectors) != 1 {
		t.Errorf("%d identities in three starts", len(got.collectors))
	}
}
