package capture

import (
	"encoding/binary"
	"net/netip"
)

// Why a packet gave no datagram.
const (
	ReasonLink       = "link_type"            // of a link that is not read
	ReasonNotIP      = "not_ip"               // ARP, LLDP …
	ReasonNotUDP     = "not_udp"              // TCP, ICMP …
	ReasonCut        = "cut_by_snaplen"       // the capture kept only its beginning
	ReasonHeader     = "bad_header"           // a length that cannot be
	ReasonTime       = "no_time"              // the file does not tell when
	ReasonIncomplete = "fragments_incomplete" // other fragments of it never came
	ReasonOverlap    = "fragments_overlap"    // RFC 5722: not to be believed
)

// Link types that are read.
const (
	linkNull     LinkType = 0
	linkEthernet LinkType = 1
	linkRawBSD   LinkType = 12
	linkRawOpen  LinkType = 14
	linkRaw      LinkType = 101
	linkLoop     LinkType = 108
	linkSLL      LinkType = 113
	linkIPv4     LinkType = 228
	linkIPv6     LinkType = 229
	linkSLL2     LinkType = 276
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd

	protocolUDP  = 17
	maxVLANTags  = 4
	maxExtension = 8 // IPv6 extension headers
)

// Datagram is one UDP datagram. Payload is valid until the next packet.
type Datagram struct {
	At             int64 // Unix nanoseconds; of a fragmented one that of its last fragment
	Source, Target netip.AddrPort
	Payload        []byte
}

// Counts accounts for every packet: Packets = Datagrams + Joined + the sum of Skipped, once Finish was called.
type Counts struct {
	Packets   int64
	Datagrams int64
	Joined    int64 // fragments that went into a datagram besides its last one
	Skipped   map[string]int64
}

// Extractor takes datagrams out of packets.
type Extractor struct {
	Counts
	fragments fragments
}

// NewExtractor makes one for the packets of one file.
func NewExtractor() *Extractor {
	return &Extractor{Counts: Counts{Skipped: map[string]int64{}}, fragments: newFragments()}
}

// Datagram gives the datagram of a packet; false when it holds none, or not yet a whole one.
func (e *Extractor) Datagram(p Packet) (Datagram, bool) {
	e.Packets++
	if p.At <= 0 {
		return e.skip(ReasonTime, 1)
	}
	ip, reason := network(p.Link, p.Data)
	if reason != "" {
		return e.skip(reason, 1)
	}
	part, reason := parseIP(ip)
	if reason != "" {
		return e.skip(reason, 1)
	}
	if part.fragment {
		return e.join(p.At, part)
	}
	return e.udp(p.At, part, 0)
}

func (e *Extractor) join(at int64, part part) (Datagram, bool) {
	whole, joined, given := e.fragments.add(at, part)
	for reason, n := range given {
		e.Skipped[reason] += n
	}
	if whole == nil {
		return Datagram{}, false
	}
	part.body = whole
	return e.udp(at, part, joined)
}

// udp reads the UDP header. joined is how many other packets the body was put together from.
func (e *Extractor) udp(at int64, p part, joined int64) (Datagram, bool) {
	if p.protocol != protocolUDP {
		return e.skip(ReasonNotUDP, 1+joined)
	}
	if len(p.body) < 8 {
		return e.skip(shortReason(p), 1+joined)
	}
	size := int(binary.BigEndian.Uint16(p.body[4:]))
	if size < 8 {
		return e.skip(ReasonHeader, 1+joined)
	}
	if size > len(p.body) {
		return e.skip(shortReason(p), 1+joined)
	}
	e.Datagrams++
	e.Joined += joined
	return Datagram{
		At:      at,
		Source:  netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(p.body)),
		Target:  netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(p.body[2:])),
		Payload: p.body[8:size],
	}, true
}

func shortReason(p part) string {
	if p.cut {
		return ReasonCut
	}
	return ReasonHeader
}

func (e *Extractor) skip(reason string, n int64) (Datagram, bool) {
	e.Skipped[reason] += n
	return Datagram{}, false
}

// Finish counts the fragments that still wait for others.
func (e *Extractor) Finish() {
	if n := e.fragments.drop(); n > 0 {
		e.Skipped[ReasonIncomplete] += n
	}
}

// network finds the IP packet in a frame.
func network(link LinkType, b []byte) (ip []byte, reason string) {
	switch link {
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		return b, ""
	case linkEthernet:
		return ethernet(b, 12)
	case linkSLL:
		return ethernet(b, 14)
	case linkSLL2:
		if len(b) < 20 {
			return nil, ReasonCut
		}
		return etherType(binary.BigEndian.Uint16(b), b[20:])
	case linkNull, linkLoop:
		return loopback(b)
	}
	return nil, ReasonLink
}

// ethernet reads a frame whose EtherType is at an offset.
func ethernet(b []byte, at int) ([]byte, string) {
	if len(b) < at+2 {
		return nil, ReasonCut
	}
	return etherType(binary.BigEndian.Uint16(b[at:]), b[at+2:])
}

// etherType goes through VLAN tags.
func etherType(kind uint16, b []byte) ([]byte, string) {
	for range maxVLANTags + 1 {
		switch kind {
		case etherIPv4, etherIPv6:
			return b, ""
		case 0x8100, 0x88a8, 0x9100:
			if len(b) < 4 {
				return nil, ReasonCut
			}
			kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		default:
			return nil, ReasonNotIP
		}
	}
	return nil, ReasonNotIP
}

// loopback reads the address family, which stands in the byte order of the machine that captured.
func loopback(b []byte) ([]byte, string) {
	if len(b) < 4 {
		return nil, ReasonCut
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2, 10, 24, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD, FreeBSD, macOS
		return b[4:], ""
	}
	return nil, ReasonNotIP
}
