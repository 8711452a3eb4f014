package track

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"net/netip"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/track/counters"
	"github.com/ezscale/platform/metering/meter/track/samples"
	"github.com/ezscale/platform/metering/netflow"
)

// ErrState is an encoded memory that cannot be read.
var ErrState = errors.New("meter state cannot be read")

// Decode reads what Encode wrote. No bytes at all are an empty memory.
func Decode(from []byte) (*Book, error) {
	b := NewBook()
	if len(from) == 0 {
		return b, nil
	}
	body, written, err := checked(from)
	if err != nil {
		return nil, err
	}
	r := &reader{rest: body, version: written}
	r.each(16+24, MaxProducers, func() { r.producer(b) })
	r.each(16+40, MaxCollectors, func() { r.collector(b) })
	if r.version > 2 {
		b.forgotten = r.i64()
	}
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

func checked(from []byte) (body []byte, written byte, err error) {
	const head = len(magic) + 1
	if len(from) < head+4 || string(from[:len(magic)]) != magic {
		return nil, 0, fmt.Errorf("%w: not one", ErrState)
	}
	if written = from[len(magic)]; written == 0 || written > version {
		return nil, 0, fmt.Errorf("%w: version %d, this program knows up to %d", ErrState, written, version)
	}
	end := len(from) - 4
	if binary.LittleEndian.Uint32(from[end:]) != crc32.Checksum(from[:end], castagnoli()) {
		return nil, 0, fmt.Errorf("%w: checksum", ErrState)
	}
	return from[head:end], written, nil
}

const readingBytes = 4*8 + 8*4

// reader takes values off a buffer. After the first fault it gives zeros and keeps the fault.
type reader struct {
	rest    []byte
	version byte // of what is read
	err     error
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
		a := newAgent()
		e.agents[address] = a
		r.ports(a)
		r.each(22, MaxSubAgents, func() { r.subAgent(e, a, address) })
	})
	if r.version > 1 {
		r.each(40, MaxFlowSources, func() { r.flowSource(e) })
		r.netflow(e)
	}
}

func (r *reader) netflow(e *Exporter) {
	n, width := binary.Uvarint(r.rest)
	if width <= 0 || n > uint64(len(r.rest)-width) {
		r.fail("templates of %d bytes", n)
		return
	}
	r.rest = r.rest[width:]
	if n == 0 {
		return
	}
	var err error
	if e.netflow, err = netflow.ReadState(r.take(int(n))); err != nil {
		r.fail("templates: %v", err)
	}
}

func (r *reader) ports(a *Agent) {
	r.each(12, MaxSources, func() { a.ingressAt[r.u32()] = r.i64() })
}

func (r *reader) flowSource(e *Exporter) {
	key := flowKey{address: netip.AddrFrom16([16]byte(r.take(16))).Unmap(), domain: r.u32(), version: uint16(r.u32())}
	f := newFlowSource(key.version)
	if f.heardAt, f.feeder, f.early = r.i64(), r.u64(), r.early(); r.version > 3 {
		f.bootAt = r.i64()
	}
	f.first, f.next, f.begun, f.place = r.u32(), r.u32(), r.u32() == 1, int(r.u32())
	r.each(8, maxGaps, func() { f.gaps = append(f.gaps, gap{r.u32(), r.u32()}) })
	r.each(8, flowWindow, func() { f.ring = append(f.ring, flowDatagram{r.u32(), r.u32()}) })
	if f.place >= flowWindow {
		r.fail("a ring's place %d", f.place)
	}
	r.ports(f.Agent)
	e.flows[key] = f
}

func (r *reader) subAgent(e *Exporter, a *Agent, address netip.Addr) {
	s := newSubAgent(a, address, r.u32())
	if s.tick, s.heardAt = r.u64(), r.i64(); r.version > 1 {
		s.feeder = r.u64()
	}
	s.early = r.early()
	if _, twice := a.subs[s.id]; twice || e.subAgents >= MaxSubAgents {
		r.fail("too many sub-agents")
		return
	}
	a.subs[s.id] = s
	e.subAgents++
	r.each(36+Window/8, MaxStreams, func() { s.streams = append(s.streams, r.stream()) })
	r.each(28, MaxSources, func() {
		key := r.u64()
		s.sources[key] = &samples.Source{Key: key, Missing: r.u64(), High: r.u32(), Drops: r.u32(), Rate: r.u32()}
	})
	if r.version > 1 {
		r.each(4+2*readingBytes, MaxSources, func() {
			index := r.u32()
			s.ports[index] = &counters.Port{First: r.reading(), Last: r.reading()}
		})
	}
}

func (r *reader) early() early {
	if r.version < 3 {
		return early{}
	}
	return early{bornAt: r.i64(), ground: r.i64(), feeder: r.u64(), since: r.i64()}
}

func (r *reader) reading() counters.Reading {
	read := counters.Reading{At: r.i64(), Speed: r.u64(), OctetsIn: r.u64(), OctetsOut: r.u64(), Sequence: r.u32(), Uptime: r.u32()}
	for _, counters := range []*[3]uint32{&read.PacketsIn, &read.PacketsOut} {
		for i := range counters {
			counters[i] = r.u32()
		}
	}
	return read
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
	if s.first = s.high - s.span + 1; r.version > 2 {
		if s.first, s.heardAt = r.u32(), r.i64(); r.version > 3 {
			s.bornAt = r.i64()
		}
		r.each(24, maxMissing, func() { s.missing = append(s.missing, missing{r.u32(), r.u32(), r.i64(), r.i64()}) })
	}
	return s
}
