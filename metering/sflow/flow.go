package sflow

import "net/netip"

const (
	flowFixedBytes         = 32 // before the records of a flow sample
	expandedFlowFixedBytes = 44
	recordHeaderBytes      = 8 // format and length

	recordRawHeader = 1
	recordEthernet  = 2
	recordIPv4      = 3
	recordIPv6      = 4

	rawFixedBytes = 16 // before the header's bytes
	ethernetBytes = 20 // with both MAC addresses unpadded, as some agents send them
	ipv4Bytes     = 32
	ipv6Bytes     = 56
)

// FlowSample is one sampled packet.
type FlowSample struct {
	Sequence    uint32
	SourceClass uint32 // 0 when SourceIndex is an ifIndex
	SourceIndex uint32
	Rate        uint32 // one packet in Rate was sampled; 0 is possible and means nothing
	Pool        uint32 // packets that could have been sampled; often made up by the agent
	Drops       uint32 // samples that the agent itself lost

	InputFormat  uint32 // see the Interface constants
	Input        uint32
	OutputFormat uint32
	Output       uint32

	FrameLength uint32 // bytes, 0 when no record told it
	IPLength    uint32 // bytes, 0 when HasIP is false
	Src, Dst    netip.Addr
	HasIP       bool
	Protocol    uint8 // of IPv4, or IPv6's next header behind its extension headers, as far as the bytes go
}

// flow reads a flow sample; expanded samples have wider interface fields.
func (d *Decoder) flow(b []byte, expanded bool) Code {
	n := len(d.Flows)
	if n == cap(d.Flows) {
		d.Flows = append(d.Flows, FlowSample{})
	}
	d.Flows = d.Flows[:n+1]
	s := &d.Flows[n]
	*s = FlowSample{}
	records, count, code := s.fixed(b, expanded)
	if code == codeNone {
		var skipped int
		if d.reference {
			skipped, code = s.referenceRecords(b, records, count, expanded)
		} else {
			skipped, code = s.records(records, count)
		}
		d.Skipped += skipped
	}
	if code != codeNone {
		d.Flows = d.Flows[:n]
	}
	return code
}

// fixed reads what stands before the records and returns them with their count.
func (s *FlowSample) fixed(b []byte, expanded bool) ([]byte, uint32, Code) {
	if expanded {
		return s.fixedExpanded(b)
	}
	if len(b) < flowFixedBytes {
		return nil, 0, ErrSample
	}
	s.Sequence = u32(b)
	s.SourceClass, s.SourceIndex = unpackSource(u32(b[4:]))
	s.Rate = u32(b[8:])
	s.Pool = u32(b[12:])
	s.Drops = u32(b[16:])
	s.InputFormat, s.Input = unpackInterface(u32(b[20:]))
	s.OutputFormat, s.Output = unpackInterface(u32(b[24:]))
	return b[flowFixedBytes:], u32(b[28:]), codeNone
}

func (s *FlowSample) fixedExpanded(b []byte) ([]byte, uint32, Code) {
	if len(b) < expandedFlowFixedBytes {
		return nil, 0, ErrSample
	}
	s.Sequence = u32(b)
	s.SourceClass = u32(b[4:])
	s.SourceIndex = u32(b[8:])
	s.Rate = u32(b[12:])
	s.Pool = u32(b[16:])
	s.Drops = u32(b[20:])
	s.InputFormat = u32(b[24:])
	s.Input = u32(b[28:])
	s.OutputFormat = u32(b[32:])
	s.Output = u32(b[36:])
	return b[expandedFlowFixedBytes:], u32(b[40:]), codeNone
}

// lengths gathers what the records of one sample say, in whatever order they come.
type lengths struct {
	raw      bool   // a raw packet header was seen
	frame    uint32 // its frame length
	ethernet uint32 // sampled_ethernet's, 0 without one
	other    bool   // sampled_ethernet, sampled_ipv4 or sampled_ipv6 was seen
	ip       ipRecord
}

// ipRecord is sampled_ipv4 or sampled_ipv6.
type ipRecord struct {
	length   uint32
	protocol uint8
	src, dst netip.Addr
}

// records goes from record to record by their lengths and settles the sample's addresses and lengths.
func (s *FlowSample) records(b []byte, count uint32) (skipped int, code Code) {
	if uint64(count)*recordHeaderBytes > uint64(len(b)) {
		return 0, ErrRecord
	}
	var l lengths
	for range count {
		if len(b) < recordHeaderBytes {
			return 0, ErrRecord
		}
		length := u32(b[4:])
		if uint64(length) > uint64(len(b)-recordHeaderBytes) {
			return 0, ErrRecord
		}
		end := recordHeaderBytes + int(length)
		known, code := s.record(&l, u32(b), b[recordHeaderBytes:end:end])
		if code != codeNone {
			return 0, code
		}
		if !known {
			skipped++
		}
		b = b[min(padded(end), len(b)):]
	}
	return skipped, s.settle(&l)
}

func (s *FlowSample) record(l *lengths, format uint32, b []byte) (known bool, code Code) {
	switch format {
	case recordRawHeader:
		return true, s.rawHeader(l, b)
	case recordEthernet:
		if len(b) < ethernetBytes {
			return true, ErrRecord
		}
		l.other, l.ethernet = true, u32(b)
	case recordIPv4:
		if len(b) < ipv4Bytes {
			return true, ErrRecord
		}
		l.other = true
		l.ip = ipRecord{u32(b), uint8(u32(b[4:])), netip.AddrFrom4([4]byte(b[8:12])), netip.AddrFrom4([4]byte(b[12:16]))}
	case recordIPv6:
		if len(b) < ipv6Bytes {
			return true, ErrRecord
		}
		l.other = true
		l.ip = ipRecord{u32(b), uint8(u32(b[4:])), netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))}
	default:
		return false, codeNone
	}
	return true, codeNone
}

// rawHeader reads a raw packet header record. Only the first of a sample counts.
func (s *FlowSample) rawHeader(l *lengths, b []byte) Code {
	if len(b) < rawFixedBytes {
		return ErrRecord
	}
	size := u32(b[12:])
	if uint64(size) > uint64(len(b)-rawFixedBytes) {
		return ErrHeader
	}
	if l.raw {
		return codeNone
	}
	l.raw, l.frame = true, u32(b[4:])
	return s.frame(u32(b), l.frame, b[rawFixedBytes:rawFixedBytes+int(size)])
}

// settle chooses between the raw header and the other records, and refuses lengths that cannot be.
func (s *FlowSample) settle(l *lengths) Code {
	s.FrameLength = l.frame
	if !l.raw {
		s.FrameLength = max(l.ethernet, l.ip.length)
	}
	if (l.raw || l.other) && (s.FrameLength == 0 || s.FrameLength > maxFrameBytes) {
		return ErrFrameLength
	}
	if !s.HasIP && l.ip.src.IsValid() {
		s.HasIP = true
		s.Src, s.Dst, s.Protocol = l.ip.src, l.ip.dst, l.ip.protocol
		s.IPLength = min(l.ip.length, s.FrameLength)
	}
	return codeNone
}
