package money

import (
	"fmt"
	"math/big"
	"slices"
)

// Split divides an amount in proportion to weights by largest remainder: every piece is within one minor unit
// of its exact share, the pieces sum to the whole, and equal remainders go to the earlier piece. A negative
// amount splits as its opposite does.
func (a Amount) Split(weights ...int64) ([]Amount, error) {
	total := new(big.Int)
	for i, w := range weights {
		if w < 0 {
			return nil, fmt.Errorf("%w: weight %d is %d", ErrNegative, i, w)
		}
		total.Add(total, big.NewInt(w))
	}
	if total.Sign() == 0 {
		return nil, fmt.Errorf("%w: no weight to split by", ErrFormat)
	}
	pieces := make([]Amount, len(weights))
	remainders := make([]*big.Int, len(weights))
	left := new(big.Int).SetUint64(magnitude(a.minor))
	for i, w := range weights {
		share, remainder := new(big.Int).SetUint64(magnitude(a.minor)), new(big.Int)
		share.QuoRem(share.Mul(share, big.NewInt(w)), total, remainder)
		remainders[i] = remainder
		left.Sub(left, share)
		pieces[i] = New(signed(share, a.minor), a.currency)
	}
	order := make([]int, len(weights))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return remainders[j].Cmp(remainders[i]) })
	for _, i := range order[:left.Int64()] {
		pieces[i].minor += signed(big.NewInt(1), a.minor)
	}
	return pieces, nil
}

// signed gives a magnitude the sign of another number. Only the smallest int64 has a magnitude that does not
// fit, and negating its wrapped value gives it back.
func signed(magnitude *big.Int, like int64) int64 {
	n := int64(magnitude.Uint64())
	if like < 0 {
		return -n
	}
	return n
}
