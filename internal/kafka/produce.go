package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	produceKey     = 0
	produceVersion = 7
	maxIdle        = 32       // connections to leaders that wait for the next request, of one client
	maxAnswer      = 64 << 10 // bytes of a produce response; ours have less than a hundred
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
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	to := place{topic, partition}
	p, err := c.producers.take(ctx, c, to)
	if err != nil {
		return 0, c.failure(fmt.Sprintf("produce to %s/%d", topic, partition), err)
	}
	baseOffset, code, err := p.roundTrip(ctx, c.cfg, to, msgs)
	if err != nil {
		c.producers.drop(p, to)
		return 0, c.failure(fmt.Sprintf("produce to %s/%d", topic, partition), errors.Join(err, ctx.Err()))
	}
	c.producers.put(p)
	if code != 0 {
		c.producers.forget(to)
		return 0, c.refused(ctx, topic, partition, kafkago.Error(code))
	}
	return baseOffset, nil
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

// place is a partition of a topic.
type place struct {
	topic     string
	partition int
}

// producers are a client's connections for producing: who leads what, as far as is known, and the connections that wait.
type producers struct {
	mu      sync.Mutex
	leaders map[place]string // address
	idle    []*producer
}

// producer is a connection to a leader with one request at a time.
type producer struct {
	leader      string
	conn        net.Conn
	correlation int32
	usedAt      time.Time
	batch       batch
	answer      []byte
}

// take gives a connection to the leader of a partition: the one used last, or a new one.
func (ps *producers) take(ctx context.Context, c *Client, to place) (*producer, error) {
	leader, err := ps.leader(ctx, c, to)
	if err != nil {
		return nil, err
	}
	if p := ps.waiting(leader); p != nil {
		return p, nil
	}
	dialer := net.Dialer{Timeout: c.cfg.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", leader)
	if err != nil {
		ps.forget(to)
		return nil, err
	}
	return &producer{leader: leader, conn: conn}, nil
}

func (ps *producers) leader(ctx context.Context, c *Client, to place) (string, error) {
	ps.mu.Lock()
	leader, ok := ps.leaders[to]
	ps.mu.Unlock()
	if ok {
		return leader, nil
	}
	partitions, err := c.partitions(ctx, to.topic)
	if err != nil {
		return "", err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.leaders == nil {
		ps.leaders = map[place]string{}
	}
	for _, p := range partitions {
		if p.Leader.Host != "" {
			ps.leaders[place{to.topic, p.ID}] = address(p.Leader.Host, p.Leader.Port)
		}
	}
	if leader, ok = ps.leaders[to]; !ok {
		return "", fmt.Errorf("%s/%d has no leader: %w", to.topic, to.partition, ErrUnavailable)
	}
	return leader, nil
}

// waiting takes a connection from those that wait. Brokers close one that is idle for long, so an old one is not used.
func (ps *producers) waiting(leader string) *producer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i := len(ps.idle) - 1; i >= 0; i-- {
		p := ps.idle[i]
		if time.Since(p.usedAt) > idleTimeout {
			_ = p.conn.Close() // nothing is under way on it
			ps.idle = append(ps.idle[:i], ps.idle[i+1:]...)
		} else if p.leader == leader {
			ps.idle = append(ps.idle[:i], ps.idle[i+1:]...)
			return p
		}
	}
	return nil
}

func (ps *producers) put(p *producer) {
	p.usedAt = time.Now()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.idle) >= maxIdle {
		_ = p.conn.Close() // nothing is under way on it
		return
	}
	ps.idle = append(ps.idle, p)
}

// drop closes a connection on which something went wrong, and asks anew who leads.
func (ps *producers) drop(p *producer, to place) {
	_ = p.conn.Close() // the reason is known already
	ps.forget(to)
}

func (ps *producers) forget(to place) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.leaders, to)
}

// close ends the connections that wait; the others are closed when they are put back and found idle for too long.
func (ps *producers) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.idle {
		_ = p.conn.Close() // nothing is under way on it
	}
	ps.idle, ps.leaders = nil, nil
}

// roundTrip sends one request and reads its answer. The values go to the kernel from where they lie, and nothing
// refers to them any more when it returns.
func (p *producer) roundTrip(ctx context.Context, cfg Config, to place, msgs []Message) (baseOffset int64, code int16, err error) {
	deadline, _ := ctx.Deadline() // Produce has set one
	if err := p.conn.SetDeadline(deadline); err != nil {
		return 0, 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetDeadline(time.Unix(1, 0)) }) // wakes what waits below
	defer stop()
	p.correlation++
	p.request(cfg, to, msgs)
	defer p.batch.forget()
	if err := p.batch.writeTo(p.conn); err != nil {
		return 0, 0, err
	}
	if err := p.receive(); err != nil {
		return 0, 0, err
	}
	return p.parse(to)
}

// request encodes Produce v7 for one partition. Source: Kafka protocol guide.
func (p *producer) request(cfg Config, to place, msgs []Message) {
	const fixed = 4 + 2 + 2 + 4 + 2 + 2 + 2 + 4 + 4 + 2 + 4 + 4 + 4
	size := fixed + len(cfg.ClientID) + len(to.topic)
	p.batch.encode(size, msgs)
	b := p.batch.head[:0]
	b = binary.BigEndian.AppendUint32(b, uint32(size-4+p.batch.size))
	b = binary.BigEndian.AppendUint16(b, produceKey)
	b = binary.BigEndian.AppendUint16(b, produceVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(p.correlation))
	b = appendString(b, cfg.ClientID)
	b = binary.BigEndian.AppendUint16(b, ^uint16(0)) // transaction: none
	b = binary.BigEndian.AppendUint16(b, ^uint16(0)) // acknowledged by all in-sync replicas
	b = binary.BigEndian.AppendUint32(b, uint32(cfg.RequestTimeout.Milliseconds()))
	b = binary.BigEndian.AppendUint32(b, 1) // topics
	b = appendString(b, to.topic)
	b = binary.BigEndian.AppendUint32(b, 1) // partitions
	b = binary.BigEndian.AppendUint32(b, uint32(to.partition))
	binary.BigEndian.AppendUint32(b, uint32(p.batch.size))
}

func (p *producer) receive() error {
	var head [4]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > maxAnswer {
		return fmt.Errorf("%w: a produce response of %d bytes", ErrUnavailable, size)
	}
	if cap(p.answer) < size {
		p.answer = make([]byte, size)
	}
	p.answer = p.answer[:size]
	_, err := io.ReadFull(p.conn, p.answer)
	return err
}

// parse reads the one topic and partition of the answer.
func (p *producer) parse(to place) (baseOffset int64, code int16, err error) {
	c := cursor{b: p.answer}
	correlation := c.int32()
	topics := c.int32()
	c.skip(int(c.int16()))
	partitions, partition := c.int32(), c.int32()
	code, baseOffset = c.int16(), c.int64()
	if c.bad || correlation != p.correlation || topics != 1 || partitions != 1 || int(partition) != to.partition {
		return 0, 0, fmt.Errorf("%w: the produce response cannot be read", ErrUnavailable)
	}
	return baseOffset, code, nil
}
