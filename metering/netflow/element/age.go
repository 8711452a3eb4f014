package element

import (
	"math"
	"time"
)

// MaxAge is how long before its export a flow may have begun. Times beyond it are not believed.
const MaxAge = 24 * time.Hour

const (
	second   = int64(time.Second)
	never    = time.Duration(math.MaxInt64) // an age beyond all bounds
	ntpEpoch = 2_208_988_800                // seconds from 1900 to 1970
)

// Clock is the exporter's, as a datagram's header tells it.
type Clock struct {
	Exported   int64  // Unix nanoseconds
	Uptime     uint32 // milliseconds since the start
	HasUptime  bool   // IPFIX has none
	SystemInit uint64 // milliseconds since 1970 of the start, as an option told; 0 when none did
}

// SinceUptime is the age of an uptime in milliseconds. Both wrap after 49.7 days.
func SinceUptime(now, then uint32) time.Duration {
	return time.Duration(int32(now-then)) * time.Millisecond
}

// sinceUnix is the age of a time in units since 1970.
func sinceUnix(exported int64, then uint64, unit time.Duration) time.Duration {
	if then > uint64(math.MaxInt64/unit) {
		return never
	}
	return time.Duration(exported - int64(then)*int64(unit))
}

// NTP is a time in Unix nanoseconds as dateTimeMicroseconds and dateTimeNanoseconds have it: seconds<<32 since 1900, of an
// era of 2^32 seconds (RFC 7011, 6.1.9).
func NTP(at int64) uint64 {
	seconds, rest := at/second, at%second
	return uint64(seconds+ntpEpoch)<<32 | uint64(rest<<32/second)
}

// sinceNTP is the age of such a time, of whichever era is nearest.
func sinceNTP(exported int64, then uint64) time.Duration {
	now := NTP(exported)
	age := int64(now - then)
	if whole := age >> 32; whole > math.MaxInt32/2 || whole < math.MinInt32/2 {
		return never
	}
	return time.Duration(age>>32*second + (age&math.MaxUint32)*second>>32)
}

// Ages finds when a flow began and ended, before the export. Without any time both are 0; they may lie beyond MaxAge, and
// an end before the start, or after the export (below 0).
func (v *Values) Ages(c *Clock) (start, end time.Duration) {
	end, hasEnd := v.endAge(c)
	start, hasStart := v.startAge(c)
	length, hasLength := v.duration()
	switch {
	case hasStart && hasEnd:
		return start, end
	case hasStart && hasLength:
		return start, start - length
	case hasEnd && hasLength:
		return end + length, end
	case hasStart:
		return start, start
	}
	return end, end
}

func (v *Values) startAge(c *Clock) (time.Duration, bool) {
	switch {
	case v.hasUptime(SlotStartUptime, c):
		return v.uptimeAge(SlotStartUptime, c), true
	case v.Has(SlotStartMilliseconds):
		return sinceUnix(c.Exported, v.n[SlotStartMilliseconds], time.Millisecond), true
	case v.Has(SlotStartSeconds):
		return sinceUnix(c.Exported, v.n[SlotStartSeconds], time.Second), true
	case v.Has(SlotStartMicroseconds):
		return sinceNTP(c.Exported, v.n[SlotStartMicroseconds]), true
	case v.Has(SlotStartNanoseconds):
		return sinceNTP(c.Exported, v.n[SlotStartNanoseconds]), true
	case v.Has(SlotStartDelta):
		return delta(v.n[SlotStartDelta]), true
	}
	return 0, false
}

func (v *Values) endAge(c *Clock) (time.Duration, bool) {
	switch {
	case v.hasUptime(SlotEndUptime, c):
		return v.uptimeAge(SlotEndUptime, c), true
	case v.Has(SlotEndMilliseconds):
		return sinceUnix(c.Exported, v.n[SlotEndMilliseconds], time.Millisecond), true
	case v.Has(SlotEndSeconds):
		return sinceUnix(c.Exported, v.n[SlotEndSeconds], time.Second), true
	case v.Has(SlotEndMicroseconds):
		return sinceNTP(c.Exported, v.n[SlotEndMicroseconds]), true
	case v.Has(SlotEndNanoseconds):
		return sinceNTP(c.Exported, v.n[SlotEndNanoseconds]), true
	case v.Has(SlotEndDelta):
		return delta(v.n[SlotEndDelta]), true
	case v.Has(SlotObservedMilliseconds):
		return sinceUnix(c.Exported, v.n[SlotObservedMilliseconds], time.Millisecond), true
	}
	return 0, false
}

// delta is an age in microseconds.
func delta(n uint64) time.Duration {
	if n > uint64(math.MaxInt64/time.Microsecond) {
		return never
	}
	return time.Duration(n) * time.Microsecond
}

// duration reads flowDurationMilliseconds or flowDurationMicroseconds, if they are believable.
func (v *Values) duration() (time.Duration, bool) {
	n, unit := v.n[SlotDurationMilliseconds], time.Millisecond
	if !v.Has(SlotDurationMilliseconds) {
		n, unit = v.n[SlotDurationMicroseconds], time.Microsecond
	}
	ok := v.Has(SlotDurationMilliseconds) || v.Has(SlotDurationMicroseconds)
	if !ok || n > uint64(MaxAge/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// hasUptime tells whether an uptime in a record can be placed: IPFIX's header has none to compare with, so that
// systemInitTimeMilliseconds must be known, of the record or of an option.
func (v *Values) hasUptime(s Slot, c *Clock) bool {
	return v.Has(s) && (c.HasUptime || v.Has(SlotSystemInit) || c.SystemInit != 0)
}

func (v *Values) uptimeAge(s Slot, c *Clock) time.Duration {
	if c.HasUptime {
		return SinceUptime(c.Uptime, uint32(v.n[s]))
	}
	start := c.SystemInit
	if v.Has(SlotSystemInit) {
		start = v.n[SlotSystemInit]
	}
	now := uint64(c.Exported / int64(time.Millisecond))
	return SinceUptime(uint32(now-start), uint32(v.n[s]))
}
