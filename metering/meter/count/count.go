// Package count turns envelopes into counters. It is the meter without its surroundings: no clock, no network, no
// database; the same log and the same attribution always give the same counters.
//
// One datagram goes through: decode, repeat or not (package track), and each of its flow samples through
//
//  1. count once: the exporter's policy decides by the sampled side. ingress (the default) leaves egress samples
//     aside as evidence; egress leaves ingress samples aside; both leaves an egress sample aside only when the
//     packet came in by a port that gave ingress samples within the hour, for then it was counted there. Samples
//     whose side cannot be told count under every policy: dropping them would bill too little without a word.
//  2. believe the rate: 0, outside the exporter's bounds, or a packet that would stand for more than 2^38 bytes is
//     quarantined with its unscaled lengths, never counted as if it were 1.
//  3. attribute at the receive time: the source's service gets out, the destination's in; both may be the same.
//  4. scale: frame length x rate (L2), IP length x rate (L3), packets = rate. Plain int64: 2^38 bytes a sample and
//     at most MaxSamples samples between two resets cannot overflow; flow records that would are rejected.
//
// Counters of services lie in one dense array found through an open-addressing table keyed by (service, exporter,
// ten-second slot); once it has grown to the traffic nothing is allocated, and the cost of a sample does not
// depend on how many services there are, but for cache misses.
package count

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

// Reasons for rejecting a datagram that the decoder does not know.
const (
	ReasonProtocol    = "protocol"            // neither sFlow nor NetFlow
	ReasonAgent       = "agent_mismatch"      // of another agent than the exporter's
	ReasonSubAgents   = "too_many_sub_agents" // track.MaxSubAgents
	ReasonReceiveTime = "receive_time"        // before 1970

	sampleReason = "sample_" // + sflow's reason, for a bad sample in a good datagram
)

// Kind is what became of an envelope.
type Kind uint8

// Kinds.
const (
	Counted         Kind = iota
	Repeated             // its producer sent it twice
	Reported             // a collector's report
	UnknownExporter      // nothing is known about its exporter
)

// Outcome tells about one envelope.
type Outcome struct {
	Kind      Kind
	Missing   uint64 // envelopes of the same producer that never came before this one
	Collector uuid.UUID
	Boot      time.Time
	Report    envelope.Report // of Reported
}

// Counter counts one partition's envelopes. It is not safe for concurrent use.
type Counter struct {
	Book  *track.Book
	Tally *Tally

	// Tracer, when set, is told everything that is counted.
	Tracer Tracer

	decoder   *sflow.Decoder
	snapshot  *ownership.Snapshot
	table     *crc32.Table
	lostSince map[int32]int64 // datagrams lost per exporter since the last report, net

	// Of the datagram at hand.
	exporter *ownership.Exporter
	memory   *track.Exporter
	feeder   uint64 // names the collector
	sub      *track.SubAgent
	agent    netip.Addr
	domain   uint32 // or the sub-agent
	at       int64
	hour     int64
	loss     *Loss
	column   uint32
	owned    []owned
}

// New makes a counter that goes on from a memory.
func New(book *track.Book, decoder *sflow.Decoder) *Counter {
	return &Counter{
		Book: book, Tally: newTally(), decoder: decoder,
		table: crc32.MakeTable(crc32.Castagnoli), lostSince: map[int32]int64{},
	}
}

// Use attributes by s from now on.
func (c *Counter) Use(s *ownership.Snapshot) { c.snapshot = s }

// Envelope counts one envelope, whole. written is when it was written to the log, in any unit that grows.
// An error says that it is no envelope; nothing has changed then.
func (c *Counter) Envelope(value []byte, written int64) (Outcome, error) {
	h, body, err := envelope.Parse(value)
	if err != nil {
		return Outcome{}, err
	}
	var report envelope.Report
	if h.Kind == envelope.KindReport {
		if report, err = body.Report(); err != nil {
			return Outcome{}, err
		}
	}
	o := Outcome{Collector: h.Collector, Boot: time.Unix(0, h.Boot).UTC()}
	fresh, missing := c.Book.Envelope(h.Collector, h.Boot, h.Sequence, written)
	if o.Missing = missing; !fresh {
		o.Kind = Repeated
		return o, nil
	}
	if h.Kind == envelope.KindReport {
		o.Kind, o.Report = Reported, report
		c.report(h, report)
		return o, nil
	}
	exporter, ok := c.snapshot.Exporters[h.Exporter]
	if !ok {
		o.Kind = UnknownExporter
		return o, nil
	}
	c.exporter, c.memory, c.feeder = exporter, c.Book.Exporter(h.Exporter), binary.LittleEndian.Uint64(h.Collector[:])
	if h.Kind == envelope.KindFlows {
		c.replayed(&body)
		return o, nil
	}
	for d, ok := body.Next(); ok; d, ok = body.Next() {
		c.datagram(&d)
	}
	return o, nil
}

// report shares a collector's new drops out to the exporters that lost datagrams since the last report, each up
// to what it lost: it says why, the loss itself is known from the sequences.
func (c *Counter) report(h envelope.Header, r envelope.Report) {
	kernel, spool := c.Book.Report(track.Report{
		Collector: h.Collector, Boot: h.Boot, At: r.At, Watermark: r.Watermark, KernelDrops: r.KernelDrops, SpoolDrops: r.SpoolDrops,
	})
	for _, exporter := range sortedKeys(c.lostSince) {
		lost := max(c.lostSince[exporter], 0)
		loss := c.Tally.Loss(exporter, r.At.UnixNano())
		byKernel := min(kernel, lost)
		bySpool := min(spool, lost-byKernel)
		loss.KernelDrops, loss.SpoolDrops = loss.KernelDrops+byKernel, loss.SpoolDrops+bySpool
		kernel, spool = kernel-byKernel, spool-bySpool
	}
	clear(c.lostSince)
}

func (c *Counter) datagram(d *envelope.Datagram) {
	c.settime(max(d.Received, 0))
	if d.Received <= 0 {
		c.reject(ReasonReceiveTime)
		return
	}
	switch d.Protocol {
	case envelope.ProtocolSFlow:
		c.sflowDatagram(d)
	case envelope.ProtocolNetFlow:
		c.flowDatagram(d)
	default:
		c.reject(ReasonProtocol)
	}
}

func (c *Counter) sflowDatagram(d *envelope.Datagram) {
	c.decoder.Inside = c.exporter.Inside
	if err := c.decoder.Decode(d.Payload); err != nil {
		c.reject(sflow.Reason(err))
		return
	}
	if ok, restarted := c.admit(d); ok {
		c.samples(restarted)
	}
}

// settime makes at the time of what follows.
func (c *Counter) settime(at int64) {
	c.at, c.hour = at, at/hourNanos
	c.loss = c.Tally.Loss(c.exporter.Index, at)
}

// admit decides whether a sound datagram counts, and keeps the books about it.
func (c *Counter) admit(d *envelope.Datagram) (ok, restarted bool) {
	h := &c.decoder.Header
	c.agent, c.domain = h.Agent.Unmap(), h.SubAgent
	if c.exporter.Agent.IsValid() && c.agent != c.exporter.Agent {
		c.reject(ReasonAgent)
		return false, false
	}
	sub, ok := c.memory.SubAgent(c.agent, h.SubAgent)
	if !ok {
		c.reject(ReasonSubAgents)
		return false, false
	}
	c.sub = sub
	verdict := sub.Datagram(h.Sequence, crc32.Checksum(d.Payload, c.table), h.Uptime, c.at, c.feeder)
	if verdict.Duplicate {
		c.loss.DatagramsDuplicate++
		return false, false
	}
	if verdict.Restart {
		c.loss.Restarts++
	}
	if verdict.Lost != 0 {
		c.lostSince[c.exporter.Index] += verdict.Lost
	}
	c.loss.Datagrams++
	c.loss.DatagramsLost += verdict.Lost
	c.Tally.minute(c.exporter.Index, c.at, verdict.Lost)
	c.Tally.hear(c.exporter.Index, c.at, c.agent, c.memory.SubAgents())
	return true, verdict.Restart
}

func (c *Counter) reject(reason string) {
	c.loss.DatagramsRejected++
	c.Tally.reject(c.exporter.Index, c.hour, reason, 1)
}

func (c *Counter) samples(restarted bool) {
	d := &c.decoder.Datagram
	c.column = c.Tally.column(c.exporter.Index, c.at/int64(SlotLength))
	c.flows(d.Flows)
	for i := range d.Counters {
		c.reading(&d.Counters[i], restarted)
	}
	c.loss.CounterSamples += int64(d.CounterSamples)
	c.loss.DiscardSamples += int64(d.Discards)
	c.loss.SamplesUnknown += int64(d.Unknown)
	if d.Rejected > 0 {
		c.rejectedSamples(d)
	}
}

func (c *Counter) rejectedSamples(d *sflow.Datagram) {
	c.loss.SamplesRejected += int64(d.Rejected)
	for _, code := range sflow.Codes() {
		if n := d.Rejects[code]; n > 0 {
			c.Tally.reject(c.exporter.Index, c.hour, sampleReason+code.Error(), int64(n))
		}
	}
}
