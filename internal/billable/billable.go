// Package billable is the rule that says which of a service's bytes its plan bills. The meter decides alerts by it,
// billing invoices, and the pages show it: all three ask here, so that they can never disagree. The package is pure.
package billable

import "math/big"

// What of an estimate a plan bills.
const (
	AtEstimate   = "estimate"    // the estimate itself
	AtLowerBound = "lower_bound" // the estimate less its 95 % error bound: the customer is never billed for chance
)

// At is what is billed of an estimate from n samples: all of it, or its lower 95 % bound. Anything else than
// "lower_bound" is the estimate: settings are checked where they come in.
func At(at string, estimate, n int64) int64 {
	if at == AtLowerBound {
		return LowerBound(estimate, n)
	}
	return estimate
}

// LowerBound is estimate - ceil(estimate x 1.96 / sqrt(n)), not below 0, in whole bytes and without a float. What was
// counted without samples, by a port, is exact: with n = 0 nothing is taken off. Nor is it of less than nothing.
// Source of the bound: sflow.org, packetSamplingBasics.
func LowerBound(estimate, n int64) int64 {
	if n <= 0 || estimate <= 0 {
		return estimate
	}
	// The least whole x with x^2 x n x 10,000 >= (196 x estimate)^2.
	square := new(big.Int).Mul(big.NewInt(196), big.NewInt(estimate))
	square.Mul(square, square)
	divisor := new(big.Int).Mul(big.NewInt(n), big.NewInt(10_000))
	square.Add(square, divisor).Sub(square, big.NewInt(1)).Quo(square, divisor)
	x := new(big.Int).Sqrt(square)
	if new(big.Int).Mul(x, x).Cmp(square) < 0 {
		x.Add(x, big.NewInt(1))
	}
	if x.Cmp(big.NewInt(estimate)) >= 0 {
		return 0
	}
	return estimate - x.Int64()
}

// Sides tells which directions are billed: both ("sum"), one ("in", "out"), or the larger ("max"; of two equal ones
// out). in and out are bytes of the plan's basis. Anything else is "sum": directions are checked where they come in.
func Sides(direction string, in, out int64) (billsIn, billsOut bool) {
	switch direction {
	case "in":
		return true, false
	case "out":
		return false, true
	case "max":
		return in > out, in <= out
	default:
		return true, true
	}
}

// Bytes are the bytes that are billed.
func Bytes(direction string, in, out int64) int64 {
	switch billsIn, billsOut := Sides(direction, in, out); {
	case !billsOut:
		return in
	case !billsIn:
		return out
	default:
		return in + out
	}
}
