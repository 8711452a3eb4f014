package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// csvFile writes RFC 4180: a header, CRLF, quotes where they are needed.
type csvFile[T any] struct {
	out     *csv.Writer
	columns []column
	cells   []string
}

func newCSV[T any](to io.Writer, columns []column) (*csvFile[T], error) {
	f := &csvFile[T]{out: csv.NewWriter(to), columns: columns, cells: make([]string, len(columns))}
	f.out.UseCRLF = true
	for i, c := range columns {
		f.cells[i] = c.name
	}
	return f, f.write()
}

func (f *csvFile[T]) Write(row T) error {
	v := reflect.ValueOf(row)
	for i, c := range f.columns {
		f.cells[i] = ""
		if cell, ok := c.value(v); ok {
			f.cells[i] = c.cell(cell)
		}
	}
	return f.write()
}

func (f *csvFile[T]) write() error {
	if err := f.out.Write(f.cells); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func (f *csvFile[T]) Close() error {
	f.out.Flush()
	if err := f.out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func (c column) cell(v reflect.Value) string {
	switch c.kind {
	case integer:
		return strconv.FormatInt(v.Int(), 10)
	case real:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case truth:
		return strconv.FormatBool(v.Bool())
	case instant:
		at, _ := v.Interface().(time.Time)
		return at.UTC().Format(time.RFC3339Nano)
	default:
		return harmless(words(v))
	}
}

// harmless keeps a spreadsheet from taking a text for a formula (OWASP, CSV injection).
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
