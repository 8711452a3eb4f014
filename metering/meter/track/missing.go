package track

import (
	"slices"
	"time"
)

const (
	maxMissing   = 32                 // gaps of a stream that are remembered; the smallest makes room
	clocksDiffer = int64(time.Minute) // clocks of those that note receive times, at most
	clocksAgree  = int64(time.Second) // clocks of collectors that are in step
)

// missing is a gap of a stream: sequences that nobody has brought, and the receive times of what lies around them.
type missing struct {
	from, count   uint32
	after, before int64
}

func (m *missing) around(at int64) bool {
	return at >= m.after-clocksDiffer && at <= m.before+clocksDiffer
}

// miss remembers a gap, for those who bring it when the window has gone on.
func (s *stream) miss(m missing) {
	switch {
	case m.count == 0:
	case len(s.missing) < maxMissing:
		s.missing = append(s.missing, m)
	default:
		least := &s.missing[0]
		for i := range s.missing {
			if s.missing[i].count < least.count {
				least = &s.missing[i]
			}
		}
		if least.count < m.count {
			*least = m
		}
	}
}

// gapOf is the place of the gap that a sequence lies in, -1 when there is none.
func (s *stream) gapOf(seq uint32) int {
	for i := range s.missing {
		if seq-s.missing[i].from < s.missing[i].count {
			return i
		}
	}
	return -1
}

// found takes a sequence out of its gap, for whoever brings it again.
func (s *stream) found(seq uint32) {
	i := s.gapOf(seq)
	if i < 0 {
		return
	}
	whole := s.missing[i]
	rest := missing{seq + 1, whole.from + whole.count - seq - 1, whole.after, whole.before}
	switch s.missing[i].count = seq - whole.from; {
	case s.missing[i].count > 0:
		s.miss(rest)
	case rest.count > 0:
		s.missing[i] = rest
	default:
		s.missing = slices.Delete(s.missing, i, i+1)
	}
}

// unmiss forgets the gap that begins at a sequence: it was none.
func (s *stream) unmiss(from uint32) {
	s.missing = slices.DeleteFunc(s.missing, func(m missing) bool { return m.from == from })
}

// early is what is known of the time before a sub-agent's first datagram: a capture of it may be replayed later.
type early struct {
	bornAt int64  // receive time of the first datagram; 0: not known
	ground int64  // from before then nothing can be told: what was known has been forgotten
	feeder uint64 // who brings what was received before bornAt; 0: nobody yet
	since  int64  // receive time of the first that it brought
}

// uncovered tells whether nobody else can have brought what was received at a time, give or take some nanoseconds.
func (e *early) uncovered(at, give int64, feeder uint64) bool {
	covered := e.bornAt
	if e.feeder != 0 && e.feeder != feeder {
		covered = min(covered, e.since)
	}
	return covered != 0 && at <= covered+give && at > e.ground+clocksDiffer
}

// note remembers who brings it.
func (e *early) note(at int64, feeder uint64) {
	if e.feeder == feeder {
		e.since = min(e.since, at)
		return
	}
	if e.feeder != 0 {
		e.bornAt = min(e.bornAt, e.since)
	}
	e.feeder, e.since = feeder, at
}

// straggler judges a datagram that fits no window and is older than the newest: a repeat, unless it can be shown that it has
// not been counted, as what no collector heard and a capture file brings later. It lies in a gap of its time, or
// before the first that was heard of the sub-agent.
func (s *SubAgent) straggler(seq, crc, uptime uint32, at int64, feeder uint64) Verdict {
	for _, stream := range s.streams {
		if i := stream.gapOf(seq); i >= 0 && stream.missing[i].around(at) {
			stream.found(seq)
			stream.mark(seq, crc)
			return Verdict{Lost: -1}
		}
	}
	if next := s.first(seq); next != nil && s.early.uncovered(at, clocksDiffer, feeder) {
		s.early.note(at, feeder)
		next.mark(seq, crc)
		return Verdict{Lost: next.precede(seq, at, s.early.bornAt)}
	}
	if s.early.uncovered(at, -clocksDiffer, feeder) {
		s.early.note(at, feeder)
		return s.restart(seq, crc, uptime, at)
	}
	return Verdict{Duplicate: true}
}

// first is the stream that a sequence lies before, the nearest, but for those of later boots than the first that was heard.
func (s *SubAgent) first(seq uint32) *stream {
	var next *stream
	for _, stream := range s.streams {
		by := stream.first - seq
		if by != 0 && by <= MaxJump && stream.bornAt <= s.early.bornAt+clocksDiffer && (next == nil || by < next.first-seq) {
			next = stream
		}
	}
	return next
}

// precede puts a sequence before the first one, and says how many are missing between.
func (s *stream) precede(seq uint32, at, before int64) (lost int64) {
	between := s.first - seq - 1
	s.miss(missing{seq + 1, between, at, before})
	s.first, s.bornAt = seq, min(s.bornAt, at)
	return int64(between)
}
