package meter

import (
	"fmt"
	"sync"
	"time"
)

// progress is what the outside may know about a worker while it works.
type progress struct {
	mu      sync.Mutex
	leased  bool
	behind  int64     // messages
	newest  time.Time // receive time of the newest datagram counted
	movedAt time.Time // last time something was done, or there was nothing to do
	failure error     // the newest failure since then
	fatal   error     // will not go away by itself
}

func (p *progress) take(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leased, p.movedAt, p.failure, p.fatal = true, now, nil, nil
}

func (p *progress) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leased, p.behind = false, 0
}

func (p *progress) moved(now, newest time.Time, behind int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.movedAt, p.behind, p.failure = now, behind, nil
	if newest.After(p.newest) {
		p.newest = newest
	}
}

func (p *progress) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = err
}

func (p *progress) stopped(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fatal = err
}

func (p *progress) health(now time.Time, stallAfter time.Duration) error {
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

func (p *progress) lag(now time.Time) Lag {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Lag{Leased: p.leased, Messages: p.behind}
	if p.behind > 0 && !p.newest.IsZero() {
		l.Time = max(now.Sub(p.newest), 0)
	}
	return l
}
