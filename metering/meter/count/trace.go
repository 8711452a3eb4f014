package count

import "net/netip"

// TraceKind says what a counted share of bytes came from.
type TraceKind uint8

// The kinds.
const (
	TraceSample     TraceKind = iota // an sFlow sample
	TraceRecord                      // a flow record
	TraceCounter                     // a bound port's counters
	TracePort                        // a flow kept as evidence: the service is billed by its port
	TraceAttachment                  // a flow kept as evidence: another exporter counts the prefix
)

// Trace is one share of bytes on its way into a counter, told to whoever asks where a figure comes from.
type Trace struct {
	Kind            TraceKind
	At              int64 // Unix nanoseconds
	Service         int32
	In              bool
	Exporter        int32
	Agent           netip.Addr
	SubAgent        uint32 // or the observation domain
	Port            uint32 // ifIndex it was sampled or counted at, 0 unknown
	Rate            uint32
	Src, Dst        netip.Addr
	L2, L3, Packets int64 // scaled
	Samples         int64
}

// Tracer is told everything that is counted. It must not keep the counter waiting: it is called for each share.
type Tracer func(Trace)

// trace completes and tells a share, if anybody asked.
func (c *Counter) trace(t Trace) {
	if c.Tracer == nil {
		return
	}
	t.Exporter, t.Agent, t.SubAgent = c.exporter.Index, c.agent, c.domain
	c.Tracer(t)
}
