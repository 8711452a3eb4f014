// Package export writes NetFlow version 5, version 9 and IPFIX datagrams, for simulated exporters and for tests of
// everything that reads them. It appends into one buffer that it reuses, and fills in counts and lengths as it goes:
//
//	t := export.IPv4(256)
//	e.Start(header)
//	e.Template(t)
//	e.Records(t, records)
//	send(e.Finish())
//
// Version 5 has no templates: Records with an empty Template writes its fixed form. Nothing is checked: a test may want
// what no exporter sends.
package export

import (
	"encoding/binary"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/template"
)

// Encoder writes one datagram after the other. The zero value is ready.
type Encoder struct {
	b     []byte
	h     netflow.Header
	count int // records and templates: what version 5 and 9 announce
	set   int // where the open set starts, 0 when none is open
	id    uint16
}

// Start begins a datagram, over the last one.
func (e *Encoder) Start(h netflow.Header) {
	e.b, e.h, e.count, e.set = e.b[:0], h, 0, 0
	seconds := uint32(h.Exported / 1e9)
	e.put16(h.Version, 0)
	switch h.Version {
	case netflow.Version5:
		e.put32(h.Uptime, seconds, uint32(h.Exported%1e9), h.Sequence)
		e.put16(uint16(h.Domain), h.Sampling)
	case netflow.Version9:
		e.put32(h.Uptime, seconds, h.Sequence, h.Domain)
	default:
		e.put32(seconds, h.Sequence, h.Domain)
	}
}

// Finish closes the datagram and returns it. The bytes are good until the next Start.
func (e *Encoder) Finish() []byte {
	e.close()
	n := e.count
	if e.h.Version == netflow.IPFIX {
		n = len(e.b)
	}
	binary.BigEndian.PutUint16(e.b[2:], uint16(n))
	return e.b
}

// Len is the number of bytes written since Start.
func (e *Encoder) Len() int { return len(e.b) }

// Set writes a whole set of any id.
func (e *Encoder) Set(id uint16, body []byte) {
	e.open(id, false)
	e.b = append(e.b, body...)
	e.close()
}

// Template writes a template, or an options template.
func (e *Encoder) Template(t template.Template) {
	e.open(e.templateSet(t.Options), true)
	e.count++
	e.put16(t.ID)
	switch {
	case !t.Options:
		e.put16(uint16(len(t.Fields)))
	case e.h.Version == netflow.Version9:
		e.put16(uint16(4*t.Scopes), uint16(4*(len(t.Fields)-t.Scopes)))
	default:
		e.put16(uint16(len(t.Fields)), uint16(t.Scopes))
	}
	for _, f := range t.Fields {
		if f.Enterprise != 0 {
			e.put16(f.ID|0x8000, f.Length)
			e.put32(f.Enterprise)
		} else {
			e.put16(f.ID, f.Length)
		}
	}
}

// Withdraw takes an IPFIX template back.
func (e *Encoder) Withdraw(id uint16, options bool) {
	e.open(e.templateSet(options), true)
	e.put16(id, 0)
}

func (e *Encoder) templateSet(options bool) uint16 {
	id := uint16(0)
	if e.h.Version == netflow.IPFIX {
		id = 2
	}
	if options {
		id++
	}
	return id
}

// Values writes one record of a template from numbers, each in its field's length; a variable length takes 8 bytes.
func (e *Encoder) Values(t template.Template, values ...uint64) {
	e.open(t.ID, true)
	e.count++
	for i, f := range t.Fields {
		n := uint64(0)
		if i < len(values) {
			n = values[i]
		}
		e.number(f, n)
	}
}

func (e *Encoder) number(f element.Field, n uint64) {
	length := int(f.Length)
	if f.Length == element.Variable {
		length = 8
		e.b = append(e.b, byte(length))
	}
	for i := length - 1; i >= 0; i-- {
		if i >= 8 {
			e.b = append(e.b, 0)
		} else {
			e.b = append(e.b, byte(n>>(8*i)))
		}
	}
}

// open begins a set, or goes on in one of the same id.
func (e *Encoder) open(id uint16, join bool) {
	if e.set != 0 && join && e.id == id {
		return
	}
	e.close()
	e.set, e.id = len(e.b), id
	e.put16(id, 0)
}

// close pads the open set to four bytes and writes its length.
func (e *Encoder) close() {
	if e.set == 0 {
		return
	}
	for e.id >= template.MinID && (len(e.b)-e.set)%4 != 0 {
		e.b = append(e.b, 0)
	}
	binary.BigEndian.PutUint16(e.b[e.set+2:], uint16(len(e.b)-e.set))
	e.set = 0
}

func (e *Encoder) put16(values ...uint16) {
	for _, v := range values {
		e.b = binary.BigEndian.AppendUint16(e.b, v)
	}
}

func (e *Encoder) put32(values ...uint32) {
	for _, v := range values {
		e.b = binary.BigEndian.AppendUint32(e.b, v)
	}
}
