package count

import (
	"hash/crc32"
	"math"
	"math/bits"
	"net/netip"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/sflow"
)

const (
	flowReason   = "flow_" // + netflow's reason
	reasonExcess = flowReason + "excess"
)

// flowDatagram counts a NetFlow or IPFIX datagram. Its agent is its source address, its sub-agent the observation domain.
func (c *Counter) flowDatagram(d *envelope.Datagram) {
	c.agent = d.Source.Addr()
	if c.exporter.Agent.IsValid() && c.exporter.Agent != c.agent {
		c.reject(ReasonAgent)
		return
	}
	h, err := netflow.ParseHeader(d.Payload)
	if err != nil {
		c.reject(flowReason + netflow.Reason(err))
		return
	}
	c.domain = h.Domain
	source, ok := c.memory.FlowSource(c.agent, h.Domain, h.Version)
	if !ok {
		c.reject(ReasonSubAgents)
		return
	}
	this := track.FlowDatagram{Sequence: h.Sequence, CRC: crc32.Checksum(d.Payload, c.table), At: d.Received, Feeder: c.feeder}
	if source.Known(this) {
		c.loss.DatagramsDuplicate++
		return
	}
	c.decodeFlows(d, source, this)
}

func (c *Counter) decodeFlows(d *envelope.Datagram, source *track.FlowSource, this track.FlowDatagram) {
	got, err := c.memory.NetFlow().Decode(c.agent, d.Received, d.Payload)
	if err != nil {
		c.reject(flowReason + netflow.Reason(err))
		return
	}
	this.Step, this.StepKnown = got.Step, got.StepKnown
	verdict := source.Datagram(this)
	if verdict.Duplicate {
		c.loss.DatagramsDuplicate++
		return
	}
	c.admitFlows(got, verdict)
	c.flowRecords(got, source.Agent)
	for i := range got.Recovered {
		c.settime(got.Recovered[i].Received)
		c.noteSets(&got.Recovered[i])
		c.flowRecords(&got.Recovered[i], source.Agent)
	}
}

// admitFlows keeps the books about a datagram that counts. Versions 5 and 10 number records, 9 datagrams.
func (c *Counter) admitFlows(got *netflow.Datagram, verdict track.Verdict) {
	c.loss.Datagrams++
	lost := verdict.Lost
	if got.Version != netflow.Version9 {
		c.loss.RecordsLost += lost
		lost = 0
	}
	if verdict.Restart {
		c.loss.Restarts++
	}
	c.loss.DatagramsLost += lost
	c.lostSince[c.exporter.Index] += lost
	c.noteSets(got)
	c.Tally.minute(c.exporter.Index, c.at, lost)
	c.Tally.hear(c.exporter.Index, c.at, c.agent, c.memory.SubAgents())
}

// noteSets keeps the books about what of a datagram's sets is no record.
func (c *Counter) noteSets(got *netflow.Datagram) {
	c.loss.SetsWithoutTemplate += int64(got.GivenUp)
	c.loss.SamplesUnknown += int64(got.Unknown + got.NoOctets)
	c.loss.SamplesRejected += int64(got.Rejected)
	for _, code := range netflow.Codes() {
		if n := got.Rejects[code]; n > 0 {
			c.Tally.reject(c.exporter.Index, c.hour, flowReason+code.Error(), int64(n))
		}
	}
}

// flowRecords scales a datagram's records and counts them. Ages are anchored at the time of receipt.
func (c *Counter) flowRecords(got *netflow.Datagram, agent *track.Agent) {
	for i := range got.Records {
		r := &got.Records[i]
		if !r.HasIP {
			c.loss.SamplesWithoutIP++
			continue
		}
		c.flowRecord(r, got.Received, agent)
	}
}

func (c *Counter) flowRecord(r *netflow.Record, received int64, agent *track.Agent) {
	l2, l3 := r.Bytes, r.Bytes
	if r.HasL2 {
		l2 = r.L2Bytes
		if l3 == 0 {
			l3 = l2
		}
	}
	rate := c.rateOf(r)
	scaled := record{
		from: max(received-int64(r.StartAge), 1), to: received - int64(r.EndAge), src: r.Src, dst: r.Dst, rate: rate,
		input: r.Input, output: r.Output, side: direction(r.Direction), agent: agent,
	}
	var ok [3]bool
	scaled.l2, ok[0] = times(l2, rate)
	scaled.l3, ok[1] = times(l3, rate)
	scaled.packets, ok[2] = times(r.Packets, rate)
	if ok != [3]bool{true, true, true} || rate < max(c.exporter.RateMin, 1) || rate > c.exporter.RateMax {
		c.quarantineRecord(r, &scaled, l2, l3)
		return
	}
	scaled.samples = int64(r.Packets)
	c.record(&scaled)
}

// rateOf is the operator's rate where there is one for all, then the exporter's own, then the operator's for want of one.
func (c *Counter) rateOf(r *netflow.Record) uint32 {
	switch {
	case c.exporter.RateOverride > 0:
		return c.exporter.RateOverride
	case r.RateKnown:
		return r.Rate
	default:
		return c.exporter.RateDefault
	}
}

// times scales; false when no flow is that large.
func times(n uint64, rate uint32) (int64, bool) {
	high, low := bits.Mul64(n, uint64(rate))
	return int64(min(low, math.MaxInt64)), high == 0 && low <= maxRecordBytes
}

func direction(d uint8) sflow.Side {
	switch d {
	case netflow.DirectionIngress:
		return sflow.Ingress
	case netflow.DirectionEgress:
		return sflow.Egress
	default:
		return sflow.Unknown
	}
}

// quarantineRecord puts a record aside, unscaled, with the rate that could not be believed; 0 for none.
func (c *Counter) quarantineRecord(r *netflow.Record, scaled *record, l2, l3 uint64) {
	if !c.countsRecord(scaled) {
		c.loss.SamplesEvidence++
		return
	}
	q := Quarantined{int64(min(r.Packets, maxRecordBytes)), int64(min(l2, maxRecordBytes)), int64(min(l3, maxRecordBytes))}
	if !c.fits(max(q.Samples, q.FrameLength, q.IPLength)) {
		return
	}
	c.loss.SamplesQuarantined++
	for in, address := range map[bool]netip.Addr{false: scaled.src, true: scaled.dst} {
		owner, why := c.judge(c.snapshot.Prefixes.Owner(address, scaled.to), scaled.to)
		if owner != prefix.None && why == ownership.Counts {
			c.Tally.quarantine(c.exporter.Index, scaled.to/hourNanos, owner, in, scaled.rate, q)
		}
	}
}
