package simulate

import (
	"math/bits"
	"math/rand/v2"
)

// random is a seeded stream of whole numbers: the same on every machine.
type random struct{ pcg rand.PCG }

// Purposes of an agent's streams.
const (
	forTraffic = iota
	forNetwork
)

func newRandom(seed uint64, agent, purpose int) random {
	return random{*rand.NewPCG(spread(seed), spread(uint64(agent)<<8|uint64(purpose)))}
}

// spread makes neighbouring numbers far apart (SplitMix64).
func spread(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below gives a number from 0 to n-1.
func (r *random) below(n uint64) uint64 {
	high, _ := bits.Mul64(r.pcg.Uint64(), n)
	return high
}

// chance is true with the probability p.
func (r *random) chance(p float64) bool {
	return r.pcg.Uint64()>>11 < uint64(p*(1<<53))
}

// skip gives how many packets from here the next sample is: 1 to 2*rate-1, rate on average, as switches draw it.
func (r *random) skip(rate uint32) uint64 { return 1 + r.below(2*uint64(rate)-1) }
