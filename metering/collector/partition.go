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
	"github.com/ezscale/platform/metering/collector/spool"
	"github.com/ezscale/platform/metering/envelope"
)

const (
	firstRetry   = 50 * time.Millisecond
	lastRetry    = 2 * time.Second
	stuckFor     = 10 * time.Second // a request older than this makes the collector unhealthy
	stuckReports = 5
)

// partition is what waits for one Kafka partition, and the one request that is in flight for it. In order, the
// spool's envelopes come before the queue's. While Kafka answers, the spool is empty and memory is all there is.
type partition struct {
	c     *Collector
	index int
	wake  chan struct{} // something was added, or finish was called

	mu                     sync.Mutex
	spool                  *spool.Spool // nil without a data directory
	queue                  []item
	flight                 []item // of the request that is being sent: the first of spool or queue
	onDisk                 bool   // flight is (also) in the spool
	flightAt               time.Time
	sequence               uint64 // last one given
	reports                int    // of this boot, not sent yet
	limit                  int    // bytes of one request; shrinks when the broker takes less
	closing                bool
	failing                error // of the last request, nil when it was taken
	unwritable, unreadable error // of the spool's last write and last read, nil when it went well
}

// item is a numbered envelope.
type item struct {
	value     []byte
	datagrams int
	report    bool // of this boot
}

func newPartition(c *Collector, index int, s *spool.Spool) *partition {
	return &partition{c: c, index: index, spool: s, wake: make(chan struct{}, 1), limit: c.cfg.RequestBytes}
}

// add numbers an envelope and keeps it for sending. When there is no room it is dropped without a number, and counted.
func (p *partition) add(value []byte, datagrams int) {
	p.mu.Lock()
	if !p.place(item{value: value, datagrams: datagrams}) {
		p.c.totals.dropped.Add(int64(datagrams))
		p.c.buffers.Put(value)
	}
	p.mu.Unlock()
	p.signal()
}

// addReport adds a report, unless one still waits: its successor will tell the same, later.
func (p *partition) addReport(r envelope.Report) error {
	value, err := envelope.AppendReport(nil, envelope.Header{Collector: p.c.self.ID, Boot: p.c.self.Boot}, r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.reports == 0 && p.place(item{value: value, report: true}) {
		p.reports++
	}
	p.mu.Unlock()
	p.signal()
	return nil
}

// place puts an envelope behind all others: into the spool when that is in use, else into memory, and when memory is
// full everything moves to the spool.
func (p *partition) place(i item) bool {
	envelope.SetSequence(i.value, p.sequence+1)
	switch {
	case p.spooling() && len(p.queue) == 0 && p.write(i):
		p.c.buffers.Put(i.value)
	case p.reserve(len(i.value)):
		p.queue = append(p.queue, i)
	case p.spill() && p.write(i):
		p.c.buffers.Put(i.value)
	default:
		return false
	}
	p.sequence++
	return true
}

// reserve takes room in memory, which all partitions share.
func (p *partition) reserve(bytes int) bool {
	if p.c.totals.queued.Add(int64(bytes)) > p.c.cfg.QueueBytes {
		p.c.totals.queued.Add(-int64(bytes))
		return false
	}
	return true
}

func (p *partition) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// finish lets run end when everything is sent.
func (p *partition) finish() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.signal()
}

// run sends batch after batch until all is sent and finish was called, or ctx ends.
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

// next puts the first envelopes into flight: as many as one request takes, at least one.
func (p *partition) next() (batch []item, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight, p.onDisk, p.flightAt = p.flight[:0], false, p.c.deps.Now()
	if p.spooling() {
		p.flight, p.onDisk = p.load(p.flight), true
		if len(p.flight) > 0 || p.spooling() {
			return p.flight, false
		}
	}
	n, size := 0, 0
	for n < len(p.queue) && (n == 0 || size+len(p.queue[n].value) <= p.limit) {
		size += len(p.queue[n].value)
		n++
	}
	p.flight, p.onDisk = append(p.flight, p.queue[:n]...), false
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
	if !p.spooling() {
		p.unwritable = nil // nothing needs it: whether it can be written shows when something does
	}
}

// release lets go of the first envelope in flight, which is sent or lost.
func (p *partition) release(i item) {
	if i.report {
		p.reports--
	}
	if p.onDisk {
		p.note(&p.unreadable, "read", p.spool.Advance(i.value))
		return
	}
	p.c.totals.queued.Add(-int64(len(i.value)))
	p.c.buffers.Put(i.value)
}

// failed moves everything to the spool: memory would die with the process.
func (p *partition) failed(err error) {
	p.c.metrics.produceErrors.Inc()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing == nil {
		p.c.log.Warn("envelopes are not taken; they wait", "partition", p.index, "spool", p.spool != nil, "error", err)
	}
	p.failing = err
	p.spill()
}

// shrink answers a broker that refuses a request for its size: what was in flight goes back, and requests get
// smaller. An envelope that is too large by itself is lost: with its number, so that the meter sees the hole.
func (p *partition) shrink(err error) {
	p.c.metrics.produceErrors.Inc()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.flight) == 1:
		p.c.log.Error("the broker takes no envelope of this size: it is lost; raise the topic's max.message.bytes",
			"partition", p.index, "bytes", len(p.flight[0].value), "error", err)
		p.c.totals.dropped.Add(int64(p.flight[0].datagrams))
		p.release(p.flight[0])
	default:
		p.limit = max(p.limit/2, 1)
		p.c.log.Warn("the broker takes smaller requests only", "partition", p.index, "bytes", p.limit, "error", err)
		if !p.onDisk {
			p.queue = append(slices.Clone(p.flight), p.queue...)
		}
	}
	p.flight = p.flight[:0]
}

// leftBehind moves to the spool what was never taken, and counts the datagrams that it has no room for.
func (p *partition) leftBehind() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spill()
	var left int64
	for _, i := range p.queue {
		left += int64(i.datagrams)
	}
	for _, i := range p.flight {
		if !p.onDisk {
			left += int64(i.datagrams)
		}
	}
	return left
}

// health says for how long Kafka has taken nothing, and why the spool cannot be used.
func (p *partition) health(now time.Time) (stuck, spool error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if trouble := errors.Join(p.unwritable, p.unreadable); trouble != nil {
		spool = fmt.Errorf("the spool of partition %d cannot be used: %w", p.index, trouble)
	}
	return p.stuck(now), spool
}

func (p *partition) stuck(now time.Time) error {
	waited := now.Sub(p.flightAt).Round(time.Second)
	switch {
	case len(p.flight) == 0 || waited < stuckFor:
		return nil
	case p.failing == nil:
		return fmt.Errorf("kafka has not answered for partition %d for %s", p.index, waited)
	}
	return fmt.Errorf("kafka has taken nothing for partition %d for %s: %w", p.index, waited, p.failing)
}
