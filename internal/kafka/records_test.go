package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"pgregory.net/rapid"
)

const sizePrefix = 4 // bytes before a record set in a request

// appendBatch is an encoded batch in one piece behind its size, as it is in a request.
func appendBatch(b []byte, msgs []Message) []byte {
	var encoded batch
	encoded.encode(0, msgs)
	b = binary.BigEndian.AppendUint32(b, uint32(encoded.size))
	for _, piece := range encoded.pieces {
		b = append(b, piece...)
	}
	return b
}

func generateMessages(t *rapid.T) []Message {
	large := rapid.Custom(func(t *rapid.T) []byte {
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(borrowed-2, 2*borrowed).Draw(t, "size"))
	})
	blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300), large)
	header := rapid.Custom(func(t *rapid.T) Header {
		return Header{Key: rapid.StringN(0, 10, 20).Draw(t, "name"), Value: blob.Draw(t, "header")}
	})
	message := rapid.Custom(func(t *rapid.T) Message {
		return Message{
			Key: blob.Draw(t, "key"), Value: blob.Draw(t, "value"), Headers: rapid.SliceOfN(header, 0, 4).Draw(t, "headers"),
			Time: time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "time")).UTC(),
		}
	})
	return rapid.SliceOfN(message, 1, 8).Draw(t, "messages")
}

// What we write is what we read, and what kafka-go reads.
func TestBatchesSurvive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		messages := generateMessages(t)
		encoded := appendBatch(nil, messages)
		var w walker
		w.reset()
		var got []Message
		next, n, err := w.walk(encoded[sizePrefix:], 0, func(r Record) error {
			got = append(got, Message{Key: r.Key, Value: r.Value, Headers: r.Headers, Time: r.Time})
			return nil
		})
		if err != nil || n != len(messages) || next != int64(n) {
			t.Fatalf("walk gave %d records, next %d: %v", n, next, err)
		}
		for i := range messages { // absent and empty lists of headers are one
			if len(messages[i].Headers) == 0 {
				messages[i].Headers, got[i].Headers = nil, nil
			}
		}
		if diff := cmp.Diff(messages, got); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
		checkWithLibrary(t, encoded, messages)
	})
}

func checkWithLibrary(t *rapid.T, encoded []byte, messages []Message) {
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(encoded)); err != nil {
		t.Fatalf("kafka-go cannot read it: %v", err)
	}
	for i, m := range messages {
		r, err := set.Records.ReadRecord()
		if err != nil {
			t.Fatalf("kafka-go: record %d: %v", i, err)
		}
		value, err := protocol.ReadAll(r.Value)
		if err != nil || !bytes.Equal(value, m.Value) || !r.Time.Equal(m.Time) || len(r.Headers) != len(m.Headers) {
			t.Fatalf("kafka-go reads record %d as %q %v %v, %v", i, value, r.Time, r.Headers, err)
		}
	}
}

func TestBatchesBeginBeforeTheOffset(t *testing.T) {
	t.Parallel()
	set := appendBatch(nil, []Message{{Value: []byte("0")}, {Value: []byte("1")}, {Value: []byte("2")}})[sizePrefix:]
	binary.BigEndian.PutUint64(set, 40) // base offset; the checksum does not cover it
	var w walker
	w.reset()
	var offsets []int64
	next, n, err := w.walk(append(set, set[:30]...), 41, func(r Record) error { offsets = append(offsets, r.Offset); return nil })
	if err != nil || n != 2 || next != 43 {
		t.Errorf("gave %d, next %d, %v", n, next, err)
	}
	if diff := cmp.Diff([]int64{41, 42}, offsets); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	set := appendBatch(nil, []Message{{Value: []byte("value")}})[sizePrefix:]
	for i := batchPreamble; i < len(set); i++ {
		if i >= 12 && i < 16 {
			continue // the leader epoch is not covered: brokers rewrite it
		}
		damaged := bytes.Clone(set)
		damaged[i] ^= 0x40
		var w walker
		w.reset()
		if _, n, err := w.walk(damaged, 0, func(Record) error { return nil }); !errors.Is(err, ErrCorrupt) || n != 0 {
			t.Errorf("byte %d: gave %d records, %v", i, n, err)
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add(appendBatch(nil, []Message{{Key: []byte("k"), Value: []byte("v"), Headers: []Header{{Key: "h", Value: []byte("x")}}}})[sizePrefix:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, set []byte) {
		if len(set) >= batchHeader { // give the parser behind the checksum something to do
			size := int64(int32(binary.BigEndian.Uint32(set[8:]))) + batchPreamble
			if size >= batchHeader && size <= int64(len(set)) {
				binary.BigEndian.PutUint32(set[17:], crc32.Checksum(set[21:size], castagnoli))
			}
		}
		var w walker
		w.reset()
		_, n, err := w.walk(set, 0, func(Record) error { return nil })
		if n > len(set) {
			t.Errorf("%d records in %d bytes (%v)", n, len(set), err)
		}
	})
}

// A produce response is read or refused, whatever it holds.
func FuzzProduceResponse(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, response []byte) {
		p := producer{answer: response}
		if offset, code, err := p.parse(place{"t", 0}); err != nil && (offset != 0 || code != 0) {
			t.Errorf("%d, %d, %v", offset, code, err)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add(make([]byte, 80))
	f.Fuzz(func(t *testing.T, response []byte) {
		r := Reader{response: response}
		set, err := r.parseResponse()
		if err != nil && set != nil || len(set) > len(response) {
			t.Errorf("%d bytes, %v", len(set), err)
		}
	})
}
