package money_test

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/money"
)

func currency(t rapid.TB, code string) money.Currency {
	t.Helper()
	c, err := money.ParseCurrency(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func anyCurrency() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD", "CLF", "ISK", "TND"})
}

func TestCurrencies(t *testing.T) {
	t.Parallel()
	for code, exponent := range map[string]int{"USD": 2, "EUR": 2, "ZWG": 2, "AED": 2, "JPY": 0, "XPF": 0, "BIF": 0, "KWD": 3, "TND": 3, "CLF": 4, "UYW": 4} {
		c, err := money.ParseCurrency(code)
		if err != nil || c.Exponent() != exponent || c.Code() != code {
			t.Errorf("%s: got %v with exponent %d (%v), want %d", code, c, c.Exponent(), err, exponent)
		}
	}
	for _, code := range []string{"", "usd", "US", "USDX", "XAU", "XXX", "HRK", "SD ", "D A", "AE "} {
		if _, err := money.ParseCurrency(code); !errors.Is(err, money.ErrCurrency) {
			t.Errorf("%q must be refused, got %v", code, err)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := []struct {
		text, code string
		minor      int64
	}{
		{"12.34", "USD", 1234}, {"0.00", "USD", 0}, {"-0.05", "USD", -5}, {"1234", "JPY", 1234}, {"1.234", "KWD", 1234},
		{"92233720368547758.07", "USD", math.MaxInt64}, {"-92233720368547758.08", "USD", math.MinInt64},
	}
	for _, c := range good {
		got, err := money.Parse(c.text, currency(t, c.code))
		if err != nil || got.Minor() != c.minor {
			t.Errorf("%s %s: got %d (%v), want %d", c.text, c.code, got.Minor(), err, c.minor)
		}
	}
	for _, text := range []string{"", "12", "12.3", "12.345", "1,234.00", "+1.00", "--1.00", "01.00", ".50", "1.", " 1.00", "1e2", "1.0a", "٣.٠٠", "-"} {
		if _, err := money.Parse(text, currency(t, "USD")); !errors.Is(err, money.ErrFormat) {
			t.Errorf("%q must be refused, got %v", text, err)
		}
	}
	if _, err := money.Parse("1.00", currency(t, "JPY")); !errors.Is(err, money.ErrFormat) {
		t.Error("yen have no decimals")
	}
	if _, err := money.Parse("92233720368547758.08", currency(t, "USD")); !errors.Is(err, money.ErrOverflow) {
		t.Error("one cent too many must be refused")
	}
}

func TestParseReadsBackWhatDecimalWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := money.New(rapid.Int64().Draw(t, "minor"), currency(t, anyCurrency().Draw(t, "currency")))
		if got, err := money.Parse(want.Decimal(), want.Currency()); err != nil || got != want {
			t.Fatalf("%s came back as %s (%v)", want, got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"12.34", "-0.01", "0.00", "1", "", "-", "99999999999999999999.00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, code := range []string{"USD", "JPY", "KWD"} {
			a, err := money.Parse(text, currency(t, code))
			if err == nil && a.Decimal() != text && text != "-"+a.Decimal() {
				t.Errorf("%q reads as %s", text, a)
			}
		}
	})
}

func FuzzParsePrice(f *testing.F) {
	for _, seed := range []string{"0.01", "0", "1.500", "12345678901234567890.123456789012345678", "1."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := money.ParsePrice(text)
		if err != nil {
			return
		}
		if again, err := money.ParsePrice(p.String()); err != nil || again != p {
			t.Errorf("%q reads as %s, which reads as %s (%v)", text, p, again, err)
		}
	})
}

func TestArithmeticIsExactOrRefused(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	rapid.Check(t, func(t *rapid.T) {
		x, y := rapid.Int64().Draw(t, "x"), rapid.Int64().Draw(t, "y")
		a, b := money.New(x, usd), money.New(y, usd)
		checkExact(t, "+", a.Add, b, new(big.Int).Add(big.NewInt(x), big.NewInt(y)))
		checkExact(t, "-", a.Sub, b, new(big.Int).Sub(big.NewInt(x), big.NewInt(y)))
		checkExact(t, "x", a.Mul, y, new(big.Int).Mul(big.NewInt(x), big.NewInt(y)))
	})
	if _, err := money.New(math.MinInt64, usd).Neg(); !errors.Is(err, money.ErrOverflow) {
		t.Error("the smallest amount has no opposite")
	}
	if _, err := money.New(1, usd).Add(money.New(1, currency(t, "EUR"))); !errors.Is(err, money.ErrMixed) {
		t.Error("dollars and euros do not add")
	}
}

func checkExact[T any](t *rapid.T, name string, op func(T) (money.Amount, error), with T, want *big.Int) {
	t.Helper()
	got, err := op(with)
	if want.IsInt64() && (err != nil || got.Minor() != want.Int64()) {
		t.Fatalf("%s: got %d (%v), want %s", name, got.Minor(), err, want)
	}
	if !want.IsInt64() && !errors.Is(err, money.ErrOverflow) {
		t.Fatalf("%s: got %d (%v), want an overflow", name, got.Minor(), err)
	}
}

func TestGoldenRates(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/rate.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		var count, unit int64
		var price, code, want string
		if _, err := fmt.Sscanf(line, "%d %d %s %s = %s", &count, &unit, &price, &code, &want); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		p, err := money.ParsePrice(price)
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if got, err := money.Rate(count, unit, p, currency(t, code)); err != nil || got.Decimal() != want {
			t.Errorf("line %d: %s: got %s (%v)", n, line, got, err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// The rounded amount is never further from the exact one than half a minor unit, and only up from the middle.
func TestRateRoundsHalfUpOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.Int64Range(0, math.MaxInt64).Draw(t, "count")
		unit := rapid.Int64Range(1, 1<<50).Draw(t, "unit")
		text := fmt.Sprintf("0.%018d", rapid.Int64Range(0, 999_999_999).Draw(t, "price"))
		price, err := money.ParsePrice(text)
		if err != nil {
			t.Fatal(err)
		}
		c := currency(t, anyCurrency().Draw(t, "currency"))
		got, err := money.Rate(count, unit, price, c)
		if err != nil {
			t.Fatal(err)
		}
		exact, _ := new(big.Rat).SetString(text)
		exact.Mul(exact, new(big.Rat).SetFrac64(count, unit))
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Exponent())), nil)))
		off := exact.Sub(new(big.Rat).SetInt64(got.Minor()), exact)
		if off.Cmp(big.NewRat(-1, 2)) <= 0 || off.Cmp(big.NewRat(1, 2)) > 0 {
			t.Fatalf("%d / %d x %s is %s: off by %s minor units", count, unit, text, got, off)
		}
	})
}

func TestRateRefuses(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	one, _ := money.ParsePrice("1")
	for _, c := range []struct{ count, unit int64 }{{-1, 1}, {1, 0}, {1, -1}} {
		if _, err := money.Rate(c.count, c.unit, one, usd); !errors.Is(err, money.ErrNegative) {
			t.Errorf("%d per %d must be refused, got %v", c.count, c.unit, err)
		}
	}
	if _, err := money.Rate(math.MaxInt64, 1, one, usd); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("more than fits must be refused, got %v", err)
	}
	for _, text := range []string{"", "-1", "1.", ".1", "1e3", "0x1", "1/3", "123456789012345678901", "0.1234567890123456789"} {
		if _, err := money.ParsePrice(text); !errors.Is(err, money.ErrFormat) {
			t.Errorf("price %q must be refused, got %v", text, err)
		}
	}
}

func TestQuantity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count, unit int64
		want        string
	}{{1_500_000_000, 1_000_000_000, "1.5"}, {0, 7, "0"}, {1, 3, "0.333333333333333333"}, {-5, 2, "-2.5"}, {7, 1, "7"}, {1, 1 << 30, "0.000000000931322574"}} {
		if got, err := money.Quantity(c.count, c.unit); err != nil || got != c.want {
			t.Errorf("%d/%d: got %s (%v), want %s", c.count, c.unit, got, err, c.want)
		}
	}
}

func TestSplitPiecesSumToTheWhole(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	rapid.Check(t, func(t *rapid.T) {
		whole := money.New(rapid.Int64().Draw(t, "minor"), usd)
		weights := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), 1, 9).Draw(t, "weights")
		weights = append(weights, 1)
		pieces, err := whole.Split(weights...)
		if err != nil {
			t.Fatal(err)
		}
		total, sum := new(big.Int), new(big.Int)
		for i := range weights {
			total.Add(total, big.NewInt(weights[i]))
			sum.Add(sum, big.NewInt(pieces[i].Minor()))
		}
		if sum.Cmp(big.NewInt(whole.Minor())) != 0 {
			t.Fatalf("pieces %v sum to %s, want %d", pieces, sum, whole.Minor())
		}
		for i := range weights {
			share := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(whole.Minor()), big.NewInt(weights[i])), total)
			off := share.Sub(share, new(big.Rat).SetInt64(pieces[i].Minor()))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("piece %d is %s off its share", i, off)
			}
		}
	})
}

func TestSplit(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	for _, c := range []struct {
		minor   int64
		weights []int64
		want    string
	}{{100, []int64{1, 1, 1}, "[0.34 0.33 0.33]"}, {-100, []int64{1, 1, 1}, "[-0.34 -0.33 -0.33]"}, {5, []int64{0, 3, 7}, "[0.00 0.02 0.03]"}, {0, []int64{4}, "[0.00]"}} {
		pieces, err := money.New(c.minor, usd).Split(c.weights...)
		var got []string
		for _, p := range pieces {
			got = append(got, p.Decimal())
		}
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%d by %v: got %v (%v), want %s", c.minor, c.weights, got, err, c.want)
		}
	}
	for _, weights := range [][]int64{nil, {0, 0}, {1, -1}} {
		if _, err := money.New(1, usd).Split(weights...); err == nil {
			t.Errorf("weights %v must be refused", weights)
		}
	}
}
