package count_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/ownership"
)

// flow is one from service 0 to service 1, of a minute and a half from the start of the hour.
func flow() envelope.Flow {
	return envelope.Flow{Start: start, End: start + 90e9, Src: one, Dst: two, BytesL2: 9000, BytesL3: 8100, Packets: 900, Rate: 100, Input: 1, Output: 2}
}

func (b *bench) replay(t *testing.T, flows ...envelope.Flow) {
	t.Helper()
	value, err := b.collector.Flows(b.exporter.ID, flows...)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := b.Envelope(value, 1); err != nil || o.Kind != count.Counted {
		t.Fatalf("%+v %v", o, err)
	}
	if o, err := b.Envelope(value, 1); err != nil || o.Kind != count.Repeated {
		t.Fatalf("the same again: %+v %v", o, err)
	}
}

func TestReplayedFlowsAreSpreadAndNeverScaledAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.replay(t, flow())
	if diff := cmp.Diff(count.Usage{BytesOutL2: 9000, BytesOutL3: 8100, PacketsOut: 900, SamplesOut: 9}, b.usage(0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(count.Usage{BytesInL2: 9000, BytesInL3: 8100, PacketsIn: 900, SamplesIn: 9}, b.usage(1)); diff != "" {
		t.Error(diff)
	}
	slots := 0
	b.Tally.Each(func(service int32, c count.Column, u *count.Usage) {
		if slots++; u.BytesOutL2+u.BytesInL2 != 1000 {
			t.Errorf("slot %d of service %d: %+v", c.Slot-start/slot, service, u)
		}
	})
	if slots != 18 {
		t.Errorf("%d slots", slots)
	}
	if l := b.loss(); l.Records != 1 || l.Datagrams != 0 || l.Samples != 0 {
		t.Errorf("%+v", l)
	}
	if p := b.port(2); p.FlowOutElsewhere != 9000 {
		t.Errorf("%+v", p)
	}
}

// Whatever records say, counters stay within what a flush can write; those that are not counted for it are in the ledger.
func TestRecordsBeyondAllMeasure(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	huge := flow()
	huge.BytesL2, huge.BytesL3, huge.Packets = envelope.MaxFlowBytes, envelope.MaxFlowBytes, 1
	const envelopes, each = 20, 500
	for range envelopes {
		all := make([]envelope.Flow, each)
		for i := range all {
			all[i] = huge
		}
		b.replay(t, all...)
	}
	u, l := b.usage(0), b.loss()
	if u.BytesOutL2 < 1<<59 || u.BytesOutL2 > 1<<61 {
		t.Errorf("counted %+v", u)
	}
	if l.Records+l.SamplesRejected != envelopes*each || l.SamplesRejected == 0 || !b.Tally.Full() {
		t.Errorf("%+v", l)
	}
}

// A record is one, in however many slots it went on.
func TestAFlowOfNobodyIsOneRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	f := flow()
	f.Src, f.Dst = world, world
	b.replay(t, f)
	if l := b.loss(); l.Records != 1 || l.SamplesUnattributed != 1 || l.BytesUnattributedL2 != 9000 {
		t.Errorf("%+v", l)
	}
}

// Service 2 has its prefix until a moment in the second of the flow's three slots; the third is nobody's.
func TestAFlowOverAChangeOfOwnership(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	f := flow()
	f.Src, f.Dst = three, world
	f.Start, f.End = at-at%slot-slot, at-at%slot+2*slot
	b.replay(t, f)
	if u := b.usage(2); u.BytesOutL2 != 6000 {
		t.Errorf("%+v", u)
	}
	if l := b.loss(); l.BytesUnattributedL2 != 3000 || l.SamplesUnattributed != 1 {
		t.Errorf("%+v", l)
	}
}

func TestReplayedFlowsObeyThePolicy(t *testing.T) {
	t.Parallel()
	sided := func(s envelope.Side) envelope.Flow {
		f := flow()
		f.Side = s
		return f
	}
	all := []envelope.Flow{sided(envelope.SideUnknown), sided(envelope.SideIngress), sided(envelope.SideEgress)}
	for name, c := range map[string]struct {
		policy           ownership.Policy
		counts, evidence int64
	}{"ingress": {ownership.Ingress, 2, 1}, "egress": {ownership.Egress, 2, 1}, "both": {ownership.Both, 2, 1}} {
		b := newBench(t, c.policy)
		b.replay(t, all...)
		if l := b.loss(); l.Records != c.counts || l.SamplesEvidence != c.evidence || b.usage(0).BytesOutL2 != 9000*c.counts {
			t.Errorf("%s: %+v", name, l)
		}
	}
}
