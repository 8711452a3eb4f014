// Package template reads the templates of NetFlow version 9 and IPFIX and makes them ready for decoding.
//
// goflow2 decodes templates and records. What it is shown has been measured before: a template that lies whole in its set
// and has no more than [MaxFields] fields, or exactly one record. It then allocates in proportion to what is there,
// whatever a count says.
package template

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/ezscale/platform/metering/netflow/element"
)

const (
	// MinID is the lowest id of a template; sets with lower ids are of other kinds.
	MinID = 256
	// MaxFields bounds the fields of a template.
	MaxFields = 256

	longLength = 255 // a value's length of one byte that says: two bytes of length follow
)

// Template says how the records of a set lie.
type Template struct {
	ID      uint16
	Options bool
	Scopes  int // so many of the fields, the first, say what an option is about
	Fields  []element.Field
}

// Layout is a template made ready for decoding. It does not change.
type Layout struct {
	Template
	Slots    []element.Slot // where each field's value goes
	Least    int            // bytes of the shortest record; never 0
	version  uint16
	fields   []goflow2.Field
	variable bool
}

// New makes a template of a protocol version (9 or 10) ready. It is false for one whose records would have no length (its
// data would never end), that has a reserved id, more fields than MaxFields, or more scopes than fields.
func New(version uint16, t Template) (*Layout, bool) {
	n := len(t.Fields)
	if t.ID < MinID || n > MaxFields || t.Scopes > n || t.Scopes < 0 || t.Scopes > 0 && !t.Options {
		return nil, false
	}
	l := &Layout{Template: t, version: version, fields: make([]goflow2.Field, n), Slots: make([]element.Slot, n)}
	for i, f := range t.Fields {
		l.fields[i] = goflow2.Field{PenProvided: f.Enterprise != 0, Type: f.ID, Length: f.Length, Pen: f.Enterprise}
		if i < t.Scopes {
			l.Slots[i] = element.OfScope(version == version9, f)
		} else {
			l.Slots[i] = element.Of(f)
		}
		if f.Length == element.Variable {
			l.variable = true
			l.Least++
		} else {
			l.Least += int(f.Length)
		}
	}
	return l, l.Least > 0
}

// Size is the length of the record at the start of b; false when b ends before it.
func (l *Layout) Size(b []byte) (int, bool) {
	if !l.variable {
		return l.Least, len(b) >= l.Least
	}
	n := 0
	for _, f := range l.Fields {
		length := int(f.Length)
		if f.Length == element.Variable {
			before, value, ok := variable(b[n:])
			if !ok {
				return 0, false
			}
			length = before + value
		}
		if n += length; n > len(b) {
			return 0, false
		}
	}
	return n, true
}

// variable reads the length of a value and how many bytes it takes itself (RFC 7011, 7).
func variable(b []byte) (before, value int, ok bool) {
	switch {
	case len(b) >= 1 && b[0] < longLength:
		return 1, int(b[0]), true
	case len(b) >= 3:
		return 3, int(u16(b[1:])), true
	}
	return 0, 0, false
}

// Fits tells whether a set is whole records and zeros, as one of this template is.
func (l *Layout) Fits(b []byte) bool {
	for len(b) >= l.Least {
		n, ok := l.Size(b)
		if !ok {
			return false
		}
		b = b[n:]
	}
	return Zeros(b)
}

// Decode has goflow2 read one record, which is all of b. The values are in the fields' order and point into b.
func (l *Layout) Decode(b []byte) ([]goflow2.DataField, bool) {
	values, err := goflow2.DecodeDataSetUsingFields(l.version, bytes.NewBuffer(b), l.fields)
	return values, err == nil && len(values) == len(l.fields)
}

// Scope hashes what an option is about, so that options about different things are kept apart.
func (l *Layout) Scope(values []goflow2.DataField) uint64 {
	h := fnv.New64a()
	var head [6]byte
	for i := range l.Scopes {
		if b, ok := values[i].Value.([]byte); ok {
			binary.BigEndian.PutUint32(head[:], l.Fields[i].Enterprise)
			binary.BigEndian.PutUint16(head[4:], l.Fields[i].ID)
			_, _ = h.Write(head[:]) // a hash takes everything
			_, _ = h.Write(b)
		}
	}
	return h.Sum64()
}

// Zeros tells padding from data.
func Zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
