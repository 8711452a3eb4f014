package sflow

import (
	"net/netip"

	"github.com/ezscale/platform/metering/sflow/packet"
)

// Inside is the set of tunnels that a decoder looks into. The empty set takes every packet for what it is outside.
type Inside = packet.Inside

// Tunnels that a decoder can look into.
const (
	VXLAN = packet.VXLAN
	GRE   = packet.GRE
	MPLS  = packet.MPLS
)

// ParseInside reads the names of tunnels: vxlan, gre, mpls.
func ParseInside(names []string) (Inside, error) { return packet.ParseInside(names) }

// flowInside is flow for exporters whose tunnels are opened. It goes over the records a second time, so that all others
// pay nothing for it.
func (d *Decoder) flowInside(b []byte, expanded bool) Code {
	n, skipped := len(d.Flows), d.Skipped
	code := d.flow(b, expanded)
	if code != codeNone {
		return code
	}
	var again FlowSample
	records, count, _ := again.fixed(b, expanded)
	if code = d.Flows[n].lookInside(d.Inside, records, count); code != codeNone {
		d.Flows, d.Skipped = d.Flows[:n], skipped
	}
	return code
}

// lookInside puts the inner packet in the place of the outer one.
func (s *FlowSample) lookInside(inside Inside, records []byte, count uint32) Code {
	o := findOutside(records, count)
	p, tunnel := packet.Follow(outermost(o.headerProtocol, o.header), inside, o.header)
	if !tunnel {
		if s.HasIP && inside.Hides(o.protocol, o.dstPort) && !o.readable() {
			s.forget()
		}
		return codeNone
	}
	s.forget()
	if uint64(p.Removed) >= uint64(o.frame) {
		return ErrFrameLength
	}
	s.FrameLength = o.frame - uint32(p.Removed)
	switch p.Type {
	case packet.TypeIPv4:
		return s.ipv4(o.frame, uint32(p.At), o.header[p.At:])
	case packet.TypeIPv6:
		return s.ipv6(o.frame, uint32(p.At), o.header[p.At:])
	}
	return codeNone
}

// forget takes the outer packet's addresses out of the sample.
func (s *FlowSample) forget() {
	s.HasIP, s.Src, s.Dst, s.Protocol, s.IPLength = false, netip.Addr{}, netip.Addr{}, 0, 0
}

// outside is what a sample's records tell about the outer packet.
type outside struct {
	headerProtocol uint32 // of the raw packet header, 0 without one
	frame          uint32 // its frame length
	header         []byte
	protocol       uint8 // of sampled_ipv4 or sampled_ipv6
	dstPort        uint16
}

// findOutside goes over records whose lengths have been found sound.
func findOutside(b []byte, count uint32) outside {
	var o outside
	for range count {
		if len(b) < recordHeaderBytes || uint64(u32(b[4:])) > uint64(len(b)-recordHeaderBytes) {
			break
		}
		end := recordHeaderBytes + int(u32(b[4:]))
		o.note(u32(b), b[recordHeaderBytes:end])
		b = b[min(padded(end), len(b)):]
	}
	return o
}

func (o *outside) note(format uint32, b []byte) {
	switch {
	case format == recordRawHeader && len(b) >= rawFixedBytes && o.header == nil:
		o.headerProtocol, o.frame, o.header = u32(b), u32(b[4:]), b[rawFixedBytes:]
		o.header = o.header[:min(uint64(u32(b[12:])), uint64(len(o.header)))]
	case format == recordIPv4 && len(b) >= ipv4Bytes:
		o.protocol, o.dstPort = uint8(u32(b[4:])), uint16(u32(b[20:]))
	case format == recordIPv6 && len(b) >= ipv6Bytes:
		o.protocol, o.dstPort = uint8(u32(b[4:])), uint16(u32(b[44:]))
	}
}

// readable says whether the sampled header has addresses of its own, so that those of other records do not count.
func (o *outside) readable() bool {
	var s FlowSample
	return s.frame(o.headerProtocol, o.frame, o.header) == codeNone && s.HasIP
}

// outermost is the place of the packet that a sampled header starts with.
func outermost(protocol uint32, b []byte) packet.Place {
	switch protocol {
	case headerEthernet:
		return packet.EthernetAt(b, 0)
	case headerIPv4:
		return packet.Place{Type: packet.TypeIPv4}
	case headerIPv6:
		return packet.Place{Type: packet.TypeIPv6}
	case headerMPLS:
		return packet.Place{Type: packet.TypeMPLS}
	}
	return packet.Place{}
}
