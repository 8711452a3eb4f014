// Package background is the life of goroutines that work until they are told to stop, which every part with a Start and
// a Stop has: a context that outlives the call that started it, and a Stop that waits for their end, but no longer than
// its caller can.
package background

import (
	"context"
	"sync"
	"time"
)

// Group is the goroutines of one part. The zero Group is ready. Start and Stop are called by one goroutine at a time.
type Group struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	stopped chan struct{} // closed when all have ended; nil before Stop
}

// Start gives the context to work under: it has ctx's values and ends with Stop alone. false: the group runs already.
func (g *Group) Start(ctx context.Context) (context.Context, bool) {
	if g.cancel != nil {
		return nil, false
	}
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return ctx, true
}

// Go runs f as one of the group.
func (g *Group) Go(f func()) { g.done.Go(f) }

// Stop ends the context and waits for all, or for ctx: then it gives ctx's error, and may be called again.
func (g *Group) Stop(ctx context.Context) error {
	if g.cancel == nil {
		return nil
	}
	if g.stopped == nil { // one waits, however often Stop is called: a WaitGroup is not used again while one does
		g.cancel()
		g.stopped = make(chan struct{})
		go func() { g.done.Wait(); close(g.stopped) }()
	}
	select {
	case <-g.stopped:
		g.cancel, g.stopped = nil, nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pause waits, or ends early with ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
