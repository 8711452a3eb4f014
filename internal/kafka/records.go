package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// Record batch, format 2. Offsets in bytes; source: Apache Kafka documentation, section 5.3 "Message Format".
const (
	batchPreamble   = 12 // base offset and length, not counted in the length
	batchHeader     = 61
	batchMagic      = 2
	compressionMask = 0x07
	appendTimeFlag  = 1 << 3
	controlFlag     = 1 << 5

	maxRecordHeaders = 1 << 10
	maxDecompressed  = 64 << 20
	maxInterned      = 64 // header names remembered by a reader
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one message as it was read. Its bytes and headers belong to the reader and are overwritten by the
// next Fetch: copy what must live longer.
type Record struct {
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Headers    []Header
}

// Header gives a header's value. Of several with one name it is the last.
func (r Record) Header(name string) (value []byte, ok bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}

// walker goes through the record batches of one fetch in place.
type walker struct {
	headers []Header // arena of one fetch; full ones are left to the records that point into them
	names   map[string]string
	plain   [][]byte // decompressed batches of one fetch
}

func (w *walker) reset() {
	w.headers, w.plain = w.headers[:0], w.plain[:0]
	if w.names == nil {
		w.names = make(map[string]string)
	}
}

// walk calls fn for each record from offset from on, and gives the offset to go on from and how many it gave.
// A batch that is cut at the end of set is left for the next fetch. It stops at fn's first error, with next at
// the record that failed.
func (w *walker) walk(set []byte, from int64, fn func(Record) error) (next int64, n int, err error) {
	next = from
	for len(set) >= batchPreamble {
		size := int64(int32(binary.BigEndian.Uint32(set[8:]))) + batchPreamble
		if size < batchHeader {
			return next, n, fmt.Errorf("%w: a length of %d bytes", ErrCorrupt, size)
		}
		if size > int64(len(set)) {
			break
		}
		given, after, err := w.batch(set[:size], next, fn)
		n, next = n+given, after
		if err != nil {
			return next, n, err
		}
		set = set[size:]
	}
	return next, n, nil
}

func (w *walker) batch(b []byte, from int64, fn func(Record) error) (n int, next int64, err error) {
	base := int64(binary.BigEndian.Uint64(b))
	if b[16] != batchMagic {
		return 0, from, fmt.Errorf("%w: message format %d at offset %d", ErrCorrupt, b[16], base)
	}
	end := base + int64(int32(binary.BigEndian.Uint32(b[23:]))) + 1
	if end <= from {
		return 0, from, nil
	}
	if crc32.Checksum(b[21:], castagnoli) != binary.BigEndian.Uint32(b[17:]) {
		return 0, from, fmt.Errorf("%w: checksum of the batch at offset %d", ErrCorrupt, base)
	}
	attributes := binary.BigEndian.Uint16(b[21:])
	if attributes&controlFlag != 0 {
		return 0, end, nil
	}
	body, err := w.body(b[batchHeader:], attributes)
	if err != nil {
		return 0, from, fmt.Errorf("batch at offset %d: %w", base, err)
	}
	p := position{body: body, base: base, firstTime: int64(binary.BigEndian.Uint64(b[27:]))}
	if attributes&appendTimeFlag != 0 {
		p.firstTime, p.appended = int64(binary.BigEndian.Uint64(b[35:])), true
	}
	return w.records(p, int(int32(binary.BigEndian.Uint32(b[57:]))), from, end, fn)
}

func (w *walker) body(b []byte, attributes uint16) ([]byte, error) {
	code := compress.Compression(attributes & compressionMask)
	if code == compress.None {
		return b, nil
	}
	codec := code.Codec()
	if codec == nil {
		return nil, fmt.Errorf("%w: compression %d", ErrCorrupt, code)
	}
	reader := codec.NewReader(bytes.NewReader(b))
	plain, err := io.ReadAll(io.LimitReader(reader, maxDecompressed+1))
	if closed := reader.Close(); err == nil {
		err = closed
	}
	if err != nil || len(plain) > maxDecompressed {
		return nil, fmt.Errorf("%w: decompress %s: %w", ErrCorrupt, code, orTooLong(err))
	}
	w.plain = append(w.plain, plain)
	return plain, nil
}

func orTooLong(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("more than %d bytes", maxDecompressed)
}

// position is where in a batch's records the walker is.
type position struct {
	body      []byte
	base      int64
	firstTime int64
	appended  bool // all records carry the batch's time
}

func (w *walker) records(p position, count int, from, end int64, fn func(Record) error) (n int, next int64, err error) {
	next = from
	for range count {
		record, ok := w.record(&p)
		if !ok {
			return n, next, fmt.Errorf("%w: record after offset %d", ErrCorrupt, next)
		}
		if record.Offset < next {
			continue
		}
		if err := fn(record); err != nil {
			return n, record.Offset, err
		}
		n, next = n+1, record.Offset+1
	}
	return n, max(next, end), nil
}

func (w *walker) record(p *position) (Record, bool) {
	c := cursor{b: p.body}
	size := c.varint()
	if c.bad || size < 1 || size > int64(len(c.b)) {
		return Record{}, false
	}
	p.body = c.b[size:]
	c.b = c.b[1:size] // without the record's attributes
	timeDelta, offsetDelta := c.varint(), c.varint()
	if p.appended {
		timeDelta = 0
	}
	record := Record{Offset: p.base + offsetDelta, Time: time.UnixMilli(p.firstTime + timeDelta).UTC(), Key: c.bytes(), Value: c.bytes()}
	record.Headers = w.recordHeaders(&c)
	return record, !c.bad
}

func (w *walker) recordHeaders(c *cursor) []Header {
	count := c.varint()
	if c.bad || count < 0 || count > maxRecordHeaders {
		c.bad = true
		return nil
	}
	start := len(w.headers)
	for range count {
		w.headers = append(w.headers, Header{Key: w.name(c.bytes()), Value: c.bytes()})
	}
	return w.headers[start:len(w.headers):len(w.headers)]
}

// name keeps one string for each of the few header names there are.
func (w *walker) name(b []byte) string {
	if s, ok := w.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(w.names) < maxInterned {
		w.names[s] = s
	}
	return s
}

// cursor reads from the front of b; once bad, it stays so and gives zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes() []byte {
	n := c.varint()
	if c.bad || n < 0 {
		return nil
	}
	if n > int64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	field := c.b[:n:n]
	c.b = c.b[n:]
	return field
}

func (c *cursor) int16() int16 {
	if len(c.b) < 2 {
		c.bad, c.b = true, nil
		return 0
	}
	v := int16(binary.BigEndian.Uint16(c.b))
	c.b = c.b[2:]
	return v
}

func (c *cursor) int32() int32 {
	if len(c.b) < 4 {
		c.bad, c.b = true, nil
		return 0
	}
	v := int32(binary.BigEndian.Uint32(c.b))
	c.b = c.b[4:]
	return v
}

func (c *cursor) int64() int64 {
	if len(c.b) < 8 {
		c.bad, c.b = true, nil
		return 0
	}
	v := int64(binary.BigEndian.Uint64(c.b))
	c.b = c.b[8:]
	return v
}

func (c *cursor) skip(n int) {
	if n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return
	}
	c.b = c.b[n:]
}
