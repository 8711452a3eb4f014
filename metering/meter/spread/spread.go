// Package spread shares counts out over the slots of the time they took.
package spread

import (
	"math"
	"math/bits"
	"time"
)

const (
	// Slot is the finest time that usage is kept in.
	Slot = 10 * time.Second

	// finest is how long an interval may be to be spread over slots; a longer one is spread over hours, in
	// each hour's first slot: a graph's ten seconds say nothing about what took a day to be told.
	finest = 6 * int64(3600e9)

	// longest is how long an interval may be at all: 40 days, more than any port's counters are remembered.
	longest = 40 * 24 * int64(3600e9)
)

// Interval is a time with its counts, which it gives out by time, in whole numbers that sum to what there was.
type Interval struct {
	From, To int64 // Unix nanoseconds, half-open; equal is a moment
	Counts   [4]int64
	given    [4]int64
	cuts     []int64 // moments besides slots' ends where a part ends
}

// Cut makes a part end at t. Few cuts are expected.
func (s *Interval) Cut(t int64) {
	if t > s.From && t < s.To {
		s.cuts = append(s.cuts, t)
	}
}

// upTo gives what belongs to the time before t and was not given yet.
func (s *Interval) upTo(t int64) (part [4]int64) {
	for i, n := range s.Counts {
		due := n
		if t < s.To {
			high, low := bits.Mul64(uint64(n), uint64(t-s.From))
			quotient, _ := bits.Div64(high, low, uint64(s.To-s.From)) // t < to, so it fits
			due = int64(quotient)
		}
		part[i], s.given[i] = due-s.given[i], due
	}
	return part
}

// Each calls f for every slot, or hour of a long interval, that the interval touches, and each part of one between cuts, with
// its first moment.
func (s *Interval) Each(f func(at int64, part [4]int64)) {
	s.From = max(s.From, s.To-longest, 0)
	step := int64(Slot)
	if s.To-s.From > finest {
		step = int64(3600e9)
	}
	for at := s.From; ; {
		end := at + min(step-at%step, math.MaxInt64-at)
		for _, t := range s.cuts {
			if t > at {
				end = min(end, t)
			}
		}
		f(at, s.upTo(end))
		if at = end; at >= s.To {
			return
		}
	}
}
