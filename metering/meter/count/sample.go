package count

import (
	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/sflow"
)

// maxSampleBytes is the most that one sample may stand for.
const maxSampleBytes = 1 << 40

// flow counts one flow sample of the datagram at hand.
func (c *Counter) flow(s *sflow.FlowSample) {
	lost, dropped, tracked := c.sub.Sample(s.SourceClass, s.SourceIndex, s.Sequence, s.Drops, s.Rate)
	c.loss.SamplesLost += lost
	c.loss.SamplesDropped += dropped
	if !tracked {
		c.Tally.Untracked++
	}
	c.Tally.Samples++
	if !c.counts(s) {
		c.loss.SamplesEvidence++
		return
	}
	c.loss.Samples++
	if !s.HasIP {
		c.loss.SamplesWithoutIP++
		return
	}
	src := c.snapshot.Prefixes.Owner(s.Src, c.at)
	dst := c.snapshot.Prefixes.Owner(s.Dst, c.at)
	if !c.believes(s) {
		c.quarantine(s, src, dst)
		return
	}
	c.add(s, src, dst)
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
