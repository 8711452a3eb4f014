package track

import "math/bits"

// Bounds of one sequence of datagrams.
const (
	Window  = 4096    // sequences behind the highest in which a late datagram or a repeat is known as such
	MaxJump = 1 << 24 // a longer jump forward is another sequence, not a gap of millions

	// A datagram from before the first one that was seen is late, not of another boot, when the agent's clock
	// agrees to this much, and it is not that of an agent which has just started while the first had run for long.
	maxReorderMillis = 5 * 60 * 1000
	ranForLong       = 60 * 1000

	// Some agents' clocks stand still. Then it is late when it lies at most so far before the first, unless it
	// begins a numbering and so many or more were seen, all in order: reordering leaves gaps, a restart does not.
	maxReorder   = 1024
	orderlyStart = 16

	// An idle stream must fit this many times better than the newest to take a datagram forward.
	idlePenalty = 8

	// After so many datagrams of its sub-agent a stream that none of them was for is one of an earlier boot: gaps
	// in it must not swallow what the newest sends.
	idleAfter = 32

	// claimAfter is how many datagrams prove that a jump forward was the step to another device's numbering.
	claimAfter = 16
)

// stream is one run of datagram sequences: what an agent sent between two restarts. It remembers the CRC-32C of
// each datagram in the window, so that a repeat and another datagram with the same sequence are told apart.
type stream struct {
	high        uint32 // highest sequence seen
	span        uint32 // sequences from the first known one to high, both included, at most Window
	floorUptime uint32 // the agent's uptime in the first known datagram, milliseconds
	used        uint64 // tick of the last use
	heardAt     int64  // receive time of the newest datagram; 0: not known
	bornAt      int64  // and of the oldest

	// Two devices behind one address look like a long jump forward and then a restart far behind. jump is what
	// the last jump over the whole window added to the loss, before the sequence it left. The stream that
	// goes on there holds the jump as its claim, and takes it back once it has proved to be alive.
	before, jump uint32
	claim, proof uint32

	first   uint32    // lowest sequence ever; where the stream is one of a state that did not know it, the lowest known
	missing []missing // what is left out between first and high

	seen [Window / 64]uint64
	crc  []uint32 // Window long
}

func newStream(seq, crc, uptime uint32, at int64) *stream {
	s := &stream{high: seq, first: seq, span: 1, floorUptime: uptime, heardAt: at, bornAt: at, crc: make([]uint32, Window)}
	s.mark(seq, crc)
	return s
}

func (s *stream) mark(seq, crc uint32) {
	if s.high-seq >= Window {
		return
	}
	i := seq % Window
	s.seen[i/64] |= 1 << (i % 64)
	s.crc[i] = crc
}

func (s *stream) has(seq uint32) bool {
	i := seq % Window
	return s.seen[i/64]>>(i%64)&1 == 1
}

// holds tells whether seq lies in the part of the window that is known.
func (s *stream) holds(seq uint32) bool { return s.high-seq < s.span }

// repeats tells whether this very datagram has been seen.
func (s *stream) repeats(seq, crc uint32) bool {
	return s.holds(seq) && s.has(seq) && s.crc[seq%Window] == crc
}

// distance says how well a datagram that is no repeat fits; false when it cannot be of this stream. A jump forward over
// the window and back in time is of another boot, as is what lies after the stream's first and is older.
func (s *stream) distance(seq, uptime uint32, at int64) (uint32, bool) {
	ahead, behind := seq-s.high, s.high-seq
	switch {
	case at < s.bornAt-clocksAgree && seq-s.first-1 < 1<<31: // after the first, and received before it
		return 0, false
	case ahead != 0 && ahead <= MaxJump:
		return ahead, ahead < Window || at >= s.heardAt-clocksAgree
	case behind >= Window:
		return 0, false
	case behind < s.span:
		return behind, !s.has(seq)
	case seq-s.first < s.high-s.first: // stragglers came from before it
		return behind, s.gapOf(seq) >= 0
	}
	return behind, s.lateBefore(seq, uptime)
}

// lateBefore tells whether a datagram from before the first known one is late, not of another boot.
func (s *stream) lateBefore(seq, uptime uint32) bool {
	if s.floorUptime == uptime {
		begins := seq <= 1 && s.span >= orderlyStart && s.received() == int(s.span)
		return s.high-seq-s.span < maxReorder && !begins
	}
	if s.floorUptime >= ranForLong && uptime < s.floorUptime/2 {
		return false
	}
	return s.floorUptime-uptime <= maxReorderMillis
}

// accept takes a datagram that fits and says by how much the count of lost ones changes: a jump forward adds
// what it skips, a late one takes back its own, one before the first known adds what lies between. It was received at at,
// the newest before it at heard.
func (s *stream) accept(seq, crc, uptime uint32, heard, at int64) (lost int64) {
	ahead, behind := seq-s.high, s.high-seq
	switch {
	case ahead != 0 && ahead <= MaxJump:
		if ahead > 1 {
			s.miss(missing{s.high + 1, ahead - 1, heard, at})
		}
		s.forward(ahead)
		lost = int64(ahead) - 1
	case behind < s.span:
		s.found(seq)
		lost = -1
	default:
		if lost = -1; s.gapOf(seq) < 0 { // what lies between is not known to be lost yet
			lost = int64(behind - s.span)
			s.miss(missing{seq + 1, behind - s.span, at, heard})
			s.first = seq
		}
		s.found(seq)
		s.span, s.floorUptime = behind+1, uptime
	}
	s.heardAt, s.bornAt = max(s.heardAt, at), min(s.bornAt, at)
	s.mark(seq, crc)
	return lost - s.redeem()
}

// goesOn tells whether seq follows the sequence that the last long jump left.
func (s *stream) goesOn(seq uint32) bool { return s.jump > 0 && seq-s.before-1 < Window }

// redeem gives the claim, once.
func (s *stream) redeem() int64 {
	if s.claim == 0 {
		return 0
	}
	if s.proof++; s.proof < claimAfter {
		return 0
	}
	claim := int64(s.claim)
	s.claim = 0
	return claim
}

func (s *stream) forward(by uint32) {
	if by >= Window {
		clear(s.seen[:])
		s.before, s.jump = s.high, by-1
	} else {
		for seq := s.high + 1; seq != s.high+by+1; seq++ {
			i := seq % Window
			s.seen[i/64] &^= 1 << (i % 64)
		}
	}
	s.high += by
	s.span = uint32(min(uint64(s.span)+uint64(by), Window))
}

// received is the number of datagrams in the window.
func (s *stream) received() int {
	n := 0
	for _, word := range s.seen {
		n += bits.OnesCount64(word)
	}
	return n
}
