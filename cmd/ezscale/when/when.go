// Package when reads times as people type them at a command line, alike in every tool: a date, which is its first moment, an
// hour, a minute, or RFC 3339. What names no offset is UTC.
package when

import (
	"fmt"
	"time"
)

// Hour is how the tools write an hour, and one of the ways they read it.
const Hour = "2006-01-02T15"

// Parse reads a time. It is in UTC.
func Parse(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, Hour, "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-11-25, 2026-11-25T03 or 2026-11-25T03:30:00Z", text)
}

// ParseHour reads a time that must be a whole hour.
func ParseHour(text string) (time.Time, error) {
	t, err := Parse(text)
	if err == nil && !t.Equal(t.Truncate(time.Hour)) {
		err = fmt.Errorf("%q is not a whole hour", text)
	}
	return t, err
}

// Flag reads the time that a flag was given, --name; the zero time where it was not.
func Flag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := Parse(text)
	if err != nil {
		return t, fmt.Errorf("--%s: %w", name, err)
	}
	return t, nil
}
