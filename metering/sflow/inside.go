package sflow

import "github.com/ezscale/platform/metering/sflow/packet"

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

// lookInside is frame for exporters whose tunnels are opened.
func (s *FlowSample) lookInside(l *lengths, protocol uint32, b []byte) Code {
	p, tunnel := packet.Follow(outermost(protocol, b), l.inside, b)
	if tunnel && uint64(p.Removed) >= uint64(l.frame) {
		return ErrFrameLength
	}
	l.tunnel, l.removed = tunnel, uint32(p.Removed)
	switch p.Type {
	case packet.TypeIPv4:
		return s.ipv4(l.frame, uint32(p.At), b[p.At:])
	case packet.TypeIPv6:
		return s.ipv6(l.frame, uint32(p.At), b[p.At:])
	}
	return codeNone
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
