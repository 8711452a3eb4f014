package sflow

import (
	"unicode"
	"unicode/utf8"
)

const (
	// MaxNameBytes is the most of a port's name that is kept.
	MaxNameBytes = 64

	counterFixedBytes         = 12 // before the records of a counter sample
	expandedCounterFixedBytes = 16
	recordIfCounters          = 1
	ifCountersBytes           = 88
	recordEthernetCounters    = 2
	ethernetCountersBytes     = 52
	recordPortName            = 1005
)

// CounterSample is one reading of a port's generic interface counters (if_counters), with what else the agent tells
// about the port. Counters run over at their width.
type CounterSample struct {
	Sequence    uint32
	SourceClass uint32
	SourceIndex uint32

	IfIndex   uint32
	IfType    uint32
	Speed     uint64 // bits a second
	Direction uint32 // 0 unknown, 1 full duplex, 2 half duplex, 3 in, 4 out
	Status    uint32 // bit 0 admin up, bit 1 operationally up

	OctetsIn, OctetsOut                                            uint64
	UnicastIn, MulticastIn, BroadcastIn, DiscardsIn, ErrorsIn      uint32
	UnknownProtocolsIn                                             uint32
	UnicastOut, MulticastOut, BroadcastOut, DiscardsOut, ErrorsOut uint32

	HasEthernet bool // Ethernet was told
	Ethernet    EthernetCounters

	Name string // as port_name tells it: "" without, printable UTF-8 of at most MaxNameBytes
}

// EthernetCounters is the record ethernet_counters: frames by what befell them, named as the dot3StatsTable names them
// (RFC 3635).
type EthernetCounters struct {
	AlignmentErrors         uint32
	FCSErrors               uint32
	SingleCollisionFrames   uint32
	MultipleCollisionFrames uint32
	SQETestErrors           uint32
	DeferredTransmissions   uint32
	LateCollisions          uint32
	ExcessiveCollisions     uint32
	MACTransmitErrors       uint32
	CarrierSenseErrors      uint32
	FramesTooLong           uint32
	MACReceiveErrors        uint32
	SymbolErrors            uint32
}

// counter reads a counter sample into the next reading's place; expanded samples have a wider source id.
func (d *Decoder) counter(b []byte, expanded bool) Code {
	n := len(d.Counters)
	if n == cap(d.Counters) {
		d.Counters = append(d.Counters, CounterSample{})
	}
	d.Counters = d.Counters[:n+1]
	s := &d.Counters[n]
	found, skipped, code := s.read(b, expanded, d.reference)
	if !found {
		d.Counters = d.Counters[:n]
	}
	if code == codeNone {
		d.CounterSamples++
		d.Skipped += skipped
	}
	return code
}

// read reads a sample over an old reading. Where that was of the same port, the name is the same too, and need not be
// allocated again.
func (s *CounterSample) read(b []byte, expanded, reference bool) (found bool, skipped int, code Code) {
	last := s.Name
	*s = CounterSample{}
	records, count, code := s.fixed(b, expanded)
	switch {
	case code != codeNone:
	case reference:
		found, skipped, code = s.referenceRecords(b, records, count, expanded, last)
	default:
		found, skipped, code = s.records(records, count, last)
	}
	return found, skipped, code
}

func (s *CounterSample) fixed(b []byte, expanded bool) ([]byte, uint32, Code) {
	if expanded {
		if len(b) < expandedCounterFixedBytes {
			return nil, 0, ErrSample
		}
		s.Sequence, s.SourceClass, s.SourceIndex = u32(b), u32(b[4:]), u32(b[8:])
		return b[expandedCounterFixedBytes:], u32(b[12:]), codeNone
	}
	if len(b) < counterFixedBytes {
		return nil, 0, ErrSample
	}
	s.Sequence = u32(b)
	s.SourceClass, s.SourceIndex = unpackSource(u32(b[4:]))
	return b[counterFixedBytes:], u32(b[8:]), codeNone
}

// records looks for what is known among a counter sample's records. The last of several counts.
func (s *CounterSample) records(b []byte, count uint32, last string) (found bool, skipped int, code Code) {
	if uint64(count)*recordHeaderBytes > uint64(len(b)) {
		return false, 0, ErrRecord
	}
	for range count {
		if len(b) < recordHeaderBytes {
			return false, 0, ErrRecord
		}
		length := u32(b[4:])
		if uint64(length) > uint64(len(b)-recordHeaderBytes) {
			return false, 0, ErrRecord
		}
		end := recordHeaderBytes + int(length)
		body := b[recordHeaderBytes:end]
		switch format := u32(b); {
		case format == recordIfCounters && length < ifCountersBytes:
			return false, 0, ErrRecord
		case format == recordIfCounters:
			found = true
			s.ifCounters(body)
		case !s.evidence(format, body, last):
			skipped++
		}
		b = b[min(padded(end), len(b)):]
	}
	return found, skipped, codeNone
}

// evidence reads a record beside the interface counters, and says whether it could. One that is too short is passed
// over like one that is not known: no bill rests on it.
func (s *CounterSample) evidence(format uint32, b []byte, last string) bool {
	switch {
	case format == recordEthernetCounters && len(b) >= ethernetCountersBytes:
		s.HasEthernet = true
		s.ethernet(b)
	case format == recordPortName && len(b) >= 4 && uint64(u32(b)) <= uint64(len(b)-4):
		s.Name = portName(b[4:4+u32(b)], last)
	default:
		return false
	}
	return true
}

// portName gives a name that is fit to be stored and shown, or "". It is last itself when that is what b says.
func portName(b []byte, last string) string {
	if len(b) > MaxNameBytes {
		n := MaxNameBytes
		for n > MaxNameBytes-utf8.UTFMax && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	}
	if string(b) == last {
		return last
	}
	if !utf8.Valid(b) {
		return ""
	}
	name := string(b)
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return ""
		}
	}
	return name
}

func (s *CounterSample) ifCounters(b []byte) {
	_ = b[ifCountersBytes-1]
	s.IfIndex, s.IfType, s.Speed = u32(b), u32(b[4:]), u64(b[8:])
	s.Direction, s.Status = u32(b[16:]), u32(b[20:])
	s.OctetsIn = u64(b[24:])
	s.UnicastIn, s.MulticastIn, s.BroadcastIn = u32(b[32:]), u32(b[36:]), u32(b[40:])
	s.DiscardsIn, s.ErrorsIn, s.UnknownProtocolsIn = u32(b[44:]), u32(b[48:]), u32(b[52:])
	s.OctetsOut = u64(b[56:])
	s.UnicastOut, s.MulticastOut, s.BroadcastOut = u32(b[64:]), u32(b[68:]), u32(b[72:])
	s.DiscardsOut, s.ErrorsOut = u32(b[76:]), u32(b[80:])
}

func (s *CounterSample) ethernet(b []byte) {
	_ = b[ethernetCountersBytes-1]
	s.Ethernet = EthernetCounters{
		u32(b), u32(b[4:]), u32(b[8:]), u32(b[12:]), u32(b[16:]), u32(b[20:]), u32(b[24:]),
		u32(b[28:]), u32(b[32:]), u32(b[36:]), u32(b[40:]), u32(b[44:]), u32(b[48:]),
	}
}
