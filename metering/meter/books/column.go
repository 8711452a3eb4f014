package books

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/count"
)

// Column is one array parameter of a statement, already in Postgres' binary format. Usage is laid out this way because
// there is so much of it: pgx asks each element for its plan, at twenty times the cost of writing eight bytes.
// Source: array_recv in Postgres' src/backend/utils/adt/arrayfuncs.c.
type Column struct{ wire []byte }

const (
	columnsFollow   = 8  // of the size of ids, which come first: two or three columns more and eight counts
	arrayHeader     = 20 // dimensions, nulls, element type, length, lower bound; 4 bytes each
	epochOfPostgres = 946_684_800_000_000
)

// Arena is the memory of a flush's columns, kept for the next. Columns stay valid when it grows.
type Arena struct{ b []byte }

// Reset takes the columns' memory back.
func (a *Arena) Reset() { a.b = a.b[:0] }

// column lays an array out; put appends an element of size bytes.
func column[K any](a *Arena, oid uint32, size int, keys []K, put func([]byte, *K) []byte) Column {
	start := len(a.b)
	b := a.b
	if need := start + arrayHeader + len(keys)*(4+size); need > cap(b) {
		b, start = make([]byte, 0, 2*need), 0
	}
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, oid)
	b = binary.BigEndian.AppendUint32(b, uint32(len(keys)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for i := range keys {
		b = put(binary.BigEndian.AppendUint32(b, uint32(size)), &keys[i])
	}
	a.b = b
	return Column{b[start:len(b):len(b)]}
}

func idColumn[K any](a *Arena, keys []K, id func(*K) uuid.UUID) Column {
	return column(a, pgtype.UUIDOID, len(uuid.UUID{}), keys, func(b []byte, k *K) []byte {
		v := id(k)
		return append(b, v[:]...)
	})
}

func timeColumn[K any](a *Arena, keys []K, at func(*K) time.Time) Column {
	return column(a, pgtype.TimestamptzOID, 8, keys, func(b []byte, k *K) []byte {
		return binary.BigEndian.AppendUint64(b, uint64(at(k).UnixMicro()-epochOfPostgres))
	})
}

// countColumns lays sums out as the eight arrays of a statement.
func countColumns(a *Arena, sums []count.Usage) []any {
	var all []any
	for _, field := range [...]func(*count.Usage) int64{
		func(u *count.Usage) int64 { return u.BytesInL2 }, func(u *count.Usage) int64 { return u.BytesOutL2 },
		func(u *count.Usage) int64 { return u.BytesInL3 }, func(u *count.Usage) int64 { return u.BytesOutL3 },
		func(u *count.Usage) int64 { return u.PacketsIn }, func(u *count.Usage) int64 { return u.PacketsOut },
		func(u *count.Usage) int64 { return u.SamplesIn }, func(u *count.Usage) int64 { return u.SamplesOut },
	} {
		all = append(all, column(a, pgtype.Int8OID, 8, sums, func(b []byte, u *count.Usage) []byte {
			return binary.BigEndian.AppendUint64(b, uint64(field(u)))
		}))
	}
	return all
}

// Prepare teaches a connection to take columns. Once for each connection would do; again costs nothing.
func Prepare(m *pgtype.Map) {
	for _, oid := range [...]uint32{pgtype.UUIDArrayOID, pgtype.TimestamptzArrayOID, pgtype.Int8ArrayOID} {
		t, ok := m.TypeForOID(oid)
		if !ok {
			continue
		}
		if _, done := t.Codec.(columnCodec); !done {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: columnCodec{t.Codec}})
		}
	}
}

// columnCodec is an array's codec that takes columns, too.
type columnCodec struct{ pgtype.Codec }

func (c columnCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(Column); ok && format == pgtype.BinaryFormatCode {
		return columnPlan{}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type columnPlan struct{}

var errColumn = errors.New("not a column")

func (columnPlan) Encode(value any, b []byte) ([]byte, error) {
	c, ok := value.(Column)
	if !ok {
		return nil, errColumn
	}
	if cap(b)-len(b) < len(c.wire) { // at once for those that follow: pgx begins small, and each copy costs as much as the writing
		b = slices.Grow(b, columnsFollow*len(c.wire))
	}
	return append(b, c.wire...), nil
}
