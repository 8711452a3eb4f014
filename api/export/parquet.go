package export

import (
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/parquet-go/parquet-go"
)

const (
	rowGroup = 50_000 // rows held before they are written
	batch    = 500    // rows given to the library at a time
)

// parquetFile writes Parquet with Snappy pages.
type parquetFile[T any] struct {
	out     *parquet.GenericWriter[any]
	columns []column
	rows    []parquet.Row
	group   int // rows in the row group that is open
}

func newParquet[T any](to io.Writer, columns []column) *parquetFile[T] {
	return &parquetFile[T]{columns: columns,
		out: parquet.NewGenericWriter[any](to, schemaOf(columns), parquet.Compression(&parquet.Snappy), parquet.CreatedBy("ezscale", "", ""))}
}

// schemaOf makes the columns' schema by way of a struct type: only a struct keeps its columns in order.
func schemaOf(columns []column) *parquet.Schema {
	types := map[kind]reflect.Type{text: reflect.TypeFor[string](), integer: reflect.TypeFor[int64](), real: reflect.TypeFor[float64](),
		truth: reflect.TypeFor[bool](), instant: reflect.TypeFor[time.Time]()}
	fields := make([]reflect.StructField, len(columns))
	for i, c := range columns {
		tag := c.name
		if c.optional {
			tag += ",optional"
		}
		if c.kind == instant {
			tag += ",timestamp(microsecond)"
		}
		fields[i] = reflect.StructField{Name: fmt.Sprintf("C%d", i), Type: types[c.kind], Tag: reflect.StructTag(`parquet:"` + tag + `"`)}
	}
	return parquet.NewSchema("row", parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface()))
}

func (f *parquetFile[T]) Write(row T) error {
	v := reflect.ValueOf(row)
	cells := make(parquet.Row, len(f.columns))
	for i, c := range f.columns {
		cells[i] = c.parquet(v, i)
	}
	if f.rows = append(f.rows, cells); len(f.rows) < batch {
		return nil
	}
	return f.flush()
}

// parquet is a cell with its levels (Dremel): an optional column's value is defined at level 1, its null at 0.
func (c column) parquet(row reflect.Value, i int) parquet.Value {
	v, ok := c.value(row)
	if !ok {
		return parquet.NullValue().Level(0, 0, i)
	}
	level := 0
	if c.optional {
		level = 1
	}
	return c.plain(v).Level(0, level, i)
}

func (c column) plain(v reflect.Value) parquet.Value {
	switch c.kind {
	case integer:
		return parquet.Int64Value(v.Int())
	case real:
		return parquet.DoubleValue(v.Float())
	case truth:
		return parquet.BooleanValue(v.Bool())
	case instant:
		at, _ := v.Interface().(time.Time)
		return parquet.Int64Value(at.UnixMicro())
	default:
		return parquet.ByteArrayValue([]byte(words(v)))
	}
}

// flush gives the rows to the library, and ends the row group when it is large enough.
func (f *parquetFile[T]) flush() error {
	if _, err := f.out.WriteRows(f.rows); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	f.group += len(f.rows)
	f.rows = f.rows[:0]
	if f.group < rowGroup {
		return nil
	}
	f.group = 0
	if err := f.out.Flush(); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

func (f *parquetFile[T]) Close() error {
	if err := f.flush(); err != nil {
		return err
	}
	if err := f.out.Close(); err != nil {
		return fmt.Errorf("end the Parquet file: %w", err)
	}
	return nil
}
