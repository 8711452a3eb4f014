package template

import (
	"bytes"
	"slices"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/ezscale/platform/metering/netflow/element"
)

const (
	version9  = 9
	versionIX = 10

	enterpriseBit = 0x8000 // of an element's number: four bytes of enterprise follow
	fieldBytes    = 4
	headOptions   = 6 // id and two counts, or lengths

	// HeadBytes is the least a template takes: its id and its count of fields.
	HeadBytes = 4
	// AllTemplates and AllOptions stand for every template of their kind in a withdrawal.
	AllTemplates = 2
	AllOptions   = 3
)

// Extent is a template as it lies in a set.
type Extent struct {
	ID       uint16
	Fields   int // announced
	Length   int // bytes, its head included
	Withdraw bool
}

// Measure finds the end of the template at the start of b, which has HeadBytes at least. It is false when there is none:
// the template overruns b, has a reserved id or counts that contradict each other.
func Measure(version uint16, b []byte, options bool) (Extent, bool) {
	e := Extent{ID: u16(b), Fields: int(u16(b[2:])), Length: HeadBytes}
	switch {
	case version == versionIX && e.Fields == 0:
		e.Withdraw = true
		return e, e.ID >= MinID || e.ID == AllTemplates && !options || e.ID == AllOptions && options
	case e.ID < MinID:
		return e, false
	case !options:
		return e.walk(version, b)
	case len(b) < headOptions:
		return e, false
	}
	e.Length = headOptions
	if version == version9 {
		return e.lengths9(b)
	}
	if scopes := int(u16(b[4:])); scopes > e.Fields {
		return e, false
	}
	return e.walk(version, b)
}

// walk goes from field to field.
func (e Extent) walk(version uint16, b []byte) (Extent, bool) {
	for range e.Fields {
		if e.Length+fieldBytes > len(b) {
			return e, false
		}
		if version == versionIX && u16(b[e.Length:])&enterpriseBit != 0 {
			e.Length += fieldBytes
		}
		e.Length += fieldBytes
	}
	return e, e.Length <= len(b)
}

// lengths9 reads the lengths in bytes of an options template's scopes and fields.
func (e Extent) lengths9(b []byte) (Extent, bool) {
	scopes, fields := int(u16(b[2:])), int(u16(b[4:]))
	e.Fields = (scopes + fields) / fieldBytes
	e.Length += scopes + fields
	return e, e.Length <= len(b) && scopes%fieldBytes == 0 && fields%fieldBytes == 0
}

// Parse has goflow2 decode one template, which is all of b and has been measured; it must not have more than MaxFields.
func Parse(version uint16, b []byte, options bool) (Template, bool) {
	switch {
	case !options:
		return parseData(version, b)
	case version == version9:
		records, err := goflow2.DecodeNFv9OptionsTemplateSet(bytes.NewBuffer(b))
		if err != nil || len(records) != 1 {
			return Template{}, false
		}
		return optionsTemplate(records[0].TemplateId, records[0].Scopes, records[0].Options), true
	default:
		records, err := goflow2.DecodeIPFIXOptionsTemplateSet(bytes.NewBuffer(b))
		if err != nil || len(records) != 1 {
			return Template{}, false
		}
		return optionsTemplate(records[0].TemplateId, records[0].Scopes, records[0].Options), true
	}
}

func parseData(version uint16, b []byte) (Template, bool) {
	records, err := goflow2.DecodeTemplateSet(version, bytes.NewBuffer(b))
	if err != nil || len(records) != 1 {
		return Template{}, false
	}
	return Template{ID: records[0].TemplateId, Fields: ownFields(records[0].Fields)}, true
}

func optionsTemplate(id uint16, scopes, fields []goflow2.Field) Template {
	return Template{ID: id, Options: true, Scopes: len(scopes), Fields: ownFields(slices.Concat(scopes, fields))}
}

// ownFields keeps of goflow2's fields what is needed. In options it leaves the enterprise bit in the number.
func ownFields(from []goflow2.Field) []element.Field {
	fields := make([]element.Field, len(from))
	for i, f := range from {
		fields[i] = element.Field{Enterprise: f.Pen, ID: f.Type, Length: f.Length}
		if f.PenProvided {
			fields[i].ID &^= enterpriseBit
		}
	}
	return fields
}
