package spread

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSpreadSumsToWhatThereWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 1e18).Draw(t, "from")
		length := rapid.OneOf(rapid.Int64Range(0, 1e9), rapid.Int64Range(0, 3600e9), rapid.Int64Range(0, 10*24*3600e9)).Draw(t, "length")
		s := Interval{From: from, To: from + length}
		for i := range s.Counts {
			s.Counts[i] = rapid.Int64Range(0, 1<<50).Draw(t, "count")
		}
		cut := rapid.Int64Range(from, from+length).Draw(t, "cut")
		s.Cut(cut)
		want, before := s.Counts, int64(-1)
		var sum [4]int64
		s.Each(func(at int64, part [4]int64) {
			if at <= before || at < from || length > 0 && at >= from+length {
				t.Fatalf("part at %d after %d", at, before)
			}
			before = at
			for i, n := range part {
				if n < 0 {
					t.Fatalf("a negative share %d", n)
				}
				sum[i] += n
			}
		})
		if sum != want {
			t.Fatalf("%v of %v", sum, want)
		}
	})
}

func TestSpreadIsByTime(t *testing.T) {
	t.Parallel()
	second := int64(time.Second)
	s := Interval{From: 5 * second, To: 25 * second, Counts: [4]int64{2000, 20, 3, 0}}
	s.Cut(22 * second)
	got := map[int64][4]int64{}
	s.Each(func(at int64, part [4]int64) { got[at/second] = part })
	want := map[int64][4]int64{5: {500, 5, 0, 0}, 10: {1000, 10, 2, 0}, 20: {200, 2, 0, 0}, 22: {300, 3, 1, 0}}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for at, part := range want {
		if got[at] != part {
			t.Errorf("at %d: %v, want %v", at, got[at], part)
		}
	}
}

// A long silence is told by the hour: no graph needs its ten seconds.
func TestALongIntervalIsSpreadByTheHour(t *testing.T) {
	t.Parallel()
	hour := int64(time.Hour)
	s := Interval{From: hour / 2, To: 10 * hour, Counts: [4]int64{950}}
	parts := 0
	s.Each(func(at int64, part [4]int64) {
		if parts++; parts > 1 && (at%hour != 0 || part[0] != 100) {
			t.Errorf("at %d: %v", at, part)
		}
	})
	if parts != 10 {
		t.Errorf("%d parts", parts)
	}
}

// A moment at the very end of time is given once, too.
func TestTheEndOfTime(t *testing.T) {
	t.Parallel()
	given, parts := int64(0), 0
	s := Interval{From: math.MaxInt64 - 5, To: math.MaxInt64, Counts: [4]int64{7}}
	s.Each(func(_ int64, part [4]int64) {
		if given, parts = given+part[0], parts+1; parts > 1 {
			t.Fatal("more than one slot")
		}
	})
	if given != 7 {
		t.Errorf("%d of 7", given)
	}
}
