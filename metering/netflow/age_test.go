package netflow_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
)

const exportedMillis = exported / 1_000_000

// TestAges reads every way to tell a flow's times.
func TestAges(t *testing.T) {
	t.Parallel()
	const nine, ten = netflow.Version9, netflow.IPFIX
	ntp := func(age time.Duration) uint64 { return element.NTP(exported - age.Nanoseconds()) }
	for name, c := range map[string]struct {
		version    uint16
		pairs      []uint16
		values     []uint64
		start, end time.Duration
		untimed    int
	}{
		"none":                  {nine, nil, nil, 0, 0, 0},
		"uptime":                {nine, []uint16{22, 4, 21, 4}, []uint64{uptime - 40_000, uptime - 10_000}, 40 * time.Second, 10 * time.Second, 0},
		"uptime after export":   {nine, []uint16{22, 4, 21, 4}, []uint64{uptime - 40_000, uptime + 5}, 40 * time.Second, 0, 0},
		"end before start":      {nine, []uint16{22, 4, 21, 4}, []uint64{uptime - 10_000, uptime - 40_000}, 40 * time.Second, 40 * time.Second, 0},
		"beyond a day":          {ten, []uint16{150, 4, 151, 4}, []uint64{exported/1e9 - 86_401, exported / 1e9}, 0, 0, 1},
		"a day ahead":           {ten, []uint16{150, 4, 151, 4}, []uint64{exported / 1e9, exported/1e9 + 86_401}, 0, 0, 1},
		"zeros":                 {ten, []uint16{150, 4, 151, 4}, []uint64{0, 0}, 0, 0, 1},
		"seconds":               {ten, []uint16{150, 4, 151, 4}, []uint64{exported/1e9 - 40, exported/1e9 - 10}, 40 * time.Second, 10 * time.Second, 0},
		"milliseconds":          {ten, []uint16{152, 8, 153, 8}, []uint64{exportedMillis - 40_001, exportedMillis - 10_002}, 40_001 * time.Millisecond, 10_002 * time.Millisecond, 0},
		"milliseconds, huge":    {ten, []uint16{152, 8, 153, 8}, []uint64{math.MaxUint64, math.MaxUint64}, 0, 0, 1},
		"microseconds":          {ten, []uint16{154, 8, 155, 8}, []uint64{ntp(40 * time.Second), ntp(10 * time.Second)}, 40 * time.Second, 10 * time.Second, 0},
		"nanoseconds":           {ten, []uint16{156, 8, 157, 8}, []uint64{ntp(40 * time.Second), ntp(10 * time.Second)}, 40 * time.Second, 10 * time.Second, 0},
		"nanoseconds, zeros":    {ten, []uint16{156, 8, 157, 8}, []uint64{0, 0}, 0, 0, 1},
		"deltas":                {ten, []uint16{158, 4, 159, 4}, []uint64{40_000_000, 10_000_000}, 40 * time.Second, 10 * time.Second, 0},
		"system init":           {ten, []uint16{160, 8, 22, 4, 21, 4}, []uint64{exportedMillis - 100_000, 60_000, 90_000}, 40 * time.Second, 10 * time.Second, 0},
		"uptime without init":   {ten, []uint16{22, 4, 21, 4}, []uint64{60_000, 90_000}, 0, 0, 0},
		"uptime wrapped":        {ten, []uint16{160, 8, 22, 4, 21, 4}, []uint64{exportedMillis - 5<<32 - 100_000, 60_000, 90_000}, 40 * time.Second, 10 * time.Second, 0},
		"end and duration":      {ten, []uint16{153, 8, 161, 4}, []uint64{exportedMillis - 10_000, 30_000}, 40 * time.Second, 10 * time.Second, 0},
		"start and duration":    {ten, []uint16{152, 8, 162, 4}, []uint64{exportedMillis - 40_000, 30_000_000}, 40 * time.Second, 10 * time.Second, 0},
		"only a start":          {ten, []uint16{152, 8}, []uint64{exportedMillis - 40_000}, 40 * time.Second, 40 * time.Second, 0},
		"only an end":           {ten, []uint16{153, 8}, []uint64{exportedMillis - 10_000}, 10 * time.Second, 10 * time.Second, 0},
		"ASA's event":           {nine, []uint16{152, 8, 323, 8}, []uint64{exportedMillis - 40_000, exportedMillis - 10_000}, 40 * time.Second, 10 * time.Second, 0},
		"absolute in version 9": {nine, []uint16{152, 8, 153, 8}, []uint64{exportedMillis - 40_000, exportedMillis - 10_000}, 40 * time.Second, 10 * time.Second, 0},
	} {
		got := one(t, c.version, addressed(append([]uint16{element.Octets, 4}, c.pairs...)...), append([]uint64{1, 2, 5}, c.values...)...)
		checkResult(t, got)
		r := only(t, got)
		if near(r.StartAge, c.start) && near(r.EndAge, c.end) && got.Untimed == c.untimed {
			continue
		}
		t.Errorf("%s: %v to %v, %d untimed; want %v to %v, %d", name, r.StartAge, r.EndAge, got.Untimed, c.start, c.end, c.untimed)
	}
}

// near forgives the rounding of times in fractions of 2^32.
func near(a, b time.Duration) bool { return (a - b).Abs() <= 1 }

// TestSystemInitOption takes the exporter's start from an option.
func TestSystemInitOption(t *testing.T) {
	t.Parallel()
	start := export.Options(400, 1, 149, 4, element.SystemInit, 8)
	data := options(netflow.IPFIX, 7, addressed(element.Octets, 4, 22, 4, 21, 4), 1, 2, 5, 60_000, 90_000)
	r := only(t, decode(t, netflow.New(), options(netflow.IPFIX, 7, start, 7, exportedMillis-100_000), data))
	if r.StartAge != 40*time.Second || r.EndAge != 10*time.Second {
		t.Errorf("%v to %v", r.StartAge, r.EndAge)
	}
}

// TestAnyTimes holds the bounds of ages for any values at all.
func TestAnyTimes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		pairs, values := []uint16{element.Octets, 4}, []uint64{1, 2, 5}
		for range rapid.IntRange(1, 6).Draw(rt, "times") {
			pairs = append(pairs, rapid.SampledFrom([]uint16{21, 22, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 323}).Draw(rt, "element"), 8)
			near := rapid.SampledFrom([]uint64{0, exportedMillis, exported / 1e9, element.NTP(exported), uptime}).Draw(rt, "near")
			values = append(values, near+rapid.Uint64().Draw(rt, "off")>>rapid.IntRange(0, 63).Draw(rt, "shift"))
		}
		version := rapid.SampledFrom([]uint16{netflow.Version9, netflow.IPFIX}).Draw(rt, "version")
		checkResult(t, one(t, version, addressed(pairs...), values...))
	})
}
