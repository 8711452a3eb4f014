package track

// MaxSampleJump is the longest gap of a source's sample sequence that counts as loss; a longer one, forward or
// back, is a reset: the agent restarted, or whole bursts are missing and show as lost datagrams.
const MaxSampleJump = 50

// source is the sample sequence of one source id, and the agent's own count of samples that it dropped. Losses
// are estimates to be shown, never to be billed, so this keeps one word of memory and no proof: late samples
// within the last 50 take their gap back, all else is forgiven.
type source struct {
	key     uint64 // class and index
	high    uint32
	drops   uint32
	rate    uint32 // of the newest sample
	missing uint64 // bit i: sequence high-i was counted as lost
}

// sample takes one sample and gives the changes of lost samples and of samples dropped by the agent.
func (s *source) sample(seq, drops, rate uint32) (lost, dropped int64) {
	step := int32(seq - s.high)
	switch {
	case step > 0 && step <= MaxSampleJump:
		lost = int64(step) - 1
		skipped := uint64(1)<<uint(step) - 2 // bits 1 … step-1
		s.missing = s.missing<<uint(step) | skipped
		if grown := drops - s.drops; grown < 1<<31 {
			dropped = int64(grown)
		}
		s.high, s.drops, s.rate = seq, drops, rate
	case step <= 0 && step >= -MaxSampleJump:
		if bit := uint64(1) << uint(-step); s.missing&bit != 0 {
			s.missing &^= bit
			lost = -1
		}
	default:
		*s = source{key: s.key, high: seq, drops: drops, rate: rate}
	}
	return lost, dropped
}
