package sflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/ezscale/platform/metering/sflow/packet"
)

// Frame is an Ethernet frame to be sampled, for the simulated switch and tests.
type Frame struct {
	VLANs    []uint16 // outermost first; more than one makes a provider tag of the first
	Src, Dst netip.Addr
	Protocol uint8
	IPLength uint16 // IPv4 total length, or IPv6 payload length plus 40; at least the IP header
	SrcPort  uint16
	DstPort  uint16
}

// LinkBytes is the length of the frame's Ethernet header with its tags, without check sequence.
func (f *Frame) LinkBytes() int { return packet.EthernetBytes + packet.VLANTagBytes*len(f.VLANs) }

// AppendHeader appends the frame's headers up to the ports: what an agent would put into a raw packet header.
func (f *Frame) AppendHeader(b []byte) []byte {
	b = append(b, 0x02, 0, 0x5e, 0, 0, 1, 0x02, 0, 0x5e, 0, 0, 2)
	for i, tag := range f.VLANs {
		etherType := uint16(packet.TypeVLAN)
		if i < len(f.VLANs)-1 {
			etherType = packet.TypeProvider
		}
		b = binary.BigEndian.AppendUint16(b, etherType)
		b = binary.BigEndian.AppendUint16(b, tag)
	}
	b = f.appendIP(b)
	b = binary.BigEndian.AppendUint16(b, f.SrcPort)
	b = binary.BigEndian.AppendUint16(b, f.DstPort)
	return append(b, 0, 0, 0, 0) // UDP length and checksum, or TCP sequence
}

// AppendVXLAN appends f's headers as a VXLAN tunnel end sends them for the frame inner of network vni (RFC 7348), up to
// inner's ports. It sets Protocol, IPLength and DstPort of f; inner must be so short that an IP packet can carry it.
func (f *Frame) AppendVXLAN(b []byte, vni uint32, inner *Frame) []byte {
	carried := packet.UDPBytes + packet.VXLANBytes + inner.LinkBytes() + int(inner.IPLength)
	f.Protocol, f.DstPort = packet.ProtocolUDP, packet.PortVXLAN
	f.IPLength = uint16(f.ipBytes() + carried)
	b = f.AppendHeader(b)
	binary.BigEndian.PutUint16(b[len(b)-4:], uint16(carried))
	b = binary.BigEndian.AppendUint32(b, packet.VXLANHasNetwork<<24)
	b = binary.BigEndian.AppendUint32(b, vni<<8)
	return inner.AppendHeader(b)
}

func (f *Frame) ipBytes() int {
	if f.Src.Is4() {
		return ipv4HeaderBytes
	}
	return ipv6HeaderBytes
}

func (f *Frame) appendIP(b []byte) []byte {
	if f.Src.Is4() {
		b = binary.BigEndian.AppendUint16(b, packet.TypeIPv4)
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, f.IPLength)
		b = append(b, 0, 0, 0x40, 0, 64, f.Protocol, 0, 0)
		src, dst := f.Src.As4(), f.Dst.As4()
		return append(append(b, src[:]...), dst[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, packet.TypeIPv6)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, f.IPLength-ipv6HeaderBytes)
	b = append(b, f.Protocol, 64)
	src, dst := f.Src.As16(), f.Dst.As16()
	return append(append(b, src[:]...), dst[:]...)
}
