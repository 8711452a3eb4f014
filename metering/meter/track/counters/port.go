// Package counters reads what the octet counters of switch ports say: how far they went between two readings, over gaps, wraps,
// restarts, late readings and those that a capture brings long afterwards.
package counters

import "math/bits"

const (
	// reorderMillis is how far an agent's uptime may go back within one boot.
	reorderMillis = 5 * 60 * 1000

	// clocksDiffer is how far the clocks of those that note receive times may differ, in nanoseconds.
	clocksDiffer = int64(60e9)

	// lateReadings is how far behind the newest a reading's sequence may be to be late rather than of another boot.
	lateReadings = 50

	// No port is believed to do more than its speed and a quarter, with a minute's worth of slack for what stood in
	// queues; ports that tell no speed, or less than software switches really do, are taken for this one.
	leastSpeed = uint64(100e9)  // bits a second
	mostSpeed  = uint64(100e12) // told by no port: it means that the agent does not know
	slackNanos = int64(60e9)
	mostOctets = uint64(1) << 60 // 3 Tbit/s for 35 days

	// What an agent does not know of a port it tells as all ones.
	unknown   = ^uint64(0)
	unknown32 = ^uint32(0)

	// GapAfter is how far apart two readings may be before the time between them is told as a gap, in nanoseconds.
	GapAfter = int64(180e9)
)

// Reading is what a port's counters said. Octets are 64 bits wide, packets are sums of counters of 32.
type Reading struct {
	At                  int64  // Unix nanoseconds
	Sequence            uint32 // of this port's counter samples
	Uptime              uint32 // the agent's, milliseconds
	Speed               uint64 // bits a second, 0 unknown
	OctetsIn, OctetsOut uint64
	PacketsIn           [3]uint32 // unicast, multicast, broadcast
	PacketsOut          [3]uint32
}

// Delta is what a port did between two readings.
type Delta struct {
	From, To              int64 // Unix nanoseconds
	OctetsIn, OctetsOut   uint64
	PacketsIn, PacketsOut uint64
	Counted               bool // the first reading of a port, a repeat and a late one tell nothing new
	Reset                 bool // the counters began anew: what they counted since then is in the delta, what they had before is not known
	Implausible           bool // more than the port can do: left out
}

// Port is the memory of one port's counters: the newest reading, and the oldest of its boot; none when the counters were
// seen to begin, for then all since is counted.
type Port struct {
	First, Last Reading
}

// Read takes a reading. restarted says that its datagram was the first of another boot.
//
// Octets since the last reading are exact over any gap, and over a wrap, at 32 bits for agents that copy such a counter,
// else at 64: see [octets]. Counters that began anew count from 0. A late reading tells nothing, unless it is older than
// the oldest: then it adds what lay between the two. One that was received long before the newest is late, whatever its sequence;
// one of an earlier boot that the newest has overtaken tells nothing. What a reading does not know counts from the last that did.
func (p *Port) Read(r Reading, restarted bool) Delta {
	if p.Last.At == 0 {
		p.First, p.Last = r, r
		return Delta{}
	}
	if r.At < p.Last.At-clocksDiffer {
		if !sameBoot(&r, &p.First) {
			return Delta{}
		}
		return p.late(r)
	}
	behind := int32(p.Last.Sequence - r.Sequence)
	rebooted := restarted || r.Uptime < p.Last.Uptime && p.Last.Uptime-r.Uptime > reorderMillis
	if !rebooted && r.At < p.Last.At && !sameBoot(&r, &p.Last) {
		return Delta{}
	}
	if !rebooted && behind >= 0 && behind <= lateReadings {
		return p.late(r)
	}
	d := between(&p.Last, &r, rebooted)
	if d.Reset {
		p.First = Reading{}
	}
	r.complete(&p.Last)
	p.Last = r
	return d
}

// sameBoot tells whether an agent's uptime went on from one reading to a later one as the clock did. A still one tells nothing.
func sameBoot(from, to *Reading) bool {
	if from.Uptime == to.Uptime {
		return true
	}
	drift := (to.At-from.At)/1e6 - int64(int32(to.Uptime-from.Uptime))
	return drift >= -reorderMillis && drift <= reorderMillis
}

// late takes a reading that others have overtaken.
func (p *Port) late(r Reading) Delta {
	if p.First.At == 0 || int32(p.First.Sequence-r.Sequence) <= 0 {
		return Delta{}
	}
	d := between(&r, &p.First, false)
	if d.Reset {
		return Delta{}
	}
	r.complete(&p.First)
	p.First = r
	return d
}

// complete takes what is not known from another reading.
func (r *Reading) complete(from *Reading) {
	if r.OctetsIn == unknown {
		r.OctetsIn = from.OctetsIn
	}
	if r.OctetsOut == unknown {
		r.OctetsOut = from.OctetsOut
	}
	for i := range r.PacketsIn {
		if r.PacketsIn[i] == unknown32 {
			r.PacketsIn[i] = from.PacketsIn[i]
		}
		if r.PacketsOut[i] == unknown32 {
			r.PacketsOut[i] = from.PacketsOut[i]
		}
	}
}

// between is what happened from one reading to the next.
func between(from, to *Reading, rebooted bool) Delta {
	d := Delta{From: min(from.At, to.At), To: to.At, Counted: true}
	most := possible(from, to)
	in, inReset, inOK := octets(counter{from.OctetsIn, to.OctetsIn, from.PacketsIn[0], to.PacketsIn[0]}, most, rebooted)
	out, outReset, outOK := octets(counter{from.OctetsOut, to.OctetsOut, from.PacketsOut[0], to.PacketsOut[0]}, most, rebooted)
	d.Reset = inReset || outReset
	if !inOK || !outOK {
		d.Implausible = true
		return d
	}
	d.OctetsIn, d.OctetsOut = in, out
	d.PacketsIn = packets(from.PacketsIn, to.PacketsIn, d.Reset)
	d.PacketsOut = packets(from.PacketsOut, to.PacketsOut, d.Reset)
	return d
}

// possible is the most octets that a port can have done between two readings, and that counters can take.
func possible(from, to *Reading) uint64 {
	nanos := max(to.At-from.At, int64(to.Uptime-from.Uptime)*1e6*boolInt(to.Uptime > from.Uptime), 0) + slackNanos
	speed := max(to.Speed, leastSpeed)
	if speed > mostSpeed {
		speed = leastSpeed
	}
	high, low := bits.Mul64((speed+speed/4)/8, uint64(nanos))
	if high >= 1e9 {
		return mostOctets
	}
	most, _ := bits.Div64(high, low, 1e9)
	return min(most, mostOctets)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// counter is one direction's octets and unicast packets, before and after.
type counter struct {
	from, to               uint64
	packetsFrom, packetsTo uint32
}

// octets is how far a counter went, whether it began anew, and whether that can be. One that goes back while its packets
// went on has wrapped. Where packets went back too, or the agent has restarted, it began anew; an agent that
// counts no packets is believed a wrap from the upper half of 32 bits to the lower.
func octets(c counter, most uint64, rebooted bool) (delta uint64, reset, ok bool) {
	if c.from == unknown || c.to == unknown {
		return 0, false, true
	}
	delta = c.to - c.from
	if c.to >= c.from {
		return delta, false, delta <= most
	}
	wraps := c.packetsTo > c.packetsFrom
	if c.from>>32 == 0 {
		delta = uint64(uint32(delta))
		wraps = wraps || c.packetsTo == c.packetsFrom && c.from >= 1<<31 && c.to < 1<<31
	} else {
		wraps = wraps || c.packetsTo == c.packetsFrom
	}
	if !rebooted && wraps && delta <= most {
		return delta, false, true
	}
	return c.to, true, c.to <= most
}

// packets adds up three counters of 32 bits; each may have wrapped once.
func packets(from, to [3]uint32, reset bool) uint64 {
	var sum uint64
	for i := range to {
		switch {
		case from[i] == unknown32 || to[i] == unknown32:
		case reset:
			sum += uint64(to[i])
		default:
			sum += uint64(to[i] - from[i])
		}
	}
	return sum
}
