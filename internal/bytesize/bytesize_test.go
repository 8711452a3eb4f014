package bytesize_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/bytesize"
)

func TestParse(t *testing.T) {
	t.Parallel()
	good := map[string]int64{
		"0": 0, "500": 500, "500B": 500, "1kB": 1000, "1KB": 1000, "1 TB": 1e12, "1TB": 1e12, "500GB": 5e11, "1.5TB": 15e11, "0.001kB": 1,
		"1KiB": 1024, "1MiB": 1 << 20, "1TiB": 1 << 40, "1.5TiB": 3 << 39, "7EiB": 7 << 60, "9EB": 9e18, "9223372036854775807": math.MaxInt64,
	}
	for text, want := range good {
		if got, err := bytesize.Parse(text); err != nil || got != want {
			t.Errorf("%q: got %d (%v), want %d", text, got, err, want)
		}
	}
	bad := []string{"", "B", "TB", "1Tb", "1tb", "1kiB", "1T", "1iB", "-1", "+1", "1e3", "1.5", "1.5B", "1..5TB", ".5TB", "1.TB", "1  TB", "1 ", " 1",
		"8EiB", "10EB", "1/2TB", "1_000", "0x10", "1KMB", "1BB", "9223372036854775808", "٣TB"}
	for _, text := range bad {
		if got, err := bytesize.Parse(text); !errors.Is(err, bytesize.ErrFormat) {
			t.Errorf("%q must be refused, got %d (%v)", text, got, err)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1234567: "1.23 MB", 999_999_999: "999 MB", 1e12: "1 TB", 1_050_000_000: "1.05 GB",
		12_340_000_000_000: "12.3 TB", math.MaxInt64: "9.22 EB", -1500: "-1.5 kB"} {
		if got := bytesize.Format(size); got != want {
			t.Errorf("%d: got %q, want %q", size, got, want)
		}
	}
}

// What is printed is never more than what is there, and within one per cent of it.
func TestFormatCutsAndNeverFlatters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, math.MaxInt64).Draw(t, "size")
		back, err := bytesize.Parse(bytesize.Format(size))
		if err != nil || back > size || size-back > size/100 {
			t.Fatalf("%d is printed as %s = %d (%v)", size, bytesize.Format(size), back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1TB", "1.5TiB", "500", "", "9EB", "1 GB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := bytesize.Parse(text); err == nil && size < 0 {
			t.Errorf("%q reads as %d", text, size)
		}
	})
}
