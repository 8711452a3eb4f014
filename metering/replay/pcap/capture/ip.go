package capture

import (
	"encoding/binary"
	"net/netip"
)

// part is what one IP packet carries.
type part struct {
	src, dst netip.Addr
	protocol uint8 // of a fragment that of the whole
	body     []byte
	cut      bool // the capture kept less of the body than there was

	fragment bool
	id       uint32
	offset   int
	more     bool
}

func parseIP(b []byte) (part, string) {
	if len(b) == 0 {
		return part{}, ReasonCut
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b)
	case 6:
		return parseIPv6(b)
	}
	return part{}, ReasonNotIP
}

func parseIPv4(b []byte) (part, string) {
	if len(b) < 20 {
		return part{}, ReasonCut
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) // left to the network card, which had not filled it in
	}
	if head < 20 || total < head {
		return part{}, ReasonHeader
	}
	if len(b) < head {
		return part{}, ReasonCut
	}
	p := part{
		src: netip.AddrFrom4([4]byte(b[12:16])), dst: netip.AddrFrom4([4]byte(b[16:20])), protocol: b[9],
		body: b[head:min(total, len(b))], cut: total > len(b), id: uint32(binary.BigEndian.Uint16(b[4:])),
	}
	flags := binary.BigEndian.Uint16(b[6:])
	p.more, p.offset = flags&0x2000 != 0, int(flags&0x1fff)*8
	p.fragment = p.more || p.offset > 0
	return p, p.fragmentReason()
}

// fragmentReason refuses fragments that can never become a whole.
func (p *part) fragmentReason() string {
	switch {
	case !p.fragment:
		return ""
	case p.cut:
		return ReasonCut
	case len(p.body) == 0, p.more && len(p.body)%8 != 0, p.offset+len(p.body) > maxWhole:
		return ReasonHeader
	}
	return ""
}

// Extension headers of IPv6.
const (
	nextHopByHop    = 0
	nextRouting     = 43
	nextFragment    = 44
	nextAuth        = 51
	nextDestination = 60
)

func parseIPv6(b []byte) (part, string) {
	if len(b) < 40 {
		return part{}, ReasonCut
	}
	p := part{src: netip.AddrFrom16([16]byte(b[8:24])), dst: netip.AddrFrom16([16]byte(b[24:40])), protocol: b[6]}
	size := int(binary.BigEndian.Uint16(b[4:]))
	b = b[40:]
	p.cut, p.body = size > len(b), b[:min(size, len(b))]
	for range maxExtension {
		switch p.protocol {
		case nextHopByHop, nextRouting, nextDestination, nextAuth:
			if reason := p.extension(); reason != "" {
				return part{}, reason
			}
		case nextFragment:
			return p.fragmented()
		default:
			return p, ""
		}
	}
	return part{}, ReasonHeader
}

// extension passes over one extension header.
func (p *part) extension() string {
	if len(p.body) < 8 {
		return shortReason(*p)
	}
	size := (int(p.body[1]) + 1) * 8
	if p.protocol == nextAuth {
		size = (int(p.body[1]) + 2) * 4
	}
	if size > len(p.body) {
		return shortReason(*p)
	}
	p.protocol, p.body = p.body[0], p.body[size:]
	return ""
}

// fragmented reads a fragment header. One that is alone (an "atomic fragment", RFC 6946) is a whole packet.
func (p part) fragmented() (part, string) {
	if len(p.body) < 8 {
		return part{}, shortReason(p)
	}
	flags := binary.BigEndian.Uint16(p.body[2:])
	p.protocol, p.id = p.body[0], binary.BigEndian.Uint32(p.body[4:])
	p.offset, p.more, p.body = int(flags&0xfff8), flags&1 != 0, p.body[8:]
	p.fragment = p.more || p.offset > 0
	return p, p.fragmentReason()
}
