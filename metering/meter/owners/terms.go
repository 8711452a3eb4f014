package owners

import (
	"math"
	"math/bits"

	"github.com/ezscale/platform/internal/billable"
	"github.com/ezscale/platform/metering/meter/count"
)

// Billable is what a cycle's terms count of its usage.
func (t *Terms) Billable(u *count.Usage) int64 {
	in, out := u.BytesInL2, u.BytesOutL2
	if t.l3 {
		in, out = u.BytesInL3, u.BytesOutL3
	}
	return billable.Bytes(t.direction, in, out)
}

// level is the least number of bytes that is percent of the quota or more; false when it is beyond int64.
func (t *Terms) level(percent int16) (int64, bool) {
	high, low := bits.Mul64(uint64(t.Quota), uint64(percent))
	low, carry := bits.Add64(low, 99, 0)
	if high += carry; high >= 50 {
		return 0, false
	}
	level, _ := bits.Div64(high, low, 100)
	return int64(level), level <= math.MaxInt64
}

// Passed are the thresholds at or below the usage. There are none without a quota, and none without a byte.
func (t *Terms) Passed(usage *count.Usage) []int16 { return t.Crossed(&count.Usage{}, usage) }

// Crossed are the thresholds in (before, after]. There are none without a quota, and none without a byte.
func (t *Terms) Crossed(before, after *count.Usage) []int16 {
	from, to := t.Billable(before), t.Billable(after)
	if t.Quota <= 0 || to == 0 {
		return nil
	}
	var crossed []int16
	for _, percent := range t.thresholds {
		if level, ok := t.level(percent); ok && from < level && level <= to {
			crossed = append(crossed, percent)
		}
	}
	return crossed
}
