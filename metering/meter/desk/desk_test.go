package desk

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whoever asks, takes, leaves in whatever order: no desk is lost or given twice, and those who wait longest come first.
func TestDesksAreNeitherLostNorGivenTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "desks")
		desks := New(n, 1)
		seats := make([]Seat, 6)
		for i := range seats {
			seats[i] = desks.Seat()
		}
		var line []int // who waits
		forget := func(i int) {
			for at, who := range line {
				if who == i {
					line = append(line[:at:at], line[at+1:]...)
					return
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(seats)-1).Draw(t, "who")
			if rapid.Bool().Draw(t, "asks") {
				if seats[i].Desk == nil && seats[i].turn == nil {
					line = append(line, i)
				}
				seats[i].Ask()
			} else {
				forget(i)
				seats[i].Leave()
			}
			held := map[*Desk]bool{}
			for i := range seats {
				if seats[i].Has() {
					forget(i)
					if held[seats[i].Desk] {
						t.Fatal("a desk was given twice")
					}
					held[seats[i].Desk] = true
				}
			}
			if len(line) > 0 && len(held) < n || len(held)+len(desks.free) != n {
				t.Fatalf("%d of %d desks are held, %d are free, %d wait", len(held), n, len(desks.free), len(line))
			}
			if len(desks.line) != len(line) || len(line) > 0 && seats[line[0]].turn != desks.line[0] {
				t.Fatal("another is first in line")
			}
		}
	})
}

func TestTake(t *testing.T) {
	t.Parallel()
	desks := New(1, 1)
	mine, yours := desks.Seat(), desks.Seat()
	if err := mine.Take(t.Context(), time.Hour, nil); err != nil || mine.Desk == nil {
		t.Fatalf("a free desk: %v", err)
	}
	bored := errors.New("bored")
	if err := yours.Take(t.Context(), time.Millisecond, func() error { return bored }); !errors.Is(err, bored) {
		t.Fatalf("meanwhile: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := yours.Take(ended, time.Hour, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended: %v", err)
	}
	go mine.Leave()
	if yours.Pause(t.Context(), time.Hour); yours.Desk == nil {
		t.Fatal("the desk did not come")
	}
	yours.Leave()
	if yours.Desk != nil || len(desks.free) != 1 {
		t.Fatal("the desk was not given back")
	}
}
