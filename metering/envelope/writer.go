package envelope

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// Writer packs datagrams, or flows, of one exporter into a buffer that its owner reuses.
type Writer struct {
	buf   []byte
	limit int
	count int
}

// Reset starts an envelope in buf, whose content is lost. limit bounds the envelope in bytes; 0 or anything above
// MaxSize is MaxSize. The sequence is set by Seal: a number is taken only when the envelope is sure to be sent.
func (w *Writer) Reset(buf []byte, h Header, limit int) {
	if limit <= 0 || limit > MaxSize {
		limit = MaxSize
	}
	h.Kind, h.Sequence = KindDatagrams, 0
	w.buf, w.limit, w.count = appendHeader(buf[:0], h), limit, 0
}

// ResetFlows starts an envelope of flows; otherwise it is as Reset.
func (w *Writer) ResetFlows(buf []byte, h Header, limit int) {
	w.Reset(buf, h, limit)
	w.buf[4] = byte(KindFlows)
}

// Append adds a datagram to an envelope of datagrams; false when it does not fit. An empty envelope takes any datagram of at most MaxDatagram bytes.
func (w *Writer) Append(d Datagram) bool {
	size := len(w.buf) + RecordSize + len(d.Payload)
	if w.kind() != KindDatagrams || len(d.Payload) > MaxDatagram || size > MaxSize || (size > w.limit && w.count > 0) {
		return false
	}
	var head [RecordSize]byte
	addr := d.Source.Addr().As16()
	binary.LittleEndian.PutUint64(head[0:], uint64(d.Received))
	copy(head[8:24], addr[:])
	binary.LittleEndian.PutUint16(head[24:], d.Source.Port())
	head[26] = byte(d.Protocol)
	binary.LittleEndian.PutUint16(head[28:], uint16(len(d.Payload)))
	w.buf = append(append(w.buf, head[:]...), d.Payload...)
	w.count++
	return true
}

func (w *Writer) kind() Kind {
	if len(w.buf) < HeaderSize {
		return 0
	}
	return Kind(w.buf[4])
}

// Count is the number of datagrams, or flows, so far.
func (w *Writer) Count() int { return w.count }

// Len is the envelope's length so far, in bytes.
func (w *Writer) Len() int { return len(w.buf) }

// Needs is how long a buffer must be to take one more payload of size bytes; 0 when the buffer at hand is long enough.
func (w *Writer) Needs(size int) int {
	if need := len(w.buf) + RecordSize + size; need > cap(w.buf) {
		return need
	}
	return 0
}

// Move goes on in a longer buffer, whose content is lost, and gives back the one before.
func (w *Writer) Move(buf []byte) []byte {
	before := w.buf
	w.buf = append(buf[:0], before...)
	return before
}

// Seal writes the sequence and gives the envelope away; the writer is then empty until Reset.
func (w *Writer) Seal(sequence uint64) []byte {
	b := w.buf
	SetSequence(b, sequence)
	*w = Writer{}
	return b
}

// SetSequence writes the sequence into an envelope that is not sent yet.
func SetSequence(b []byte, sequence uint64) {
	binary.LittleEndian.PutUint64(b[sequenceFrom:HeaderSize], sequence)
}

func appendHeader(b []byte, h Header) []byte {
	b = append(b, magic...)
	b = append(b, byte(h.Kind), 0, 0, 0)
	b = append(b, h.Collector[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Boot))
	b = binary.LittleEndian.AppendUint64(b, h.Sequence)
	if h.Kind == KindReport {
		h.Exporter = uuid.Nil
	}
	return append(b, h.Exporter[:]...)
}
