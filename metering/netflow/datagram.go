package netflow

import (
	"net/netip"
	"time"

	"github.com/ezscale/platform/metering/netflow/element"
)

// MaxAge is how long before its export a flow may have begun. Times beyond it are not believed.
const MaxAge = element.MaxAge

// Versions of the protocol, as the first two bytes of a datagram say.
const (
	Version5 = 5
	Version9 = 9
	IPFIX    = 10
)

// Directions of a record, as element 61 says.
const (
	DirectionIngress uint8 = 0
	DirectionEgress  uint8 = 1
	DirectionUnknown uint8 = 255
)

// Header is what stands before a datagram's records or sets.
type Header struct {
	Version  uint16
	Domain   uint32 // IPFIX observation domain, v9 source id, v5 engine type<<8 | engine id
	Sequence uint32 // v5: of flows, v9: of datagrams, IPFIX: of data records
	Uptime   uint32 // milliseconds since the exporter started; IPFIX has none
	Exported int64  // Unix nanoseconds, by the exporter's clock
	Sampling uint16 // v5: mode in the two high bits, interval in the 14 low ones
}

// Datagram is what one datagram holds. It is good until the next Decode.
type Datagram struct {
	Header
	Received int64 // Unix nanoseconds, as Decode was told
	Records  []Record

	// Step is by how much this datagram advances the sequence: v5 its flows, v9 one, IPFIX its data records, those of
	// options included. StepKnown is false when an IPFIX set could not be read: Step is then the least it can be.
	Step      uint32
	StepKnown bool

	Templates       int // templates learnt or repeated
	Withdrawn       int // templates taken back
	Options         int // option data records
	Unknown         int // sets with a reserved id, passed over
	WithoutTemplate int // data sets that wait for their template
	GivenUp         int // data sets that waited, for too long or in vain, of any datagram
	NoOctets        int // data records without a byte counter
	Untimed         int // records whose times lie more than MaxAge from the export time; their ages are 0
	Rejected        int // sets left out in whole or in part, the sum of Rejects
	Rejects         [codeCount]int

	// Recovered are data sets of earlier datagrams whose template has come now: one Datagram each, with the header and
	// the time of receipt of the one it came in, whose other sets have been given before. Step is what the set adds to
	// that datagram's.
	Recovered []Datagram
}

// Record is one flow, or one direction of it.
type Record struct {
	Src, Dst netip.Addr // both valid when HasIP; one the exporter does not tell is unspecified (0.0.0.0 or ::)
	HasIP    bool
	Protocol uint8

	Bytes, Packets uint64 // as the exporter counted, unscaled; Bytes are of IP packets
	L2Bytes        uint64 // of frames, where the exporter tells (352)
	HasL2          bool

	// StartAge and EndAge are how long before the export the flow began and ended: 0 ≤ EndAge ≤ StartAge ≤ MaxAge.
	StartAge, EndAge time.Duration

	Rate      uint32 // one packet in Rate was looked at; 0 when not known
	RateKnown bool
	RateFrom  RateSource
	Sampler   uint64 // the record's sampler or selector id, 0 when it has none

	Input, Output uint32 // ifIndex, 0 when not told
	Direction     uint8
	Domain        uint32
	Reverse       bool // the second record of a biflow
}

// RateSource says what told a record's rate.
type RateSource uint8

// Where a rate can come from, see the package comment.
const (
	RateFromNone     RateSource = iota
	RateFromRecord              // its own fields
	RateFromSampler             // the option record of its sampler
	RateFromDomain              // option records about its template, interface or domain
	RateFromHeader              // version 5's header
	RateFromExporter            // options of another domain of the same source
)

// String gives a short text, fit for a metric label.
func (r RateSource) String() string {
	switch r {
	case RateFromRecord:
		return "record"
	case RateFromSampler:
		return "sampler"
	case RateFromDomain:
		return "domain"
	case RateFromHeader:
		return "header"
	case RateFromExporter:
		return "exporter"
	default:
		return "none"
	}
}

func (d *Datagram) reject(c Code) {
	if c != codeNone {
		d.Rejected++
		d.Rejects[c]++
	}
}

// reset keeps the memory of the slices. Recovered datagrams lie beyond its length until they are used again.
func (d *Datagram) reset(h Header, received int64) {
	*d = Datagram{Header: h, Received: received, StepKnown: true, Records: d.Records[:0], Recovered: d.Recovered[:0]}
}

// setAges bounds both ages. Where either lies beyond MaxAge in the past or the future, both are 0 and it is counted.
func (d *Datagram) setAges(r *Record, start, end time.Duration) {
	if start > MaxAge || start < -MaxAge || end > MaxAge || end < -MaxAge {
		d.Untimed++
		return
	}
	r.EndAge = max(end, 0)
	r.StartAge = max(start, r.EndAge)
}

func (d *Datagram) clock(systemInit uint64) element.Clock {
	return element.Clock{Exported: d.Exported, Uptime: d.Uptime, HasUptime: d.Version != IPFIX, SystemInit: systemInit}
}
