package money

import (
	"fmt"
	"math/big"
	"strings"
)

// Bounds of a price: numeric(38, 18) in Postgres.
const (
	priceDecimals = 18
	priceWhole    = 20 // digits before the point
)

// Price is a non-negative decimal in major units per unit of something: "0.0125". It is finer than an amount,
// because a price per gigabyte may be a fraction of a cent. The zero value is the price 0.
type Price struct{ text string }

// ParsePrice reads up to 20 digits, and up to 18 after a point. Trailing zeros are dropped.
func ParsePrice(s string) (Price, error) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if !isWhole(whole) || len(whole) > priceWhole || !isDigits(fraction) || len(fraction) > priceDecimals || dotted && fraction == "" {
		return Price{}, fmt.Errorf("%w: %q, want a price such as 0.01", ErrFormat, s)
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	if whole == "0" {
		whole = ""
	}
	return Price{text: whole}, nil
}

// String is the shortest decimal of the price.
func (p Price) String() string {
	if p.text == "" {
		return "0"
	}
	return p.text
}

func (p Price) rat() *big.Rat {
	r, _ := new(big.Rat).SetString(p.String()) // the text was checked when it was parsed
	return r
}

// Rate is what count things cost at a price per unit of unit things (bytes per gigabyte, say): the exact product
// count/unit x price, rounded half up once, at the currency's exponent.
func Rate(count, unit int64, price Price, currency Currency) (Amount, error) {
	if count < 0 || unit <= 0 {
		return Amount{}, fmt.Errorf("%w: %d per %d", ErrNegative, count, unit)
	}
	exact := new(big.Rat).Mul(new(big.Rat).SetFrac64(count, unit), price.rat())
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(currency.exponent)), nil)
	minor := roundHalfUp(exact.Mul(exact, new(big.Rat).SetInt(scale)))
	if !minor.IsInt64() {
		return Amount{}, fmt.Errorf("%w: %d / %d x %s %s", ErrOverflow, count, unit, price, currency)
	}
	return New(minor.Int64(), currency), nil
}

// roundHalfUp rounds a number that is not negative: floor(r + 1/2).
func roundHalfUp(r *big.Rat) *big.Int {
	twice := new(big.Int).Lsh(r.Num(), 1)
	return twice.Add(twice, r.Denom()).Quo(twice, new(big.Int).Lsh(r.Denom(), 1))
}

// Quantity is count/unit as a decimal of at most 18 places, for printing; what is billed is the exact ratio.
// It is cut, not rounded, and may be negative.
func Quantity(count, unit int64) (string, error) {
	if unit <= 0 {
		return "", fmt.Errorf("%w: unit %d", ErrNegative, unit)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(priceDecimals), nil)
	scaled := new(big.Int).Mul(big.NewInt(count), scale)
	digits := scaled.Quo(scaled, big.NewInt(unit)).String()
	digits, negative := strings.CutPrefix(digits, "-")
	if len(digits) <= priceDecimals {
		digits = strings.Repeat("0", priceDecimals+1-len(digits)) + digits
	}
	text := digits[:len(digits)-priceDecimals]
	if fraction := strings.TrimRight(digits[len(digits)-priceDecimals:], "0"); fraction != "" {
		text += "." + fraction
	}
	if negative {
		text = "-" + text
	}
	return text, nil
}
