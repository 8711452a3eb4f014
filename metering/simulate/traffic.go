package simulate

import (
	"math"
	"math/big"
	"net/netip"
	"time"

	"github.com/ezscale/platform/metering/sflow"
	"github.com/ezscale/platform/metering/simulate/scenario"
)

const (
	unit        = 1024 // of factors: unit is times one
	packetShift = 22   // packets in fixed point
	maxMTU      = 1500 // IP length of the longest packet
	ipv6Excess  = 20   // an IPv6 header is that much longer
	minFrame    = 64   // bytes on the wire
	checkBytes  = 4    // frame check sequence, part of the frame length but not of the sampled header
	protocolTCP = uint8(6)
)

// class is the packets of one size and family in a flow.
type class struct {
	family   int // 0 is IPv4, 1 IPv6
	ipLength uint32
	frame    uint32
	perTick  uint64 // packets in fixed point, at a factor of one
	carry    uint64 // of what was no whole packet yet, in units of the factor
	header   []byte // of the sampled frame; addresses and ports are filled in for each sample
}

// packets gives how many whole packets go in this tick.
func (c *class) packets(factor uint64) uint64 {
	const one = uint64(unit) << packetShift
	c.carry += c.perTick * factor
	n := c.carry / one
	c.carry -= n * one
	return n
}

// flow is one direction of a service's traffic, or of background.
type flow struct {
	owner       int  // service, -1 for background
	other       int  // service at the other end of local traffic, else -1
	inward      bool // to the owner
	entry, exit *port
	src, dst    [2]pool // by family
	classes     []class
	link        int // bytes before the IP header

	traffic scenario.Traffic
	factor  uint64
}

// wave gives the day's factor at a time of day. It is a whole number, rounded once from the cosine.
func wave(t *scenario.Traffic, at time.Time) int64 {
	minute := at.Hour()*60 + at.Minute()
	angle := 2 * math.Pi * float64(minute-t.Peak*60) / (24 * 60)
	return unit + int64(math.Round(t.Wave*unit))*int64(math.Round(math.Cos(angle)*unit))/unit
}

// turn sets the factor for the next second.
func (f *flow) turn(at time.Time, r *random) {
	factor := wave(&f.traffic, at)
	if spread := int64(math.Round(f.traffic.Jitter * unit)); spread > 0 {
		factor = factor * (unit - spread + int64(r.below(uint64(2*spread+1)))) / unit
	}
	f.factor = uint64(factor)
}

// newFlow makes the classes of a flow of rate bits a second.
func newFlow(f flow, rate scenario.Bits, sizes []scenario.PacketSize, tick time.Duration, headerBytes int) flow {
	f.link = (&sflow.Frame{VLANs: f.traffic.VLANs}).LinkBytes()
	shares := f.families()
	var weights []int64
	total := new(big.Int)
	for family, share := range shares {
		for _, s := range sizes {
			if share == 0 {
				continue
			}
			c := f.class(family, s, headerBytes)
			f.classes = append(f.classes, c)
			weights = append(weights, share*s.Share)
			total.Add(total, big.NewInt(share*s.Share*int64(c.frame)))
		}
	}
	for i, weight := range weights {
		// bits/s x tick x weight / (8 bits x total), in fixed point packets
		n := new(big.Int).SetUint64(uint64(rate))
		n.Mul(n, big.NewInt(int64(tick))).Mul(n, big.NewInt(weight)).Lsh(n, packetShift)
		n.Div(n, new(big.Int).Mul(total, big.NewInt(8*int64(time.Second))))
		f.classes[i].perTick = n.Uint64()
	}
	return f
}

// families gives the shares of IPv4 and IPv6 among the packets: IPv6 only with addresses for it at both ends.
func (f *flow) families() [2]int64 {
	four := len(f.src[0].networks) > 0 && len(f.dst[0].networks) > 0
	six := len(f.src[1].networks) > 0 && len(f.dst[1].networks) > 0
	share := int64(math.Round(f.traffic.IPv6 * unit))
	switch {
	case four && six:
		return [2]int64{unit - share, share}
	case six:
		return [2]int64{0, unit}
	case four:
		return [2]int64{unit, 0}
	}
	return [2]int64{}
}

func (f *flow) class(family int, s scenario.PacketSize, headerBytes int) class {
	frame := sflow.Frame{VLANs: f.traffic.VLANs, Protocol: protocolTCP, IPLength: s.Length, Src: netip.IPv4Unspecified()}
	if family == 1 {
		frame.Src, frame.IPLength = netip.IPv6Unspecified(), min(s.Length+ipv6Excess, maxMTU)
	}
	frame.Dst = frame.Src
	c := class{family: family, ipLength: uint32(frame.IPLength)}
	c.frame = max(minFrame, uint32(f.link)+c.ipLength+checkBytes)
	c.header = make([]byte, min(headerBytes, int(c.frame)-checkBytes))
	copy(c.header, frame.AppendHeader(nil))
	return c
}

// fill writes the addresses and ports of one packet into a copy of its class's header.
func (f *flow) fill(header []byte, family int, r *random) {
	at, length := f.link+12, 4
	if family == 1 {
		at, length = f.link+8, 16
	}
	f.src[family].pick(header[at:at+length], r)
	f.dst[family].pick(header[at+length:at+2*length], r)
	if len(header) < at+2*length+4 {
		return // the sampled part ends before the ports
	}
	ports := header[at+2*length : at+2*length+4]
	client := uint16(32768 + r.below(28000))
	ports[0], ports[1], ports[2], ports[3] = 443>>8, 443&255, byte(client>>8), byte(client)
	if f.inward {
		ports[0], ports[1], ports[2], ports[3] = ports[2], ports[3], ports[0], ports[1]
	}
}

// pool is the addresses of one family that one end of a flow may have.
type pool struct{ networks []addresses }

// addresses are the first ones of a prefix, at most 2^16.
type addresses struct {
	base  []byte
	count uint64
}

// maxHostBits bounds how many addresses of a prefix are used.
const maxHostBits = 16

// pools sorts prefixes into families.
func pools(prefixes []netip.Prefix) [2]pool {
	var both [2]pool
	for _, p := range prefixes {
		family := 0
		if p.Addr().Is6() {
			family = 1
		}
		hostBits := min(p.Addr().BitLen()-p.Bits(), maxHostBits)
		both[family].networks = append(both[family].networks, addresses{p.Addr().AsSlice(), 1 << hostBits})
	}
	return both
}

func (p *pool) pick(to []byte, r *random) {
	n := &p.networks[r.below(uint64(len(p.networks)))]
	copy(to, n.base)
	host := r.below(n.count)
	to[len(to)-2] |= byte(host >> 8)
	to[len(to)-1] |= byte(host)
}
