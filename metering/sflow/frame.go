package sflow

import (
	"net/netip"

	"github.com/ezscale/platform/metering/sflow/packet"
)

const (
	headerEthernet = 1 // header_protocol values of the raw packet header
	headerIPv4     = 11
	headerIPv6     = 12
	headerMPLS     = 13

	ipv4HeaderBytes    = packet.IPv4Bytes
	ipv6HeaderBytes    = packet.IPv6Bytes
	checkSequenceBytes = 4

	// The longest IP packet that is not a jumbogram, in the longest link header.
	maxFrameBytes = 65535 + ipv6HeaderBytes + packet.EthernetBytes + packet.MaxVLANTags*packet.VLANTagBytes + checkSequenceBytes
)

// frame reads the addresses and the IP length out of the first bytes of a sampled frame of length bytes. A frame
// without readable IP is no error.
func (s *FlowSample) frame(protocol, length uint32, b []byte) Code {
	etherType, link := uint16(0), 0
	switch protocol {
	case headerEthernet:
		etherType, link = packet.LinkHeader(b)
	case headerIPv4:
		etherType = packet.TypeIPv4
	case headerIPv6:
		etherType = packet.TypeIPv6
	}
	switch etherType {
	case packet.TypeIPv4:
		return s.ipv4(length, uint32(link), b[link:])
	case packet.TypeIPv6:
		return s.ipv6(length, uint32(link), b[link:])
	}
	return codeNone
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
	s.IPLength = ipLength(uint32(u16(b[4:]))+ipv6HeaderBytes, ipv6HeaderBytes+1, frame-link)
	if packet.IsExtension(b[6]) {
		s.Protocol = packet.Protocol(b)
	}
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
