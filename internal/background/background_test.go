package background

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestGroupOutlivesItsStart(t *testing.T) {
	t.Parallel()
	var g Group
	if err := g.Stop(t.Context()); err != nil {
		t.Error("a stop without a start:", err)
	}
	for range 2 { // it starts again after its stop
		starting, started := context.WithCancel(t.Context())
		ctx, ok := g.Start(starting)
		if _, again := g.Start(starting); !ok || again {
			t.Fatalf("started %v, and again %v", ok, again)
		}
		started()
		leave := make(chan struct{})
		g.Go(func() { <-ctx.Done(); <-leave })
		if ctx.Err() != nil {
			t.Error("it ended with its start's context")
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := g.Stop(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("what does not end was waited for:", err)
		}
		cancel()
		close(leave)
		if err := g.Stop(t.Context()); err != nil || ctx.Err() == nil {
			t.Errorf("stopped with %v, its context with %v", err, ctx.Err())
		}
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	if err := Pause(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Pause(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
