// Package export writes rows as files that other programs read: CSV (RFC 4180) for spreadsheets, Parquet for
// everything that counts. A row is a flat struct; its columns are its fields in their order, by their JSON names.
//
// Both formats are written row by row: what is held is one row of CSV, or one row group of Parquet. Text that a
// spreadsheet would take for a formula is quoted in CSV, since names and reasons come from people, and prefixes of
// port names from devices. Parquet keeps types: 64-bit integers, doubles, instants in microseconds UTC, text.
package export

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// ContentType is the media type of the format's files.
func (f Format) ContentType() string {
	if f == Parquet {
		return "application/vnd.apache.parquet"
	}
	return "text/csv; charset=utf-8; header=present"
}

// Writer takes rows. Close ends the file; it is not whole without.
type Writer[T any] interface {
	Write(row T) error
	Close() error
}

// New begins a file of rows of type T, which must be a flat struct.
func New[T any](format Format, to io.Writer) (Writer[T], error) {
	columns, err := columnsOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	switch format {
	case CSV:
		return newCSV[T](to, columns)
	case Parquet:
		return newParquet[T](to, columns), nil
	default:
		return nil, fmt.Errorf("%q is no format of exports", format)
	}
}

// kind is what a column holds.
type kind int

const (
	text kind = iota
	integer
	real
	truth
	instant
)

// column is one field of the rows.
type column struct {
	name     string
	kind     kind
	optional bool
	index    []int
}

// columnsOf lists the exported fields with a JSON name, those of embedded structs in their place.
func columnsOf(row reflect.Type) ([]column, error) {
	if row.Kind() != reflect.Struct {
		return nil, fmt.Errorf("rows of an export must be structs, not %s", row)
	}
	var columns []column
	for _, f := range reflect.VisibleFields(row) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		c := column{name: name, index: f.Index, optional: f.Type.Kind() == reflect.Pointer}
		value := f.Type
		if c.optional {
			value = value.Elem()
		}
		var ok bool
		if c.kind, ok = kindOf(value); !ok {
			return nil, fmt.Errorf("column %s of an export is a %s, which has no place in a cell", name, f.Type)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

func kindOf(t reflect.Type) (kind, bool) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return instant, true
	case t == reflect.TypeFor[uuid.UUID](), t.Kind() == reflect.String, t.Implements(reflect.TypeFor[fmt.Stringer]()):
		return text, true
	case t.Kind() == reflect.Int64, t.Kind() == reflect.Int:
		return integer, true
	case t.Kind() == reflect.Float64:
		return real, true
	case t.Kind() == reflect.Bool:
		return truth, true
	default:
		return text, false
	}
}

// value is the field of a row, without its pointer; false: null.
func (c column) value(row reflect.Value) (reflect.Value, bool) {
	v := row.FieldByIndex(c.index)
	if !c.optional {
		return v, true
	}
	return v.Elem(), !v.IsNil()
}

// words is a text cell's content.
func words(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return v.String()
}
