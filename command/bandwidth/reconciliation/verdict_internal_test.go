package reconciliation

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestJudgeSide(t *testing.T) {
	t.Parallel()
	const gb = 1_000_000_000
	cases := []struct {
		name  string
		side  side
		want  string
		ratio string
	}{
		{"as it should be", side{gb, gb, 10_000}, OK, "1.0000"},
		{"a tenth less", side{gb, 900_000_000, 1_000_000}, OK, "0.9000"},
		{"more than a tenth less", side{gb, 899_999_999, 1_000_000}, Off, "0.9000"},
		{"a tenth more", side{gb, 1_100_000_000, 1_000_000}, OK, "1.1000"},
		{"more than a tenth more", side{gb, 1_100_000_001, 1_000_000}, Off, "1.1000"},
		{"few samples allow more: 58.8 % of 100", side{gb, 1_588_000_000, 100}, OK, "1.5880"},
		{"and no more than that", side{gb, 1_588_000_001, 100}, Off, "1.5880"},
		{"half of the samples were lost", side{gb, gb / 2, 10_000}, Off, "0.5000"},
		{"twice the rate", side{gb, 2 * gb, 10_000}, Off, "2.0000"},
		{"99 samples say nothing", side{gb, 5 * gb, 99}, Unknown, ""},
		{"little traffic says nothing", side{9_999_999, 5 * gb, 10_000}, Unknown, ""},
		{"the least that does", side{10_000_000, 10_000_000, 100}, OK, "1.0000"},
		{"a ratio beyond its column", side{10_000_000, math.MaxInt64, math.MaxInt64}, Off, "99999999.9999"},
		{"the largest counts", side{math.MaxInt64, math.MaxInt64, math.MaxInt64}, OK, "1.0000"},
		{"rounded half up", side{100_000_000, 100_005_000, 1000}, OK, "1.0001"},
	}
	for _, c := range cases {
		if got := c.side.judge(); got != c.want || c.side.ratio(got) != c.ratio {
			t.Errorf("%s: got %s %q, want %s %q", c.name, got, c.side.ratio(got), c.want, c.ratio)
		}
	}
}

func TestJudgePort(t *testing.T) {
	t.Parallel()
	good, bad, silent, idle := side{1e9, 1e9, 1000}, side{1e9, 3e9, 1000}, side{octets: 6e9}, side{}
	cases := []struct {
		name string
		hour hour
		want judgement
	}{
		{"both agree", hour{in: good, out: good, sampledSince: true}, judgement{OK, "", "1.0000", "1.0000"}},
		{"one is off", hour{in: good, out: bad, sampledSince: true}, judgement{Off, ReasonRatio, "1.0000", "3.0000"}},
		{"one is not sampled, by policy", hour{in: good, out: silent, sampledSince: true}, judgement{OK, "", "1.0000", ""}},
		{"only one is sampled, and off", hour{in: silent, out: bad, sampledSince: true}, judgement{Off, ReasonRatio, "", "3.0000"}},
		{"neither says anything", hour{in: idle, out: idle}, judgement{verdict: Unknown}},
		{"the counters began anew", hour{in: bad, out: bad, disturbed: true}, judgement{verdict: Unknown}},
		{"much traffic for three hours and no sample", hour{in: silent, out: silent, busySince: true}, judgement{verdict: Off, reason: ReasonNotSampled}},
		{"much traffic, sampled lately", hour{in: silent, out: silent, busySince: true, sampledSince: true}, judgement{verdict: Unknown}},
		{"much traffic, not for long", hour{in: silent, out: silent}, judgement{verdict: Unknown}},
		{"not sampled, but its counters began anew", hour{in: silent, out: silent, busySince: true, disturbed: true}, judgement{verdict: Unknown}},
	}
	for _, c := range cases {
		if got := c.hour.judge(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The whole numbers decide as the formula says, wherever a float is sure of itself.
func TestJudgeFollowsTheFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := side{octets: rapid.Int64Range(minOctets, 1<<62).Draw(t, "octets"), samples: rapid.Int64Range(minSamples, 1<<40).Draw(t, "samples")}
		s.flow = int64(min(float64(s.octets)*rapid.Float64Range(0, 4).Draw(t, "ratio"), 1<<62))
		deviation := math.Abs(float64(s.flow)/float64(s.octets) - 1)
		allowed := math.Max(0.1, 3*1.96/math.Sqrt(float64(s.samples)))
		if math.Abs(deviation-allowed) < 1e-6 {
			return
		}
		want := OK
		if deviation > allowed {
			want = Off
		}
		if got := s.judge(); got != want {
			t.Fatalf("%+v: got %s, want %s (%f of %f)", s, got, want, deviation, allowed)
		}
	})
}
