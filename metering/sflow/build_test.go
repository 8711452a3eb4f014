package sflow

import (
	"net/netip"
	"testing"
)

// agent4 and agent6 are the agents of the datagrams that the tests build.
func agent4() netip.Addr { return netip.MustParseAddr("192.0.2.7") }
func agent6() netip.Addr { return netip.MustParseAddr("2001:db8::7") }

func header(agent netip.Addr) Header {
	return Header{Agent: agent, SubAgent: 3, Sequence: 41, Uptime: 123456}
}

// frameIPv4 is a 1000 byte IP packet; frameIPv6 one of 1200 bytes behind two VLAN tags.
func frameIPv4() Frame {
	return Frame{
		Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.2"),
		Protocol: 6, IPLength: 1000, SrcPort: 443, DstPort: 50000,
	}
}

func frameIPv6() Frame {
	return Frame{
		VLANs: []uint16{100, 200}, Src: netip.MustParseAddr("2001:db8:1::1"), Dst: netip.MustParseAddr("2001:db8:2::2"),
		Protocol: 17, IPLength: 1200, SrcPort: 53, DstPort: 50001,
	}
}

func reading() CounterSample {
	return CounterSample{
		Sequence: 9, SourceIndex: 7, IfIndex: 7, IfType: 6, Speed: 10e9, Direction: 1, Status: 3,
		OctetsIn: 1 << 40, OctetsOut: 1 << 41, UnicastIn: 1, MulticastIn: 2, BroadcastIn: 3, DiscardsIn: 4, ErrorsIn: 5,
		UnknownProtocolsIn: 6, UnicastOut: 7, MulticastOut: 8, BroadcastOut: 9, DiscardsOut: 10, ErrorsOut: 11,
	}
}

func sample(sequence uint32) FlowSample {
	return FlowSample{Sequence: sequence, SourceIndex: 7, Rate: 2048, Pool: 4096, Drops: 1, Input: 7, Output: 8}
}

// addFlow adds a sample of a frame, with an extended switch record beside it.
func addFlow(e *Encoder, s FlowSample, f Frame, expanded bool) {
	e.Flow(&s, expanded)
	e.RawHeader(headerEthernet, uint32(f.LinkBytes())+uint32(f.IPLength)+checkSequenceBytes, checkSequenceBytes, f.AppendHeader(nil))
	e.Record(1001, make([]byte, 16))
}

// everything is a datagram with each sort of sample in it, seven of them.
func everything(agent netip.Addr) []byte {
	var e Encoder
	e.Start(header(agent))
	c := reading()
	e.Counters(&c, false)
	addFlow(&e, sample(1), frameIPv4(), false)
	e.Sample(formatDiscard, make([]byte, 32))
	addFlow(&e, sample(2), frameIPv6(), true)
	e.Counters(&c, true)
	e.Sample(4413<<12|1, make([]byte, 20))
	s := sample(3)
	e.Flow(&s, false)
	e.Record(recordEthernet, append([]byte{0, 0, 0, 100}, make([]byte, 20)...))
	return e.Finish()
}

// sevenFlows is a datagram like those of a busy switch: seven samples with 64 bytes of header each, about 900 bytes.
func sevenFlows() []byte {
	var e Encoder
	e.Start(header(agent4()))
	for i := range uint32(7) {
		f := frameIPv4()
		if i == 3 {
			f = frameIPv6()
		}
		s := sample(i)
		e.Flow(&s, false)
		h := f.AppendHeader(nil)
		e.RawHeader(headerEthernet, uint32(f.IPLength)+uint32(f.LinkBytes())+4, 4, append(h, make([]byte, 64)...)[:64])
	}
	return e.Finish()
}

// sevenTunnels is sevenFlows of a fabric's port: the packets are in VXLAN, and 128 bytes of each are there.
func sevenTunnels() []byte {
	var e Encoder
	e.Start(header(agent4()))
	for i := range uint32(7) {
		inner, outer := frameIPv4(), underlay4()
		if i == 3 {
			inner = frameIPv6()
		}
		s := sample(i)
		e.Flow(&s, false)
		h := append(outer.AppendVXLAN(nil, 77, &inner), make([]byte, 128)...)
		e.RawHeader(headerEthernet, uint32(outer.IPLength)+uint32(outer.LinkBytes())+4, 4, h[:128])
	}
	return e.Finish()
}

func decode(t testing.TB, b []byte) *Decoder {
	t.Helper()
	var d Decoder
	if err := d.Decode(b); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return &d
}

// checkResult holds what must be true of every result, whatever the input was.
func checkResult(t testing.TB, d *Decoder, b []byte, err error) {
	t.Helper()
	if err != nil {
		if len(d.Flows)+len(d.Counters)+d.CounterSamples+d.Discards+d.Unknown+d.Rejected != 0 {
			t.Fatalf("samples beside the error %v", err)
		}
		return
	}
	if n := len(d.Flows) + d.CounterSamples + d.Discards + d.Unknown + d.Rejected; n != int(d.SampleCount) {
		t.Fatalf("%d samples accounted for, %d announced", n, d.SampleCount)
	}
	rejects := 0
	for _, n := range d.Rejects {
		rejects += n
	}
	if rejects != d.Rejected || d.Trailing > len(b) {
		t.Fatalf("%d rejects, %d rejected, %d bytes trailing of %d", rejects, d.Rejected, d.Trailing, len(b))
	}
	for i := range d.Flows {
		checkFlow(t, &d.Flows[i])
	}
}

func checkFlow(t testing.TB, s *FlowSample) {
	t.Helper()
	if s.IPLength > s.FrameLength || s.FrameLength > maxFrameBytes {
		t.Fatalf("IP length %d, frame length %d", s.IPLength, s.FrameLength)
	}
	if s.HasIP != s.Src.IsValid() || s.HasIP != s.Dst.IsValid() || s.HasIP != (s.IPLength > 0) {
		t.Fatalf("HasIP %v with %v, %v and length %d", s.HasIP, s.Src, s.Dst, s.IPLength)
	}
}
