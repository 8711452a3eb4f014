// Package progress is what the outside may know about a worker of the meter while it works: whether it holds its
// partition, how far it is behind, when it last moved and what keeps it.
package progress

import (
	"fmt"
	"sync"
	"time"
)

// Progress is one worker's. The zero value has nothing to do. It is safe for concurrent use.
type Progress struct {
	mu      sync.Mutex
	leased  bool
	behind  int64     // messages
	newest  time.Time // receive time of the newest datagram counted
	movedAt time.Time // last time something was done, or there was nothing to do
	failure error     // the newest failure since then
	fatal   error     // will not go away by itself
}

// Take notes that the worker holds its partition from now on.
func (p *Progress) Take(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leased, p.movedAt, p.failure, p.fatal = true, now, nil, nil
}

// Drop notes that it does not.
func (p *Progress) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leased, p.behind, p.failure, p.fatal = false, 0, nil, nil
}

// Moved notes that something was done, or that there was nothing to do.
func (p *Progress) Moved(now, newest time.Time, behind int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.movedAt, p.behind, p.failure = now, behind, nil
	if newest.After(p.newest) {
		p.newest = newest
	}
}

// Failed notes what keeps the worker, until it moves again.
func (p *Progress) Failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = err
}

// Stopped notes what will not go away by itself.
func (p *Progress) Stopped(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fatal = err
}

// Health is nil while the worker moves, has nothing to do, or nothing is its care.
func (p *Progress) Health(now time.Time, stallAfter time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	still := now.Sub(p.movedAt)
	switch {
	case p.fatal != nil:
		return p.fatal
	case !p.leased && p.failure == nil || still < stallAfter:
		return nil
	case p.failure != nil:
		return fmt.Errorf("no progress for %s: %w", still.Round(time.Second), p.failure)
	}
	return fmt.Errorf("no progress for %s, %d messages behind", still.Round(time.Second), p.behind)
}

// Lag is how far one worker is behind.
type Lag struct {
	Leased   bool
	Messages int64
	Time     time.Duration // age of the newest datagram counted, 0 when there is nothing left to count
}

// Lag tells how far it is behind.
func (p *Progress) Lag(now time.Time) Lag {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Lag{Leased: p.leased, Messages: p.behind}
	if p.behind > 0 && !p.newest.IsZero() {
		l.Time = max(now.Sub(p.newest), 0)
	}
	return l
}
