package pcap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/replay/pcap"
	"github.com/ezscale/platform/metering/replay/pcap/capture"
	"github.com/ezscale/platform/metering/replay/pcap/capturetest"
	"github.com/ezscale/platform/metering/sflow"
)

const start = int64(1_750_000_000_000_000_000)

func exporter(n byte, source string) sources.Exporter {
	return sources.Exporter{ID: uuid.UUID{n, 15: n}, Source: netip.MustParsePrefix(source)}
}

// tester is a test or a property.
type tester interface {
	Helper()
	Fatal(...any)
}

// packet is a datagram of source 192.0.2.n.
type packet struct {
	after   time.Duration
	from    byte
	port    uint16
	payload string
}

func file(packets ...packet) []byte {
	f := capturetest.File{Link: 1, Nano: true}
	b := f.Classic()
	for _, p := range packets {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, p.from}), 50000)
		dst := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.10"), p.port)
		b = f.ClassicPacket(b, start+int64(p.after), capturetest.Ethernet(capturetest.UDP(src, dst, []byte(p.payload))))
	}
	return b
}

func open(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// memory is a log in memory. before is asked before each request, and may refuse it.
type memory struct {
	envelopes map[int][][]byte
	before    func(messages int) error
	requests  int
}

func (m *memory) Produce(_ context.Context, _ string, partition int, msgs []kafka.Message) (int64, error) {
	m.requests++
	if m.before != nil {
		if err := m.before(len(msgs)); err != nil {
			return 0, err
		}
	}
	if m.envelopes == nil {
		m.envelopes = map[int][][]byte{}
	}
	for _, one := range msgs {
		m.envelopes[partition] = append(m.envelopes[partition], bytes.Clone(one.Value))
	}
	return 0, nil
}

// of are the envelopes of one exporter.
func (m *memory) of(t tester, id uuid.UUID) [][]byte {
	var all [][]byte
	for _, partition := range m.envelopes {
		for _, b := range partition {
			h, _, err := envelope.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if h.Exporter == id {
				all = append(all, b)
			}
		}
	}
	return all
}

func play(t tester, cfg pcap.Config, log pcap.Log, exporters ...sources.Exporter) (*pcap.Survey, pcap.Progress, error) {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r, err := pcap.New(cfg, log, exporters)
	if err != nil {
		t.Fatal(err)
	}
	survey, err := r.Survey(context.Background(), func(pcap.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	progress, err := r.Play(context.Background(), survey, func(pcap.Progress) {})
	return survey, progress, err
}

func TestWhoseAndWhich(t *testing.T) {
	t.Parallel()
	sflow := string([]byte{0, 0, 0, 5, 0, 0, 0, 1})
	b := file(packet{0, 1, 6343, "a"}, packet{1, 1, 2055, "b"}, packet{2, 1, 4739, sflow}, packet{3, 1, 53, "dns"}, packet{4, 9, 6343, "stranger"})
	var log memory
	survey, progress, err := play(t, pcap.Config{Open: open(b)}, &log, exporter(1, "192.0.2.1/32"))
	if err != nil || survey.OtherPorts != 1 || survey.Unknown != 1 || survey.Replayed() != 3 || progress.Datagrams != 3 || progress.Envelopes != 1 {
		t.Errorf("%v, survey %+v, progress %+v", err, survey, progress)
	}
	if diff := cmp.Diff([]pcap.Source{{Address: netip.MustParseAddr("192.0.2.9"), Datagrams: 1}}, survey.Sources, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	_, body, err := envelope.Parse(log.of(t, uuid.UUID{1, 15: 1})[0])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for d, ok := body.Next(); ok; d, ok = body.Next() {
		got = append(got, fmt.Sprintf("%d %d %s %q", d.Received-start, d.Protocol, d.Source, d.Payload))
	}
	want := []string{`0 1 192.0.2.1:50000 "a"`, `1 2 192.0.2.1:50000 "b"`, fmt.Sprintf("2 1 192.0.2.1:50000 %q", sflow)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, _, err := play(t, pcap.Config{Open: open(b)}, &log, exporter(1, "10.0.0.1/32")); !errors.Is(err, pcap.ErrNothing) {
		t.Errorf("without an exporter: %v", err)
	}
	all, _, err := play(t, pcap.Config{Open: open(b), Exporter: uuid.UUID{1, 15: 1}}, &log, exporter(1, "10.0.0.1/32"))
	if err != nil || all.Replayed() != 4 || all.Unknown != 0 {
		t.Errorf("one exporter for all: %v, %+v", err, all)
	}
}

// The envelopes of an exporter depend on the file alone: not on which others are registered, nor on what Kafka does.
func TestSameFileSameEnvelopes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var packets []packet
		var at time.Duration
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			at += time.Duration(rapid.IntRange(-50, 300).Draw(t, "after")) * time.Millisecond
			size := rapid.SampledFrom([]int{10, 1400, 60000}).Draw(t, "size")
			packets = append(packets, packet{max(at, 0), byte(rapid.IntRange(1, 3).Draw(t, "from")), 6343, string(make([]byte, size))})
		}
		packets = append(packets, packet{at + time.Second, 1, 6343, "one at least"})
		b := file(packets...)
		first, second := exporter(1, "192.0.2.1/32"), exporter(2, "192.0.2.2/31")
		var alone, beside memory
		refuse := rapid.SliceOfN(rapid.Bool(), 50, 50).Draw(t, "refuse")
		beside.before = func(messages int) error {
			switch {
			case beside.requests < len(refuse) && refuse[beside.requests]:
				return fmt.Errorf("test: %w", kafka.ErrUnavailable)
			case messages > 2:
				return fmt.Errorf("test: %w", kafka.ErrTooLarge)
			}
			return nil
		}
		noSleep := func(context.Context, time.Duration) error { return nil }
		for log, exporters := range map[*memory][]sources.Exporter{&alone: {first}, &beside: {first, second}} {
			if _, _, err := play(t, pcap.Config{Open: open(b), Sleep: noSleep}, log, exporters...); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := alone.of(t, first.ID), beside.of(t, first.ID); !slices.EqualFunc(a, b, bytes.Equal) {
			t.Fatalf("%d envelopes alone, %d beside another exporter, or not the same", len(a), len(b))
		}
	})
}

// clock is a clock that only sleeping moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Sleep(_ context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	return nil
}

func TestSpeedAndNow(t *testing.T) {
	t.Parallel()
	b := file(packet{0, 1, 6343, "a"}, packet{10 * time.Second, 1, 6343, "b"}, packet{20 * time.Second, 1, 6343, "c"})
	for name, c := range map[string]struct {
		speed float64
		now   bool
		took  time.Duration
		at    []time.Duration // receive times since the start of the capture, or of the replay
	}{
		"as fast as it goes":      {0, false, 0, []time.Duration{0, 10 * time.Second, 20 * time.Second}},
		"1x":                      {1, false, 20 * time.Second, []time.Duration{0, 10 * time.Second, 20 * time.Second}},
		"10x":                     {10, false, 2 * time.Second, []time.Duration{0, 10 * time.Second, 20 * time.Second}},
		"1x, now":                 {1, true, 20 * time.Second, []time.Duration{0, 10 * time.Second, 20 * time.Second}},
		"10x, now":                {10, true, 2 * time.Second, []time.Duration{0, time.Second, 2 * time.Second}},
		"as fast as it goes, now": {0, true, 0, []time.Duration{0, 0, 0}},
	} {
		began := time.Unix(1_760_000_000, 0)
		ticking := &clock{now: began}
		var log memory
		cfg := pcap.Config{Open: open(b), Speed: c.speed, AtNow: c.now, Now: ticking.Now, Sleep: ticking.Sleep}
		if _, _, err := play(t, cfg, &log, exporter(1, "192.0.2.1/32")); err != nil {
			t.Fatal(err)
		}
		zero := start
		if c.now {
			zero = began.UnixNano()
		}
		var at []time.Duration
		for _, one := range log.of(t, uuid.UUID{1, 15: 1}) {
			_, body, _ := envelope.Parse(one)
			for d, ok := body.Next(); ok; d, ok = body.Next() {
				at = append(at, time.Duration(d.Received-zero))
			}
		}
		if diff := cmp.Diff(c.at, at); diff != "" || ticking.now.Sub(began) != c.took {
			t.Errorf("%s: took %s, want %s\n%s", name, ticking.now.Sub(began), c.took, diff)
		}
	}
}

// What a clock that ran ahead has captured is of hours that have not begun.
func TestACaptureFromTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	b := file(packet{0, 1, 6343, "a"}, packet{time.Hour, 1, 6343, "b"})
	for ahead, want := range map[time.Duration]error{2 * time.Minute: nil, time.Hour: pcap.ErrAhead} {
		now := func() time.Time { return time.Unix(0, start).Add(time.Hour - ahead) }
		var log memory
		if _, _, err := play(t, pcap.Config{Open: open(b), Now: now}, &log, exporter(1, "192.0.2.1/32")); !errors.Is(err, want) || (log.requests == 0) != (want != nil) {
			t.Errorf("%s ahead: %v after %d requests, want %v", ahead, err, log.requests, want)
		}
		if _, _, err := play(t, pcap.Config{Open: open(b), Now: now, AtNow: true}, &log, exporter(1, "192.0.2.1/32")); err != nil {
			t.Errorf("%s ahead, at now: %v", ahead, err)
		}
	}
}

// Two replays at the time of now are two producers, and so are two exporters of one partition.
func TestNowIsAFreshProducer(t *testing.T) {
	t.Parallel()
	b := file(packet{0, 1, 6343, "a"}, packet{1, 2, 6343, "b"})
	var log memory
	for range 2 {
		cfg := pcap.Config{Open: open(b), AtNow: true, Partitions: 1}
		if _, _, err := play(t, cfg, &log, exporter(1, "192.0.2.1/32"), exporter(2, "192.0.2.2/32")); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, one := range log.envelopes[0] {
		h, _, _ := envelope.Parse(one)
		seen[fmt.Sprint(h.Collector, h.Boot, h.Sequence)] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d of 4 envelopes are told apart", len(seen))
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	b := file(packet{0, 1, 6343, "a"})
	noSleep := func(context.Context, time.Duration) error { return nil }
	away := memory{before: func(int) error { return fmt.Errorf("test: %w", kafka.ErrUnavailable) }}
	if _, _, err := play(t, pcap.Config{Open: open(b), Sleep: noSleep}, &away, exporter(1, "192.0.2.1/32")); !errors.Is(err, kafka.ErrUnavailable) || away.requests < 10 {
		t.Errorf("Kafka stays away: %v after %d requests", err, away.requests)
	}
	opened := 0
	changing := func() (io.ReadCloser, error) {
		opened++
		return open(file(packet{time.Duration(opened), 1, 6343, "a"}))()
	}
	if _, _, err := play(t, pcap.Config{Open: changing}, &memory{}, exporter(1, "192.0.2.1/32")); !errors.Is(err, pcap.ErrChanged) {
		t.Errorf("another file at the second reading: %v", err)
	}
	r, err := pcap.New(pcap.Config{Open: open(append(b, make([]byte, 20)...)), Now: time.Now}, &memory{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Survey(context.Background(), func(pcap.Progress) {}); err != nil {
		t.Errorf("an empty packet: %v", err)
	}
	damaged := append(bytes.Clone(b), bytes.Repeat([]byte{0xff}, 32)...)
	if r, err = pcap.New(pcap.Config{Open: open(damaged), Now: time.Now}, &memory{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Survey(context.Background(), func(pcap.Progress) {}); !errors.Is(err, capture.ErrDamaged) {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := pcap.New(pcap.Config{Open: open(b), Now: time.Now, Exporter: uuid.New()}, &memory{}, nil); err == nil {
		t.Error("an exporter that is not registered was taken")
	}
}

// A file of the captures goes through a real broker, twice, and the second time adds nothing.
func TestCaptureThroughKafka(t *testing.T) {
	t.Parallel()
	name := filepath.Join("..", "..", "..", "..", "shared", "captures", "tcpdump", "sflow-print-v6.pcap")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no capture sflow-print-v6.pcap: %v", err)
	}
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	one := sources.Exporter{ID: uuid.New(), Source: netip.MustParsePrefix("::/0")}
	cfg := pcap.Config{Open: func() (io.ReadCloser, error) { return os.Open(name) }, Topic: topic, Partitions: 1, Exporter: one.ID}
	table, err := prefix.New([]prefix.Assignment{{Prefix: netip.MustParsePrefix("::/0"), To: prefix.Forever}, {Prefix: netip.MustParsePrefix("0.0.0.0/0"), To: prefix.Forever}})
	if err != nil {
		t.Fatal(err)
	}
	c := count.New(track.NewBook(), &sflow.Decoder{})
	c.Use(&ownership.Snapshot{Prefixes: table, Exporters: map[uuid.UUID]*ownership.Exporter{one.ID: {ID: one.ID, Policy: ownership.Both, RateMin: 1, RateMax: 1000}}})
	var offset int64
	for range 2 {
		if _, _, err := play(t, cfg, client, one); err != nil {
			t.Fatal(err)
		}
		offset = countFrom(t, client, topic, offset, c)
		var sum count.Usage
		c.Tally.Each(func(_ int32, _ count.Column, u *count.Usage) { sum.Add(u) })
		var loss count.Loss
		for _, l := range c.Tally.Losses {
			loss.Datagrams, loss.CounterSamples, loss.DatagramsLost = loss.Datagrams+l.Datagrams, loss.CounterSamples+l.CounterSamples, loss.DatagramsLost+l.DatagramsLost
		}
		if sum.BytesInL2 != 1454 || sum.BytesInL3 != 1220 || loss.Datagrams != 25 || loss.CounterSamples != 48 || loss.DatagramsLost != 0 {
			t.Errorf("usage %+v, loss %+v", sum, loss)
		}
	}
}

func countFrom(t *testing.T, client *kafka.Client, topic string, offset int64, c *count.Counter) int64 {
	t.Helper()
	r, err := client.OpenReader(context.Background(), topic, 0, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Offset() < r.HighWater() {
		if _, err := r.Fetch(context.Background(), time.Second, func(record kafka.Record) error {
			_, err := c.Envelope(record.Value, record.Offset)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return r.Offset()
}
