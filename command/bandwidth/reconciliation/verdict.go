package reconciliation

import (
	"fmt"
	"math/big"
)

// Verdicts on a port's hour.
const (
	OK      = "ok"
	Off     = "off"
	Unknown = "unknown"
)

// Why a port is off.
const (
	ReasonRatio      = "ratio"
	ReasonNotSampled = "not_sampled"
	ReasonNotCounted = "not_counted"
)

const (
	minOctets   = 10_000_000      // of an hour and direction: below it nothing is said
	minSamples  = 100             // an error bound of 20 %
	maxGap      = 600             // seconds of the hour without readings
	largeOctets = 10_000_000_000  // of an hour, both directions: 22 Mbit/s, of which 1 in 32,768 still gives some 200 samples
	maxRatio    = 999_999_999_999 // ten-thousandths that the column holds
)

// side is one direction of a port's hour: octets by its counter, and flow bytes (L2) with the samples they stand on.
type side struct {
	octets, flow, samples int64
}

// hour is what is known of a port's hour.
type hour struct {
	in, out      side
	disturbed    bool // the counters began anew, were not believed, or were not read for too long
	sampledSince bool // samples in either direction in this hour or the two before, or the policy asks for none
	busySince    bool // large octets in this hour and each of the two before
	uncounted    bool // it bills a service, and told nothing by its counters
}

// judgement is the verdict. Ratios are flow / octets, decimal, empty where too little is known.
type judgement struct {
	verdict, reason   string
	ratioIn, ratioOut string
}

// judge compares both directions. A direction that the switch does not sample says nothing; a port that carries
// much and was not sampled in either direction for three hours is off. So is one that bills a service and was not counted.
func (h hour) judge() judgement {
	if h.disturbed {
		return judgement{verdict: Unknown}
	}
	if h.uncounted && h.in.samples+h.out.samples >= minSamples && h.in.flow+h.out.flow >= minOctets {
		return judgement{verdict: Off, reason: ReasonNotCounted}
	}
	in, out := h.in.judge(), h.out.judge()
	j := judgement{verdict: worse(in, out), ratioIn: h.in.ratio(in), ratioOut: h.out.ratio(out)}
	switch {
	case j.verdict == Off:
		j.reason = ReasonRatio
	case j.verdict == Unknown && h.busySince && !h.sampledSince:
		j.verdict, j.reason = Off, ReasonNotSampled
	}
	return j
}

func worse(a, b string) string {
	switch {
	case a == Off || b == Off:
		return Off
	case a == OK || b == OK:
		return OK
	}
	return Unknown
}

// judge allows a tenth, or three times the samples' 95 % bound where that is more: |flow - octets| / octets up to
// max(10 %, 3 x 1.96 / sqrt(samples)). In whole numbers, so that it is the same everywhere.
func (s side) judge() string {
	if s.octets < minOctets || s.samples < minSamples {
		return Unknown
	}
	octets := big.NewInt(s.octets)
	off := new(big.Int).Sub(big.NewInt(s.flow), octets)
	off.Abs(off)
	if new(big.Int).Mul(off, big.NewInt(10)).Cmp(octets) <= 0 {
		return OK
	}
	// (100 x off)^2 x samples against (588 x octets)^2
	left := new(big.Int).Mul(off, big.NewInt(100))
	left.Mul(left, left).Mul(left, big.NewInt(s.samples))
	right := new(big.Int).Mul(octets, big.NewInt(588))
	if left.Cmp(right.Mul(right, right)) <= 0 {
		return OK
	}
	return Off
}

// ratio is flow / octets to four places, rounded, at most what the column holds.
func (s side) ratio(verdict string) string {
	if verdict == Unknown {
		return ""
	}
	r := new(big.Int).Mul(big.NewInt(s.flow), big.NewInt(20_000))
	r.Quo(r, big.NewInt(s.octets)).Add(r, big.NewInt(1)).Rsh(r, 1)
	if r.Cmp(big.NewInt(maxRatio)) > 0 {
		r.SetInt64(maxRatio)
	}
	n := r.Int64()
	return fmt.Sprintf("%d.%04d", n/10_000, n%10_000)
}
