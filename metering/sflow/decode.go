package sflow

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

const (
	// MaxDatagramBytes is the longest input that is looked at: what a UDP datagram can carry.
	MaxDatagramBytes = 65535

	version5          = 5
	addressIPv4       = 1
	addressIPv6       = 2
	sampleHeaderBytes = 8 // format and length
	minFlowBytes      = sampleHeaderBytes + flowFixedBytes
	discardFixedBytes = 32 // with the number of its records
	minCounterBytes   = sampleHeaderBytes + counterFixedBytes + recordHeaderBytes + ifCountersBytes
)

// Sample formats of enterprise 0.
const (
	formatFlow            = 1
	formatCounter         = 2
	formatExpandedFlow    = 3
	formatExpandedCounter = 4
	formatDiscard         = 5
)

// Header is what stands before a datagram's samples.
type Header struct {
	Agent       netip.Addr
	SubAgent    uint32
	Sequence    uint32 // of this sub-agent's datagrams
	Uptime      uint32 // milliseconds since the agent started
	SampleCount uint32 // as announced
}

// Datagram is what one datagram holds. Its slices are overwritten by the next Decode.
type Datagram struct {
	Header
	Flows    []FlowSample
	Counters []CounterSample // samples with generic interface counters

	CounterSamples int // all sound counter samples, those in Counters included
	Discards       int // dropped-packet samples
	Unknown        int // samples of a format we do not know
	Skipped        int // records of known samples that were passed over by length
	Rejected       int // samples left out, the sum of Rejects
	Rejects        [codeCount]int
	Trailing       int // bytes after the last sample
}

// Decoder decodes one datagram after the other into itself. The zero value is ready. It must not be shared between
// goroutines, nor copied.
type Decoder struct {
	Datagram

	// Inside are the tunnels to look into. It holds for the Decodes that follow, so a caller with several exporters sets
	// it before each.
	Inside Inside

	reference bool
	scratch   [maxHeaderBytes]byte
}

// Decode reads one datagram. On an error (always a [Code]) the slices are empty and only Header may be of use.
// Nothing in the result refers to b.
func (d *Decoder) Decode(b []byte) error {
	d.reset()
	if len(b) > MaxDatagramBytes {
		return ErrOversized
	}
	n, code := d.Header.parse(b)
	if code == codeNone && d.reference {
		code = d.referenceHeader(b[:n])
	}
	if code == codeNone {
		code = d.walk(b[n:])
	}
	if code != codeNone {
		header := d.Header
		d.reset()
		d.Header = header
		return code
	}
	return nil
}

func (d *Decoder) reset() {
	d.Datagram = Datagram{Flows: d.Flows[:0], Counters: d.Counters[:0]}
}

const (
	headerBytesIPv4 = 28
	headerBytesIPv6 = 40
	maxHeaderBytes  = headerBytesIPv6
)

// parse reads the datagram's header and says how long it is.
func (h *Header) parse(b []byte) (int, Code) {
	if len(b) < 8 {
		return 0, ErrTruncated
	}
	if u32(b) != version5 {
		return 0, ErrVersion
	}
	switch u32(b[4:]) {
	case addressIPv4:
		if len(b) < headerBytesIPv4 {
			return 0, ErrTruncated
		}
		h.Agent = netip.AddrFrom4([4]byte(b[8:12]))
		h.numbers(b[12:28])
		return headerBytesIPv4, codeNone
	case addressIPv6:
		if len(b) < headerBytesIPv6 {
			return 0, ErrTruncated
		}
		h.Agent = netip.AddrFrom16([16]byte(b[8:24]))
		h.numbers(b[24:40])
		return headerBytesIPv6, codeNone
	}
	return 0, ErrAgent
}

func (h *Header) numbers(b []byte) {
	_ = b[15]
	h.SubAgent = u32(b)
	h.Sequence = u32(b[4:])
	h.Uptime = u32(b[8:])
	h.SampleCount = u32(b[12:])
}

// walk goes from sample to sample by their lengths.
func (d *Decoder) walk(b []byte) Code {
	if uint64(d.SampleCount)*sampleHeaderBytes > uint64(len(b)) {
		return ErrTruncated
	}
	d.reserve(len(b))
	for range d.SampleCount {
		if len(b) < sampleHeaderBytes {
			return ErrTruncated
		}
		length := u32(b[4:])
		if uint64(length) > uint64(len(b)-sampleHeaderBytes) {
			return ErrTruncated
		}
		end := sampleHeaderBytes + int(length)
		d.sample(u32(b), b[sampleHeaderBytes:end:end])
		b = b[min(padded(end), len(b)):]
	}
	d.Trailing = len(b)
	return codeNone
}

// reserve makes room for as many samples as n bytes can hold, so that decoding appends without growing.
func (d *Decoder) reserve(n int) {
	count := int(d.SampleCount)
	if want := min(count, n/minFlowBytes); want > cap(d.Flows) {
		d.Flows = slices.Grow(d.Flows, want)
	}
	if want := min(count, n/minCounterBytes); want > cap(d.Counters) {
		d.Counters = slices.Grow(d.Counters, want)
	}
}

func (d *Decoder) sample(format uint32, b []byte) {
	code := codeNone
	switch {
	case format == formatFlow || format == formatExpandedFlow:
		if d.Inside == 0 {
			code = d.flow(b, format == formatExpandedFlow)
		} else {
			code = d.flowInside(b, format == formatExpandedFlow)
		}
	case format == formatCounter || format == formatExpandedCounter:
		code = d.counter(b, format == formatExpandedCounter)
	case format == formatDiscard:
		code = d.discard(b)
	default:
		d.Unknown++
	}
	if code != codeNone {
		d.Rejected++
		d.Rejects[code]++
	}
}

// discard counts a dropped-packet sample. Nothing in it is billed.
func (d *Decoder) discard(b []byte) Code {
	if len(b) < discardFixedBytes {
		return ErrSample
	}
	d.Discards++
	return codeNone
}

func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func u64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// padded rounds up to the four bytes that XDR aligns to.
func padded(n int) int { return (n + 3) &^ 3 }
