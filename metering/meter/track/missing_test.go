package track

import (
	"maps"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const perDatagram = int64(10 * time.Millisecond)

// heard is a sub-agent with who brings what it hears. Datagram number n of a boot is received at n×perDatagram after its beginning.
type heard struct {
	*SubAgent
	counted, repeats, restarts int
	lost                       int64
}

func (h *heard) hear(from, to uint32, feeder uint64) { h.boot(from, to, feeder, 0, 1) }

func (h *heard) boot(from, to uint32, feeder uint64, begun int64, crc uint32) {
	for seq := from; seq < to; seq++ {
		at := time.Hour.Nanoseconds()*1000 + begun + int64(seq)*perDatagram
		v := h.Datagram(seq, seq*crc*7, uint32(int64(seq)*perDatagram/1e6), at, feeder)
		h.lost += v.Lost
		if v.Duplicate {
			h.repeats++
		} else {
			h.counted++
		}
		if v.Restart {
			h.restarts++
		}
	}
}

func (h *heard) want(t *testing.T, counted, repeats int, lost int64) {
	t.Helper()
	if h.counted != counted || h.repeats != repeats || h.lost != lost {
		t.Errorf("counted %d, repeated %d, lost %d; want %d, %d, %d", h.counted, h.repeats, h.lost, counted, repeats, lost)
	}
}

const (
	live = iota + 1
	capture
	other
)

// What a capture brings of an outage that the window has left behind counts, once, and is no longer lost.
func TestOutageIsFilledLater(t *testing.T) {
	t.Parallel()
	h := &heard{SubAgent: subAgent()}
	h.hear(1, 1000, live)
	h.hear(1000+3*Window, 1000+6*Window, live)
	h.want(t, 999+3*Window, 0, 3*Window)
	h.hear(500, 1500+3*Window, capture) // began before, ended after
	h.want(t, 999+6*Window, 1000, 0)
	h.hear(500, 1500+3*Window, other)
	h.want(t, 999+6*Window, 2000+3*Window, 0)
}

// What was captured before a switch was registered counts, once, with a restart of the switch in it; what came
// between stays lost.
func TestTimeBeforeTheFirstIsFilledLater(t *testing.T) {
	t.Parallel()
	h := &heard{SubAgent: subAgent()}
	h.hear(50_000, 60_000, live)
	earlier := -int64(2 * time.Hour)
	h.boot(700_000, 710_000, capture, earlier-700_000*perDatagram, 3)
	h.hear(1, 20_001, capture)
	h.want(t, 40_000, 0, 29_999)
	if h.restarts != 1 {
		t.Errorf("%d restarts", h.restarts)
	}
	h.hear(20_001, 30_001, other)
	h.want(t, 50_000, 0, 19_999)
	h.hear(1, 30_001, other+1)
	h.boot(700_000, 710_000, other+1, earlier-700_000*perDatagram, 3)
	h.want(t, 50_000, 40_000, 19_999)
}

// The same of a switch that has hardly been heard yet: the capture reaches into the window.
func TestTimeBeforeAYoungFirstIsFilledLater(t *testing.T) {
	t.Parallel()
	h := &heard{SubAgent: subAgent()}
	h.hear(9_000, 11_000, live)
	h.hear(1, 9_000, capture)
	h.want(t, 10_999, 0, 0)
	h.hear(2, 10_000, other)
	h.want(t, 10_999, 9_998, 0)
}

func TestStragglersOfAnotherTimeAreRepeats(t *testing.T) {
	t.Parallel()
	h := &heard{SubAgent: subAgent()}
	h.hear(1, 20_000, live)
	h.boot(1, 100, live, 20_000*perDatagram, 3) // a restart
	h.boot(10_000, 20_000, live, 20_000*perDatagram, 3)
	h.want(t, 30_098, 0, 9_900)
	h.hear(100, 10_000, other) // a collector that lags: of the boot before, though its numbers are missing in this one
	h.want(t, 30_098, 9_900, 9_900)
}

// A memory that has forgotten a switch cannot tell whether a capture of before then was counted.
func TestForgottenTimeIsNotFilled(t *testing.T) {
	t.Parallel()
	b := NewBook()
	id := subAgentID()
	h := &heard{SubAgent: subAgentOf(b, id)}
	h.hear(40_000, 60_000, live)
	b.Forget(h.heardAt + 2*forgetAfter)
	h = &heard{SubAgent: subAgentOf(b, id)}
	h.boot(1, 100, live, 3*forgetAfter, 3)
	h.hear(40_000, 60_000, capture)
	h.want(t, 99, 20_000, 0)
}

// Whatever a collector lost, in up to as many gaps as are remembered: a capture of all of it brings exactly that, also
// after the meter was restarted.
func TestCaptureFillsEveryGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook()
		id := subAgentID()
		h := &heard{SubAgent: subAgentOf(b, id)}
		next := rapid.Uint32Range(1, 2*Window).Draw(t, "first")
		var all uint32
		for range rapid.IntRange(1, maxMissing-1).Draw(t, "gaps") {
			all = next + rapid.Uint32Range(1, 600).Draw(t, "heard")
			h.hear(next, all, live)
			next = all + rapid.Uint32Range(1, 3*Window).Draw(t, "gap")
		}
		all = next + rapid.Uint32Range(1, 2*Window).Draw(t, "after")
		h.hear(next, all, live)
		half := rapid.Uint32Range(1, all).Draw(t, "half")
		h.hear(1, half, capture)
		state := b.Encode(nil)
		again, err := Decode(state)
		if err != nil || !slices.Equal(again.Encode(nil), state) {
			t.Fatalf("the state does not come back: %v", err)
		}
		h.SubAgent = subAgentOf(again, id)
		h.hear(half, all, capture)
		if h.counted != int(all-1) || h.lost != 0 || h.restarts != 0 {
			t.Fatalf("counted %d of %d, %d lost, %d restarts", h.counted, all-1, h.lost, h.restarts)
		}
		h.hear(1, all, other)
		if h.counted != int(all-1) || h.lost != 0 {
			t.Fatalf("a second capture counts: %d of %d, %d lost", h.counted, all-1, h.lost)
		}
	})
}

// More gaps than are remembered: the smallest stay lost, nothing counts twice.
func TestManyGaps(t *testing.T) {
	t.Parallel()
	h := &heard{SubAgent: subAgent()}
	const gaps, outage = 200, 2 * Window
	next := uint32(1)
	for i := range uint32(gaps) {
		h.hear(next, next+50, live)
		if next += 51; i == 20 {
			next += outage - 1
		}
	}
	h.hear(next, next+2*Window, live)
	lost := h.lost
	if lost != gaps-1+outage {
		t.Fatalf("%d lost", lost)
	}
	h.hear(1, next+2*Window, capture)
	if left := h.lost; left > gaps || left < gaps-maxMissing {
		t.Errorf("%d are lost of %d", left, lost)
	}
	if h.counted+int(h.lost) != int(next+2*Window)-1 {
		t.Errorf("counted %d, lost %d of %d", h.counted, h.lost, next+2*Window-1)
	}
}

// The state of version 2 knew no gaps: what is older than its window stays a repeat.
func TestVersion2IsRead(t *testing.T) {
	t.Parallel()
	state, err := os.ReadFile("testdata/version2.state")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Decode(state)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{SubAgent: subAgentOf(b, subAgentID())}
	h.hear(1000+3*Window, 6*Window, live)
	h.want(t, 3*Window-1000, 0, 0)
	h.hear(1, 1000, capture)
	h.want(t, 3*Window-1000, 999, 0)
}

func subAgentID() uuid.UUID { return uuid.UUID{7} }

func subAgentOf(b *Book, exporter uuid.UUID) *SubAgent {
	s, _ := b.Exporter(exporter).SubAgent(netip.MustParseAddr("192.0.2.1"), 0)
	return s
}

// Captures of any part, in any order, beside what is heard live: nothing counts twice, and what is lost is what is left out.
func TestCapturesNeverCountTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, counted, lost := subAgent(), map[uint32]bool{}, int64(0)
		hear := func(from, to uint32, feeder uint64) {
			for seq := from; seq < to; seq++ {
				v := s.Datagram(seq, seq*7, seq*10, time.Hour.Nanoseconds()*1000+int64(seq)*perDatagram, feeder)
				if lost += v.Lost; v.Duplicate {
					continue
				}
				if counted[seq] || v.Restart {
					t.Fatalf("%d of %d counts again: %v, restart %v", seq, feeder, counted[seq], v.Restart)
				}
				counted[seq] = true
			}
		}
		next := rapid.Uint32Range(1, 3*Window).Draw(t, "first")
		for feeder := range uint64(rapid.IntRange(1, 8).Draw(t, "captures")) {
			end := next + rapid.Uint32Range(1, Window).Draw(t, "heard")
			hear(next, end, live)
			from := rapid.Uint32Range(1, end-1).Draw(t, "from")
			hear(from, rapid.Uint32Range(from+1, end).Draw(t, "to"), other+feeder)
			next = end + rapid.Uint32Range(0, 2*Window).Draw(t, "gap")
		}
		least, most := slices.Min(slices.Collect(maps.Keys(counted))), slices.Max(slices.Collect(maps.Keys(counted)))
		if int(most-least)+1 != len(counted)+int(lost) {
			t.Fatalf("%d counted and %d lost from %d to %d", len(counted), lost, least, most)
		}
	})
}

// What a capture has brought alone, another brings with all around it.
func TestACaptureWithinAnother(t *testing.T) {
	t.Parallel()
	h := &heard{SubAgent: subAgent()}
	h.hear(6000, 6001, live)
	h.hear(1907, 1908, other)
	h.hear(6001, 6002, live)
	h.hear(1, 1908, other+1)
	h.want(t, 2+1907, 1, 6000-1908)
}

// Flow records are numbered otherwise, and filled the same: what was lost, and what came before the first.
func TestCapturesOfFlowRecords(t *testing.T) {
	t.Parallel()
	const step = 30
	b := NewBook()
	f, _ := b.Exporter(subAgentID()).FlowSource(netip.MustParseAddr("192.0.2.1"), 0, 10)
	counted, lost := 0, int64(0)
	hear := func(from, to uint32, feeder uint64) {
		for i := from; i < to; i++ {
			d := FlowDatagram{Sequence: i * step, Step: step, StepKnown: true, CRC: i * 7, At: time.Hour.Nanoseconds()*1000 + int64(i)*perDatagram*10, Feeder: feeder}
			if f.Known(d) {
				continue
			}
			if v := f.Datagram(d); !v.Duplicate {
				counted++
				lost += v.Lost
			}
		}
	}
	hear(20_000, 30_000, live)
	for i := uint32(30_000); i < 60_000; i += 100 { // single losses, and one outage among them
		if i != 40_000 {
			hear(i+1, i+100, live)
		}
	}
	hear(40_000, 40_100, capture)
	if want := 10_000 + 300*99 + 1; counted != want || lost != 299*step {
		t.Errorf("counted %d, want %d; %d lost", counted, want, lost)
	}
	before := counted
	hear(1, 20_000, other)
	hear(1, 30_000, other+1)
	if counted != before+19_999 || lost != 299*step {
		t.Errorf("counted %d, want %d; %d lost", counted, before+19_999, lost)
	}
}
