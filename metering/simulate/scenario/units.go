package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// Bits is a bit rate, a second. In YAML "400Mbit", "1.5Gbit", "64kbit" or a plain number.
type Bits uint64

// maxBits bounds a rate, so that no arithmetic on it runs over.
const maxBits = 1_000_000_000_000

// UnmarshalText reads a bit rate.
func (b *Bits) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSuffix(strings.TrimSpace(string(text)), "bit"), 1.0
	for unit, f := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} {
		if n, ok := strings.CutSuffix(number, unit); ok {
			number, factor = n, f
			break
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(v >= 0 && v*factor <= maxBits) {
		return fmt.Errorf("%q is no bit rate up to 1Tbit, such as 400Mbit", text)
	}
	*b = Bits(v*factor + 0.5)
	return nil
}

// MarshalText writes a bit rate without losing any of it.
func (b Bits) MarshalText() ([]byte, error) {
	for _, u := range []struct {
		factor Bits
		name   string
	}{{1e9, "Gbit"}, {1e6, "Mbit"}, {1e3, "kbit"}} {
		if b >= u.factor && b%u.factor == 0 {
			return []byte(strconv.FormatUint(uint64(b/u.factor), 10) + u.name), nil
		}
	}
	return []byte(strconv.FormatUint(uint64(b), 10) + "bit"), nil
}
