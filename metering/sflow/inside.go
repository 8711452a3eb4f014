package sflow

import (
	"fmt"
	"strings"
)

// Inside is the set of tunnels that a decoder looks into. The empty set takes every packet for what it is outside.
type Inside uint8

// Tunnels. The operator sets those whose ends are the provider's own: a tunnel of a customer's is the customer's traffic,
// and looking into it would bill whatever addresses the customer writes there.
const (
	VXLAN Inside = 1 << iota // Ethernet in UDP to port 4789 (RFC 7348)
	GRE                      // IPv4, IPv6 or Ethernet in IP protocol 47 (RFC 2784, RFC 2890; NVGRE is RFC 7637)
	MPLS                     // IPv4, IPv6 or Ethernet behind a control word, behind a label stack (RFC 3032, RFC 4385)
)

const (
	protocolUDP = 17
	protocolGRE = 47

	etherTypeMPLS          = 0x8847
	etherTypeMPLSMulticast = 0x8848
	etherTypeEthernet      = 0x6558 // transparent Ethernet bridging
	headerMPLS             = 13     // header_protocol

	// The port that was assigned to VXLAN. Linux' port of before, 8472, is not looked at: switches do not use it, overlays
	// between customers' own servers do.
	portVXLAN        = 4789
	udpHeaderBytes   = 8
	vxlanHeaderBytes = 8
	vxlanHasNetwork  = 0x08 // the flag without which it is no VXLAN

	greHeaderBytes  = 4
	greFieldBytes   = 4
	greChecksum     = 0x8000
	greKey          = 0x2000
	greSequence     = 0x1000
	greOther        = 0x4007 // source routes and versions above 0 (PPTP): not of RFC 2784
	labelBytes      = 4
	maxLabels       = 8
	controlBytes    = 4
	fragmentOffsets = 0x1fff
)

// ParseInside reads the names of tunnels: vxlan, gre, mpls.
func ParseInside(names []string) (Inside, error) {
	var set Inside
	for _, name := range names {
		one := tunnelNamed(name)
		if one == 0 {
			return 0, fmt.Errorf("sflow: no tunnel named %q: use vxlan, gre or mpls", name)
		}
		set |= one
	}
	return set, nil
}

func tunnelNamed(name string) Inside {
	for one := VXLAN; one <= MPLS; one <<= 1 {
		if one.name() == name {
			return one
		}
	}
	return 0
}

// Names lists the set's tunnels as ParseInside reads them.
func (i Inside) Names() []string {
	var names []string
	for one := VXLAN; one <= MPLS; one <<= 1 {
		if i&one != 0 {
			names = append(names, one.name())
		}
	}
	return names
}

// String gives the set's names with commas between them.
func (i Inside) String() string { return strings.Join(i.Names(), ",") }

func (i Inside) name() string {
	switch i {
	case VXLAN:
		return "vxlan"
	case GRE:
		return "gre"
	case MPLS:
		return "mpls"
	default:
		return ""
	}
}

// hides says whether a packet known only by sampled_ipv4 or sampled_ipv6 is the outside of a tunnel of the set.
func (i Inside) hides(r *ipRecord) bool {
	return i&GRE != 0 && r.protocol == protocolGRE || i&VXLAN != 0 && r.protocol == protocolUDP && r.dstPort == portVXLAN
}

// place is how far into a sampled frame the way through its tunnels has come.
type place struct {
	etherType uint16 // of what starts at at; 0 where the bytes end, or when nothing in there can be billed
	at        int    // offset of the network header
	removed   int    // bytes of tunnel that are not billed
}

// lookInside is frame for exporters whose tunnels are opened. Each kind of tunnel is entered once: a second one of the
// same kind is inside the provider's network, and somebody's traffic.
func (s *FlowSample) lookInside(l *lengths, protocol uint32, b []byte) Code {
	var p place
	if protocol == headerMPLS {
		p.etherType = etherTypeMPLS
	} else {
		p.etherType, p.at = network(protocol, b)
	}
	for left := l.inside; left != 0; {
		entered, next := p.enter(left, b)
		if entered == 0 {
			break
		}
		l.tunnel, p = true, next
		left &^= entered
	}
	if uint64(p.removed) >= uint64(l.frame) && l.tunnel {
		return ErrFrameLength
	}
	l.removed = uint32(p.removed)
	return s.packet(l.frame, p.etherType, p.at, b)
}

// enter goes into the tunnel that starts at p, when it is one of those to be looked into, and says which it was.
func (p place) enter(inside Inside, b []byte) (Inside, place) {
	switch p.etherType {
	case etherTypeMPLS, etherTypeMPLSMulticast:
		if inside&MPLS != 0 {
			return MPLS, p.labels(b)
		}
	case etherTypeIPv4, etherTypeIPv6:
		if inside&(VXLAN|GRE) != 0 {
			return p.carried(inside, b)
		}
	}
	return 0, p
}

// carried goes into the tunnel that the IP packet at p carries.
func (p place) carried(inside Inside, b []byte) (Inside, place) {
	t := transportIPv4(b[p.at:])
	if p.etherType == etherTypeIPv6 {
		t = transportIPv6(b[p.at:])
	}
	switch {
	case t.state == transportCut:
		return inside & (VXLAN | GRE), p.nothing()
	case t.state == transportNone:
		return 0, p
	case t.protocol == protocolUDP && inside&VXLAN != 0 && t.state == transportStart:
		return p.vxlan(b, p.at+t.offset)
	case t.protocol == protocolGRE && inside&GRE != 0 && t.state == transportLater:
		return GRE, p.nothing()
	case t.protocol == protocolGRE && inside&GRE != 0:
		return p.gre(b, p.at+t.offset)
	}
	return 0, p
}

// vxlan reads the UDP header at n and the VXLAN header behind it. A datagram that is cut before it is clear what it is
// counts as a tunnel whose inside is unknown.
func (p place) vxlan(b []byte, n int) (Inside, place) {
	if len(b) < n+4 {
		return VXLAN, p.nothing()
	}
	if u16(b[n+2:]) != portVXLAN {
		return 0, p
	}
	n += udpHeaderBytes
	if len(b) <= n {
		return VXLAN, p.nothing()
	}
	if b[n]&vxlanHasNetwork == 0 {
		return 0, p
	}
	return VXLAN, ethernetAt(b, n+vxlanHeaderBytes)
}

// gre reads the GRE header at n with its optional fields.
func (p place) gre(b []byte, n int) (Inside, place) {
	if len(b) < n+greHeaderBytes {
		return GRE, p.nothing()
	}
	flags, etherType := u16(b[n:]), u16(b[n+2:])
	if flags&greOther != 0 {
		return 0, p
	}
	n += greHeaderBytes
	for _, field := range [...]uint16{greChecksum, greKey, greSequence} {
		if flags&field != 0 {
			n += greFieldBytes
		}
	}
	if etherType == etherTypeEthernet {
		return GRE, ethernetAt(b, n)
	}
	return GRE, p.without(b, etherType, n)
}

// labels goes behind the label stack at p. What follows has no type: it shows by its first four bits.
func (p place) labels(b []byte) place {
	n := p.at
	for range maxLabels {
		if len(b) < n+labelBytes {
			return p.nothing()
		}
		bottom := b[n+2]&1 != 0
		n += labelBytes
		if !bottom {
			continue
		}
		if len(b) <= n {
			return p.without(b, 0, n)
		}
		switch b[n] >> 4 {
		case 4:
			return p.without(b, etherTypeIPv4, n)
		case 6:
			return p.without(b, etherTypeIPv6, n)
		case 0:
			return ethernetAt(b, n+controlBytes)
		}
		return p.without(b, 0, n)
	}
	return p.nothing()
}

// nothing is p with a tunnel in it that cannot be followed.
func (p place) nothing() place { return place{removed: p.removed} }

// without is the place of the packet at n when what stands between p and n is left out; the link header stays.
func (p place) without(b []byte, etherType uint16, n int) place {
	if len(b) < n {
		etherType = 0
	}
	return place{etherType, n, p.removed + n - p.at}
}

// ethernetAt is the place of the packet in the Ethernet frame at n; everything before the frame is left out.
func ethernetAt(b []byte, n int) place {
	etherType, link := linkHeader(b[min(n, len(b)):])
	return place{etherType, n + link, n}
}
