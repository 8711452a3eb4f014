package billing

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestErrorBound(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{1: "196.000000", 4: "98.000000", 38416: "1.000000", 2500: "3.920000", 3: "113.160653", 1 << 62: "0.000000"} {
		if got := errorBound(1, n); *got != want {
			t.Errorf("%d samples: got %s, want %s", n, *got, want)
		}
	}
	if errorBound(0, 0) != nil {
		t.Error("nothing is known of nothing")
	}
	if got := errorBound(5, 0); got == nil || *got != "0.000000" {
		t.Errorf("a port's counter is exact: got %v", got)
	}
}

// 196/sqrt(n) to six places, rounded: within half a millionth, without a float.
func TestErrorBoundIsRounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<40).Draw(t, "n")
		got, _ := new(big.Rat).SetString(*errorBound(1, n))
		half := big.NewRat(1, 2_000_000)
		exact := big.NewRat(196*196, n)
		for _, c := range []struct {
			edge *big.Rat
			sign int
		}{{new(big.Rat).Sub(got, half), -1}, {new(big.Rat).Add(got, half), 1}} {
			square := new(big.Rat).Mul(c.edge, c.edge)
			if c.edge.Sign() > 0 && square.Cmp(exact) == -c.sign {
				t.Fatalf("%d samples: %s is off by more than half a millionth", n, *errorBound(1, n))
			}
		}
	})
}

func TestBillable(t *testing.T) {
	t.Parallel()
	u := counted{BytesInL2: 10, BytesOutL2: 20, BytesInL3: 8, BytesOutL3: 7, SamplesIn: 3, SamplesOut: 4}
	for _, c := range []struct {
		basis, direction string
		bytes, samples   int64
	}{{"l2", "sum", 30, 7}, {"l2", "in", 10, 3}, {"l2", "out", 20, 4}, {"l2", "max", 20, 4}, {"l3", "sum", 15, 7}, {"l3", "max", 8, 3}, {"l3", "out", 7, 4}} {
		if bytes, samples := u.billable(c.basis, c.direction); bytes != c.bytes || samples != c.samples {
			t.Errorf("%s %s: got %d of %d samples, want %d of %d", c.basis, c.direction, bytes, samples, c.bytes, c.samples)
		}
	}
}

func TestOverage(t *testing.T) {
	t.Parallel()
	quota, unit, price := int64(1000), int64(100), "0.01"
	free := terms{QuotaBytes: &quota, Currency: "USD"}
	paid := terms{QuotaBytes: &quota, Currency: "USD", UnitBytes: &unit, UnitPrice: &price}
	for _, c := range []struct {
		terms
		billable, over int64
		amount         string
	}{{terms{Currency: "JPY"}, 5000, 0, "0"}, {free, 5000, 4000, "0.00"}, {paid, 1000, 0, "0.00"}, {paid, 1049, 49, "0.00"}, {paid, 1050, 50, "0.01"}, {paid, 5000, 4000, "0.40"}} {
		over, amount, err := c.overage(c.billable)
		if err != nil || over != c.over || amount.Decimal() != c.amount {
			t.Errorf("%d bytes: got %d over, %s (%v); want %d, %s", c.billable, over, amount, err, c.over, c.amount)
		}
	}
	if _, _, err := (terms{Currency: "XXX"}).overage(1); err == nil {
		t.Error("no currency, no price")
	}
}
