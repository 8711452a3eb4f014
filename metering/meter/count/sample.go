package count

import (
	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/sflow"
)

// maxSampleBytes is the most that one sample may stand for: MaxSamples of them are 2^60.
const maxSampleBytes = 1 << 38

// owned is a sample that counts, and whose it is.
type owned struct {
	sample   *sflow.FlowSample
	src, dst int32
}

// flows counts the flow samples of the datagram at hand. The owners of all are looked up in one go: with many
// services each look-up waits for memory, and so they wait together.
func (c *Counter) flows(all []sflow.FlowSample) {
	c.owned = c.owned[:0]
	for i := range all {
		if c.passes(&all[i]) {
			c.owned = append(c.owned, owned{sample: &all[i]})
		}
	}
	prefixes, at := c.snapshot.Prefixes, c.at
	for i := range c.owned {
		o := &c.owned[i]
		o.src, o.dst = prefixes.Owner(o.sample.Src, at), prefixes.Owner(o.sample.Dst, at)
	}
	for i := range c.owned {
		o := &c.owned[i]
		if o.src >= ownership.Special || o.dst >= ownership.Special || c.exporter.Policy == ownership.Bound {
			c.special(o)
		} else {
			c.settle(o)
		}
	}
}

// settle counts a sample, or puts it aside until somebody knows its rate.
func (c *Counter) settle(o *owned) {
	if c.believes(o.sample) {
		c.add(o.sample, o.src, o.dst)
	} else {
		c.quarantine(o.sample, o.src, o.dst)
	}
}

// passes tells whether a sample is to be attributed, and keeps the books about it.
func (c *Counter) passes(s *sflow.FlowSample) bool {
	lost, dropped, tracked := c.sub.Sample(s.SourceClass, s.SourceIndex, s.Sequence, s.Drops, s.Rate)
	c.loss.SamplesLost += lost
	c.loss.SamplesDropped += dropped
	if !tracked {
		c.Tally.Untracked++
	}
	c.Tally.Samples++
	side := s.Side()
	if c.believes(s) {
		c.portFlow(s, side)
	}
	if !c.counts(s, side) {
		c.loss.SamplesEvidence++
		return false
	}
	c.loss.Samples++
	if !s.HasIP {
		c.loss.SamplesWithoutIP++
	}
	return s.HasIP
}

// counts applies the exporter's policy. Only "both" needs to know which ports are sampled where packets come in.
func (c *Counter) counts(s *sflow.FlowSample, side sflow.Side) bool {
	switch c.exporter.Policy {
	case ownership.Egress:
		return side != sflow.Ingress
	case ownership.Both:
		if side == sflow.Ingress {
			c.sub.Agent.NoteIngress(s.SourceIndex, c.at)
		}
		return side != sflow.Egress || s.InputFormat != sflow.InterfaceIndex || !c.sub.Agent.SamplesIngress(s.Input, c.at)
	default:
		return side != sflow.Egress
	}
}

func (c *Counter) believes(s *sflow.FlowSample) bool {
	return s.Rate >= max(c.exporter.RateMin, 1) && s.Rate <= c.exporter.RateMax && uint64(s.FrameLength)*uint64(s.Rate) <= maxSampleBytes
}

func (c *Counter) quarantine(s *sflow.FlowSample, src, dst int32) {
	c.loss.SamplesQuarantined++
	q := Quarantined{1, int64(s.FrameLength), int64(s.IPLength)}
	if src != prefix.None {
		c.Tally.quarantine(c.exporter.Index, c.hour, src, false, s.Rate, q)
	}
	if dst != prefix.None {
		c.Tally.quarantine(c.exporter.Index, c.hour, dst, true, s.Rate, q)
	}
}

func (c *Counter) add(s *sflow.FlowSample, src, dst int32) {
	rate := int64(s.Rate)
	l2, l3 := int64(s.FrameLength)*rate, int64(s.IPLength)*rate
	if src != prefix.None {
		u := c.Tally.cell(src, c.column)
		u.BytesOutL2 += l2
		u.BytesOutL3 += l3
		u.PacketsOut += rate
		u.SamplesOut++
	}
	if dst != prefix.None {
		u := c.Tally.cell(dst, c.column)
		u.BytesInL2 += l2
		u.BytesInL3 += l3
		u.PacketsIn += rate
		u.SamplesIn++
	}
	if src == prefix.None && dst == prefix.None {
		c.loss.SamplesUnattributed++
		c.loss.BytesUnattributedL2 += l2
		c.Tally.unattributed(c.exporter.Index, c.hour, s.Src, s.Dst, Unattributed{l2, l3, rate, 1})
	}
	if c.Tracer != nil {
		c.traceSample(TraceSample, s, src, false)
		c.traceSample(TraceSample, s, dst, true)
	}
}

func (c *Counter) traceSample(kind TraceKind, s *sflow.FlowSample, service int32, in bool) {
	if service == prefix.None || c.Tracer == nil {
		return
	}
	rate := int64(s.Rate)
	c.trace(Trace{Kind: kind, At: c.at, Service: service, In: in, Port: s.SourceIndex, Rate: s.Rate, Src: s.Src, Dst: s.Dst,
		L2: int64(s.FrameLength) * rate, L3: int64(s.IPLength) * rate, Packets: rate, Samples: 1})
}

// special counts a sample of which a side may be evidence only. What is evidence on one side may count on the other.
func (c *Counter) special(o *owned) {
	src, outward := c.judge(o.src, c.at)
	dst, inward := c.judge(o.dst, c.at)
	if outward == ownership.Counts && inward == ownership.Counts {
		o.src, o.dst = src, dst
		c.settle(o)
		return
	}
	if outward == ownership.ByAttachment || inward == ownership.ByAttachment {
		c.loss.SamplesElsewhere++
	}
	if c.believes(o.sample) {
		c.evidence(o.sample, src, outward, false)
		c.evidence(o.sample, dst, inward, true)
	}
	if outward != ownership.Counts {
		src = prefix.None
	}
	if inward != ownership.Counts {
		dst = prefix.None
	}
	if src != prefix.None || dst != prefix.None {
		c.settle(&owned{o.sample, src, dst})
	}
}

// judge resolves an owner; nothing that an exporter with policy Bound saw counts.
func (c *Counter) judge(owner int32, at int64) (int32, ownership.Evidence) {
	if owner == prefix.None {
		return owner, ownership.Counts
	}
	service, why := c.snapshot.Resolve(owner, c.exporter.Index, at)
	if why == ownership.Counts && c.exporter.Policy == ownership.Bound {
		why = ownership.ByPort
	}
	return service, why
}

func (c *Counter) evidence(s *sflow.FlowSample, service int32, why ownership.Evidence, in bool) {
	if service == prefix.None || why == ownership.Counts {
		return
	}
	rate := int64(s.Rate)
	c.Tally.evidence(EvidenceKey{service, c.exporter.Index, c.hour, why}).one(in, int64(s.FrameLength)*rate, int64(s.IPLength)*rate, rate, 1)
	c.traceSample(traceOf(why), s, service, in)
}

func traceOf(why ownership.Evidence) TraceKind {
	if why == ownership.ByPort {
		return TracePort
	}
	return TraceAttachment
}
