// Package capturetest writes capture files and the frames in them for tests.
package capturetest

import (
	"encoding/binary"
	"net/netip"
)

// File writes a capture of one link type.
type File struct {
	Order binary.AppendByteOrder // little endian when nil
	Nano  bool                   // times in nanoseconds
	Link  uint32
}

func (f File) order() binary.AppendByteOrder {
	if f.Order == nil {
		return binary.LittleEndian
	}
	return f.Order
}

// Classic is the beginning of a pcap file.
func (f File) Classic() []byte {
	o, magic := f.order(), uint32(0xa1b2c3d4)
	if f.Nano {
		magic = 0xa1b23c4d
	}
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = o.AppendUint32(o.AppendUint32(b, 0), 0)
	return o.AppendUint32(o.AppendUint32(b, 262144), f.Link)
}

// ClassicPacket appends a packet taken at Unix nanoseconds.
func (f File) ClassicPacket(b []byte, at int64, frame []byte) []byte {
	o, unit := f.order(), int64(1000)
	if f.Nano {
		unit = 1
	}
	b = o.AppendUint32(o.AppendUint32(b, uint32(at/1e9)), uint32(at%1e9/unit))
	b = o.AppendUint32(o.AppendUint32(b, uint32(len(frame))), uint32(len(frame)))
	return append(b, frame...)
}

// Next is the beginning of a pcapng file.
func (f File) Next() []byte {
	o := f.order()
	section := o.AppendUint16(o.AppendUint16(o.AppendUint32(nil, 0x1a2b3c4d), 1), 0)
	b := f.Block(nil, 0x0a0d0d0a, o.AppendUint64(section, ^uint64(0)))
	link := o.AppendUint32(o.AppendUint16(o.AppendUint16(nil, uint16(f.Link)), 0), 262144)
	if f.Nano {
		link = append(o.AppendUint16(o.AppendUint16(link, 9), 1), 9, 0, 0, 0) // if_tsresol: 10^-9
	}
	return f.Block(b, 1, link)
}

// NextPacket appends an enhanced packet block.
func (f File) NextPacket(b []byte, at int64, frame []byte) []byte {
	o, ticks := f.order(), uint64(at)
	if !f.Nano {
		ticks /= 1000
	}
	body := o.AppendUint32(o.AppendUint32(o.AppendUint32(nil, 0), uint32(ticks>>32)), uint32(ticks))
	body = o.AppendUint32(o.AppendUint32(body, uint32(len(frame))), uint32(len(frame)))
	return f.Block(b, 6, append(body, frame...))
}

// Block appends a pcapng block.
func (f File) Block(b []byte, kind uint32, body []byte) []byte {
	o := f.order()
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	size := uint32(len(body) + 12)
	b = append(o.AppendUint32(o.AppendUint32(b, kind), size), body...)
	return o.AppendUint32(b, size)
}

// UDP is an IP packet with a UDP datagram.
func UDP(src, dst netip.AddrPort, payload []byte) []byte {
	return IP(src.Addr(), dst.Addr(), Datagram(src.Port(), dst.Port(), payload), 0, 0, false)
}

// Datagram is a UDP header and its payload.
func Datagram(src, dst uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, src), dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// IP is a packet of UDP: whole with id 0, else the fragment of an id at an offset.
func IP(src, dst netip.Addr, body []byte, id uint32, offset int, more bool) []byte {
	if src.Is4() {
		flags := uint16(offset / 8)
		if more {
			flags |= 0x2000
		}
		b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(body)))
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(id)), flags)
		b = append(append(append(b, 64, 17, 0, 0), src.AsSlice()...), dst.AsSlice()...)
		return append(b, body...)
	}
	next := byte(17)
	if id != 0 {
		flags := uint16(offset)
		if more {
			flags |= 1
		}
		head := binary.BigEndian.AppendUint16([]byte{17, 0}, flags)
		body = append(binary.BigEndian.AppendUint32(head, id), body...)
		next = 44
	}
	b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(body)))
	b = append(append(append(b, next, 64), src.AsSlice()...), dst.AsSlice()...)
	return append(b, body...)
}

// Ethernet is a frame around an IP packet, with VLAN tags.
func Ethernet(ip []byte, tags ...uint16) []byte {
	b := make([]byte, 12, 64+len(ip))
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), tag)
	}
	return append(etherType(b, ip), ip...)
}

// Cooked is a packet of a Linux cooked capture, version 1 or 2.
func Cooked(version int, ip []byte) []byte {
	if version == 2 {
		return append(append(etherType(nil, ip), make([]byte, 18)...), ip...)
	}
	return append(etherType(make([]byte, 14), ip), ip...)
}

func etherType(b, ip []byte) []byte {
	if ip[0]>>4 == 6 {
		return append(b, 0x86, 0xdd)
	}
	return append(b, 0x08, 0x00)
}
