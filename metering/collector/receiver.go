package collector

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/collector/udp"
	"github.com/ezscale/platform/metering/envelope"
)

const (
	longPause         = 5 * time.Millisecond
	shortPause        = 2 * time.Millisecond
	roomyBuffer       = 4 << 20 // bytes, as the kernel counts: 1,800 datagrams, 360,000 a second during the long pause
	afterReceiveError = 100 * time.Millisecond
	finalReads        = 4096 // receive calls at Stop, at most
)

// receiver reads one socket and packs what it reads. It has its own view of the table, its own open envelopes and
// its own waiting list, so that receivers share nothing on the way of a datagram.
type receiver struct {
	c        *Collector
	protocol envelope.Protocol
	socket   *udp.Socket
	slots    *udp.Slots
	done     chan struct{}
	pause    time.Duration

	stopping atomic.Bool

	mu      sync.Mutex // guards all below; held through a receive call and the packing of what it gave
	err     error      // of the last receive call
	table   *sources.Table
	cached  netip.Addr // the last source looked up, and what was found
	group   []*sources.Known
	packers []*packer // by known.Index
	open    []*packer
	timer   *time.Timer // seals the open envelopes
	waiting []waiting   // of unknown sources, in order of arrival
	lastAt  int64       // the kernel's time of the newest datagram read
	drops   uint32      // the kernel's count, as last seen
	reads   uint64      // calls that gave something
	seen    uint64      // reads at the last report
	stuck   int         // reports in a row that found datagrams waiting and no read
}

// packer is the open envelope of one exporter at one receiver.
type packer struct {
	known  *sources.Known
	writer envelope.Writer
	open   bool
	size   int // of the last envelope, as a guess for the next
}

func newReceiver(c *Collector, s *udp.Socket, protocol envelope.Protocol) (*receiver, error) {
	memory, err := udp.NewSlots(c.cfg.Slots)
	if err != nil {
		return nil, err
	}
	r := &receiver{c: c, protocol: protocol, socket: s, slots: memory, done: make(chan struct{}), table: sources.NewTable(nil, 1), lastAt: c.self.Boot}
	r.pause = pauseFor(c.cfg.Pause, s.Buffer())
	r.timer = time.AfterFunc(time.Hour, r.flush)
	r.timer.Stop()
	return r, nil
}

// pauseFor chooses how long to let datagrams gather. Waking up is a large part of the cost; a small buffer would
// overflow meanwhile.
func pauseFor(configured time.Duration, buffer int) time.Duration {
	switch {
	case configured > 0:
		return configured
	case buffer < roomyBuffer:
		return shortPause
	}
	return longPause
}

func (r *receiver) start() { go r.run() }

// run sleeps in the kernel while nothing comes, so an idle collector costs nothing. While datagrams come it pauses
// between calls: the kernel's buffer holds them, and one call then brings many.
func (r *receiver) run() {
	defer close(r.done)
	for !r.stopping.Load() {
		n, err := r.receive()
		switch {
		case errors.Is(err, udp.ErrEmpty):
			if !r.socket.Wait() {
				return
			}
		case err != nil:
			r.c.log.Error("receive failed", "error", err)
			time.Sleep(afterReceiveError)
		case n < r.slots.Len():
			time.Sleep(r.pause)
		}
	}
}

// receive makes one call and packs what it gave. EAGAIN when nothing was there.
func (r *receiver) receive() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.slots.Receive(r.socket)
	r.err = nil
	if err == nil {
		r.take(n)
	} else if !errors.Is(err, udp.ErrEmpty) {
		r.err = err
	}
	return n, err
}

// take packs the first n slots.
func (r *receiver) take(n int) {
	offset := r.c.deps.Offset().Nanoseconds()
	var datagrams, bytes int64
	for i := range n {
		at, drops := r.slots.Ancillary(i)
		if at == 0 {
			at = r.c.deps.Now().UnixNano()
		}
		r.countDrops(drops)
		r.lastAt = max(r.lastAt, at)
		d := envelope.Datagram{Received: at + offset, Source: r.slots.Source(i), Protocol: r.protocol, Payload: r.slots.Payload(i)}
		if k := r.find(d); k != nil {
			r.pack(k, d)
			datagrams++
			bytes += int64(len(d.Payload))
		} else {
			r.putAside(d)
		}
	}
	r.slots.Rearm(n)
	r.reads++
	r.c.totals.datagrams.Add(datagrams)
	r.c.totals.bytes.Add(bytes)
}

// countDrops adds what the kernel's 32-bit counter gained. Readings may come out of order: an older one gains nothing.
func (r *receiver) countDrops(drops uint32) {
	if gained := int32(drops - r.drops); drops != 0 && gained > 0 {
		r.c.totals.kernelDrops.Add(int64(gained))
		r.drops = drops
	}
}

func (r *receiver) find(d envelope.Datagram) *sources.Known {
	if source := d.Source.Addr(); source != r.cached {
		r.cached, r.group = source, r.table.Group(source)
	}
	return sources.Choose(r.group, d.Protocol, d.Payload)
}

// pack appends a datagram to its exporter's envelope.
func (r *receiver) pack(k *sources.Known, d envelope.Datagram) {
	p := r.packers[k.Index]
	if p == nil {
		p = &packer{known: k}
		r.packers[k.Index] = p
	}
	if !p.open {
		r.begin(p)
		r.open = append(r.open, p)
		if len(r.open) == 1 {
			r.timer.Reset(r.c.untilFlush())
		}
	}
	if !r.append(p, d) {
		r.seal(p)
		r.begin(p)
		r.append(p, d)
	}
}

// append adds a datagram, in a longer buffer when the one at hand is full: left to itself it would grow into garbage.
func (r *receiver) append(p *packer, d envelope.Datagram) bool {
	if need := p.writer.Needs(len(d.Payload)); need > 0 && need <= r.c.cfg.EnvelopeBytes {
		r.c.buffers.Put(p.writer.Move(r.c.buffers.Get(need)))
	}
	return p.writer.Append(d)
}

// untilFlush lets all receivers flush at the same moments, so that a partition gets what they have in one request.
func (c *Collector) untilFlush() time.Duration {
	every := c.cfg.FlushEvery
	return every - time.Duration(c.deps.Now().UnixNano()%int64(every))
}

func (r *receiver) begin(p *packer) {
	header := envelope.Header{Collector: r.c.self.ID, Boot: r.c.self.Boot, Exporter: p.known.ID}
	p.writer.Reset(r.c.buffers.Get(p.size+p.size/8), header, r.c.cfg.EnvelopeBytes)
	p.open = true
}

func (r *receiver) seal(p *packer) {
	datagrams := p.writer.Count()
	value := p.writer.Seal(0) // numbered by the queue, if it takes it
	p.size, p.open = len(value), false
	r.c.partitions[p.known.Partition].add(value, datagrams)
}

func (r *receiver) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealAll()
}

func (r *receiver) sealAll() {
	for _, p := range r.open {
		r.seal(p)
	}
	r.open = r.open[:0]
}

// adopt takes the answer of reload number: another table, or the same. It then decides on what waits, before any
// newer datagram is read, so that an exporter's order holds.
func (r *receiver) adopt(t *sources.Table, number uint64, answered bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t != r.table {
		r.sealAll()
		r.table, r.packers, r.cached, r.group = t, make([]*packer, t.Len()), netip.Addr{}, nil
	}
	r.decide(number, answered, now)
}

// upTo seals what is open and tells the time (the machine's) up to which every datagram of this socket has been packed.
func (r *receiver) upTo(now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealAll()
	if drops, ok := r.socket.Drops(); ok {
		r.countDrops(drops)
	}
	upTo := now.UnixNano()
	waits := r.socket.Readable()
	if waits {
		upTo = min(upTo, r.lastAt)
	}
	r.stuck++
	if !waits || r.reads != r.seen {
		r.stuck = 0
	}
	r.seen = r.reads
	if len(r.waiting) > 0 {
		upTo = min(upTo, r.waiting[0].at)
	}
	return upTo
}

// health says why the socket is not read.
func (r *receiver) health() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return fmt.Errorf("datagrams cannot be received: %w", r.err)
	}
	if r.stuck >= stuckReports {
		return fmt.Errorf("datagrams wait in a socket and are not read for %d reports", r.stuck)
	}
	return nil
}

// stop ends the reading, after what the socket holds has been read.
func (r *receiver) stop() {
	r.stopping.Store(true)
	r.socket.Interrupt()
	<-r.done
	for range finalReads {
		if n, err := r.receive(); err != nil || n < r.slots.Len() {
			break
		}
	}
	r.timer.Stop()
	r.flush()
}

func (r *receiver) close() error {
	r.timer.Stop()
	return errors.Join(r.socket.Close(), r.slots.Close())
}
