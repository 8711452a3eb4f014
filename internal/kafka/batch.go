package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"time"
)

// borrowed is the size from which a value is sent from where it lies. Below, copying it costs less than a place in the
// kernel's list.
const borrowed = 2 << 10

// batch is one record batch, format 2, in pieces: what frames it is written into one reused buffer, large values stay
// where they are. Source: Apache Kafka documentation, section 5.3 "Message Format".
type batch struct {
	head   []byte      // the request's head, filled in by its owner, and the batch's
	frames []byte      // records without their large values
	cuts   []cut       // where those belong
	pieces net.Buffers // all of it in order, for one writev call
	sent   net.Buffers // what a write eats up
	size   int         // of the batch, without the request's head
}

// cut is a large value that follows frames[:at].
type cut struct {
	at    int
	value []byte
}

// encode lays msgs out behind a head of some bytes, which the caller fills in.
func (b *batch) encode(head int, msgs []Message) {
	b.head = append(b.head[:0], make([]byte, head+batchHeader)...)
	b.frames, b.cuts = b.frames[:0], b.cuts[:0]
	first := milliseconds(msgs[0].Time)
	last := first
	for i := range msgs {
		at := milliseconds(msgs[i].Time)
		last = max(last, at)
		b.record(&msgs[i], at-first, int64(i))
	}
	b.size = batchHeader + len(b.frames)
	for _, c := range b.cuts {
		b.size += len(c.value)
	}
	h := b.head[head:]
	binary.BigEndian.PutUint32(h[8:], uint32(b.size-batchPreamble))
	binary.BigEndian.PutUint32(h[12:], ^uint32(0)) // leader epoch: not known
	h[16] = batchMagic
	binary.BigEndian.PutUint32(h[23:], uint32(len(msgs)-1))
	binary.BigEndian.PutUint64(h[27:], uint64(first))
	binary.BigEndian.PutUint64(h[35:], uint64(last))
	binary.BigEndian.PutUint64(h[43:], ^uint64(0)) // producer id: none
	binary.BigEndian.PutUint16(h[51:], ^uint16(0))
	binary.BigEndian.PutUint32(h[53:], ^uint32(0))
	binary.BigEndian.PutUint32(h[57:], uint32(len(msgs)))
	b.assemble()
	sum := crc32.Checksum(h[21:], castagnoli)
	for _, piece := range b.pieces[1:] {
		sum = crc32.Update(sum, castagnoli, piece)
	}
	binary.BigEndian.PutUint32(h[17:], sum)
}

// assemble lists the pieces; the frames no longer move.
func (b *batch) assemble() {
	b.pieces = append(b.pieces[:0], b.head)
	done := 0
	for _, c := range b.cuts {
		b.pieces = append(b.pieces, b.frames[done:c.at], c.value)
		done = c.at
	}
	if done < len(b.frames) {
		b.pieces = append(b.pieces, b.frames[done:])
	}
}

// writeTo writes all pieces.
func (b *batch) writeTo(conn net.Conn) error {
	b.sent = append(b.sent[:0], b.pieces...)
	left := b.sent // a write moves the slice on, not what we keep of it
	_, err := left.WriteTo(conn)
	return err
}

// forget lets go of the values, which belong to the caller.
func (b *batch) forget() {
	clear(b.cuts)
	clear(b.pieces)
	clear(b.sent)
}

func (b *batch) record(m *Message, timeDelta, offsetDelta int64) {
	size := 1 + varintSize(timeDelta) + varintSize(offsetDelta) + bytesSize(m.Key) + bytesSize(m.Value) + varintSize(int64(len(m.Headers)))
	for _, h := range m.Headers {
		size += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	f := binary.AppendVarint(b.frames, int64(size))
	f = append(f, 0)
	f = binary.AppendVarint(f, timeDelta)
	f = binary.AppendVarint(f, offsetDelta)
	f = appendBytes(f, m.Key)
	if len(m.Value) >= borrowed {
		f = binary.AppendVarint(f, int64(len(m.Value)))
		b.cuts = append(b.cuts, cut{len(f), m.Value})
	} else {
		f = appendBytes(f, m.Value)
	}
	f = binary.AppendVarint(f, int64(len(m.Headers)))
	for _, h := range m.Headers {
		f = binary.AppendVarint(f, int64(len(h.Key)))
		f = append(f, h.Key...)
		f = appendBytes(f, h.Value)
	}
	b.frames = f
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UnixMilli()
}

func appendBytes(b, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(field))), field...)
}

func bytesSize(field []byte) int {
	if field == nil {
		return 1
	}
	return varintSize(int64(len(field))) + len(field)
}

func varintSize(n int64) int {
	u := uint64(n<<1) ^ uint64(n>>63)
	size := 1
	for ; u >= 0x80; u >>= 7 {
		size++
	}
	return size
}
