// Package load sends sFlow as many switches would, as fast as it is told, and knows what a meter must make of it.
//
// Every exporter has an address of its own below 127/8, a socket of its own and sequences that go on for as long as the
// process lives, so that to a meter all runs of one process are one steady stream. A datagram is a template into which
// a few numbers are written: the sender shares the machine with what it measures, and must cost little.
//
// Each sample is of one service and one address of the Internet, in either direction, of a random length. Services are
// spread over exporters as over access switches: a service is seen by one of them.
package load

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/ezscale/platform/metering/sflow"
)

// What datagrams look like: seven samples with 56 bytes of header each make 868 bytes.
const (
	SamplesEach = 7
	SampleRate  = 1024

	headerBytes = 28  // of a datagram with an IPv4 agent
	sampleBytes = 120 // of one flow sample with its raw header
	frameBytes  = 56  // sampled of each frame

	sequenceAt       = 16 // in the datagram
	uptimeAt         = 20
	sampleSequenceAt = 8 // in a sample
	samplePoolAt     = 20
	frameLengthAt    = 52
	frameAt          = 64
	ipLengthAt       = 16 // in a frame
	srcAt            = 26
	dstAt            = 30

	linkBytes   = 14
	leastLength = 64
	mostLength  = 1514
)

// ServiceAddress is the one address of a service.
func ServiceAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// ExporterAddress is where an exporter sends from, and its agent address.
func ExporterAddress(i int) netip.Addr {
	const each = 250
	return netip.AddrFrom4([4]byte{127, 20, byte(i / each), byte(1 + i%each)})
}

// Truth is what was sent. Check is the sum over samples of the service's number plus one, so that bytes written down
// under another service show.
type Truth struct {
	Datagrams int64 `json:"datagrams"`
	Samples   int64 `json:"samples"`
	BytesIn   int64 `json:"bytes_in"` // L2, scaled
	BytesOut  int64 `json:"bytes_out"`
	Check     int64 `json:"check"`
}

// exporter makes the datagrams of one switch.
type exporter struct {
	index, exporters, services int
	template                   []byte
	sequence                   uint32
	samples                    uint32
	random                     uint64
}

func newExporter(index, exporters, services int) *exporter {
	e := &exporter{index: index, exporters: exporters, services: services, random: uint64(index)*2 + 1}
	var encoder sflow.Encoder
	encoder.Start(sflow.Header{Agent: ExporterAddress(index)})
	frame := sflow.Frame{Src: ServiceAddress(0), Dst: ServiceAddress(0), Protocol: 17, IPLength: leastLength - linkBytes, SrcPort: 4096, DstPort: 443}
	header := append(frame.AppendHeader(nil), make([]byte, frameBytes)...)[:frameBytes]
	for range SamplesEach {
		encoder.Flow(&sflow.FlowSample{SourceIndex: 1, Rate: SampleRate, Input: 1, Output: 2}, false)
		encoder.RawHeader(1, leastLength, 4, header)
	}
	e.template = append([]byte(nil), encoder.Finish()...)
	return e
}

// next is xorshift64*, which is more than random enough here.
func (e *exporter) next() uint64 {
	e.random ^= e.random >> 12
	e.random ^= e.random << 25
	e.random ^= e.random >> 27
	return e.random * 2685821657736338717
}

// write makes the exporter's next datagram in b, which starts as a copy of the template, and adds it to the truth.
func (e *exporter) write(b []byte, uptime time.Duration, truth *Truth) {
	e.sequence++
	binary.BigEndian.PutUint32(b[sequenceAt:], e.sequence)
	binary.BigEndian.PutUint32(b[uptimeAt:], uint32(uptime.Milliseconds()))
	for i := range SamplesEach {
		e.sample(b[headerBytes+i*sampleBytes:][:sampleBytes], truth)
	}
	truth.Datagrams++
	truth.Samples += SamplesEach
}

func (e *exporter) sample(b []byte, truth *Truth) {
	e.samples++
	r := e.next()
	service := e.service(uint32(r))
	length := leastLength + uint32(r>>32)%(mostLength-leastLength)
	binary.BigEndian.PutUint32(b[sampleSequenceAt:], e.samples)
	binary.BigEndian.PutUint32(b[samplePoolAt:], e.samples*SampleRate)
	binary.BigEndian.PutUint32(b[frameLengthAt:], length)
	frame := b[frameAt:]
	binary.BigEndian.PutUint16(frame[ipLengthAt:], uint16(length-linkBytes))
	inside, outside := srcAt, dstAt
	if r>>63 == 0 {
		inside, outside = dstAt, srcAt
		truth.BytesIn += int64(length) * SampleRate
	} else {
		truth.BytesOut += int64(length) * SampleRate
	}
	binary.BigEndian.PutUint32(frame[inside:], 10<<24|uint32(service))
	binary.BigEndian.PutUint32(frame[outside:], 198<<24|18<<16|uint32(r>>40)&0xffff)
	truth.Check += int64(service) + 1
}

// service picks one of those behind this exporter.
func (e *exporter) service(r uint32) int {
	mine := (e.services - e.index + e.exporters - 1) / e.exporters
	if mine <= 0 { // fewer services than exporters: all exporters see all
		return int(uint64(r) * uint64(e.services) >> 32)
	}
	return e.index + e.exporters*int(uint64(r)*uint64(mine)>>32)
}

// Examples are datagrams of one exporter that sees a thousand services.
func Examples(n int) [][]byte {
	e := newExporter(0, 1, 1000)
	var truth Truth
	all := make([][]byte, n)
	for i := range all {
		all[i] = append([]byte(nil), e.template...)
		e.write(all[i], 0, &truth)
	}
	return all
}
