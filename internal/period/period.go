// Package period does the arithmetic of billing cycles: half-open intervals on whole hours UTC, one after the
// other without gap or overlap, each beginning on the anchor day of its month. Where a month is too short the
// day clamps to its last, and returns as soon as a month is long enough: the 31st goes 31 January, 28 February,
// 31 March. The anchor is kept with the service, so that a boundary never depends on how many came before it.
// UTC has no daylight saving and therefore no day that is billed twice. The package is pure.
package period

import (
	"errors"
	"fmt"
	"time"
)

// Interval is the length of a cycle.
type Interval string

// The intervals a plan may have.
const (
	Month   Interval = "month"
	Quarter Interval = "quarter"
	Year    Interval = "year"
)

// What Containing and Next refuse.
var (
	ErrInterval = errors.New("interval must be month, quarter or year")
	ErrAnchor   = errors.New("anchor day must be 1 to 31")
	ErrBefore   = errors.New("time lies before the first cycle")
)

// Period is [From, To), UTC.
type Period struct{ From, To time.Time }

// Contains tells whether t lies in the period.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.From) && t.Before(p.To) }

// String writes the days, and the hours where they are not midnight: "2026-01-31 – 2026-02-28".
func (p Period) String() string { return written(p.From) + " – " + written(p.To) }

func written(t time.Time) string {
	if t.Hour() == 0 {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04")
}

// Hour cuts a time down to its whole hour, UTC. Metered boundaries lie there, because usage is kept by hour.
func Hour(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// Next is the end of the cycle that begins at from, a boundary on the anchor day at a whole hour.
func Next(from time.Time, anchorDay int, interval Interval) (time.Time, error) {
	months, err := monthsOf(interval)
	if err != nil {
		return time.Time{}, err
	}
	if anchorDay < 1 || anchorDay > 31 {
		return time.Time{}, fmt.Errorf("%w: %d", ErrAnchor, anchorDay)
	}
	return boundary(Hour(from), months, anchorDay), nil
}

// Containing is the cycle that holds at, of a service whose first cycle begins at the whole hour of since and
// whose anchor is the day of since.
func Containing(since time.Time, interval Interval, at time.Time) (Period, error) {
	months, err := monthsOf(interval)
	if err != nil {
		return Period{}, err
	}
	since, at = Hour(since), at.UTC()
	if at.Before(since) {
		return Period{}, fmt.Errorf("%w: %s is before %s", ErrBefore, at.Format(time.RFC3339), since.Format(time.RFC3339))
	}
	apart := (at.Year()-since.Year())*12 + int(at.Month()-since.Month())
	cycles := apart / months
	from := boundary(since, cycles*months, since.Day())
	if at.Before(from) {
		cycles--
		from = boundary(since, cycles*months, since.Day())
	}
	return Period{From: from, To: boundary(since, (cycles+1)*months, since.Day())}, nil
}

// boundary is the anchor day, at from's hour, months after from's month.
func boundary(from time.Time, months, anchorDay int) time.Time {
	first := time.Date(from.Year(), from.Month()+time.Month(months), 1, from.Hour(), 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(anchorDay, last)-1)
}

func monthsOf(interval Interval) (int, error) {
	switch interval {
	case Month:
		return 1, nil
	case Quarter:
		return 3, nil
	case Year:
		return 12, nil
	}
	return 0, fmt.Errorf("%w: %q", ErrInterval, interval)
}

// Valid tells whether i is an interval that a plan may have.
func (i Interval) Valid() bool {
	_, err := monthsOf(i)
	return err == nil
}
