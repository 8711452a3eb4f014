package period_test

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/period"
)

const layout = "2006-01-02T15"

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(layout, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestGoldenBoundaries(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/cycles.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		since, interval := at(t, words[0]), period.Interval(words[1])
		checkBoundaries(t, since, interval, words[3:])
	}
}

func checkBoundaries(t *testing.T, since time.Time, interval period.Interval, boundaries []string) {
	t.Helper()
	for i := range boundaries[1:] {
		want := period.Period{From: at(t, boundaries[i]), To: at(t, boundaries[i+1])}
		for _, inside := range []time.Time{want.From, want.From.Add(time.Hour), want.To.Add(-time.Nanosecond)} {
			if got, err := period.Containing(since, interval, inside); err != nil || got != want {
				t.Errorf("%s since %s at %s: got %s (%v), want %s", interval, since, inside, got, err, want)
			}
		}
		if got, err := period.Next(want.From, since.Day(), interval); err != nil || got != want.To {
			t.Errorf("%s from %s: next is %s (%v), want %s", interval, want.From, got, err, want.To)
		}
	}
}

// Over all anchors and instants: the cycle contains the instant, lies on whole hours and on the anchor day or
// the month's last, and Next walks from the first cycle to it without gap or overlap.
func TestCyclesTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		since := time.Unix(rapid.Int64Range(946684800, 4102444800).Draw(t, "since"), 0).UTC()
		interval := rapid.SampledFrom([]period.Interval{period.Month, period.Quarter, period.Year}).Draw(t, "interval")
		instant := since.Add(time.Duration(rapid.Int64Range(0, 8*366*24*3600).Draw(t, "seconds later")) * time.Second)
		got, err := period.Containing(since, interval, instant)
		if err != nil || !got.Contains(instant) {
			t.Fatalf("%s does not contain %s (%v)", got, instant, err)
		}
		checkBoundary(t, got.From, since)
		checkBoundary(t, got.To, since)
		from := period.Hour(since)
		for range 8*12 + 1 {
			to, err := period.Next(from, since.Day(), interval)
			if err != nil || !to.After(from) {
				t.Fatalf("after %s comes %s (%v)", from, to, err)
			}
			if from.Equal(got.From) {
				if !to.Equal(got.To) {
					t.Fatalf("walked to [%s, %s), want %s", from, to, got)
				}
				return
			}
			from = to
		}
		t.Fatalf("walking from %s never met %s", since, got)
	})
}

func checkBoundary(t *rapid.T, b, since time.Time) {
	t.Helper()
	lastDay := b.AddDate(0, 0, 1).Month() != b.Month()
	if b.Truncate(time.Hour) != b || b.Hour() != since.Hour() || b.Location() != time.UTC {
		t.Fatalf("boundary %s is not on the hour of %s", b, since)
	}
	if b.Day() != since.Day() && !(lastDay && b.Day() < since.Day()) {
		t.Fatalf("boundary %s is not on the anchor day of %s", b, since)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-01-31T00")
	if _, err := period.Containing(now, "week", now); !errors.Is(err, period.ErrInterval) {
		t.Errorf("a week is no interval, got %v", err)
	}
	if _, err := period.Containing(now, period.Month, now.Add(-1)); !errors.Is(err, period.ErrBefore) {
		t.Errorf("nothing comes before the first cycle, got %v", err)
	}
	if _, err := period.Next(now, 32, period.Month); !errors.Is(err, period.ErrAnchor) {
		t.Errorf("the 32nd is no day, got %v", err)
	}
	if _, err := period.Next(now, 1, ""); !errors.Is(err, period.ErrInterval) {
		t.Errorf("no interval is no interval, got %v", err)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	p := period.Period{From: at(t, "2026-01-31T00"), To: at(t, "2026-02-28T13")}
	if got, want := p.String(), "2026-01-31 – 2026-02-28 13:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
