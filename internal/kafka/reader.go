package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	fetchKey       = 1
	fetchVersion   = 10
	maxResponse    = 128 << 20 // a batch larger than this is not ours
	reconnectFirst = 50 * time.Millisecond
	reconnectLast  = 2 * time.Second

	// readBytes of one read call: a longer one has Go's monitor look every 20 µs whether it is to hand the processor on,
	// which costs more than the calls saved.
	readBytes = 64 << 10
)

// Reader reads one partition in order, over one connection to its leader. It belongs to one goroutine.
type Reader struct {
	client    *Client
	topic     string
	partition int
	offset    int64
	highWater int64

	conn        net.Conn
	correlation int32
	wait        time.Duration // before the next connection; grows while connections fail
	request     []byte
	response    []byte
	walker      walker
}

// OpenReader checks that offset is in the partition, or is the next to be written, and connects to the leader.
// Errors: ErrOffsetOutOfRange, ErrUnavailable.
func (c *Client) OpenReader(ctx context.Context, topic string, partition int, offset int64) (*Reader, error) {
	first, next, err := c.Offsets(ctx, topic, partition)
	if err != nil {
		return nil, err
	}
	if offset < first || offset > next {
		return nil, fmt.Errorf("read %s/%d from %d, it has %d to %d: %w", topic, partition, offset, first, next, ErrOffsetOutOfRange)
	}
	r := &Reader{client: c, topic: topic, partition: partition, offset: offset, highWater: next}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Offset is that of the record the next Fetch begins with.
func (r *Reader) Offset() int64 { return r.offset }

// Partition is what it reads.
func (r *Reader) Partition() int { return r.partition }

// HighWater is the offset after the partition's last message, as of the last answer of the broker.
func (r *Reader) HighWater() int64 { return r.highWater }

// Close ends the connection.
func (r *Reader) Close() error {
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn = nil
	return err
}

// Fetch asks the leader once for records and calls fn for each, in order. With none there it waits for up to
// maxWait and returns 0. The records stay valid until the next Fetch. When fn fails, the next Fetch begins with
// the same record. After ErrUnavailable call again: Fetch looks for the leader anew, waiting a growing time
// first (50 ms to 2 s). ErrOffsetOutOfRange says that the broker has dropped, or never had, what comes next.
func (r *Reader) Fetch(ctx context.Context, maxWait time.Duration, fn func(Record) error) (n int, err error) {
	if err := r.reconnect(ctx); err != nil {
		return 0, err
	}
	set, err := r.roundTrip(ctx, maxWait)
	if err != nil {
		return 0, r.broken(ctx, err)
	}
	r.wait = 0
	r.walker.reset()
	before := r.offset
	r.offset, n, err = r.walker.walk(set, r.offset, fn)
	if err == nil && r.offset == before && len(set) > 0 {
		err = fmt.Errorf("%s/%d at %d: %w: the broker sent no whole batch", r.topic, r.partition, r.offset, ErrCorrupt)
	}
	return n, err
}

func (r *Reader) reconnect(ctx context.Context) error {
	if r.conn != nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.wait):
	}
	return r.connect(ctx)
}

func (r *Reader) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.DialTimeout)
	defer cancel()
	partitions, err := r.client.partitions(ctx, r.topic)
	if err != nil {
		return r.broken(ctx, err)
	}
	for _, p := range partitions {
		if p.ID == r.partition && p.Leader.Host != "" {
			return r.dial(ctx, p.Leader)
		}
	}
	return r.broken(ctx, fmt.Errorf("%s/%d has no leader: %w", r.topic, r.partition, ErrUnavailable))
}

func (r *Reader) dial(ctx context.Context, leader kafkago.Broker) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address(leader.Host, leader.Port))
	if err != nil {
		return r.broken(ctx, err)
	}
	r.conn = conn
	return nil
}

// broken closes the connection, so that the next Fetch looks for the leader anew.
func (r *Reader) broken(ctx context.Context, err error) error {
	_ = r.Close() // the reason is in err
	r.wait = min(max(2*r.wait, reconnectFirst), reconnectLast)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOffsetOutOfRange) {
		return err
	}
	return r.client.failure(fmt.Sprintf("fetch %s/%d at %d", r.topic, r.partition, r.offset), err)
}

func (r *Reader) roundTrip(ctx context.Context, maxWait time.Duration) (set []byte, err error) {
	deadline := time.Now().Add(maxWait + r.client.cfg.RequestTimeout)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	if err := r.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	conn := r.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // wakes the read below
	defer stop()
	r.correlation++
	r.appendRequest(maxWait)
	if _, err := r.conn.Write(r.request); err != nil {
		return nil, err
	}
	if err := r.receive(); err != nil {
		return nil, err
	}
	return r.parseResponse()
}

// receive reads one response into the reused buffer.
func (r *Reader) receive() error {
	var head [4]byte
	if _, err := io.ReadFull(r.conn, head[:]); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > maxResponse {
		return fmt.Errorf("%w: a response of %d bytes", ErrCorrupt, size)
	}
	if cap(r.response) < size {
		r.response = make([]byte, size+size/8)
	}
	r.response = r.response[:size]
	for rest := r.response; len(rest) > 0; {
		n, err := r.conn.Read(rest[:min(len(rest), readBytes)])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// appendRequest encodes Fetch v10 for one partition, without a fetch session. Source: Kafka protocol guide.
func (r *Reader) appendRequest(maxWait time.Duration) {
	b := append(r.request[:0], 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, fetchKey)
	b = binary.BigEndian.AppendUint16(b, fetchVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(r.correlation))
	b = appendString(b, r.client.cfg.ClientID)
	b = binary.BigEndian.AppendUint32(b, ^uint32(0)) // replica: a client
	b = binary.BigEndian.AppendUint32(b, uint32(maxWait.Milliseconds()))
	b = binary.BigEndian.AppendUint32(b, 1) // at least a byte
	b = binary.BigEndian.AppendUint32(b, uint32(r.client.cfg.FetchBytes))
	b = append(b, 0)                                 // read uncommitted: we use no transactions
	b = binary.BigEndian.AppendUint32(b, 0)          // session: none
	b = binary.BigEndian.AppendUint32(b, ^uint32(0)) // session epoch: none
	b = binary.BigEndian.AppendUint32(b, 1)          // topics
	b = appendString(b, r.topic)
	b = binary.BigEndian.AppendUint32(b, 1) // partitions
	b = binary.BigEndian.AppendUint32(b, uint32(r.partition))
	b = binary.BigEndian.AppendUint32(b, ^uint32(0)) // leader epoch: not known
	b = binary.BigEndian.AppendUint64(b, uint64(r.offset))
	b = binary.BigEndian.AppendUint64(b, ^uint64(0)) // log start: not a follower
	b = binary.BigEndian.AppendUint32(b, uint32(r.client.cfg.FetchBytes))
	b = binary.BigEndian.AppendUint32(b, 0) // forgotten topics
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	r.request = b
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func (r *Reader) parseResponse() (set []byte, err error) {
	c := cursor{b: r.response}
	correlation := c.int32()
	c.int32() // throttle time
	code := c.int16()
	c.int32() // session
	set, partitionCode, highWater := parsePartition(&c)
	switch {
	case code != 0:
		return nil, kafkago.Error(code)
	case partitionCode != 0:
		return nil, kafkago.Error(partitionCode)
	case c.bad || correlation != r.correlation:
		return nil, fmt.Errorf("%w: the fetch response", ErrCorrupt)
	}
	r.highWater = highWater
	return set, nil
}

// parsePartition reads the one topic and partition of a response. An answer without topics has neither.
func parsePartition(c *cursor) (set []byte, code int16, highWater int64) {
	if c.int32() != 1 {
		c.bad = true
		return nil, 0, 0
	}
	c.skip(int(c.int16()))
	if c.int32() != 1 {
		c.bad = true
		return nil, 0, 0
	}
	c.int32() // partition
	code, highWater = c.int16(), c.int64()
	c.int64() // last stable offset
	c.int64() // log start
	if aborted := c.int32(); aborted > 0 {
		c.skip(int(aborted) * 16)
	}
	size := int(c.int32())
	if c.bad || size <= 0 {
		return nil, code, highWater
	}
	set = c.b
	if size > len(set) {
		c.bad = true
		return nil, code, highWater
	}
	return set[:size], code, highWater
}
