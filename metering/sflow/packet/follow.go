package packet

import "encoding/binary"

const (
	// ProtocolUDP is UDP's number in IP.
	ProtocolUDP = 17

	// PortVXLAN is the port that was assigned to VXLAN. Linux' port of before, 8472, is not looked at: switches do not use
	// it, overlays between customers' own servers do.
	PortVXLAN = 4789

	// UDPBytes and VXLANBytes are the lengths of those headers.
	UDPBytes   = 8
	VXLANBytes = 8

	// VXLANHasNetwork is the flag of the first byte without which it is no VXLAN.
	VXLANHasNetwork = 0x08

	protocolGRE     = 47
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

// Place is how far into a sampled header the way through its tunnels has come.
type Place struct {
	Type    uint16 // EtherType of what starts at At; 0 where the bytes end, or when nothing in there can be billed
	At      int    // offset of the network header
	Removed int    // bytes of tunnel that are not billed
}

// Follow goes from p into the tunnels of the set, each kind once: a second one of the same kind is inside the provider's
// network, and somebody's traffic. It says whether there was any. At is within b where Type is set; Removed may be more
// than there are bytes.
func Follow(p Place, inside Inside, b []byte) (Place, bool) {
	tunnel := false
	for inside != 0 {
		entered, next := p.enter(inside, b)
		if entered == 0 {
			break
		}
		tunnel, p = true, next
		inside &^= entered
	}
	return p, tunnel
}

// enter goes into the tunnel that starts at p, when it is one of those to be looked into, and says which it was.
func (p Place) enter(inside Inside, b []byte) (Inside, Place) {
	switch p.Type {
	case TypeMPLS, TypeMPLSMulticast:
		if inside&MPLS != 0 {
			return MPLS, p.labels(b)
		}
	case TypeIPv4, TypeIPv6:
		if inside&(VXLAN|GRE) != 0 {
			return p.carried(inside, b)
		}
	}
	return 0, p
}

// carried goes into the tunnel that the IP packet at p carries.
func (p Place) carried(inside Inside, b []byte) (Inside, Place) {
	t := transportIPv4(b[p.At:])
	if p.Type == TypeIPv6 {
		t = transportIPv6(b[p.At:])
	}
	switch {
	case t.state == transportCut:
		return inside & (VXLAN | GRE), p.nothing()
	case t.state == transportNone:
		return 0, p
	case t.protocol == ProtocolUDP && inside&VXLAN != 0 && t.state == transportStart:
		return p.vxlan(b, p.At+t.offset)
	case t.protocol == protocolGRE && inside&GRE != 0 && t.state == transportLater:
		return GRE, p.nothing()
	case t.protocol == protocolGRE && inside&GRE != 0:
		return p.gre(b, p.At+t.offset)
	}
	return 0, p
}

// vxlan reads the UDP header at n and the VXLAN header behind it. A datagram that is cut before it is clear what it is
// counts as a tunnel whose inside is unknown.
func (p Place) vxlan(b []byte, n int) (Inside, Place) {
	if len(b) < n+4 {
		return VXLAN, p.nothing()
	}
	if u16(b[n+2:]) != PortVXLAN {
		return 0, p
	}
	n += UDPBytes
	if len(b) <= n {
		return VXLAN, p.nothing()
	}
	if b[n]&VXLANHasNetwork == 0 {
		return 0, p
	}
	return VXLAN, EthernetAt(b, n+VXLANBytes)
}

// gre reads the GRE header at n with its optional fields.
func (p Place) gre(b []byte, n int) (Inside, Place) {
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
	if etherType == typeEthernet {
		return GRE, EthernetAt(b, n)
	}
	return GRE, p.without(b, etherType, n)
}

// labels goes behind the label stack at p. What follows has no type: it shows by its first four bits.
func (p Place) labels(b []byte) Place {
	n := p.At
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
			return p.without(b, TypeIPv4, n)
		case 6:
			return p.without(b, TypeIPv6, n)
		case 0:
			return EthernetAt(b, n+controlBytes)
		}
		return p.without(b, 0, n)
	}
	return p.nothing()
}

// nothing is p with a tunnel in it that cannot be followed.
func (p Place) nothing() Place { return Place{Removed: p.Removed} }

// without is the place of the packet at n when what stands between p and n is left out; the link header stays.
func (p Place) without(b []byte, etherType uint16, n int) Place {
	if len(b) < n {
		etherType = 0
	}
	return Place{etherType, n, p.Removed + n - p.At}
}

// EthernetAt is the place of the packet in the Ethernet frame at n; everything before the frame is left out.
func EthernetAt(b []byte, n int) Place {
	etherType, link := LinkHeader(b[min(n, len(b)):])
	return Place{etherType, n + link, n}
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
