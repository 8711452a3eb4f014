package when

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-11-25":                "2026-11-25T00:00:00Z",
		"2026-11-25T03":             "2026-11-25T03:00:00Z",
		"2026-11-25T03:30":          "2026-11-25T03:30:00Z",
		"2026-11-25T03:30:15Z":      "2026-11-25T03:30:15Z",
		"2026-11-25T03:30:15+01:00": "2026-11-25T02:30:15Z",
		"":                          "",
		"yesterday":                 "",
		"2026-13-01":                "",
		"2026-11-25 03:00":          "",
	} {
		got, err := Parse(text)
		if want == "" {
			if err == nil {
				t.Errorf("%q was read as %s", text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestParseHour(t *testing.T) {
	t.Parallel()
	for text, whole := range map[string]bool{"2026-11-25": true, "2026-11-25T03": true, "2026-11-25T03:00:00Z": true, "2026-11-25T03:30:00+00:30": true, "2026-11-25T03:30": false, "x": false} {
		if _, err := ParseHour(text); (err == nil) != whole {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFlag(t *testing.T) {
	t.Parallel()
	if at, err := Flag("from", ""); err != nil || !at.IsZero() {
		t.Error("a flag that was not given is a time")
	}
	if _, err := Flag("from", "soon"); err == nil || err.Error() != `--from: "soon" is not a time such as 2026-11-25, 2026-11-25T03 or 2026-11-25T03:30:00Z` {
		t.Error(err)
	}
}
