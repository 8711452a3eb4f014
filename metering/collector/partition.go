package collector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/envelope"
)

const (
	firstRetry   = 50 * time.Millisecond
	lastRetry    = 2 * time.Second
	stuckFor     = 10 * time.Second // an envelope older than this makes the collector unhealthy
	stuckReports = 5
)

// partition is the queue before one Kafka partition, and the one request that is in flight for it.
type partition struct {
	c     *Collector
	index int
	wake  chan struct{} // something was added, or finish was called

	mu       sync.Mutex
	queue    []item // waiting, then taken by send in order
	flight   []item // of the request that is being sent
	sequence uint64 // last one given
	reports  int    // in queue and flight
	limit    int    // bytes of one request; shrinks when the broker takes less
	closing  bool
	failing  error // of the last request, nil when it was taken
}

// item is a numbered envelope.
type item struct {
	value     []byte
	datagrams int // 0 for a report
	at        time.Time
}

func newPartition(c *Collector, index int) *partition {
	return &partition{c: c, index: index, wake: make(chan struct{}, 1), limit: c.cfg.RequestBytes}
}

// add numbers an envelope and queues it. When the queue is full it is dropped without a number, and counted.
func (p *partition) add(value []byte, datagrams int) {
	if p.c.totals.queued.Add(int64(len(value))) > p.c.cfg.QueueBytes {
		p.c.totals.queued.Add(-int64(len(value)))
		p.c.totals.dropped.Add(int64(datagrams))
		p.c.buffers.put(value)
		return
	}
	p.mu.Lock()
	p.push(value, datagrams)
	p.mu.Unlock()
	p.signal()
}

// addReport queues a report, unless one still waits: its successor will tell the same, later.
func (p *partition) addReport(r envelope.Report) error {
	value, err := envelope.AppendReport(nil, envelope.Header{Collector: p.c.self.ID, Boot: p.c.self.Boot}, r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.reports == 0 {
		p.c.totals.queued.Add(int64(len(value)))
		p.reports++
		p.push(value, 0)
	}
	p.mu.Unlock()
	p.signal()
	return nil
}

func (p *partition) push(value []byte, datagrams int) {
	p.sequence++
	envelope.SetSequence(value, p.sequence)
	p.queue = append(p.queue, item{value: value, datagrams: datagrams, at: p.c.deps.Now()})
}

func (p *partition) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// finish lets run end when the queue is empty.
func (p *partition) finish() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.signal()
}

// run sends batch after batch until the queue is finished or ctx ends.
func (p *partition) run(ctx context.Context) {
	var msgs []kafka.Message
	for {
		batch, end := p.next()
		if end {
			return
		}
		if len(batch) == 0 {
			select {
			case <-p.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		msgs = msgs[:0]
		for _, i := range batch {
			msgs = append(msgs, kafka.Message{Value: i.value})
		}
		if !p.send(ctx, msgs) {
			return
		}
	}
}

// next moves the head of the queue into flight: as many envelopes as one request takes, at least one.
func (p *partition) next() (batch []item, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, size := 0, 0
	for n < len(p.queue) && (n == 0 || size+len(p.queue[n].value) <= p.limit) {
		size += len(p.queue[n].value)
		n++
	}
	p.flight = append(p.flight[:0], p.queue[:n]...)
	p.queue = slices.Delete(p.queue, 0, n)
	return p.flight, n == 0 && p.closing
}

// send repeats one request until it is answered: an error says nothing about whether the broker has it. False when ctx ended.
func (p *partition) send(ctx context.Context, msgs []kafka.Message) bool {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := p.produce(ctx, msgs)
		switch {
		case err == nil:
			p.sent()
			return true
		case errors.Is(err, kafka.ErrTooLarge):
			p.shrink(err)
			return true
		}
		p.failed(err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

func (p *partition) produce(ctx context.Context, msgs []kafka.Message) error {
	ctx, cancel := context.WithTimeout(ctx, p.c.cfg.RequestTimeout)
	defer cancel()
	begun := p.c.deps.Now()
	_, err := p.c.deps.Kafka.Produce(ctx, p.c.cfg.Topic, p.index, msgs)
	p.c.metrics.produceSeconds.Observe(p.c.deps.Now().Sub(begun).Seconds())
	return err
}

func (p *partition) sent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing != nil {
		p.c.log.Info("envelopes are taken again", "partition", p.index)
		p.failing = nil
	}
	for _, i := range p.flight {
		p.release(i)
		p.c.totals.envelopes.Add(1)
	}
	p.flight = p.flight[:0]
}

// release lets go of an envelope that is sent or lost.
func (p *partition) release(i item) {
	p.c.totals.queued.Add(-int64(len(i.value)))
	if i.datagrams == 0 {
		p.reports--
	}
	p.c.buffers.put(i.value)
}

func (p *partition) failed(err error) {
	p.c.metrics.produceErrors.Inc()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing == nil {
		p.c.log.Warn("envelopes are not taken; they wait in memory", "partition", p.index, "error", err)
	}
	p.failing = err
}

// shrink answers a broker that refuses a request for its size: what was in flight goes back, and requests get
// smaller. An envelope that is too large by itself is lost: with its number, so that the meter sees the hole.
func (p *partition) shrink(err error) {
	p.c.metrics.produceErrors.Inc()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flight) == 1 {
		p.c.log.Error("the broker takes no envelope of this size: it is lost; raise the topic's max.message.bytes",
			"partition", p.index, "bytes", len(p.flight[0].value), "error", err)
		p.c.totals.dropped.Add(int64(p.flight[0].datagrams))
		p.release(p.flight[0])
	} else {
		p.limit = max(p.limit/2, 1)
		p.c.log.Warn("the broker takes smaller requests only", "partition", p.index, "bytes", p.limit, "error", err)
		p.queue = append(slices.Clone(p.flight), p.queue...)
	}
	p.flight = p.flight[:0]
}

// leftBehind counts the datagrams that were never taken.
func (p *partition) leftBehind() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left int64
	for _, i := range slices.Concat(p.flight, p.queue) {
		left += int64(i.datagrams)
	}
	return left
}

// health says for how long Kafka has taken nothing.
func (p *partition) health(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := slices.Concat(p.flight, p.queue[:min(len(p.queue), 1)])
	if len(oldest) == 0 || now.Sub(oldest[0].at) < stuckFor {
		return nil
	}
	waited := now.Sub(oldest[0].at).Round(time.Second)
	if p.failing == nil {
		return fmt.Errorf("kafka has not answered for partition %d for %s", p.index, waited)
	}
	return fmt.Errorf("kafka has taken nothing for partition %d for %s: %w", p.index, waited, p.failing)
}
