package sflow

import "net/netip"

const (
	headerEthernet = 1 // header_protocol values of the raw packet header
	headerIPv4     = 11
	headerIPv6     = 12

	etherTypeIPv4     = 0x0800
	etherTypeIPv6     = 0x86dd
	etherTypeVLAN     = 0x8100
	etherTypeProvider = 0x88a8
	etherTypeQinQ     = 0x9100

	ethernetHeaderBytes = 14
	vlanTagBytes        = 4
	maxVLANTags         = 4
	ipv4HeaderBytes     = 20
	ipv6HeaderBytes     = 40
	checkSequenceBytes  = 4

	// The longest IP packet that is not a jumbogram, in the longest link header.
	maxFrameBytes = 65535 + ipv6HeaderBytes + ethernetHeaderBytes + maxVLANTags*vlanTagBytes + checkSequenceBytes
)

// frame reads the addresses and the IP length out of the first bytes of a sampled frame. A frame without readable IP is
// no error.
func (s *FlowSample) frame(l *lengths, protocol uint32, b []byte) Code {
	if l.inside != 0 {
		return s.lookInside(l, protocol, b)
	}
	etherType, link := network(protocol, b)
	return s.packet(l.frame, etherType, link, b)
}

// network gives the type and the offset of the packet in a sampled header; 0 for what is not read.
func network(protocol uint32, b []byte) (etherType uint16, link int) {
	switch protocol {
	case headerEthernet:
		return linkHeader(b)
	case headerIPv4:
		return etherTypeIPv4, 0
	case headerIPv6:
		return etherTypeIPv6, 0
	}
	return 0, 0
}

func (s *FlowSample) packet(frame uint32, etherType uint16, link int, b []byte) Code {
	switch etherType {
	case etherTypeIPv4:
		return s.ipv4(frame, uint32(link), b[link:])
	case etherTypeIPv6:
		return s.ipv6(frame, uint32(link), b[link:])
	}
	return codeNone
}

// linkHeader gives the type behind Ethernet and its VLAN tags and how long they are; 0 when the bytes end before that.
func linkHeader(b []byte) (etherType uint16, n int) {
	n = ethernetHeaderBytes
	if len(b) < n {
		return 0, 0
	}
	etherType = u16(b[n-2:])
	for range maxVLANTags {
		if etherType != etherTypeVLAN && etherType != etherTypeProvider && etherType != etherTypeQinQ {
			return etherType, n
		}
		n += vlanTagBytes
		if len(b) < n {
			return 0, 0
		}
		etherType = u16(b[n-2:])
	}
	return etherType, n
}

func (s *FlowSample) ipv4(frame, link uint32, b []byte) Code {
	if len(b) < ipv4HeaderBytes || b[0]>>4 != 4 || b[0]&15 < 5 {
		return codeNone
	}
	if frame < link+ipv4HeaderBytes {
		return ErrFrameLength
	}
	s.HasIP, s.Protocol = true, b[9]
	s.Src, s.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	s.IPLength = ipLength(uint32(u16(b[2:])), ipv4HeaderBytes, frame-link)
	return codeNone
}

func (s *FlowSample) ipv6(frame, link uint32, b []byte) Code {
	if len(b) < ipv6HeaderBytes || b[0]>>4 != 6 {
		return codeNone
	}
	if frame < link+ipv6HeaderBytes {
		return ErrFrameLength
	}
	s.HasIP, s.Protocol = true, b[6]
	s.Src, s.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if isExtension(b[6]) {
		s.Protocol = extended(b[6], b).protocol
	}
	s.IPLength = ipLength(uint32(u16(b[4:]))+ipv6HeaderBytes, ipv6HeaderBytes+1, frame-link)
	return codeNone
}

// ipLength takes the length that the IP header states, or all the frame has left when that cannot be: below least
// (segmentation offload writes 0) or above what is left.
func ipLength(stated, least, left uint32) uint32 {
	if stated < least || stated > left {
		return left
	}
	return stated
}
