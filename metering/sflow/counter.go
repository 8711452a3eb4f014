package sflow

const (
	counterFixedBytes         = 12 // before the records of a counter sample
	expandedCounterFixedBytes = 16
	recordIfCounters          = 1
	ifCountersBytes           = 88
)

// CounterSample is one reading of a port's generic interface counters (if_counters). Counters run over at their width.
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
}

// counter reads a counter sample; expanded samples have a wider source id.
func (d *Decoder) counter(b []byte, expanded bool) Code {
	var s CounterSample
	records, count, code := s.fixed(b, expanded)
	if code != codeNone {
		return code
	}
	var found bool
	var skipped int
	if d.reference {
		found, skipped, code = s.referenceRecords(b, records, count, expanded)
	} else {
		found, skipped, code = s.records(records, count)
	}
	if code != codeNone {
		return code
	}
	d.CounterSamples++
	d.Skipped += skipped
	if found {
		d.Counters = append(d.Counters, s)
	}
	return codeNone
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

// records looks for the generic interface counters among a counter sample's records. The last of several counts.
func (s *CounterSample) records(b []byte, count uint32) (found bool, skipped int, code Code) {
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
		if u32(b) != recordIfCounters {
			skipped++
		} else if length < ifCountersBytes {
			return false, 0, ErrRecord
		} else {
			found = true
			s.ifCounters(b[recordHeaderBytes:end])
		}
		b = b[min(padded(end), len(b)):]
	}
	return found, skipped, codeNone
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
