package netflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/template"
)

const (
	// MaxDatagramBytes is the longest input that is looked at: what a UDP datagram can carry.
	MaxDatagramBytes = 65535
	// MaxRecords bounds the records of one datagram; a version 5 datagram cannot have so many.
	MaxRecords = 4096
	// MaxRecovered bounds the records of all that is recovered at one time.
	MaxRecovered = 4 * MaxRecords

	headerBytes5  = 24
	headerBytes9  = 20
	headerBytes10 = 16
	setBytes      = 4 // id and length
	second        = 1_000_000_000
)

// Decoder decodes the datagrams of one exporter, one after the other, and remembers its templates and samplers. It must
// not be shared between goroutines, nor copied.
type Decoder struct {
	domains  map[domainKey]*domain
	fields   int    // in all templates
	samplers int    // in all domains
	changes  uint64 // of samplers, from 1: what was never found is of 0
	shared   shared
	kept     []keptSet
	bytes    int   // in kept
	latest   int64 // newest time of receipt

	out     Datagram
	room    int      // for records in what is decoded now
	learnt  []learnt // by the datagram at hand
	values  element.Values
	scratch [headerBytes5 + chunk5*recordBytes5]byte
}

// New gives a decoder that knows nothing.
func New() *Decoder { return &Decoder{domains: map[domainKey]*domain{}, changes: 1} }

// Decode reads one UDP payload received from source at that time (Unix nanoseconds). The result is good until the next
// Decode and refers to nothing in b. On an error (always a [Code]) nothing was learnt.
func (d *Decoder) Decode(source netip.Addr, received int64, b []byte) (*Datagram, error) {
	if len(b) > MaxDatagramBytes {
		return nil, ErrOversized
	}
	h, body, code := parseHeader(b)
	if code != codeNone {
		return nil, code
	}
	d.latest = max(d.latest, received)
	d.learnt, d.room = d.learnt[:0], MaxRecords
	d.out.reset(h, received)
	d.expire(&d.out)
	if h.Version == Version5 {
		d.version5(&d.out, b)
		return &d.out, nil
	}
	if h.Version == Version9 {
		d.out.Step = 1
	}
	end := len(body)
	if h.Version == IPFIX {
		end = int(u16(b[2:])) - headerBytes10
	}
	d.walk(domainKey{source.Unmap().WithZone(""), h.Version, h.Domain}, body, end)
	d.recover(&d.out)
	return &d.out, nil
}

// ParseHeader reads what stands before a datagram's records. Errors: ErrTruncated, ErrVersion, ErrLength.
func ParseHeader(b []byte) (Header, error) {
	h, _, code := parseHeader(b)
	if code != codeNone {
		return h, code
	}
	return h, nil
}

// parseHeader reads a datagram's header and gives what follows it.
func parseHeader(b []byte) (Header, []byte, Code) {
	if len(b) < 2 {
		return Header{}, nil, ErrTruncated
	}
	switch h := (Header{Version: u16(b)}); h.Version {
	case Version5:
		return parse5(h, b)
	case Version9:
		if len(b) < headerBytes9 {
			return h, nil, ErrTruncated
		}
		h.Uptime, h.Exported = u32(b[4:]), int64(u32(b[8:]))*second
		h.Sequence, h.Domain = u32(b[12:]), u32(b[16:])
		return h, b[headerBytes9:], codeNone
	case IPFIX:
		return parse10(h, b)
	default:
		return h, nil, ErrVersion
	}
}

func parse5(h Header, b []byte) (Header, []byte, Code) {
	if len(b) < headerBytes5 || len(b) < headerBytes5+int(u16(b[2:]))*recordBytes5 {
		return h, nil, ErrTruncated
	}
	h.Uptime, h.Exported = u32(b[4:]), int64(u32(b[8:]))*second
	if n := u32(b[12:]); n < second {
		h.Exported += int64(n)
	}
	h.Sequence, h.Domain, h.Sampling = u32(b[16:]), uint32(u16(b[20:])), u16(b[22:])
	return h, b[headerBytes5:], codeNone
}

// parse10 holds the length that the message tells against the datagram's.
func parse10(h Header, b []byte) (Header, []byte, Code) {
	if len(b) < headerBytes10 {
		return h, nil, ErrTruncated
	}
	n := int(u16(b[2:]))
	switch {
	case n < headerBytes10:
		return h, nil, ErrLength
	case n > len(b):
		return h, nil, ErrTruncated
	}
	h.Exported = int64(u32(b[4:])) * second
	h.Sequence, h.Domain = u32(b[8:]), u32(b[12:])
	return h, b[headerBytes10:], codeNone
}

// walk goes from set to set by their lengths; all start before end. Fewer bytes than a set's header, and zeros to the end,
// are padding. Some exporters leave the last set's padding out of the message's length: the set may reach beyond it.
func (d *Decoder) walk(key domainKey, b []byte, end int) {
	for start := 0; start < end && len(b) >= setBytes; {
		id, n := u16(b), int(u16(b[2:]))
		if n < setBytes || n > len(b) {
			if id != 0 || !template.Zeros(b) {
				d.out.reject(ErrSet)
				d.out.StepKnown = d.out.Version != IPFIX
			}
			return
		}
		d.set(key, id, b[setBytes:n:n])
		b, start = b[n:], start+n
	}
}

// set hands a set to what reads its kind.
func (d *Decoder) set(key domainKey, id uint16, body []byte) {
	switch {
	case id >= template.MinID:
		d.dataSet(key, id, body)
	case key.version == Version9 && id == 0, key.version == IPFIX && id == 2:
		d.templates(key, body, false)
	case key.version == Version9 && id == 1, key.version == IPFIX && id == 3:
		d.templates(key, body, true)
	default:
		d.out.Unknown++
	}
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
