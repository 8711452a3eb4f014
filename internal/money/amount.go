// Package money is exact: amounts are int64 minor units of an ISO 4217 currency with every overflow checked,
// prices are decimals, quantities are rationals, and nothing is ever a float. A line is rounded once, half up,
// at its currency's exponent; a total is the sum of rounded lines; what must be divided is divided by largest
// remainder, so that the pieces sum to the whole. The package is pure: standard library only, no state.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// What can be wrong with money. Errors wrap one of these.
var (
	ErrCurrency = errors.New("not an ISO 4217 currency in use")
	ErrFormat   = errors.New("not a decimal amount")
	ErrOverflow = errors.New("amount out of range")
	ErrMixed    = errors.New("amounts of different currencies")
	ErrNegative = errors.New("must not be negative")
)

// Amount is minor units of a currency: 1234 of USD is 12.34 USD. Amounts compare with ==.
type Amount struct {
	minor    int64
	currency Currency
}

// New makes an amount of minor units.
func New(minor int64, currency Currency) Amount { return Amount{minor: minor, currency: currency} }

// Parse reads a decimal with exactly the currency's decimal places: "12.34" USD, "1234" JPY, "-1.234" KWD. No
// signs but one leading minus, no exponents, no blanks, no grouping, no superfluous leading zeros.
func Parse(s string, currency Currency) (Amount, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, dotted := strings.Cut(digits, ".")
	if !isWhole(whole) || dotted != (currency.exponent > 0) || len(fraction) != int(currency.exponent) || !isDigits(fraction) {
		return Amount{}, fmt.Errorf("%w of %s: %q, want %s", ErrFormat, currency.code, s, New(0, currency).Decimal())
	}
	if negative {
		whole = "-" + whole
	}
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return Amount{}, fmt.Errorf("%w: %q", ErrOverflow, s)
	}
	return New(minor, currency), nil
}

// Minor is the amount in minor units.
func (a Amount) Minor() int64 { return a.minor }

// Currency is the amount's currency.
func (a Amount) Currency() Currency { return a.currency }

// Decimal writes the amount with the currency's decimal places; Parse reads it back.
func (a Amount) Decimal() string {
	exponent := int(a.currency.exponent)
	digits := strconv.FormatUint(magnitude(a.minor), 10)
	if len(digits) <= exponent {
		digits = strings.Repeat("0", exponent+1-len(digits)) + digits
	}
	if exponent > 0 {
		digits = digits[:len(digits)-exponent] + "." + digits[len(digits)-exponent:]
	}
	if a.minor < 0 {
		return "-" + digits
	}
	return digits
}

// String is Decimal and the code: "12.34 USD".
func (a Amount) String() string { return a.Decimal() + " " + a.currency.code }

// Add sums two amounts of one currency.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.currency != b.currency {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrMixed, a.currency, b.currency)
	}
	sum := a.minor + b.minor
	if (sum > a.minor) != (b.minor > 0) {
		return Amount{}, fmt.Errorf("%w: %s + %s", ErrOverflow, a, b)
	}
	return New(sum, a.currency), nil
}

// Sub takes b from a.
func (a Amount) Sub(b Amount) (Amount, error) {
	if a.currency != b.currency {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrMixed, a.currency, b.currency)
	}
	difference := a.minor - b.minor
	if (difference < a.minor) != (b.minor > 0) {
		return Amount{}, fmt.Errorf("%w: %s - %s", ErrOverflow, a, b)
	}
	return New(difference, a.currency), nil
}

// Neg turns a debit into a credit.
func (a Amount) Neg() (Amount, error) { return New(0, a.currency).Sub(a) }

// Mul takes an amount n times.
func (a Amount) Mul(n int64) (Amount, error) {
	product := new(big.Int).Mul(big.NewInt(a.minor), big.NewInt(n))
	if !product.IsInt64() {
		return Amount{}, fmt.Errorf("%w: %s x %d", ErrOverflow, a, n)
	}
	return New(product.Int64(), a.currency), nil
}

func magnitude(n int64) uint64 {
	if n == math.MinInt64 {
		return 1 << 63
	}
	return uint64(max(n, -n))
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func isWhole(s string) bool {
	return s != "" && isDigits(s) && (s == "0" || s[0] != '0')
}
