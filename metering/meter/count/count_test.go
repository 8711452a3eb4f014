package count_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

var (
	at    = time.Date(2026, 3, 1, 10, 0, 5, 0, time.UTC).UnixNano()
	agent = netip.MustParseAddr("192.0.2.1")
	one   = netip.MustParseAddr("10.0.0.1")    // service 0
	two   = netip.MustParseAddr("10.0.0.2")    // service 1
	three = netip.MustParseAddr("2001:db8::3") // service 2
	world = netip.MustParseAddr("198.51.100.9")
)

func ofExporter(e *ownership.Exporter) map[uuid.UUID]*ownership.Exporter {
	return map[uuid.UUID]*ownership.Exporter{e.ID: e}
}

func testPrefixes(t testing.TB) *prefix.Table {
	t.Helper()
	table, err := prefix.New([]prefix.Assignment{
		{Prefix: netip.PrefixFrom(one, 32), Owner: 0, From: 0, To: prefix.Forever},
		{Prefix: netip.PrefixFrom(two, 31), Owner: 1, From: 0, To: prefix.Forever},
		{Prefix: netip.PrefixFrom(three, 64), Owner: 2, From: 0, To: at + 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// bench is a counter with one exporter and three services.
type bench struct {
	*count.Counter
	exporter  *ownership.Exporter
	collector metertest.Collector
}

func newBench(t testing.TB, policy ownership.Policy) *bench {
	t.Helper()
	e := &ownership.Exporter{ID: uuid.New(), Policy: policy, RateMin: 1, RateMax: 1_000_000}
	b := &bench{Counter: count.New(track.NewBook(), &sflow.Decoder{}), exporter: e, collector: metertest.Collector{ID: uuid.New(), Boot: 1}}
	b.Use(&ownership.Snapshot{Exporters: ofExporter(e), Prefixes: testPrefixes(t)})
	return b
}

func (b *bench) feed(t testing.TB, packets ...metertest.Packet) {
	t.Helper()
	for _, value := range b.collector.Envelopes(b.exporter.ID, packets...) {
		if o, err := b.Envelope(value, 1); err != nil || o.Kind != count.Counted {
			t.Fatalf("%+v %v", o, err)
		}
	}
}

// restart writes the memory down and goes on from what is read back.
func (b *bench) restart(t testing.TB) {
	t.Helper()
	book, err := track.Decode(b.Book.Encode(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.Book = book
}

func (b *bench) loss() count.Loss {
	var sum count.Loss
	for _, l := range b.Tally.Losses {
		sum = *l
	}
	return sum
}

func (b *bench) usage(service int32) count.Usage {
	var sum count.Usage
	b.Tally.Each(func(s int32, _ count.Column, u *count.Usage) {
		if s == service {
			sum.Add(u)
		}
	})
	return sum
}

func datagram(seq uint32, samples ...metertest.Sample) metertest.Packet {
	return metertest.SFlow(at, metertest.Datagram{Agent: agent, Sequence: seq, Uptime: 1000 + seq, Samples: samples})
}

// sample came in by port 1 and went out by port 2, sampled at port source.
func sample(seq, source uint32, src, dst netip.Addr) metertest.Sample {
	return metertest.Sample{Sequence: seq, Source: source, Rate: 100, Input: 1, Output: 2, FrameLength: 1000, IPLength: 982, Src: src, Dst: dst}
}

func TestAttribution(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.feed(t, datagram(1, sample(1, 1, one, world), sample(2, 1, world, two), sample(3, 1, one, two), sample(4, 1, two, two),
		sample(5, 1, world, world), sample(6, 1, three, netip.MustParseAddr("2001:db8:ffff::1"))))
	for service, want := range []count.Usage{
		{BytesOutL2: 200_000, BytesOutL3: 196_400, PacketsOut: 200, SamplesOut: 2},
		{BytesInL2: 300_000, BytesInL3: 294_600, PacketsIn: 300, SamplesIn: 3, BytesOutL2: 100_000, BytesOutL3: 98_200, PacketsOut: 100, SamplesOut: 1},
		{BytesOutL2: 100_000, BytesOutL3: 98_200, PacketsOut: 100, SamplesOut: 1},
	} {
		if diff := cmp.Diff(want, b.usage(int32(service))); diff != "" {
			t.Errorf("service %d: %s", service, diff)
		}
	}
	want := count.Loss{Datagrams: 1, Samples: 6, SamplesUnattributed: 1, BytesUnattributedL2: 100_000}
	if diff := cmp.Diff(want, b.loss()); diff != "" {
		t.Error(diff)
	}
	key := count.AddressKey{ExporterTime: count.ExporterTime{Time: at / int64(time.Hour)}, Address: world}
	if got := b.Tally.Unattributed[key]; got != (count.Unattributed{BytesL2: 200_000, BytesL3: 196_400, Packets: 200, Samples: 2}) {
		t.Errorf("unattributed %+v", got)
	}
}

func TestAttributionAtTheReceiveTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	d := metertest.Datagram{Agent: agent, Sequence: 1, Samples: []metertest.Sample{sample(1, 1, three, netip.IPv6Loopback())}}
	b.feed(t, metertest.SFlow(at+99, d))
	d.Sequence++
	b.feed(t, metertest.SFlow(at+100, d))
	if u := b.usage(2); u.SamplesOut != 1 {
		t.Errorf("%d samples, the assignment had ended before the second", u.SamplesOut)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	const in, out, other = 1, 2, 77
	for _, c := range []struct {
		name     string
		policy   ownership.Policy
		sources  []uint32 // of one sample each, all of a packet from port 1 to port 2
		counted  int64
		evidence int64
	}{
		{"ingress", ownership.Ingress, []uint32{in, out, other}, 2, 1},
		{"egress", ownership.Egress, []uint32{in, out, other}, 2, 1},
		{"both, input sampled", ownership.Both, []uint32{in, out, other, out}, 2, 2},
		{"both, input not sampled", ownership.Both, []uint32{out, out, other}, 3, 0},
	} {
		b := newBench(t, c.policy)
		for i, source := range c.sources {
			b.feed(t, datagram(uint32(i), sample(uint32(i), source, one, world)))
		}
		if l := b.loss(); l.Samples != c.counted || l.SamplesEvidence != c.evidence || b.usage(0).SamplesOut != c.counted {
			t.Errorf("%s: counted %d, evidence %d", c.name, l.Samples, l.SamplesEvidence)
		}
	}
}

func TestRatesThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.exporter.RateMin, b.exporter.RateMax = 10, 1<<32-1
	for i, rate := range []uint32{0, 9, 10, 1 << 31} {
		s := sample(uint32(i), 1, one, two)
		s.Rate = rate
		b.feed(t, datagram(uint32(i), s))
	}
	if l := b.loss(); l.SamplesQuarantined != 3 || l.Samples != 4 || b.usage(0).SamplesOut != 1 {
		t.Errorf("%+v", l)
	}
	if len(b.Tally.Quarantine) != 6 {
		t.Errorf("%d rows, want both directions of three rates", len(b.Tally.Quarantine))
	}
	for key, q := range b.Tally.Quarantine {
		if q != (count.Quarantined{Samples: 1, FrameLength: 1000, IPLength: 982}) || key.In != (key.Service == 1) {
			t.Errorf("%+v %+v", key, q)
		}
	}
}

func TestRejectedAndRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.exporter.Agent = agent
	good := datagram(5, sample(1, 1, one, world), metertest.Sample{Sequence: 2, Source: 1, Rate: 1, Input: 1, FrameLength: 64})
	foreign := metertest.Datagram{Agent: netip.MustParseAddr("192.0.2.2"), Sequence: 9, Samples: []metertest.Sample{sample(1, 1, one, world)}}
	cut := good
	cut.Payload = cut.Payload[:len(cut.Payload)-1]
	flows, other := good, good
	flows.Protocol, other.Protocol = envelope.ProtocolNetFlow, 99
	early := good
	early.Received = -1
	b.feed(t, good, good, metertest.SFlow(at, foreign), cut, flows, other)
	want := count.Loss{Datagrams: 1, DatagramsDuplicate: 1, DatagramsRejected: 4, Samples: 2, SamplesWithoutIP: 1}
	if diff := cmp.Diff(want, b.loss()); diff != "" {
		t.Error(diff)
	}
	b.feed(t, early)
	got := map[string]int64{}
	for key, n := range b.Tally.Rejects {
		got[key.Reason] = n
	}
	if diff := cmp.Diff(map[string]int64{"agent_mismatch": 1, "truncated": 1, "protocol": 1, "flow_version": 1, "receive_time": 1}, got); diff != "" {
		t.Error(diff)
	}
}

// An agent on a socket of both families may tell its IPv4 address as IPv6: the collector takes it for what it is.
func TestAnAgentInIPv6Clothes(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.exporter.Agent = agent
	mapped := metertest.Datagram{Agent: netip.AddrFrom16(agent.As16()), Sequence: 1, Samples: []metertest.Sample{sample(1, 1, one, world)}}
	b.feed(t, metertest.SFlow(at, mapped))
	if l := b.loss(); l.Datagrams != 1 || l.DatagramsRejected != 0 {
		t.Errorf("%+v", l)
	}
}

func TestLossIsCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	s := sample(1, 1, one, world)
	b.feed(t, datagram(1, s))
	s.Sequence, s.Drops = 5, 3
	b.feed(t, datagram(4, s))
	b.feed(t, datagram(3))
	want := count.Loss{Datagrams: 3, DatagramsLost: 1, Samples: 2, SamplesLost: 3, SamplesDropped: 3}
	if diff := cmp.Diff(want, b.loss()); diff != "" {
		t.Error(diff)
	}
	report := envelope.Report{At: time.Unix(0, at), Watermark: time.Unix(0, at), KernelDrops: 7}
	if o, err := b.Envelope(b.collector.Report(report), 1); err != nil || o.Kind != count.Reported {
		t.Fatal(o, err)
	}
	if l := b.loss(); l.KernelDrops != 1 {
		t.Errorf("%d of 7 kernel drops laid to an exporter that lost 1", l.KernelDrops)
	}
}

func TestEnvelopeOutcomes(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	values := b.collector.Envelopes(b.exporter.ID, datagram(1))
	for _, want := range []count.Kind{count.Counted, count.Repeated} {
		if o, err := b.Envelope(values[0], 1); err != nil || o.Kind != want {
			t.Errorf("%+v %v, want kind %d", o, err, want)
		}
	}
	if o, err := b.Envelope(b.collector.Envelopes(uuid.New(), datagram(1))[0], 1); err != nil || o.Kind != count.UnknownExporter {
		t.Errorf("%+v %v", o, err)
	}
	b.collector.Envelopes(b.exporter.ID, datagram(2))
	if o, err := b.Envelope(b.collector.Envelopes(b.exporter.ID, datagram(3))[0], 1); err != nil || o.Missing != 1 {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := b.Envelope([]byte("EZF1"), 1); err == nil {
		t.Error("no error for no envelope")
	}
	if l := b.loss(); l.Datagrams != 2 || l.DatagramsLost != 1 {
		t.Errorf("%+v", l)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.feed(t, metertest.SFlow(at, metertest.Datagram{
		Agent: agent, Sequence: 1, Samples: []metertest.Sample{sample(1, 1, one, world)},
		Counters: []metertest.Counter{{Sequence: 1, Port: 1, Speed: 10e9, OctetsIn: 5, OctetsOut: 6}},
	}))
	want := map[ownership.Port]count.Port{{Index: 1}: {Type: 6, Speed: 10e9, OctetsIn: 5, OctetsOut: 6, At: at, Rate: 100, Status: 3, FCSErrors: -1}}
	if diff := cmp.Diff(want, b.Tally.Ports); diff != "" {
		t.Error(diff)
	}
	if b.loss().CounterSamples != 1 {
		t.Error("counter sample not counted")
	}
}
