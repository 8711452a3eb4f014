// Package metertest writes sFlow datagrams and envelopes for the tests of the meter: small, exact, and under the
// test's full control. For traffic that looks like a switch's there is metering/simulate.
package metertest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/envelope"
)

// Sample is one sampled packet. A zero Src makes a sample without IP.
type Sample struct {
	Sequence, Source, Rate, Drops uint32
	Input, Output                 uint32
	FrameLength, IPLength         uint32
	Src, Dst                      netip.Addr
}

// Counter is one if_counters reading.
type Counter struct {
	Sequence, Port             uint32
	Speed, OctetsIn, OctetsOut uint64
	PacketsIn, PacketsOut      uint32 // unicast
}

// Datagram is one sFlow version 5 datagram.
type Datagram struct {
	Agent                      netip.Addr
	SubAgent, Sequence, Uptime uint32
	Samples                    []Sample
	Counters                   []Counter
}

// Bytes is the datagram on the wire.
func (d Datagram) Bytes() []byte {
	b := u32(nil, 5)
	if d.Agent.Is4() {
		b = append(u32(b, 1), d.Agent.AsSlice()...)
	} else {
		b = append(u32(b, 2), d.Agent.AsSlice()...)
	}
	b = u32(b, d.SubAgent, d.Sequence, d.Uptime, uint32(len(d.Samples)+len(d.Counters)))
	for _, s := range d.Samples {
		b = sized(b, 1, s.bytes())
	}
	for _, c := range d.Counters {
		b = sized(b, 2, c.bytes())
	}
	return b
}

func (s Sample) bytes() []byte {
	b := u32(nil, s.Sequence, s.Source, s.Rate, s.Sequence*s.Rate, s.Drops, s.Input, s.Output, 1)
	packet := s.packet()
	record := u32(nil, 1, s.FrameLength, 4, uint32(len(packet)))
	record = append(record, packet...)
	for len(record)%4 != 0 {
		record = append(record, 0)
	}
	return sized(b, 1, record)
}

// packet is an Ethernet header and, with addresses, the IP header behind it.
func (s Sample) packet() []byte {
	b := make([]byte, 12, 54)
	switch {
	case !s.Src.IsValid():
		return append(b, 0x08, 0x06, 0, 0)
	case s.Src.Is4():
		b = append(b, 0x08, 0x00, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(s.IPLength))
		b = append(b, 0, 0, 0, 0, 64, 17, 0, 0)
	default:
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(s.IPLength-40))
		b = append(b, 17, 64)
	}
	return append(append(b, s.Src.AsSlice()...), s.Dst.AsSlice()...)
}

func (c Counter) bytes() []byte {
	b := u32(nil, c.Sequence, c.Port, 1)
	record := u32(nil, c.Port, 6)
	record = binary.BigEndian.AppendUint64(record, c.Speed)
	record = u32(record, 1, 3)
	record = binary.BigEndian.AppendUint64(record, c.OctetsIn)
	record = u32(record, c.PacketsIn, 0, 0, 0, 0, 0)
	record = binary.BigEndian.AppendUint64(record, c.OctetsOut)
	record = u32(record, c.PacketsOut, 0, 0, 0, 0, 0)
	return sized(b, 1, record)
}

func sized(to []byte, format uint32, content []byte) []byte {
	return append(u32(to, format, uint32(len(content))), content...)
}

func u32(to []byte, values ...uint32) []byte {
	for _, v := range values {
		to = binary.BigEndian.AppendUint32(to, v)
	}
	return to
}

// Packet is a datagram as a collector received it.
type Packet struct {
	Received int64 // Unix nanoseconds
	Protocol envelope.Protocol
	Payload  []byte
}

// SFlow is a received sFlow datagram.
func SFlow(received int64, d Datagram) Packet {
	return Packet{received, envelope.ProtocolSFlow, d.Bytes()}
}

// Collector numbers envelopes as a collector does on one partition.
type Collector struct {
	ID   uuid.UUID
	Boot int64
	last uint64
}

// Envelopes packs packets of one exporter into as many envelopes as they need.
func (c *Collector) Envelopes(exporter uuid.UUID, packets ...Packet) [][]byte {
	source := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 6343)
	var all [][]byte
	for len(packets) > 0 {
		var w envelope.Writer
		w.Reset(nil, envelope.Header{Collector: c.ID, Boot: c.Boot, Exporter: exporter}, 0)
		n := 0
		for n < len(packets) && w.Append(envelope.Datagram{
			Received: packets[n].Received, Source: source, Protocol: packets[n].Protocol, Payload: packets[n].Payload,
		}) {
			n++
		}
		packets = packets[n:]
		c.last++
		all = append(all, w.Seal(c.last))
	}
	return all
}

// Flows is an envelope of replayed flows, which must fit in one.
func (c *Collector) Flows(exporter uuid.UUID, flows ...envelope.Flow) ([]byte, error) {
	var w envelope.Writer
	w.ResetFlows(nil, envelope.Header{Collector: c.ID, Boot: c.Boot, Exporter: exporter}, 0)
	for _, f := range flows {
		if ok, err := w.AppendFlow(f); err != nil {
			return nil, fmt.Errorf("flow not taken: %w", err)
		} else if !ok {
			return nil, errors.New("flow not taken: no room")
		}
	}
	c.last++
	return w.Seal(c.last), nil
}

// Report is an envelope with a report.
func (c *Collector) Report(r envelope.Report) []byte {
	c.last++
	b, err := envelope.AppendReport(nil, envelope.Header{Collector: c.ID, Boot: c.Boot, Sequence: c.last}, r)
	if err != nil {
		panic(err) // a report of a test always fits
	}
	return b
}
