package count

import (
	"net/netip"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/spread"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

// maxRecordBytes is the most that one flow record may stand for.
const maxRecordBytes = 1 << 50

// record is a flow record on its way into counters: NetFlow's and IPFIX's once they are scaled, or one that a replay
// brings scaled.
type record struct {
	from, to         int64 // Unix nanoseconds, half-open
	src, dst         netip.Addr
	l2, l3           int64
	packets, samples int64
	rate             uint32 // 0: not known, and not needed
	input, output    uint32 // ifIndex, 0 not told
	side             sflow.Side
	agent            *track.Agent // of which ports gave ingress records

	unowned, elsewhere bool // in a slot or more
}

// replayed counts an envelope of flows that another collector has decoded and scaled. Their time is their own, and a foreign
// clock's: it does not move what the trackers take for now.
func (c *Counter) replayed(body *envelope.Body) {
	for f, ok := body.NextFlow(); ok; f, ok = body.NextFlow() {
		if f.Start <= 0 {
			c.settime(0)
			c.reject(ReasonReceiveTime)
			continue
		}
		c.settime(f.End)
		c.agent, c.domain = netip.Addr{}, 0
		c.record(&record{
			from: f.Start, to: f.End, src: f.Src, dst: f.Dst, l2: int64(f.BytesL2), l3: int64(f.BytesL3), packets: int64(f.Packets),
			samples: samplesOf(int64(f.Packets), f.Rate), rate: f.Rate, input: f.Input, output: f.Output, side: sideOf(f.Side),
			agent: c.memory.Replayed(f.End),
		})
	}
}

// samplesOf is how many packets were looked at to tell of so many.
func samplesOf(packets int64, rate uint32) int64 {
	return max(packets/max(int64(rate), 1), 1)
}

func sideOf(s envelope.Side) sflow.Side {
	switch s {
	case envelope.SideIngress:
		return sflow.Ingress
	case envelope.SideEgress:
		return sflow.Egress
	default:
		return sflow.Unknown
	}
}

// record counts one record: by the exporter's policy, spread over the slots in which it went on, each by who owned
// the addresses then.
func (c *Counter) record(r *record) {
	c.Tally.Samples++
	if !c.fits(max(r.l2, r.l3, r.packets)) {
		return
	}
	c.recordPorts(r)
	if !c.countsRecord(r) {
		c.loss.SamplesEvidence++
		return
	}
	c.loss.Records++
	parts := spread.Interval{From: r.from, To: r.to, Counts: [4]int64{r.l2, r.l3, r.packets, r.samples}}
	parts.Each(func(at int64, n [4]int64) { c.part(r, at, n) })
	if r.unowned {
		c.loss.SamplesUnattributed++
	}
	if r.elsewhere {
		c.loss.SamplesElsewhere++
	}
}

// fits tells whether a record's bytes, or packets, find room in the counters of one flush. What has brought them to their end is
// no traffic.
func (c *Counter) fits(n int64) bool {
	if c.Tally.bytes >= maxBytes {
		c.loss.SamplesRejected++
		c.Tally.reject(c.exporter.Index, c.hour, reasonExcess, 1)
		return false
	}
	c.Tally.bytes += n
	return true
}

// countsRecord applies the exporter's policy.
func (c *Counter) countsRecord(r *record) bool {
	switch c.exporter.Policy {
	case ownership.Egress:
		return r.side != sflow.Ingress
	case ownership.Both:
		if r.side == sflow.Ingress {
			r.agent.NoteIngress(r.input, r.to)
		}
		return r.side != sflow.Egress || !isPort(r.input) || !r.agent.SamplesIngress(r.input, r.to)
	default:
		return r.side != sflow.Egress
	}
}

// recordPorts adds a record to the estimates of the ports it went through, in the hour of its end.
func (c *Counter) recordPorts(r *record) {
	hour := r.to / hourNanos
	if isPort(r.input) {
		if u := c.Tally.Use(c.exporter.Index, r.input, hour); u != nil {
			u.In(r.side != sflow.Egress, r.l2, r.samples)
		}
	}
	if isPort(r.output) {
		if u := c.Tally.Use(c.exporter.Index, r.output, hour); u != nil {
			u.Out(r.side == sflow.Egress, r.l2, r.samples)
		}
	}
}

// part counts a slot's share of a record.
func (c *Counter) part(r *record, at int64, n [4]int64) {
	prefixes := c.snapshot.Prefixes
	src, outward := c.judge(prefixes.Owner(r.src, at), at)
	dst, inward := c.judge(prefixes.Owner(r.dst, at), at)
	if src == prefix.None && dst == prefix.None {
		r.unowned = true
		c.loss.BytesUnattributedL2 += n[0]
		c.Tally.unattributed(c.exporter.Index, at/hourNanos, r.src, r.dst, Unattributed{n[0], n[1], n[2], n[3]})
		return
	}
	r.elsewhere = r.elsewhere || outward == ownership.ByAttachment || inward == ownership.ByAttachment
	c.side(r, at, src, outward, false, n)
	c.side(r, at, dst, inward, true, n)
}

// side gives a share to one service: it counts, or is kept as evidence.
func (c *Counter) side(r *record, at int64, service int32, why ownership.Evidence, in bool, n [4]int64) {
	if service == prefix.None {
		return
	}
	kind, u := TraceRecord, (*Usage)(nil)
	if why == ownership.Counts {
		u = c.Tally.cell(service, c.Tally.column(c.exporter.Index, at/int64(SlotLength)))
	} else {
		kind, u = traceOf(why), c.Tally.evidence(EvidenceKey{service, c.exporter.Index, at / hourNanos, why})
	}
	u.one(in, n[0], n[1], n[2], n[3])
	if c.Tracer != nil {
		c.trace(Trace{Kind: kind, At: at, Service: service, In: in, Port: r.port(), Rate: r.rate, Src: r.src, Dst: r.dst,
			L2: n[0], L3: n[1], Packets: n[2], Samples: n[3]})
	}
}

// port is the ifIndex that a record was taken at.
func (r *record) port() uint32 {
	if r.side == sflow.Egress {
		return r.output
	}
	return r.input
}
