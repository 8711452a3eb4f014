package count

import (
	"github.com/ezscale/platform/metering/meter/count/ports"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/spread"
	"github.com/ezscale/platform/metering/meter/track/counters"
	"github.com/ezscale/platform/metering/sflow"
)

// portFlow adds a sample to the estimates of the ports it went through, whatever the count policy: they are compared
// with the ports' own counters.
func (c *Counter) portFlow(s *sflow.FlowSample, side sflow.Side) {
	bytes := int64(s.FrameLength) * int64(s.Rate)
	if s.InputFormat == sflow.InterfaceIndex && isPort(s.Input) {
		if u := c.Tally.Use(c.exporter.Index, s.Input, c.hour); u != nil {
			u.In(side == sflow.Ingress, bytes, 1)
			if side == sflow.Ingress {
				c.Tally.Sampled(ports.Hour{Port: PortKey{Exporter: c.exporter.Index, Index: s.Input}, Hour: c.hour}, u, s.Rate)
			}
		}
	}
	if s.OutputFormat == sflow.InterfaceIndex && isPort(s.Output) {
		if u := c.Tally.Use(c.exporter.Index, s.Output, c.hour); u != nil {
			u.Out(side == sflow.Egress, bytes, 1)
			if side == sflow.Egress {
				c.Tally.Sampled(ports.Hour{Port: PortKey{Exporter: c.exporter.Index, Index: s.Output}, Hour: c.hour}, u, s.Rate)
			}
		}
	}
}

func isPort(index uint32) bool { return index != 0 && index != sflow.InterfaceLocal }

// reading takes a port's counters: into the port's own books, and into the service's that the port is bound to.
func (c *Counter) reading(s *sflow.CounterSample, restarted bool) {
	if !isPort(s.IfIndex) {
		return
	}
	c.Tally.port(c.exporter.Index, c.at, s, c.sub.Rate(s.IfIndex))
	if u := c.Tally.Use(c.exporter.Index, s.IfIndex, c.hour); u != nil {
		u.Readings++
	}
	port, ok := c.sub.Port(s.IfIndex)
	if !ok {
		c.Tally.Untracked++
		return
	}
	d := port.Read(counters.Reading{
		At: c.at, Sequence: s.Sequence, Uptime: c.decoder.Uptime, Speed: s.Speed, OctetsIn: s.OctetsIn, OctetsOut: s.OctetsOut,
		PacketsIn: [3]uint32{s.UnicastIn, s.MulticastIn, s.BroadcastIn}, PacketsOut: [3]uint32{s.UnicastOut, s.MulticastOut, s.BroadcastOut},
	}, restarted)
	if d.Counted {
		c.delta(PortKey{Exporter: c.exporter.Index, Index: s.IfIndex}, &d)
	}
}

// delta spreads what a port did over the time it took.
func (c *Counter) delta(port PortKey, d *counters.Delta) {
	if u := c.Tally.Use(port.Exporter, port.Index, c.hour); u != nil {
		if d.Reset {
			u.Resets++
		}
		if d.Implausible {
			u.Implausible++
		}
	}
	bindings := c.snapshot.Bindings[port]
	whole := spread.Interval{From: d.From, To: d.To, Counts: [4]int64{int64(d.OctetsIn), int64(d.OctetsOut), int64(d.PacketsIn), int64(d.PacketsOut)}}
	for _, b := range bindings {
		whole.Cut(b.From)
		whole.Cut(b.To)
	}
	whole.Each(func(at int64, n [4]int64) {
		if u := c.Tally.Use(port.Exporter, port.Index, at/hourNanos); u != nil {
			u.OctetsIn, u.OctetsOut, u.PacketsIn, u.PacketsOut = u.OctetsIn+n[0], u.OctetsOut+n[1], u.PacketsIn+n[2], u.PacketsOut+n[3]
		}
		if len(bindings) > 0 {
			c.bill(bindings, at, port, n)
		}
	})
	if d.To-d.From > counters.GapAfter {
		c.gap(port, d.From, d.To)
	}
}

// gap tells the seconds of each hour that only a long delta covers.
func (c *Counter) gap(port PortKey, from, to int64) {
	for at := from; at < to; at = at - at%hourNanos + hourNanos {
		end := min(at-at%hourNanos+hourNanos, to)
		if u := c.Tally.Use(port.Exporter, port.Index, at/hourNanos); u != nil {
			u.GapSeconds += (end - at) / 1e9
		}
	}
}

const (
	hourNanos = int64(3600e9)

	// framing is what Ethernet puts around an IP packet: 14 bytes of header and 4 of check sequence.
	framing = 18
)

// bill gives a slot's share of a port's octets to the service it was bound to then. What comes into the port goes out
// of the service. L3 is what is left without the frames around the packets.
func (c *Counter) bill(bindings []ownership.Binding, at int64, port PortKey, n [4]int64) {
	for _, b := range bindings {
		if at < b.From || at >= b.To {
			continue
		}
		u := c.Tally.cell(b.Service, c.Tally.column(port.Exporter, at/int64(SlotLength)))
		u.BytesOutL2, u.BytesInL2 = u.BytesOutL2+n[0], u.BytesInL2+n[1]
		u.PacketsOut, u.PacketsIn = u.PacketsOut+n[2], u.PacketsIn+n[3]
		u.BytesOutL3 += max(n[0]-framing*n[2], 0)
		u.BytesInL3 += max(n[1]-framing*n[3], 0)
		out := Trace{Kind: TraceCounter, At: at, Service: b.Service, Port: port.Index, L2: n[0], L3: max(n[0]-framing*n[2], 0), Packets: n[2]}
		in := Trace{Kind: TraceCounter, At: at, Service: b.Service, In: true, Port: port.Index, L2: n[1], L3: max(n[1]-framing*n[3], 0), Packets: n[3]}
		c.trace(out)
		c.trace(in)
	}
}
