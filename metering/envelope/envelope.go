// Package envelope is the value of one message of flows.raw.v1: datagrams of one exporter as they came off the
// wire, a collector's report about itself, or flows that another system has decoded and scaled before us (replay).
// It is the contract between whoever writes the raw log and the meters.
//
// Why a format of our own: the collector must spend nanoseconds on a datagram and must not decode it, so that
// a mended decoder can read the log again; the meter must walk it without allocating. Fixed offsets and little
// endian do both. Nothing is compressed: the topic may be, on the broker.
//
// Layout, little endian:
//
//	0  magic "EZF1"
//	4  kind u8: 1 datagrams, 2 report, 3 flows
//	5  three zero bytes
//	8  collector id, 16 bytes
//	24 boot epoch i64: Unix nanoseconds of the collector's start
//	32 sequence u64: per collector boot and partition, from 1, shared by all kinds
//	40 exporter id, 16 bytes; zero for a report
//	56 body
//
// A body of datagrams repeats:
//
//	0  received i64: Unix nanoseconds, the kernel's time
//	8  source address, 16 bytes, IPv4 as ::ffff:a.b.c.d
//	24 source port u16
//	26 protocol u8: 1 sFlow, 2 NetFlow or IPFIX
//	27 a zero byte
//	28 length u16
//	30 two zero bytes
//	32 the datagram
//
// A body of a report is JSON, see Report.
//
// A body of flows repeats 96 bytes; bytes and packets are scaled already, and never multiplied again:
//
//	0  start i64: Unix nanoseconds
//	8  end i64: Unix nanoseconds, exclusive; equal to the start for a moment, never before it
//	16 source address, 16 bytes, IPv4 as ::ffff:a.b.c.d
//	32 destination address, 16 bytes
//	48 L2 bytes u64, at most 1<<50
//	56 L3 bytes u64, at most 1<<50; where one of the two is not known, both say the other
//	64 packets u64
//	72 sampling rate u32: 0 not known, 1 unsampled
//	76 input ifIndex u32: 0 not known
//	80 output ifIndex u32: 0 not known
//	84 side u8: 0 not known, 1 ingress, 2 egress
//	85 flags u8: reserved, zero
//	86 two zero bytes
//	88 hash u64 of the document that the flow was read from
//
// Promises: Parse checks every bound of the whole value before it returns, so that walking the body cannot
// fail; what Parse accepts, Writer writes back to the byte; a value is never longer than MaxSize.
// (collector id, boot epoch, partition) is a producer: a sequence at or below its last one is a repeat.
package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"
)

// Bounds, in bytes.
const (
	MaxSize      = 256 << 10 // of one envelope
	HeaderSize   = 56
	RecordSize   = 32 // before each datagram
	MaxDatagram  = 65535
	sequenceFrom = 32
)

const magic = "EZF1"

// Kind tells the bodies apart.
type Kind uint8

// The kinds.
const (
	KindDatagrams Kind = 1
	KindReport    Kind = 2
	KindFlows     Kind = 3
)

// Protocol is what the collector's listening port was configured for; the datagram itself is not looked at.
type Protocol uint8

// The protocols that exporters speak.
const (
	ProtocolSFlow   Protocol = 1
	ProtocolNetFlow Protocol = 2 // v5, v9 and IPFIX
)

// What Parse may find wrong.
var (
	ErrShort    = errors.New("envelope is cut short")
	ErrLong     = errors.New("envelope is longer than allowed")
	ErrMagic    = errors.New("not an envelope")
	ErrKind     = errors.New("envelope of an unknown kind")
	ErrReserved = errors.New("envelope has reserved bytes set")
	ErrSequence = errors.New("envelope has no sequence")
	ErrExporter = errors.New("envelope's exporter does not fit its kind")
	ErrFlow     = errors.New("flow is not possible")
)

// Header says who wrote an envelope and about which exporter.
type Header struct {
	Kind      Kind
	Collector uuid.UUID
	Boot      int64  // Unix nanoseconds of the collector's start
	Sequence  uint64 // per collector boot and partition, from 1
	Exporter  uuid.UUID
}

// Datagram is one UDP payload. Payload points into the envelope that it was read from.
type Datagram struct {
	Received int64          // Unix nanoseconds
	Source   netip.AddrPort // IPv4 unmapped
	Protocol Protocol
	Payload  []byte
}

// Body is what follows a header.
type Body struct {
	rest []byte
	kind Kind
}

// Parse checks a whole envelope and splits it. Body points into b.
func Parse(b []byte) (Header, Body, error) {
	if len(b) > MaxSize {
		return Header{}, Body{}, ErrLong
	}
	if len(b) < HeaderSize {
		return Header{}, Body{}, ErrShort
	}
	h := Header{
		Kind:      Kind(b[4]),
		Collector: uuid.UUID(b[8:24]),
		Boot:      int64(binary.LittleEndian.Uint64(b[24:])),
		Sequence:  binary.LittleEndian.Uint64(b[sequenceFrom:]),
		Exporter:  uuid.UUID(b[40:56]),
	}
	if err := h.check(b); err != nil {
		return Header{}, Body{}, err
	}
	body := Body{rest: b[HeaderSize:], kind: h.Kind}
	if err := body.check(); err != nil {
		return Header{}, Body{}, err
	}
	return h, body, nil
}

func (h Header) check(b []byte) error {
	switch {
	case string(b[:4]) != magic:
		return ErrMagic
	case h.Kind < KindDatagrams || h.Kind > KindFlows:
		return ErrKind
	case b[5]|b[6]|b[7] != 0:
		return ErrReserved
	case h.Sequence == 0:
		return ErrSequence
	case (h.Exporter == uuid.Nil) != (h.Kind == KindReport):
		return ErrExporter
	}
	return nil
}

func (b Body) check() error {
	switch b.kind {
	case KindDatagrams:
		return b.checkDatagrams()
	case KindFlows:
		return b.checkFlows()
	}
	return nil
}

// checkDatagrams walks the record headers.
func (b Body) checkDatagrams() error {
	for rest, n := b.rest, 0; len(rest) > 0; n++ {
		if len(rest) < RecordSize {
			return fmt.Errorf("record %d: %w", n, ErrShort)
		}
		if rest[27]|rest[30]|rest[31] != 0 {
			return fmt.Errorf("record %d: %w", n, ErrReserved)
		}
		end := RecordSize + int(binary.LittleEndian.Uint16(rest[28:]))
		if len(rest) < end {
			return fmt.Errorf("record %d: %w", n, ErrShort)
		}
		rest = rest[end:]
	}
	return nil
}

// Next takes the next datagram off a body of datagrams; false at its end, and for another kind. It allocates nothing.
func (b *Body) Next() (Datagram, bool) {
	rest := b.rest
	if b.kind != KindDatagrams || len(rest) < RecordSize {
		return Datagram{}, false
	}
	end := RecordSize + int(binary.LittleEndian.Uint16(rest[28:]))
	d := Datagram{
		Received: int64(binary.LittleEndian.Uint64(rest)),
		Source:   netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[8:24])).Unmap(), binary.LittleEndian.Uint16(rest[24:])),
		Protocol: Protocol(rest[26]),
		Payload:  rest[RecordSize:end:end],
	}
	b.rest = rest[end:]
	return d, true
}

// Len is how many bytes of the body are left.
func (b Body) Len() int { return len(b.rest) }
