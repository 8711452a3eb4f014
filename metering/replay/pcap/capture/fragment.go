package capture

import (
	"net/netip"
	"slices"
	"time"
)

// Bounds of what waits for its other fragments.
const (
	maxWhole   = 65535 // bytes of one IP packet's body
	maxWaiting = 256   // IP packets; the oldest makes room
	maxPieces  = 128   // of one
	maxAge     = int64(30 * time.Second)
)

type fragmentKey struct {
	src, dst netip.Addr
	protocol uint8
	id       uint32
}

// piece is one fragment's place in the whole.
type piece struct{ from, to int }

// puzzle is an IP packet of which some fragments have come.
type puzzle struct {
	at     int64 // of the first
	pieces []piece
	size   int // 0: the last fragment has not come
	body   []byte
	count  int64 // packets, repeats included
}

// fragments puts IP packets together.
type fragments struct {
	waiting map[fragmentKey]*puzzle
	order   []fragmentKey // oldest first; keys that no longer wait are passed over
	spent   []byte        // the body given last, to be used again
}

func newFragments() fragments { return fragments{waiting: map[fragmentKey]*puzzle{}} }

// add takes a fragment. whole is the body once all are there, and joined how many other packets it came from;
// skipped are packets that were given up, by reason.
func (f *fragments) add(at int64, p part) (whole []byte, joined int64, skipped map[string]int64) {
	key := fragmentKey{p.src, p.dst, p.protocol, p.id}
	w := f.waiting[key]
	if w != nil && at-w.at > maxAge {
		skipped = map[string]int64{ReasonIncomplete: w.count}
		delete(f.waiting, key)
		w = nil
	}
	if w == nil {
		if gone := f.makeRoom(); gone > 0 {
			skipped = map[string]int64{ReasonIncomplete: gone + skipped[ReasonIncomplete]}
		}
		w = &puzzle{at: at, body: f.spent[:0]}
		f.spent = nil
		f.waiting[key] = w
		f.order = append(f.order, key)
	}
	w.count++
	if !w.place(p) {
		delete(f.waiting, key)
		if skipped == nil {
			skipped = map[string]int64{}
		}
		skipped[ReasonOverlap] = w.count
		return nil, 0, skipped
	}
	if !w.complete() {
		return nil, 0, skipped
	}
	delete(f.waiting, key)
	f.spent = w.body
	return w.body[:w.size], w.count - 1, skipped
}

// makeRoom gives up the oldest when there are too many, and says how many packets that were.
func (f *fragments) makeRoom() int64 {
	var gone int64
	for len(f.order) > 0 && len(f.order) >= maxWaiting {
		if w, ok := f.waiting[f.order[0]]; ok {
			gone += w.count
			delete(f.waiting, f.order[0])
		}
		f.order = slices.Delete(f.order, 0, 1)
	}
	return gone
}

// drop gives up all, and says how many packets that were.
func (f *fragments) drop() int64 {
	var gone int64
	for _, w := range f.waiting {
		gone += w.count
	}
	clear(f.waiting)
	f.order = f.order[:0]
	return gone
}

// place puts a fragment where it belongs; false when it contradicts those that are there. The same one again is none.
func (w *puzzle) place(p part) bool {
	one := piece{p.offset, p.offset + len(p.body)}
	if slices.Contains(w.pieces, one) {
		return true
	}
	overlaps := func(other piece) bool { return one.from < other.to && other.from < one.to }
	if slices.ContainsFunc(w.pieces, overlaps) || len(w.pieces) >= maxPieces {
		return false
	}
	if !p.more {
		if w.size != 0 {
			return false
		}
		w.size = one.to
	}
	if w.size != 0 && max(one.to, len(w.body)) > w.size {
		return false
	}
	if grown := one.to - len(w.body); grown > 0 {
		w.body = append(w.body, make([]byte, grown)...)
	}
	copy(w.body[one.from:], p.body)
	w.pieces = append(w.pieces, one)
	return true
}

func (w *puzzle) complete() bool {
	if w.size == 0 {
		return false
	}
	have := 0
	for _, p := range w.pieces {
		have += p.to - p.from
	}
	return have == w.size
}
