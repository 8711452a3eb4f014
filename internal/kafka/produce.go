package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Produce appends msgs, in order and as one batch, to one partition, acknowledged by all in-sync replicas, and
// gives the offset of the first. After ErrUnavailable, or when ctx ended, the batch may have been appended all
// the same: send the same batch again before any other. ErrTooLarge is final, and nothing was appended.
// msgs and their bytes may be reused as soon as Produce has returned, whatever it returned.
// The client compresses nothing (it costs more CPU than the disk is worth); a topic may do so at the broker.
func (c *Client) Produce(ctx context.Context, topic string, partition int, msgs []Message) (baseOffset int64, err error) {
	if len(msgs) == 0 {
		return 0, fmt.Errorf("produce to %s/%d: no messages", topic, partition)
	}
	buffer, _ := c.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	*buffer = appendBatch((*buffer)[:0], msgs)
	response, err := c.client.RawProduce(ctx, &kafkago.RawProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafkago.RequireAll,
		RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(*buffer)},
	})
	if err != nil {
		// The library may still be sending from the buffer, so it is not put back.
		return 0, c.failure(fmt.Sprintf("produce to %s/%d", topic, partition), err)
	}
	c.buffers.Put(buffer)
	if response.Error != nil {
		return 0, c.refused(ctx, topic, partition, response.Error)
	}
	return response.BaseOffset, nil
}

func (c *Client) refused(ctx context.Context, topic string, partition int, err error) error {
	err = c.failure(fmt.Sprintf("produce to %s/%d", topic, partition), err)
	if !errors.Is(err, ErrTooLarge) {
		return err
	}
	if limit := c.limit(ctx, topic); limit > 0 {
		return fmt.Errorf("%w (max.message.bytes of the topic is %d)", err, limit)
	}
	return err
}

// appendBatch encodes msgs as one record batch, format 2, behind its 4 bytes of size.
// Source: Apache Kafka documentation, section 5.3 "Message Format".
func appendBatch(b []byte, msgs []Message) []byte {
	first := milliseconds(msgs[0].Time)
	last := first
	b = append(b, make([]byte, sizePrefix+batchHeader)...)
	for i := range msgs {
		at := milliseconds(msgs[i].Time)
		last = max(last, at)
		b = appendRecord(b, &msgs[i], at-first, int64(i))
	}
	h := b[sizePrefix:]
	binary.BigEndian.PutUint32(b, uint32(len(h)))
	binary.BigEndian.PutUint32(h[8:], uint32(len(h)-batchPreamble))
	binary.BigEndian.PutUint32(h[12:], ^uint32(0)) // leader epoch: not known
	h[16] = batchMagic
	binary.BigEndian.PutUint32(h[23:], uint32(len(msgs)-1))
	binary.BigEndian.PutUint64(h[27:], uint64(first))
	binary.BigEndian.PutUint64(h[35:], uint64(last))
	binary.BigEndian.PutUint64(h[43:], ^uint64(0)) // producer id: none
	binary.BigEndian.PutUint16(h[51:], ^uint16(0))
	binary.BigEndian.PutUint32(h[53:], ^uint32(0))
	binary.BigEndian.PutUint32(h[57:], uint32(len(msgs)))
	binary.BigEndian.PutUint32(h[17:], crc32.Checksum(h[21:], castagnoli))
	return b
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UnixMilli()
}

func appendRecord(b []byte, m *Message, timeDelta, offsetDelta int64) []byte {
	size := 1 + varintSize(timeDelta) + varintSize(offsetDelta) + bytesSize(m.Key) + bytesSize(m.Value) + varintSize(int64(len(m.Headers)))
	for _, h := range m.Headers {
		size += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	b = binary.AppendVarint(b, int64(size))
	b = append(b, 0)
	b = binary.AppendVarint(b, timeDelta)
	b = binary.AppendVarint(b, offsetDelta)
	b = appendBytes(b, m.Key)
	b = appendBytes(b, m.Value)
	b = binary.AppendVarint(b, int64(len(m.Headers)))
	for _, h := range m.Headers {
		b = binary.AppendVarint(b, int64(len(h.Key)))
		b = append(b, h.Key...)
		b = appendBytes(b, h.Value)
	}
	return b
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
