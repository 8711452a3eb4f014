package accuracy

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func report(t *testing.T, args ...string) Report {
	t.Helper()
	cmd := NewCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(append(args, "--json"))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// The meter's estimate has no bias, and the error of packets keeps the bound that is printed on the bill.
func TestPacketsKeepTheBound(t *testing.T) {
	t.Parallel()
	r := report(t, "--samples", "100,1000", "--trials", "400", "--mix", "large")
	for _, row := range r.Rows {
		if row.PacketsWithinPercent < 92 || row.PacketsWithinPercent > 100 {
			t.Errorf("%d samples: %.1f %% within the bound", row.Samples, row.PacketsWithinPercent)
		}
		if row.BytesErrorPercent != row.PacketsErrorPercent {
			t.Errorf("%d samples of one length: bytes %.3f %%, packets %.3f %%", row.Samples, row.BytesErrorPercent, row.PacketsErrorPercent)
		}
		if math.Abs(row.BiasPercent) > 4*row.BoundPercent/1.96/math.Sqrt(float64(row.Trials)) {
			t.Errorf("%d samples: bias %.3f %%", row.Samples, row.BiasPercent)
		}
	}
}

// Packets of different lengths make the error of bytes wider, by the factor that is printed.
func TestBytesVaryMore(t *testing.T) {
	t.Parallel()
	r := report(t, "--samples", "500", "--trials", "800")
	row := r.Rows[0]
	if got := row.BytesErrorPercent / row.PacketsErrorPercent; math.Abs(got/r.BytesFactor-1) > 0.15 {
		t.Errorf("bytes err %.2f times as much as packets, by the mix it is %.2f", got, r.BytesFactor)
	}
}

func TestTruthIsCountedExactly(t *testing.T) {
	t.Parallel()
	one := trial{o: options{share: 30, rate: 4}, lengths: []uint32{64, 1518, 576}, random: rand.New(rand.NewPCG(1, 1))}
	for _, total := range []int64{0, 1, 99, 100, 299, 300, 12_345} {
		var want truth
		for n := range total {
			if ours, length := one.mine(n); ours {
				want.packets, want.bytes = want.packets+1, want.bytes+int64(length)
			}
		}
		if got := one.truth(total); got != want {
			t.Errorf("%d packets: %+v, want %+v", total, got, want)
		}
	}
}

func TestTheSameSeedGivesTheSame(t *testing.T) {
	t.Parallel()
	args := []string{"--samples", "100", "--trials", "20", "--seed", "7"}
	one, two := report(t, args...), report(t, args...)
	if one.Rows[0] != two.Rows[0] {
		t.Errorf("%+v and %+v", one.Rows[0], two.Rows[0])
	}
}

func TestWrongOptionsAreSaid(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{"--mix=odd": "internet, large or jumbo", "--share=0": "1 to 100", "--rate=0": "1 or more", "--samples=1": "10 to", "--trials=-1": "0 to"} {
		cmd := NewCommand()
		cmd.SetArgs([]string{flag})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
