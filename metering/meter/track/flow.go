package track

import (
	"cmp"
	"net/netip"
	"slices"
)

// Bounds of what is remembered of exporters of flow records.
const (
	MaxFlowSources = 256  // per exporter, over all its addresses
	flowWindow     = 1024 // datagrams in which a repeat is known as such
	maxGaps        = 64   // of a source, that late datagrams may still fill
	maxFlowJump    = 1 << 24
	maxFlowReorder = 4096 // how far before the first one a late datagram may lie
)

// FlowSource is one numbering of NetFlow or IPFIX datagrams: an observation domain or source id of one address. v9
// numbers datagrams; v5 and IPFIX number records, a datagram advances the sequence by as many as it holds.
//
// Repeats are told by sequence and CRC within a ring of the newest datagrams. A jump forward is a gap, counted as lost at
// once; a datagram that fits into a gap takes its own part back. Anything else behind is of another boot: what it holds counts.
type FlowSource struct {
	Agent   *Agent // of which ports gave ingress records
	version uint16
	first   uint32 // lowest sequence of this boot
	next    uint32 // sequence expected
	begun   bool   // next is known; what is behind it is, all the same
	heardAt int64
	bootAt  int64 // receive time of the restart; 0: none was seen
	feeder  uint64
	early   early
	gaps    []gap
	ring    []flowDatagram
	place   int
}

type gap struct{ from, count uint32 }

type flowDatagram struct{ sequence, crc uint32 }

type flowKey struct {
	address netip.Addr
	domain  uint32
	version uint16
}

// FlowSource finds or makes one; false when the exporter has too many already.
func (e *Exporter) FlowSource(address netip.Addr, domain uint32, version uint16) (*FlowSource, bool) {
	key := flowKey{address, domain, version}
	f, ok := e.flows[key]
	if !ok {
		if len(e.flows) >= MaxFlowSources {
			return nil, false
		}
		f = newFlowSource(version)
		f.early.ground = e.book.forgotten
		e.flows[key] = f
	}
	return f, true
}

func newFlowSource(version uint16) *FlowSource {
	return &FlowSource{Agent: newAgent(), version: version, ring: make([]flowDatagram, 0, flowWindow)}
}

// Replayed is the memory of which ports gave ingress flows in a replay, which numbers nothing that is tracked here.
func (e *Exporter) Replayed(at int64) *Agent {
	f, ok := e.FlowSource(netip.IPv6Unspecified(), 0, 0)
	if !ok {
		return newAgent()
	}
	f.heardAt = max(f.heardAt, at)
	return f.Agent
}

// FlowDatagram is what is judged of a datagram of flow records.
type FlowDatagram struct {
	Sequence, Step uint32 // the step is by how much it advances the sequence
	StepKnown      bool   // false: by that much at least
	CRC            uint32
	At             int64  // receive time, Unix nanoseconds
	Feeder         uint64 // names the collector it came by
}

// Known tells, before it is decoded and whatever its step, that a datagram has been counted: it must not be looked into
// again, or what it holds could be kept for a template that counts it twice.
func (f *FlowSource) Known(d FlowDatagram) bool {
	for _, seen := range f.ring {
		if seen.sequence == d.Sequence && seen.crc == d.CRC {
			return true
		}
	}
	if f.ofEarlierBoot(&d) {
		return !f.remembers(d.Sequence)
	}
	behind := len(f.ring) > 0 && d.Sequence-f.next > maxFlowJump && f.first-d.Sequence-1 >= maxFlowReorder
	return behind && stale(d.At, f.heardAt, d.Feeder, f.feeder) && !f.missing(d.Sequence) && (d.Sequence == f.first || !f.precedes(d.Sequence, &d))
}

// ofEarlierBoot tells what a collector that lags brings of before the last restart, but for what a capture brings of the time
// before the first datagram.
func (f *FlowSource) ofEarlierBoot(d *FlowDatagram) bool {
	return d.At < f.bootAt-clocksAgree && stale(d.At, f.heardAt, d.Feeder, f.feeder) && !f.early.uncovered(d.At, -clocksDiffer, d.Feeder)
}

// remembers tells whether the ring goes back to before a sequence of an earlier boot, so that what it does not hold was
// never counted.
func (f *FlowSource) remembers(sequence uint32) bool {
	if len(f.ring) < flowWindow {
		return true
	}
	oldest := f.ring[f.place].sequence
	return oldest-f.first > f.next-f.first && sequence-oldest <= maxFlowJump
}

// precedes tells whether a datagram up to a sequence was received before the first one, when nobody counted any.
func (f *FlowSource) precedes(until uint32, d *FlowDatagram) bool {
	return f.first-until <= maxFlowJump && f.early.uncovered(d.At, clocksDiffer, d.Feeder)
}

// Datagram judges one that is not known. Lost counts what the sequence counts.
func (f *FlowSource) Datagram(d FlowDatagram) Verdict {
	v := f.judge(&d)
	if v.Duplicate {
		return v
	}
	f.remember(flowDatagram{d.Sequence, d.CRC})
	if d.At >= f.heardAt {
		f.heardAt, f.feeder = d.At, d.Feeder
	}
	if !d.StepKnown && d.Sequence+d.Step == f.next {
		f.begun = false // where the next one begins cannot be known, so it tells no loss
	}
	return v
}

func (f *FlowSource) judge(d *FlowDatagram) Verdict {
	ahead, after := d.Sequence-f.next, d.Sequence+d.Step
	switch {
	case len(f.ring) == 0:
		f.begun, f.first, f.next = true, d.Sequence, after
		f.early = early{bornAt: d.At, ground: f.early.ground}
		return Verdict{}
	case f.ofEarlierBoot(d):
		return Verdict{}
	case !f.begun && ahead <= maxFlowJump:
		f.begun, f.next = true, after
		return Verdict{}
	case ahead <= maxFlowJump:
		f.open(gap{f.next, ahead})
		f.next = after
		return Verdict{Lost: int64(ahead)}
	case f.fill(gap{d.Sequence, d.Step}):
		return Verdict{Lost: -int64(d.Step)}
	case f.first-after < maxFlowReorder || f.precedes(after, d): // from before the first: what lies between is missing
		f.early.note(d.At, d.Feeder)
		between := gap{after, f.first - after}
		f.open(between)
		f.first = d.Sequence
		return Verdict{Lost: int64(between.count)}
	case d.Step == 0 && (d.StepKnown || f.missing(d.Sequence)): // templates alone take no place in the numbering
		return Verdict{}
	case stale(d.At, f.heardAt, d.Feeder, f.feeder):
		return Verdict{Duplicate: true}
	}
	f.first, f.next, f.gaps, f.bootAt = d.Sequence, after, f.gaps[:0], d.At
	return Verdict{Restart: true}
}

// open remembers a gap; the smallest is forgotten for it.
func (f *FlowSource) open(g gap) {
	if g.count == 0 {
		return
	}
	if f.gaps = append(f.gaps, g); len(f.gaps) <= maxGaps {
		return
	}
	smallest := slices.MinFunc(f.gaps, func(a, b gap) int { return cmp.Compare(a.count, b.count) })
	least := slices.Index(f.gaps, smallest)
	f.gaps = slices.Delete(f.gaps, least, least+1)
}

// missing tells whether a sequence lies in a gap.
func (f *FlowSource) missing(sequence uint32) bool {
	for _, g := range f.gaps {
		if sequence-g.from < g.count {
			return true
		}
	}
	return false
}

// fill takes a late datagram's part out of the gap it fits in.
func (f *FlowSource) fill(late gap) bool {
	for i, g := range f.gaps {
		before := late.from - g.from
		if late.count == 0 || before >= g.count || g.count-before < late.count {
			continue
		}
		after := g.count - before - late.count
		f.gaps = append(f.gaps[:i], f.gaps[i+1:]...)
		f.open(gap{g.from, before})
		f.open(gap{late.from + late.count, after})
		return true
	}
	return false
}

func (f *FlowSource) remember(d flowDatagram) {
	if len(f.ring) < flowWindow {
		f.ring = append(f.ring, d)
		return
	}
	f.ring[f.place] = d
	f.place = (f.place + 1) % flowWindow
}
