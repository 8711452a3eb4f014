// Package samples follows the sample sequence of one source of an sFlow agent: what is missing although its neighbours came.
package samples

// MaxJump is the longest gap of a source's sample sequence that counts as loss; a longer one, forward or
// back, is a reset: the agent restarted, or whole bursts are missing and show as lost datagrams.
const MaxJump = 50

// Source is the sample sequence of one source id, and the agent's own count of samples that it dropped. Losses
// are estimates to be shown, never to be billed, so this keeps one word of memory and no proof: late samples
// within the last 50 take their gap back, all else is forgiven.
type Source struct {
	Key     uint64 // class and index
	High    uint32
	Drops   uint32
	Rate    uint32 // of the newest sample
	Missing uint64 // bit i: sequence High-i was counted as lost
}

// Take takes one sample and gives the changes of lost samples and of samples dropped by the agent.
func (s *Source) Take(seq, drops, rate uint32) (lost, dropped int64) {
	step := int32(seq - s.High)
	switch {
	case step > 0 && step <= MaxJump:
		lost = int64(step) - 1
		skipped := uint64(1)<<uint(step) - 2 // bits 1 … step-1
		s.Missing = s.Missing<<uint(step) | skipped
		if grown := drops - s.Drops; grown < 1<<31 {
			dropped = int64(grown)
		}
		s.High, s.Drops, s.Rate = seq, drops, rate
	case step <= 0 && step >= -MaxJump:
		if bit := uint64(1) << uint(-step); s.Missing&bit != 0 {
			s.Missing &^= bit
			lost = -1
		}
	default:
		*s = Source{Key: s.Key, High: seq, Drops: drops, Rate: rate}
	}
	return lost, dropped
}
