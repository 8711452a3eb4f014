package api

import (
	"context"
	"log/slog"
	"sync"
)

// background runs one piece of work behind the requests that ask for it: one run at a time, and one more after it
// when somebody asked meanwhile.
type background struct {
	name string
	work func(context.Context) error
	log  *slog.Logger

	mu      sync.Mutex
	cancel  context.CancelFunc // of the run under way
	again   bool
	stopped bool
	runs    sync.WaitGroup
}

// ask sees to it that the work is begun after this moment.
func (b *background) ask() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.work == nil || b.stopped:
	case b.cancel != nil:
		b.again = true
	default:
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		b.runs.Go(func() { b.run(ctx) })
	}
}

func (b *background) run(ctx context.Context) {
	for {
		if err := b.work(ctx); err != nil && ctx.Err() == nil {
			b.log.ErrorContext(ctx, "background work failed", "work", b.name, "error", err)
		}
		if !b.next() {
			return
		}
	}
}

// next tells whether to run again; if not, the run is over.
func (b *background) next() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.again && !b.stopped {
		b.again = false
		return true
	}
	b.cancel()
	b.cancel = nil
	return false
}

// stop ends the run under way and waits for it. It may be called twice.
func (b *background) stop() {
	b.mu.Lock()
	b.stopped = true
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	b.runs.Wait()
}
