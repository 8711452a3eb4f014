package capture

import (
	"encoding/binary"
	"fmt"
)

const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d

	classicHeader = 24
	classicRecord = 16
	linkTypeMask  = 0xffff // above it are flags about a frame check sequence, which IP's own lengths leave aside

	nanosPerSecond = 1_000_000_000
)

// classic is the libpcap format.
type classic struct {
	order binary.ByteOrder
	unit  int64 // nanoseconds of the second time field
	link  LinkType
}

func newClassic(r *Reader) (*classic, error) {
	h, err := r.read(classicHeader, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	c := &classic{}
	switch little, big := binary.LittleEndian.Uint32(h), binary.BigEndian.Uint32(h); {
	case little == magicMicro:
		c.order, c.unit = binary.LittleEndian, 1000
	case little == magicNano:
		c.order, c.unit = binary.LittleEndian, 1
	case big == magicMicro:
		c.order, c.unit = binary.BigEndian, 1000
	case big == magicNano:
		c.order, c.unit = binary.BigEndian, 1
	default:
		return nil, ErrFormat
	}
	if major := c.order.Uint16(h[4:]); major != 2 {
		return nil, fmt.Errorf("%w: pcap of version %d", ErrFormat, major)
	}
	c.link = LinkType(c.order.Uint32(h[20:]) & linkTypeMask)
	return c, nil
}

func (c *classic) next(r *Reader) (Packet, error) {
	h, err := r.read(classicRecord, true)
	if err != nil {
		return Packet{}, err
	}
	at := int64(c.order.Uint32(h))*nanosPerSecond + int64(c.order.Uint32(h[4:]))*c.unit
	size := c.order.Uint32(h[8:])
	if size > maxPacket {
		return Packet{}, fmt.Errorf("%w: a packet of %d bytes at byte %d", ErrDamaged, size, r.offset-classicRecord)
	}
	data, err := r.read(int(size), false)
	if err != nil {
		return Packet{}, err
	}
	return Packet{At: at, Link: c.link, Data: data}, nil
}
