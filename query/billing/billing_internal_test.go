package billing

import "testing"

// Bytes without a sample behind them are a port's own counters: exact. Nothing at all has no bound.
func TestTheBoundOfACycle(t *testing.T) {
	t.Parallel()
	cases := []struct {
		bytes, samples int64
		want           any
	}{{0, 0, nil}, {5, 0, 0.0}, {5, 4, 98.0}, {0, 4, 98.0}, {5, 196, 14.0}, {7, 3, 113.160653}}
	for _, c := range cases {
		got := bound(c.bytes, c.samples)
		if (got == nil) != (c.want == nil) || got != nil && *got != c.want {
			t.Errorf("%d bytes of %d samples: got %v, want %v", c.bytes, c.samples, got, c.want)
		}
	}
}
