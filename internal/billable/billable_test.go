package billable_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/billable"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		direction         string
		in, out, want     int64
		billsIn, billsOut bool
	}{
		{"sum", 3, 5, 8, true, true},
		{"sum", 0, 0, 0, true, true},
		{"in", 3, 5, 3, true, false},
		{"out", 3, 5, 5, false, true},
		{"max", 3, 5, 5, false, true},
		{"max", 5, 3, 5, true, false},
		{"max", 4, 4, 4, false, true},
	}
	for _, c := range cases {
		if got := billable.Bytes(c.direction, c.in, c.out); got != c.want {
			t.Errorf("%s of %d in and %d out: %d, want %d", c.direction, c.in, c.out, got, c.want)
		}
		if in, out := billable.Sides(c.direction, c.in, c.out); in != c.billsIn || out != c.billsOut {
			t.Errorf("%s of %d in and %d out: sides %v %v, want %v %v", c.direction, c.in, c.out, in, out, c.billsIn, c.billsOut)
		}
	}
}

func TestLowerBound(t *testing.T) {
	t.Parallel()
	cases := []struct{ estimate, samples, want int64 }{
		{0, 0, 0}, {0, 5, 0}, {-7, 100, -7},
		{1000, 0, 1000},            // a port's counter is exact
		{1000, 1, 0}, {1000, 3, 0}, // the bound is more than the estimate
		{1000, 4, 20}, {10_000, 10_000, 9804}, // 98 %, 1.96 %
		{1000, 38_416, 990}, // 1 % sharp
		{1001, 38_416, 990}, // 10.01 is taken off as 11
		{1 << 62, 38_416, 1<<62 - 46116860184273880},
		{1<<63 - 1, 1 << 62, 1<<63 - 1 - 8_418_135_901},
	}
	for _, c := range cases {
		if got := billable.LowerBound(c.estimate, c.samples); got != c.want {
			t.Errorf("%d from %d samples: got %d, want %d", c.estimate, c.samples, got, c.want)
		}
		if got := billable.At("estimate", c.estimate, c.samples); got != c.estimate {
			t.Errorf("at the estimate: got %d, want %d", got, c.estimate)
		}
		if got := billable.At("lower_bound", c.estimate, c.samples); got != c.want {
			t.Errorf("at the lower bound: got %d, want %d", got, c.want)
		}
	}
}

// What is taken off is the least whole number that is not less than 1.96 / sqrt(n) of the estimate.
func TestLowerBoundIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		estimate, n := rapid.Int64Min(1).Draw(t, "estimate"), rapid.Int64Min(1).Draw(t, "samples")
		off := estimate - billable.LowerBound(estimate, n)
		if off < 1 || off > estimate {
			t.Fatalf("%d of %d is taken off", off, estimate)
		}
		exact := new(big.Int).Mul(big.NewInt(196), big.NewInt(estimate))
		exact.Mul(exact, exact)
		covers := func(x int64) bool {
			square := new(big.Int).Mul(big.NewInt(x), big.NewInt(x))
			return square.Mul(square, big.NewInt(n)).Mul(square, big.NewInt(10_000)).Cmp(exact) >= 0
		}
		if off < estimate && !covers(off) || covers(off-1) {
			t.Fatalf("%d is taken off %d from %d samples", off, estimate, n)
		}
		if more := rapid.Int64Range(n, 1<<63-1).Draw(t, "more samples"); billable.LowerBound(estimate, more) < estimate-off {
			t.Fatal("more samples bill less")
		}
	})
}
