package count

import (
	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/sflow"
)

// maxSampleBytes is the most that one sample may stand for.
const maxSampleBytes = 1 << 40

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
		if c.believes(o.sample) {
			c.add(o.sample, o.src, o.dst)
		} else {
			c.quarantine(o.sample, o.src, o.dst)
		}
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
	if !c.counts(s) {
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
func (c *Counter) counts(s *sflow.FlowSample) bool {
	side := s.Side()
	switch c.exporter.Policy {
	case Egress:
		return side != sflow.Ingress
	case Both:
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
	if src != prefix.None {
		c.Tally.quarantine(c.exporter.Index, c.at, src, false, s)
	}
	if dst != prefix.None {
		c.Tally.quarantine(c.exporter.Index, c.at, dst, true, s)
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
		c.Tally.unattributed(c.exporter.Index, c.at, s, l2, l3)
	}
}
