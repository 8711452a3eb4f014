package count

import "math/bits"

const (
	// finest is how long an interval may be to be spread over slots; a longer one is spread over hours, in
	// each hour's first slot: a graph's ten seconds say nothing about what took a day to be told.
	finest = 6 * int64(3600e9)

	// longest is how long an interval may be at all: 40 days, more than any port's counters are remembered.
	longest = 40 * 24 * int64(3600e9)
)

// spread shares counts out over the slots of an interval by time, in whole numbers that sum to what there was.
type spread struct {
	from, to int64 // Unix nanoseconds, half-open; equal is a moment
	counts   [4]int64
	given    [4]int64
	cuts     []int64 // moments besides slots' ends where a part ends
}

// cut makes a part end at t. Few cuts are expected.
func (s *spread) cut(t int64) {
	if t > s.from && t < s.to {
		s.cuts = append(s.cuts, t)
	}
}

// upTo gives what belongs to the time before t and was not given yet.
func (s *spread) upTo(t int64) (part [4]int64) {
	for i, n := range s.counts {
		due := n
		if t < s.to {
			high, low := bits.Mul64(uint64(n), uint64(t-s.from))
			quotient, _ := bits.Div64(high, low, uint64(s.to-s.from)) // t < to, so it fits
			due = int64(quotient)
		}
		part[i], s.given[i] = due-s.given[i], due
	}
	return part
}

// each calls f for every slot, or hour of a long interval, that the interval touches, and each part of one between cuts, with
// its first moment.
func (s *spread) each(f func(at int64, part [4]int64)) {
	s.from = max(s.from, s.to-longest, 0)
	step := int64(SlotLength)
	if s.to-s.from > finest {
		step = int64(3600e9)
	}
	for at := s.from; ; {
		end := at - at%step + step
		for _, t := range s.cuts {
			if t > at {
				end = min(end, t)
			}
		}
		f(at, s.upTo(end))
		if at = end; at >= s.to {
			return
		}
	}
}
