package billable_test

import (
	"testing"

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
