// Package spool keeps numbered envelopes of one partition on disk, in order, while Kafka is away.
//
// Records (length u32, CRC-32C u32, little endian, then the envelope) are appended to segment files. Nothing is
// synced: what is written outlives the process, however it dies, but not the machine. Where sending had come to is
// not kept either: a new process begins with the oldest segment, and the meter knows the repeats by their numbers.
package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/ezscale/platform/metering/envelope"
)

const (
	segmentBytes  = 8 << 20 // a segment is deleted when it has been sent whole; a restart sends at most one again
	segmentSuffix = ".spool"
	recordHead    = 8 // length and CRC-32C, little endian
)

// What a spool may answer.
var (
	ErrFull    = errors.New("the spool is full")
	ErrCorrupt = errors.New("the spool is damaged")
)

// Spool is one partition's. Its owner locks.
type Spool struct {
	dir      string
	budget   *Budget
	segments []segment // oldest first; the last is written to when writer is set
	writer   *os.File
	reader   *os.File // of the first segment
	at       int64    // read position in the first segment
	buffer   []byte   // of one read
	scratch  []byte   // of one record to write
}

type segment struct {
	number uint64
	size   int64
}

// Budget bounds all partitions' spools together.
type Budget struct {
	Limit int64 // bytes; set before use
	used  atomic.Int64
}

// Used is how much is on disk, in bytes.
func (b *Budget) Used() int64 { return b.used.Load() }

func (b *Budget) take(n int64) bool {
	if b.used.Add(n) > b.Limit {
		b.used.Add(-n)
		return false
	}
	return true
}

// Open finds what an earlier process left. A record that its death cut short is cut off: it was never numbered
// anywhere else.
func Open(dir string, budget *Budget) (*Spool, error) {
	s := &Spool{dir: dir, budget: budget}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		number, err := strconv.ParseUint(name, 10, 64)
		if !isSegment || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("list spool: %w", err)
		}
		s.segments = append(s.segments, segment{number: number, size: info.Size()})
	}
	slices.SortFunc(s.segments, func(a, b segment) int { return int(int64(a.number - b.number)) })
	if err := s.cutTail(); err != nil {
		return nil, err
	}
	for _, g := range s.segments {
		budget.used.Add(g.size)
	}
	return s, nil
}

// cutTail walks the last segment and cuts it after its last whole record.
func (s *Spool) cutTail() error {
	if len(s.segments) == 0 {
		return nil
	}
	last := &s.segments[len(s.segments)-1]
	content, err := os.ReadFile(s.path(last.number))
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	whole := int64(0)
	for {
		_, n, err := record(content[whole:])
		if n == 0 || err != nil {
			break
		}
		whole += int64(n)
	}
	last.size = whole
	if err := os.Truncate(s.path(last.number), whole); err != nil {
		return fmt.Errorf("cut spool: %w", err)
	}
	return nil
}

// record takes the first record off b: its envelope and its whole length, 0 when b holds no whole record.
func record(b []byte) (value []byte, length int, err error) {
	if len(b) < recordHead {
		return nil, 0, nil
	}
	size := binary.LittleEndian.Uint32(b)
	if size < envelope.HeaderSize || size > envelope.MaxSize {
		return nil, 0, fmt.Errorf("%w: a record of %d bytes", ErrCorrupt, size)
	}
	length = recordHead + int(size)
	if len(b) < length {
		return nil, 0, nil
	}
	value = b[recordHead:length:length]
	if crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	return value, length, nil
}

func (s *Spool) path(number uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%020d%s", number, segmentSuffix))
}

// Append writes one envelope. After an error the spool is as before.
func (s *Spool) Append(value []byte) error {
	length := int64(recordHead + len(value))
	if !s.budget.take(length) {
		return ErrFull
	}
	err := s.write(value, length)
	if err != nil {
		s.budget.used.Add(-length)
	}
	return err
}

func (s *Spool) write(value []byte, length int64) error {
	if s.writer == nil || s.segments[len(s.segments)-1].size >= segmentBytes {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	last := &s.segments[len(s.segments)-1]
	s.scratch = binary.LittleEndian.AppendUint32(s.scratch[:0], uint32(len(value)))
	s.scratch = binary.LittleEndian.AppendUint32(s.scratch, crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)))
	s.scratch = append(s.scratch, value...)
	if _, err := s.writer.WriteAt(s.scratch, last.size); err != nil {
		// What a short write left behind is written over by the next record, or cut off at the next start.
		return fmt.Errorf("write spool: %w", err)
	}
	last.size += length
	return nil
}

func (s *Spool) rotate() error {
	number := uint64(1)
	if n := len(s.segments); n > 0 {
		number = s.segments[n-1].number + 1
	}
	file, err := os.OpenFile(s.path(number), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("new spool segment: %w", err)
	}
	if s.writer != nil {
		err = s.writer.Close()
	}
	s.writer = file
	s.segments = append(s.segments, segment{number: number})
	return err
}

// Empty tells whether everything has been sent.
func (s *Spool) Empty() bool { return len(s.segments) == 0 }

// Read gives the first envelopes that together have at most limit bytes, at least one; they are valid until the
// next Read. It does not move on: Advance does. A damaged rest of a segment is left out, with an error beside.
func (s *Spool) Read(limit int) ([][]byte, error) {
	for len(s.segments) > 0 {
		if s.at >= s.segments[0].size {
			if err := s.dropFirst(); err != nil {
				return nil, err
			}
			continue
		}
		values, err := s.readFirst(max(limit, envelope.MaxSize) + recordHead)
		if len(values) == 0 && err == nil {
			err = fmt.Errorf("%w: a record is cut short", ErrCorrupt)
		}
		if errors.Is(err, ErrCorrupt) && len(values) == 0 {
			return nil, errors.Join(err, s.dropFirst())
		}
		return within(values, limit), err
	}
	return nil, nil
}

func (s *Spool) readFirst(size int) ([][]byte, error) {
	if s.reader == nil {
		file, err := os.Open(s.path(s.segments[0].number))
		if err != nil {
			return nil, fmt.Errorf("read spool: %w", err)
		}
		s.reader = file
	}
	if len(s.buffer) < size {
		s.buffer = make([]byte, size)
	}
	n, err := s.reader.ReadAt(s.buffer[:min(int64(size), s.segments[0].size-s.at)], s.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	var values [][]byte
	for rest := s.buffer[:n]; ; {
		value, length, err := record(rest)
		if length == 0 || err != nil {
			return values, nil // a damaged record is met again when it is the first
		}
		values = append(values, value)
		rest = rest[length:]
	}
}

// within keeps the first values that together have at most limit bytes, at least one.
func within(values [][]byte, limit int) [][]byte {
	size := 0
	for i, v := range values {
		if size += len(v); i > 0 && size > limit {
			return values[:i]
		}
	}
	return values
}

// Advance moves over an envelope that has been sent.
func (s *Spool) Advance(value []byte) error {
	s.at += int64(recordHead + len(value))
	if s.at < s.segments[0].size {
		return nil
	}
	return s.dropFirst()
}

// dropFirst deletes the first segment.
func (s *Spool) dropFirst() error {
	var err error
	if s.reader != nil {
		err = s.reader.Close()
		s.reader = nil
	}
	if len(s.segments) == 1 && s.writer != nil {
		err = errors.Join(err, s.writer.Close())
		s.writer = nil
	}
	first := s.segments[0]
	s.budget.used.Add(-first.size)
	s.segments, s.at = s.segments[1:], 0
	if err = errors.Join(err, os.Remove(s.path(first.number))); err != nil {
		return fmt.Errorf("delete spool segment: %w", err)
	}
	return nil
}

// Discard deletes everything.
func (s *Spool) Discard() error {
	var err error
	for len(s.segments) > 0 && err == nil {
		err = s.dropFirst()
	}
	return err
}

// Close leaves the files for the next process.
func (s *Spool) Close() error {
	var err error
	for _, file := range []*os.File{s.writer, s.reader} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	s.writer, s.reader = nil, nil
	return err
}
