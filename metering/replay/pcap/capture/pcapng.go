package capture

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockObsolete  = 2 // the packet block of old files
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = 0x1a2b3c4d

	blockFrame    = 12 // type and length before a block, length after it
	maxInterfaces = 1 << 10

	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14

	defaultResolution = 6 // microseconds
)

// pcapng is the next generation format: blocks, of which sections, interfaces and packets are read.
type pcapng struct {
	order      binary.ByteOrder
	interfaces []link
}

// link is an interface of the section.
type link struct {
	kind       LinkType
	resolution byte  // of its times, as the file says it
	offset     int64 // seconds to add
}

func (p *pcapng) next(r *Reader) (Packet, error) {
	for {
		head, err := r.read(8, true)
		if err != nil {
			return Packet{}, err
		}
		if binary.BigEndian.Uint32(head) == blockSection {
			if err := p.section(r, [4]byte(head[4:8])); err != nil {
				return Packet{}, err
			}
			continue
		}
		if p.order == nil {
			return Packet{}, fmt.Errorf("%w: a block before the first section", ErrDamaged)
		}
		kind, size := p.order.Uint32(head), p.order.Uint32(head[4:])
		if size < blockFrame || size%4 != 0 || size > maxBlock {
			return Packet{}, fmt.Errorf("%w: a block of %d bytes at byte %d", ErrDamaged, size, r.offset-8)
		}
		if packet, found, err := p.block(r, kind, int(size)-8); found || err != nil {
			return packet, err
		}
	}
}

// section begins anew: another byte order, no interfaces. size is in the order that is only now known.
func (p *pcapng) section(r *Reader, size [4]byte) error {
	magic, err := r.read(4, false)
	if err != nil {
		return err
	}
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(magic):
		p.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic):
		p.order = binary.BigEndian
	default:
		return fmt.Errorf("%w: a section without a byte order", ErrDamaged)
	}
	p.interfaces = p.interfaces[:0]
	n := p.order.Uint32(size[:])
	if n < blockFrame+4 || n > maxBlock {
		return fmt.Errorf("%w: a section header of %d bytes", ErrDamaged, n)
	}
	return r.skip(int64(n) - blockFrame)
}

// block reads one block of rest bytes. found is false when it is no packet.
func (p *pcapng) block(r *Reader, kind uint32, rest int) (packet Packet, found bool, err error) {
	switch kind {
	case blockInterface, blockObsolete, blockSimple, blockEnhanced:
	default:
		return Packet{}, false, r.skip(int64(rest))
	}
	if rest > maxPacket {
		return Packet{}, false, fmt.Errorf("%w: a block of %d bytes at byte %d", ErrDamaged, rest, r.offset)
	}
	b, err := r.read(rest, false)
	if err != nil {
		return Packet{}, false, err
	}
	b = b[:len(b)-4] // its length again
	var ok bool
	switch kind {
	case blockInterface:
		if !p.addInterface(b) {
			return Packet{}, false, fmt.Errorf("%w: an interface that cannot be read", ErrDamaged)
		}
		return Packet{}, false, nil
	case blockSimple:
		packet, ok = p.simple(b)
	case blockObsolete:
		packet, ok = p.timed(b, func() uint32 { return uint32(p.order.Uint16(b)) })
	default:
		packet, ok = p.timed(b, func() uint32 { return p.order.Uint32(b) })
	}
	if !ok {
		return Packet{}, false, fmt.Errorf("%w: a packet block before byte %d", ErrDamaged, r.offset)
	}
	return packet, true, nil
}

// addInterface reads link type and the options that tell what its times mean.
func (p *pcapng) addInterface(b []byte) bool {
	if len(b) < 8 || len(p.interfaces) >= maxInterfaces {
		return false
	}
	l := link{kind: LinkType(p.order.Uint16(b)), resolution: defaultResolution}
	for b = b[8:]; len(b) >= 4; {
		code, size := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		end := 4 + (size+3)&^3
		if code == optionEnd {
			break
		}
		if end > len(b) {
			return false
		}
		switch value := b[4 : 4+size]; {
		case code == optionResolution && size == 1:
			l.resolution = value[0]
		case code == optionOffset && size == 8:
			l.offset = int64(p.order.Uint64(value))
		}
		b = b[end:]
	}
	p.interfaces = append(p.interfaces, l)
	return true
}

// simple is a packet of the first interface without a time.
func (p *pcapng) simple(b []byte) (Packet, bool) {
	if len(b) < 4 || len(p.interfaces) == 0 {
		return Packet{}, false
	}
	n := min(int(min(p.order.Uint32(b), maxPacket)), len(b)-4)
	return Packet{Link: p.interfaces[0].kind, Data: b[4 : 4+n]}, true
}

// timed is an enhanced packet block or an obsolete one, which differ in the width of the interface's number.
func (p *pcapng) timed(b []byte, number func() uint32) (Packet, bool) {
	if len(b) < 20 || uint64(number()) >= uint64(len(p.interfaces)) {
		return Packet{}, false
	}
	l := p.interfaces[number()]
	size := p.order.Uint32(b[12:])
	if uint64(size) > uint64(len(b)-20) {
		return Packet{}, false
	}
	ticks := uint64(p.order.Uint32(b[4:]))<<32 | uint64(p.order.Uint32(b[8:]))
	return Packet{At: l.nanos(ticks), Link: l.kind, Data: b[20 : 20+size]}, true
}

// nanos turns ticks into Unix nanoseconds; 0 when that is no time of ours.
func (l link) nanos(ticks uint64) int64 {
	var high, low uint64
	switch power := l.resolution & 0x7f; {
	case l.resolution&0x80 != 0 && power < 64:
		high, low = bits.Mul64(ticks, nanosPerSecond)
		low, high = low>>power|high<<(64-power), high>>power
	case l.resolution&0x80 != 0 || power > 27:
		return 0
	case power > 9:
		for ; power > 9; power-- {
			ticks /= 10
		}
		low = ticks
	default:
		unit := uint64(1)
		for ; power < 9; power++ {
			unit *= 10
		}
		high, low = bits.Mul64(ticks, unit)
	}
	if high != 0 || low > math.MaxInt64 || l.offset > math.MaxInt64/nanosPerSecond || l.offset < 0 && l.offset < -int64(low/nanosPerSecond) {
		return 0
	}
	if at := int64(low) + l.offset*nanosPerSecond; at > 0 {
		return at
	}
	return 0
}
