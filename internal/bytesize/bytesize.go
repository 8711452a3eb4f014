// Package bytesize reads and writes amounts of data as people do: "1TB" is 10^12 bytes, "1TiB" 2^40, "500" is
// bytes. Letters are strict, because "Gb" means gigabits to a network operator and must not quietly become
// gigabytes. Sizes are int64 bytes, whole and not negative; the arithmetic is exact. The package is pure.
package bytesize

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// ErrFormat is wrapped by every refusal of Parse.
var ErrFormat = errors.New("not a size in bytes")

const maxLength = 40 // of a text worth reading

// Parse reads a whole number of bytes, or a decimal number and a unit: B, kB or KB, MB, GB, TB, PB, EB (powers
// of 1000), KiB, MiB, GiB, TiB, PiB, EiB (powers of 1024). One blank may stand before the unit. The result must
// be whole bytes: "1.5kB" is 1500, "1.5B" is refused.
func Parse(s string) (int64, error) {
	end := strings.LastIndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' }) + 1
	number, unit := s[:end], strings.TrimPrefix(s[end:], " ")
	factor, ok := factorOf(unit)
	if !ok || !isDecimal(number) || len(s) > maxLength || unit == "" && end != len(s) {
		return 0, fmt.Errorf("%w: %q, want a number and a unit such as 500GB, 1TB, 1.5TiB", ErrFormat, s)
	}
	size, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrFormat, s)
	}
	size.Mul(size, new(big.Rat).SetInt(factor))
	if !size.IsInt() || !size.Num().IsInt64() {
		return 0, fmt.Errorf("%w: %q is not a whole number of bytes below 8EiB", ErrFormat, s)
	}
	return size.Num().Int64(), nil
}

// Format writes a size in powers of 1000 with three digits that count, cut and not rounded, so that a quota
// never looks reached before it is: 1234567 is "1.23 MB". Negative sizes keep their sign.
func Format(size int64) string {
	if size < 0 {
		return "-" + Format(max(-size, 0))
	}
	units, power := "kMGTPE", int64(1000)
	if size < power {
		return strconv.FormatInt(size, 10) + " B"
	}
	i := 0
	for ; i < len(units)-1 && size/power >= 1000; i++ {
		power *= 1000
	}
	whole := size / power
	fraction := fmt.Sprintf("%03d", size%power/(power/1000))[:3-len(strconv.FormatInt(whole, 10))]
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		fraction = "." + fraction
	}
	return strconv.FormatInt(whole, 10) + fraction + " " + units[i:i+1] + "B"
}

func factorOf(unit string) (*big.Int, bool) {
	prefix, isByte := strings.CutSuffix(unit, "B")
	if prefix == "" {
		return big.NewInt(1), isByte || unit == ""
	}
	if !isByte {
		return nil, false
	}
	if prefix == "k" {
		prefix = "K"
	}
	letter, binary := strings.CutSuffix(prefix, "i")
	power := strings.Index("KMGTPE", letter) + 1
	if power == 0 || len(letter) != 1 || binary && unit[0] == 'k' {
		return nil, false
	}
	base := int64(1000)
	if binary {
		base = 1024
	}
	return new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(power)), nil), true
}

func isDecimal(s string) bool {
	whole, fraction, dotted := strings.Cut(s, ".")
	digits := strings.Trim(whole+fraction, "0123456789") == ""
	return digits && whole != "" && (!dotted || fraction != "")
}
