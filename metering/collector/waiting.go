package collector

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/ezscale/platform/metering/envelope"
)

// Bounds of what waits for a reload.
const (
	waitBound     = 2 * time.Second  // a datagram waits no longer for a reload
	unknownFor    = 10 * time.Second // a source found unknown asks for no reload of its own in that time
	waitDatagrams = 32 << 10
	waitBytes     = 32 << 20
	familiarShare = 2 // sources known to be unknown may fill 1/familiarShare of the room
	crowdedShare  = 8 // and ask for a reload, too, when 1/crowdedShare is full: one may just have been registered
)

// waiting is a datagram of an unknown source, kept until a reload that began after it came has answered.
type waiting struct {
	datagram envelope.Datagram
	at       int64  // the machine's time of arrival
	after    uint64 // reloads begun before it came
}

// putAside keeps a copy of a datagram that no exporter sent, or counts it when there is no room.
func (r *receiver) putAside(d envelope.Datagram) {
	size := len(d.Payload)
	familiar := r.c.unknown.Answered(d.Source.Addr(), d.Received, unknownFor.Nanoseconds())
	if !r.c.budget.take(size, familiar) {
		r.c.unknown.Add(d.Source.Addr(), size, d.Received)
		return
	}
	d.Payload = slices.Clone(d.Payload)
	r.waiting = append(r.waiting, waiting{datagram: d, at: d.Received - r.c.deps.Offset().Nanoseconds(), after: r.c.exporters.begun.Load()})
	if !familiar || r.c.budget.crowded() {
		r.c.exporters.ask()
	}
}

// decide packs what the table now knows, counts what it does not, and keeps what came after the reload began.
func (r *receiver) decide(number uint64, answered bool, now time.Time) {
	tooOld := now.Add(-waitBound).UnixNano()
	kept := r.waiting[:0]
	for _, w := range r.waiting {
		k := r.find(w.datagram)
		switch {
		case k != nil:
			r.pack(k, w.datagram)
			r.c.totals.datagrams.Add(1)
			r.c.totals.bytes.Add(int64(len(w.datagram.Payload)))
		case answered && w.after < number || w.at < tooOld:
			r.c.unknown.Add(w.datagram.Source.Addr(), len(w.datagram.Payload), w.datagram.Received)
		default:
			kept = append(kept, w)
			continue
		}
		r.c.budget.give(len(w.datagram.Payload))
	}
	clear(r.waiting[len(kept):])
	r.waiting = kept
}

// pendingBudget bounds what waits in all receivers together.
type pendingBudget struct{ datagrams, bytes atomic.Int64 }

// take reserves room for one datagram. Familiar sources leave some of it to new ones.
func (b *pendingBudget) take(size int, familiar bool) bool {
	datagrams, bytes := int64(waitDatagrams), int64(waitBytes)
	if familiar {
		datagrams, bytes = datagrams/familiarShare, bytes/familiarShare
	}
	if d, n := b.datagrams.Add(1), b.bytes.Add(int64(size)); d <= datagrams && n <= bytes {
		return true
	}
	b.give(size)
	return false
}

func (b *pendingBudget) crowded() bool {
	return b.datagrams.Load() > waitDatagrams/crowdedShare || b.bytes.Load() > waitBytes/crowdedShare
}

func (b *pendingBudget) give(size int) {
	b.datagrams.Add(-1)
	b.bytes.Add(-int64(size))
}
