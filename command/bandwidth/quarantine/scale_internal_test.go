package quarantine

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/command/internal/worldtest"
)

func TestScale(t *testing.T) {
	t.Parallel()
	row := open{Direction: "in", Samples: 3, FrameLength: 3000, IPLength: 2946}
	if got, err := row.scale(1000); err != nil || got != (usage{BytesInL2: 3_000_000, BytesInL3: 2_946_000, PacketsIn: 3000, SamplesIn: 3}) {
		t.Errorf("got %+v (%v)", got, err)
	}
	row.Direction = "out"
	if got, err := row.scale(2); err != nil || got != (usage{BytesOutL2: 6000, BytesOutL3: 5892, PacketsOut: 6, SamplesOut: 3}) {
		t.Errorf("got %+v (%v)", got, err)
	}
	row.FrameLength = 1 << 40
	_, err := row.scale(maxRate)
	worldtest.CheckField(t, err, "rate_given")
}

// A product is exact or refused, and no sum that is accepted is over the bound.
func TestScalingIsExactOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, maxRate).Draw(t, "rate")
		var sum usage
		exact := new(big.Int)
		for range rapid.IntRange(1, 20).Draw(t, "rows") {
			row := open{Direction: rapid.SampledFrom([]string{"in", "out"}).Draw(t, "direction"), Samples: rapid.Int64Range(1, 1<<62).Draw(t, "samples"),
				FrameLength: rapid.Int64Range(0, 1<<62).Draw(t, "frames"), IPLength: rapid.Int64Range(0, 1<<20).Draw(t, "ip")}
			product := new(big.Int).Mul(big.NewInt(row.FrameLength), big.NewInt(rate))
			next := new(big.Int).Add(exact, product)
			u, err := row.scale(rate)
			if err != nil {
				packets := new(big.Int).Mul(big.NewInt(row.Samples), big.NewInt(rate))
				if product.Cmp(big.NewInt(maxTotal)) <= 0 && packets.Cmp(big.NewInt(maxTotal)) <= 0 {
					t.Fatalf("%d x %d is within the bound and was refused", row.FrameLength, rate)
				}
				continue
			}
			total, err := sum.plus(u, rate)
			if err != nil {
				continue
			}
			if sum, exact = total, next; exact.Cmp(big.NewInt(sum.BytesInL2+sum.BytesOutL2)) != 0 || exact.Cmp(big.NewInt(maxTotal)) > 0 {
				t.Fatalf("got %d, want %s", sum.BytesInL2+sum.BytesOutL2, exact)
			}
		}
	})
}
