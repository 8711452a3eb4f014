package count_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/count/ports"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/ownership"
)

const (
	hour = int64(time.Hour)
	slot = int64(count.SlotLength)
)

var (
	start = at - at%hour                    // of the hour
	plain = netip.MustParseAddr("10.0.0.8") // service 2 in specialBench
)

// specialBench has service 1 at port 9 for two hours, and service 0's prefix attached to exporter 5.
func specialBench(t *testing.T, policy ownership.Policy) *bench {
	t.Helper()
	b := newBench(t, policy)
	bound := []ownership.Binding{{Service: 1, From: start, To: start + 2*hour}}
	table, err := prefix.New([]prefix.Assignment{
		{Prefix: netip.PrefixFrom(one, 32), Owner: ownership.Special, To: prefix.Forever},
		{Prefix: netip.PrefixFrom(two, 32), Owner: ownership.Special | 1, To: prefix.Forever},
		{Prefix: netip.PrefixFrom(plain, 32), Owner: 2, To: prefix.Forever},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Use(&ownership.Snapshot{
		Exporters: ofExporter(b.exporter), Prefixes: table,
		Specials: []ownership.SpecialOwner{{Service: 0, Attached: 5}, {Service: 1, Attached: -1, Bound: bound}},
		Bindings: map[ownership.Port][]ownership.Binding{{Index: 9}: bound},
	})
	return b
}

// readings are counters of port 9 at moments of the hour, in octets in and out; packets are of a thousand octets.
func readings(b *bench, t *testing.T, from uint32, rows ...[3]int64) {
	t.Helper()
	for i, r := range rows {
		seq := from + uint32(i)
		b.feed(t, metertest.SFlow(start+r[0], metertest.Datagram{Agent: agent, Sequence: seq, Uptime: 1000 + uint32(r[0]/1e6), Counters: []metertest.Counter{
			{Sequence: seq, Port: 9, Speed: 10e9, OctetsIn: uint64(r[1]), OctetsOut: uint64(r[2]), PacketsIn: uint32(r[1] / 1000), PacketsOut: uint32(r[2] / 1000)},
		}}))
	}
}

func (b *bench) port(index uint32) (sum ports.Use) {
	for k, u := range b.Tally.PortHours {
		if k.Index == index {
			sum.OctetsIn, sum.OctetsOut = sum.OctetsIn+u.OctetsIn, sum.OctetsOut+u.OctetsOut
			sum.Resets, sum.GapSeconds, sum.Readings = sum.Resets+u.Resets, sum.GapSeconds+u.GapSeconds, sum.Readings+u.Readings
			sum.FlowIn, sum.SamplesIn = sum.FlowIn+u.FlowIn, sum.SamplesIn+u.SamplesIn
			sum.FlowOut, sum.SamplesOut = sum.FlowOut+u.FlowOut, sum.SamplesOut+u.SamplesOut
			sum.FlowInElsewhere, sum.FlowOutElsewhere = sum.FlowInElsewhere+u.FlowInElsewhere, sum.FlowOutElsewhere+u.FlowOutElsewhere
		}
	}
	return sum
}

func TestABoundPortBillsItsService(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Ingress)
	const second = int64(time.Second)
	readings(b, t, 1, [3]int64{5 * second, 10_000, 1_000_000}, [3]int64{25 * second, 30_000, 3_000_000}, [3]int64{45 * second, 30_000, 3_000_000})
	want := count.Usage{ // what comes into the port goes out of the service
		BytesOutL2: 20_000, BytesInL2: 2_000_000, PacketsOut: 20, PacketsIn: 2000, BytesOutL3: 20_000 - 20*18, BytesInL3: 2_000_000 - 2000*18,
	}
	if diff := cmp.Diff(want, b.usage(1)); diff != "" {
		t.Error(diff)
	}
	bySlot := map[int64]int64{}
	b.Tally.Each(func(_ int32, c count.Column, u *count.Usage) { bySlot[c.Slot-start/slot] += u.BytesInL2 })
	if diff := cmp.Diff(map[int64]int64{0: 500_000, 1: 1_000_000, 2: 500_000, 3: 0, 4: 0}, bySlot); diff != "" {
		t.Error(diff)
	}
	if p := b.port(9); p.OctetsIn != 20_000 || p.OctetsOut != 2_000_000 || p.Readings != 3 || p.GapSeconds != 0 {
		t.Errorf("%+v", p)
	}
}

// The binding ends at two o'clock: what the port did afterwards is nobody's. A gap of hours is exact in sum and told.
func TestABindingEndsWithinAGap(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Ingress)
	readings(b, t, 1, [3]int64{0, 0, 0}, [3]int64{4 * hour, 4e9, 8e9})
	if u := b.usage(1); u.BytesOutL2 != 2e9 || u.BytesInL2 != 4e9 {
		t.Errorf("%+v", u)
	}
	if p := b.port(9); p.OctetsIn != 4e9 || p.OctetsOut != 8e9 || p.GapSeconds != 4*3600 {
		t.Errorf("%+v", p)
	}
}

func TestARestartOfTheAgentLosesOnlyWhatNobodySaw(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Ingress)
	readings(b, t, 1000, [3]int64{0, 5e9, 5e9}, [3]int64{20e9, 6e9, 7e9})
	b.feed(t, metertest.SFlow(start+60e9, metertest.Datagram{Agent: agent, Sequence: 1, Uptime: 20_000, Counters: []metertest.Counter{
		{Sequence: 1, Port: 9, Speed: 10e9, OctetsIn: 1e6, OctetsOut: 2e6, PacketsIn: 1000, PacketsOut: 2000},
	}}))
	if u := b.usage(1); u.BytesOutL2 != 1e9+1e6 || u.BytesInL2 != 2e9+2e6 {
		t.Errorf("%+v", u)
	}
	if p := b.port(9); p.Resets != 1 {
		t.Errorf("%+v", p)
	}
}

func TestFlowsOfABoundServiceAreEvidence(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Ingress)
	b.feed(t, datagram(1, sample(1, 1, two, world), sample(2, 1, world, two), sample(3, 1, two, plain)))
	if u := b.usage(1); u != (count.Usage{}) {
		t.Errorf("billed by flows: %+v", u)
	}
	want := map[count.EvidenceKey]*count.Usage{{Service: 1, Hour: at / hour, Reason: ownership.ByPort}: {
		BytesOutL2: 200_000, BytesOutL3: 196_400, PacketsOut: 200, SamplesOut: 2, BytesInL2: 100_000, BytesInL3: 98_200, PacketsIn: 100, SamplesIn: 1,
	}}
	if diff := cmp.Diff(want, b.Tally.Evidence); diff != "" {
		t.Error(diff)
	}
	if u := b.usage(2); u.BytesInL2 != 100_000 {
		t.Errorf("the other end of one is billed by flows: %+v", u)
	}
	if l := b.loss(); l.SamplesUnattributed != 0 || l.Samples != 3 {
		t.Errorf("%+v", l)
	}
	late := metertest.SFlow(start+3*hour, metertest.Datagram{Agent: agent, Sequence: 2, Uptime: 1, Samples: []metertest.Sample{sample(4, 1, two, world)}})
	if b.feed(t, late); b.usage(1).BytesOutL2 != 100_000 {
		t.Error("after the binding flows bill again")
	}
}

func TestOnlyTheAttachedExporterCounts(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Ingress)
	b.feed(t, datagram(1, sample(1, 1, one, world), sample(2, 1, one, plain)))
	if u := b.usage(0); u != (count.Usage{}) {
		t.Errorf("%+v", u)
	}
	if u := b.usage(2); u.BytesInL2 != 100_000 {
		t.Errorf("%+v", u)
	}
	if e := b.Tally.Evidence[count.EvidenceKey{Service: 0, Hour: at / hour, Reason: ownership.ByAttachment}]; e == nil || e.BytesOutL2 != 200_000 {
		t.Errorf("%+v", e)
	}
	if l := b.loss(); l.SamplesElsewhere != 2 || l.SamplesUnattributed != 0 {
		t.Errorf("%+v", l)
	}
	b.exporter.Index = 5
	if b.feed(t, datagram(2, sample(3, 1, one, world))); b.usage(0).BytesOutL2 != 100_000 {
		t.Error("the exporter it is attached to does not count")
	}
}

func TestPolicyBoundCountsPortsOnly(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Bound)
	readings(b, t, 1, [3]int64{0, 0, 0}, [3]int64{20e9, 1000, 1000})
	b.feed(t, datagram(3, sample(1, 1, plain, world), sample(2, 1, two, world)))
	if u := b.usage(2); u != (count.Usage{}) {
		t.Errorf("%+v", u)
	}
	if u := b.usage(1); u.BytesOutL2 != 1000 || u.SamplesOut != 0 {
		t.Errorf("%+v", u)
	}
	if len(b.Tally.Evidence) != 2 {
		t.Errorf("%+v", b.Tally.Evidence)
	}
}

// What each port's flows add up to is kept beside its counters, whatever the policy: at the port, and seen elsewhere.
func TestPortsAreEstimatedByFlows(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	faster := sample(3, 1, one, world)
	faster.Rate = 200
	unbelievable := sample(4, 1, one, world)
	unbelievable.Rate = 0
	b.feed(t, datagram(1, sample(1, 1, one, world), sample(2, 2, one, world), faster, unbelievable))
	if p := b.port(1); p.FlowIn != 300_000 || p.SamplesIn != 2 || p.FlowInElsewhere != 100_000 {
		t.Errorf("port 1: %+v", p)
	}
	if p := b.port(2); p.FlowOut != 100_000 || p.SamplesOut != 1 || p.FlowOutElsewhere != 300_000 {
		t.Errorf("port 2: %+v", p)
	}
	b.Tally.SettleRates()
	key := func(port, rate uint32) ports.Rate {
		return ports.Rate{Hour: ports.Hour{Port: ownership.Port{Index: port}, Hour: at / hour}, Rate: rate}
	}
	if diff := cmp.Diff(map[ports.Rate]int64{key(1, 100): 1, key(1, 200): 1, key(2, 100): 1}, b.Tally.Rates); diff != "" {
		t.Error(diff)
	}
}

func TestTheTracerHearsWhatIsCounted(t *testing.T) {
	t.Parallel()
	b := specialBench(t, ownership.Ingress)
	var heard []count.Trace
	b.Tracer = func(t count.Trace) { heard = append(heard, t) }
	readings(b, t, 1, [3]int64{0, 0, 0}, [3]int64{5e9, 1000, 2000})
	b.feed(t, datagram(3, sample(1, 1, plain, world), sample(2, 1, two, one)))
	sums := map[count.TraceKind]int64{}
	for _, h := range heard {
		sums[h.Kind] += h.L2
		if h.Agent != agent {
			t.Errorf("of agent %s", h.Agent)
		}
	}
	want := map[count.TraceKind]int64{count.TraceCounter: 3000, count.TraceSample: 100_000, count.TracePort: 100_000, count.TraceAttachment: 100_000}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Error(diff)
	}
}
