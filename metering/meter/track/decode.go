package track

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"net/netip"

	"github.com/google/uuid"
)

// ErrState is an encoded memory that cannot be read.
var ErrState = errors.New("meter state cannot be read")

// Decode reads what Encode wrote. No bytes at all are an empty memory.
func Decode(from []byte) (*Book, error) {
	b := NewBook()
	if len(from) == 0 {
		return b, nil
	}
	body, err := checked(from)
	if err != nil {
		return nil, err
	}
	r := &reader{rest: body}
	r.each(16+24, MaxProducers, func() { r.producer(b) })
	r.each(16+40, MaxCollectors, func() { r.collector(b) })
	r.each(17, len(body), func() {
		id := r.id()
		if _, twice := b.exporters[id]; twice {
			r.fail("an exporter twice")
		}
		r.exporter(b.Exporter(id))
	})
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}

func checked(from []byte) ([]byte, error) {
	const head = len(magic) + 1
	switch {
	case len(from) < head+4 || string(from[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: not one", ErrState)
	case from[len(magic)] != version:
		return nil, fmt.Errorf("%w: version %d, not %d", ErrState, from[len(magic)], version)
	}
	end := len(from) - 4
	if binary.LittleEndian.Uint32(from[end:]) != crc32.Checksum(from[:end], castagnoli()) {
		return nil, fmt.Errorf("%w: checksum", ErrState)
	}
	return from[head:end], nil
}

// reader takes values off a buffer. After the first fault it gives zeros and keeps the fault.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrState, fmt.Sprintf(format, args...))
	}
	r.rest = nil
}

func (r *reader) take(n int) []byte {
	if len(r.rest) < n {
		r.fail("cut short")
		return make([]byte, n)
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) u32() uint32   { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64   { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) i64() int64    { return int64(r.u64()) }
func (r *reader) id() uuid.UUID { return uuid.UUID(r.take(16)) }

// each reads a count of things of at least size bytes and calls read for each. The count is held against the
// bytes that remain before anything is made.
func (r *reader) each(size, most int, read func()) {
	n, width := binary.Uvarint(r.rest)
	if width <= 0 {
		r.fail("no count")
		return
	}
	r.rest = r.rest[width:]
	if n > uint64(most) || n > uint64(len(r.rest)/size) {
		r.fail("count %d", n)
		return
	}
	for range n {
		if read(); r.err != nil {
			return
		}
	}
}

func (r *reader) producer(b *Book) {
	key := producerKey{r.id(), r.i64()}
	b.producers[key] = &producer{last: r.u64(), tick: r.i64()}
}

func (r *reader) collector(b *Book) {
	id := r.id()
	b.collectors[id] = &collector{boot: r.i64(), watermark: r.i64(), at: r.i64(), kernelDrops: r.i64(), spoolDrops: r.i64()}
}

func (r *reader) exporter(e *Exporter) {
	r.each(4, MaxSubAgents, func() {
		address, ok := netip.AddrFromSlice(r.take(int(r.take(1)[0])))
		if !ok {
			r.fail("an agent's address")
			return
		}
		a := &Agent{subs: map[uint32]*SubAgent{}, ingressAt: map[uint32]int64{}}
		e.agents[address] = a
		r.each(12, MaxSources, func() { a.ingressAt[r.u32()] = r.i64() })
		r.each(22, MaxSubAgents, func() { r.subAgent(e, a, address) })
	})
}

func (r *reader) subAgent(e *Exporter, a *Agent, address netip.Addr) {
	s := &SubAgent{Agent: a, address: address, id: r.u32(), tick: r.u64(), heardAt: r.i64(), sources: map[uint64]*source{}}
	if _, twice := a.subs[s.id]; twice || e.subAgents >= MaxSubAgents {
		r.fail("too many sub-agents")
		return
	}
	a.subs[s.id] = s
	e.subAgents++
	r.each(36+Window/8, MaxStreams, func() { s.streams = append(s.streams, r.stream()) })
	r.each(28, MaxSources, func() {
		key := r.u64()
		s.sources[key] = &source{missing: r.u64(), high: r.u32(), drops: r.u32(), rate: r.u32()}
	})
}

func (r *reader) stream() *stream {
	s := &stream{high: r.u32(), span: r.u32(), floorUptime: r.u32(), before: r.u32(), jump: r.u32(), claim: r.u32(), proof: r.u32(),
		used: r.u64(), crc: make([]uint32, Window)}
	for i := range s.seen {
		s.seen[i] = r.u64()
	}
	if s.span == 0 || s.span > Window || s.received()*4 > len(r.rest) {
		r.fail("a window of %d", s.span)
		return s
	}
	for w, word := range s.seen {
		for ; word != 0; word &= word - 1 {
			s.crc[w*64+bits.TrailingZeros64(word)] = r.u32()
		}
	}
	return s
}
