package sflow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/sflow"
)

// Decoders that [New] knows.
const (
	Builtin = "builtin" // the in-place walker
	Goflow2 = "goflow2" // goflow2's decoder behind the walker's bounds checks
)

// New gives a decoder by its name in the configuration; the empty name is the builtin one.
//
// With goflow2 the header, the samples' fixed parts and all records are read by goflow2; addresses inside a sampled
// header are read by this package either way, because goflow2's decoder leaves them as bytes. Three things differ from
// the walker: goflow2 refuses a sample whose extended records it knows and cannot read ([ErrReference]), it knows no
// padding between records, so that a sample with records of uneven length is refused, and it allocates.
func New(name string) (*Decoder, error) {
	switch name {
	case Builtin, "":
		return &Decoder{}, nil
	case Goflow2:
		return &Decoder{reference: true}, nil
	}
	return nil, fmt.Errorf("sflow: no decoder named %q: use %q or %q", name, Builtin, Goflow2)
}

// referenceHeader has goflow2 read the datagram's header. It is shown no samples: those it gets one by one, so that a
// bad one costs only itself.
func (d *Decoder) referenceHeader(b []byte) Code {
	alone := d.scratch[:copy(d.scratch[:], b)]
	count := alone[len(alone)-4:]
	d.SampleCount = u32(count)
	binary.BigEndian.PutUint32(count, 0)
	var p goflow2.Packet
	if goflow2.DecodeMessageVersion(bytes.NewBuffer(alone), &p) != nil {
		return ErrReference
	}
	agent, _ := netip.AddrFromSlice(p.AgentIP)
	d.Header = Header{agent, p.SubAgentId, p.SequenceNumber, p.Uptime, d.SampleCount}
	return codeNone
}

// fit says whether goflow2 may see a sample's records: all of them in b, none of uneven length.
func fit(b []byte, count uint32) bool {
	for range count {
		if len(b) < recordHeaderBytes {
			return false
		}
		length := uint64(u32(b[4:]))
		if length > uint64(len(b)-recordHeaderBytes) || length%4 != 0 {
			return false
		}
		b = b[recordHeaderBytes+length:]
	}
	return true
}

// referenceRecords has goflow2 read the whole sample b, whose records and their count were told by the walker.
func (s *FlowSample) referenceRecords(b, records []byte, count uint32, expanded bool) (int, Code) {
	if !fit(records, count) {
		return 0, ErrRecord
	}
	header := goflow2.SampleHeader{Format: formatFlow, Length: uint32(len(b))}
	if expanded {
		header.Format = formatExpandedFlow
	}
	sample, err := goflow2.DecodeSample(&header, bytes.NewBuffer(b))
	if err != nil {
		return 0, ErrReference
	}
	switch f := sample.(type) {
	case goflow2.FlowSample:
		*s = FlowSample{Rate: f.SamplingRate, Pool: f.SamplePool, Drops: f.Drops}
		s.InputFormat, s.Input = unpackInterface(f.Input)
		s.OutputFormat, s.Output = unpackInterface(f.Output)
		return s.referenceFlow(&f.Header, f.Records)
	case goflow2.ExpandedFlowSample:
		*s = FlowSample{
			Rate: f.SamplingRate, Pool: f.SamplePool, Drops: f.Drops,
			InputFormat: f.InputIfFormat, Input: f.InputIfValue, OutputFormat: f.OutputIfFormat, Output: f.OutputIfValue,
		}
		return s.referenceFlow(&f.Header, f.Records)
	}
	return 0, ErrReference
}

func (s *FlowSample) referenceFlow(h *goflow2.SampleHeader, records []goflow2.FlowRecord) (skipped int, code Code) {
	s.Sequence, s.SourceClass, s.SourceIndex = h.SampleSequenceNumber, h.SourceIdType, h.SourceIdValue
	var l lengths
	for i := range records {
		switch r := records[i].Data.(type) {
		case goflow2.SampledHeader:
			if code := s.referenceRaw(&l, &r); code != codeNone {
				return 0, code
			}
		case goflow2.SampledEthernet:
			l.other, l.ethernet = true, r.Length
		case goflow2.SampledIPv4:
			l.other, l.ip = true, referenceIP(&r.SampledIPBase)
		case goflow2.SampledIPv6:
			l.other, l.ip = true, referenceIP(&r.SampledIPBase)
		default:
			skipped++
		}
	}
	return skipped, s.settle(&l)
}

func (s *FlowSample) referenceRaw(l *lengths, r *goflow2.SampledHeader) Code {
	if uint64(r.OriginalLength) > uint64(len(r.HeaderData)) {
		return ErrHeader
	}
	if l.raw {
		return codeNone
	}
	l.raw, l.frame = true, r.FrameLength
	return s.frame(r.Protocol, r.FrameLength, r.HeaderData[:r.OriginalLength])
}

func referenceIP(r *goflow2.SampledIPBase) ipRecord {
	src, _ := netip.AddrFromSlice(r.SrcIP)
	dst, _ := netip.AddrFromSlice(r.DstIP)
	return ipRecord{r.Length, uint8(r.Protocol), src, dst}
}

// referenceRecords has goflow2 read the whole sample b, whose records and their count were told by the walker.
func (s *CounterSample) referenceRecords(b, records []byte, count uint32, expanded bool, last string) (found bool, skipped int, code Code) {
	if !fit(records, count) {
		return false, 0, ErrRecord
	}
	header := goflow2.SampleHeader{Format: formatCounter, Length: uint32(len(b))}
	if expanded {
		header.Format = formatExpandedCounter
	}
	sample, err := goflow2.DecodeSample(&header, bytes.NewBuffer(b))
	c, ok := sample.(goflow2.CounterSample)
	if err != nil || !ok {
		return false, 0, ErrReference
	}
	s.Sequence, s.SourceClass, s.SourceIndex = c.Header.SampleSequenceNumber, c.Header.SourceIdType, c.Header.SourceIdValue
	for i := range c.Records {
		switch r := c.Records[i].Data.(type) {
		case goflow2.IfCounters:
			found = true
			s.referenceCounters(&r)
		case goflow2.EthernetCounters:
			s.HasEthernet = true
			s.referenceEthernet(&r)
		case goflow2.RawRecord:
			if !s.evidence(c.Records[i].Header.DataFormat, r.Data, last) {
				skipped++
			}
		default:
			skipped++
		}
	}
	return found, skipped, codeNone
}

func (s *CounterSample) referenceCounters(r *goflow2.IfCounters) {
	s.IfIndex, s.IfType, s.Speed, s.Direction, s.Status = r.IfIndex, r.IfType, r.IfSpeed, r.IfDirection, r.IfStatus
	s.OctetsIn, s.UnicastIn, s.MulticastIn = r.IfInOctets, r.IfInUcastPkts, r.IfInMulticastPkts
	s.BroadcastIn, s.DiscardsIn, s.ErrorsIn = r.IfInBroadcastPkts, r.IfInDiscards, r.IfInErrors
	s.UnknownProtocolsIn = r.IfInUnknownProtos
	s.OctetsOut, s.UnicastOut, s.MulticastOut = r.IfOutOctets, r.IfOutUcastPkts, r.IfOutMulticastPkts
	s.BroadcastOut, s.DiscardsOut, s.ErrorsOut = r.IfOutBroadcastPkts, r.IfOutDiscards, r.IfOutErrors
}

func (s *CounterSample) referenceEthernet(r *goflow2.EthernetCounters) {
	s.Ethernet = EthernetCounters{
		AlignmentErrors: r.Dot3StatsAlignmentErrors, FCSErrors: r.Dot3StatsFCSErrors,
		SingleCollisionFrames: r.Dot3StatsSingleCollisionFrames, MultipleCollisionFrames: r.Dot3StatsMultipleCollisionFrames,
		SQETestErrors: r.Dot3StatsSQETestErrors, DeferredTransmissions: r.Dot3StatsDeferredTransmissions,
		LateCollisions: r.Dot3StatsLateCollisions, ExcessiveCollisions: r.Dot3StatsExcessiveCollisions,
		MACTransmitErrors: r.Dot3StatsInternalMacTransmitErrors, CarrierSenseErrors: r.Dot3StatsCarrierSenseErrors,
		FramesTooLong: r.Dot3StatsFrameTooLongs, MACReceiveErrors: r.Dot3StatsInternalMacReceiveErrors,
		SymbolErrors: r.Dot3StatsSymbolErrors,
	}
}
