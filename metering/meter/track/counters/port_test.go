package counters

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

const gigabit = uint64(1e9)

// at makes a reading that many seconds in, with packets of a thousand octets each way.
func reading(seconds int64, sequence uint32, in, out uint64) Reading {
	return Reading{
		At: 1e18 + seconds*1e9, Sequence: sequence, Uptime: uint32(1e9 + seconds*1000), Speed: gigabit, OctetsIn: in, OctetsOut: out,
		PacketsIn: [3]uint32{uint32(in / 1000)}, PacketsOut: [3]uint32{uint32(out / 1000)},
	}
}

func TestPortReadings(t *testing.T) {
	t.Parallel()
	rebooted := reading(40, 1, 700, 800)
	rebooted.Uptime = 5000
	silent := func(r Reading) Reading { // of an agent that counts no packets
		r.PacketsIn, r.PacketsOut = [3]uint32{}, [3]uint32{}
		return r
	}
	wrapped32 := reading(20, 2, 500, 20)
	wrapped32.PacketsIn[0], wrapped32.PacketsOut[0] = math.MaxUint32/1000+5, 0
	wrapped64 := reading(20, 2, 99, 20)
	wrapped64.PacketsIn[0] = ^uint32(0)
	most := reading(0, 1, math.MaxUint64-100, 10)
	most.PacketsIn[0] = 7
	for name, c := range map[string]struct {
		readings    []Reading
		restart     bool // before the last
		in, out     uint64
		reset       bool
		implausible bool
		nothing     bool
	}{
		"the first tells nothing":          {readings: []Reading{reading(0, 1, 5, 6)}, nothing: true},
		"on":                               {readings: []Reading{reading(0, 1, 1000, 2000), reading(20, 2, 5000, 2001)}, in: 4000, out: 1},
		"over a gap of hours":              {readings: []Reading{reading(0, 1, 0, 0), reading(36_000, 9, 9e11, 5)}, in: 9e11, out: 5},
		"twice":                            {readings: []Reading{reading(0, 1, 0, 0), reading(20, 2, 50, 50), reading(20, 2, 50, 50)}, nothing: true},
		"late":                             {readings: []Reading{reading(0, 1, 0, 0), reading(40, 3, 50, 50), reading(20, 2, 20, 20)}, nothing: true},
		"from before the first":            {readings: []Reading{reading(20, 2, 20, 30), reading(40, 3, 50, 50), reading(0, 1, 5, 10)}, in: 15, out: 20},
		"wrap at 32 bits, packets go on":   {readings: []Reading{reading(0, 1, math.MaxUint32-99, 10), wrapped32}, in: 600, out: 10},
		"wrap at 32 bits, packets unknown": {readings: []Reading{silent(reading(0, 1, math.MaxUint32-99, 10)), silent(reading(20, 2, 500, 20))}, in: 600, out: 10},
		"wrap at 64 bits":                  {readings: []Reading{most, wrapped64}, in: 200, out: 10},
		"counters cleared":                 {readings: []Reading{reading(0, 1, 9e9, 9e9), reading(20, 2, 4000, 3000)}, in: 4000, out: 3000, reset: true},
		"reboot by uptime":                 {readings: []Reading{reading(0, 70, 9e9, 9e9), rebooted}, in: 700, out: 800, reset: true},
		"reboot by the datagrams":          {readings: []Reading{reading(0, 1, 9e9, 9e9), reading(20, 2, 700, 800)}, restart: true, in: 700, out: 800, reset: true},
		"restart, counters went on":        {readings: []Reading{reading(0, 1, 9e9, 9e9), reading(20, 2, 9e9+7, 9e9+8)}, restart: true, in: 7, out: 8},
		"more than the port can":           {readings: []Reading{reading(0, 1, 0, 0), reading(20, 2, 1e15, 5)}, implausible: true},
		"and on from there":                {readings: []Reading{reading(0, 1, 0, 0), reading(20, 2, 1e15, 5), reading(40, 3, 1e15+7, 6)}, in: 7, out: 1},
	} {
		p := &Port{}
		var d Delta
		for i, r := range c.readings {
			d = p.Read(r, c.restart && i == len(c.readings)-1)
		}
		if d.Counted == c.nothing || d.OctetsIn != c.in || d.OctetsOut != c.out || d.Reset != c.reset || d.Implausible != c.implausible {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// In whatever order the readings of a boot come, within five minutes, and however often, they add up to the last less the first.
func TestPortReadingsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var readings []Reading
		in, out := rapid.Uint64Range(0, 1<<40).Draw(t, "in"), rapid.Uint64Range(0, 1<<40).Draw(t, "out")
		sequence := rapid.Uint32().Draw(t, "sequence")
		for i := range rapid.IntRange(1, 15).Draw(t, "readings") {
			readings = append(readings, reading(int64(i)*20, sequence+uint32(i), in, out))
			in += rapid.Uint64Range(0, 1<<31).Draw(t, "more in")
			out += rapid.Uint64Range(0, 1<<31).Draw(t, "more out")
		}
		p := &Port{}
		var sumIn, sumOut, packetsIn uint64
		all := append(rapid.Permutation(readings).Draw(t, "order"), rapid.SliceOf(rapid.SampledFrom(readings)).Draw(t, "repeats")...)
		for _, r := range all {
			d := p.Read(r, false)
			sumIn, sumOut, packetsIn = sumIn+d.OctetsIn, sumOut+d.OctetsOut, packetsIn+d.PacketsIn
			if d.Reset || d.Implausible || d.From > d.To {
				t.Fatalf("%+v", d)
			}
		}
		first, last := readings[0], readings[len(readings)-1]
		if sumIn != last.OctetsIn-first.OctetsIn || sumOut != last.OctetsOut-first.OctetsOut || packetsIn != uint64(last.PacketsIn[0]-first.PacketsIn[0]) {
			t.Fatalf("%d in and %d out", sumIn, sumOut)
		}
	})
}

// Readings that a capture brings long after newer ones tell nothing, but for those from before the first of the same boot.
func TestOldReadings(t *testing.T) {
	t.Parallel()
	p := &Port{}
	p.Read(reading(100_000, 5000, 9e9, 9e9), false)
	p.Read(reading(200_000, 10_000, 20e9, 9e9), false)
	other := reading(50_000, 70, 8e9, 8e9)
	other.Uptime = 900_000
	for name, r := range map[string]Reading{
		"of between": reading(150_000, 7500, 15e9, 9e9), "of another boot": other, "of another boot, a higher sequence": {At: other.At, Uptime: 900_000, Sequence: 90_000, OctetsIn: 30e9, Speed: gigabit},
	} {
		if d := p.Read(r, false); d.Counted {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := p.Read(reading(90_000, 4500, 8e9, 7e9), false); d.OctetsIn != 1e9 || d.OctetsOut != 2e9 {
		t.Errorf("from before the first: %+v", d)
	}
	if d := p.Read(reading(200_020, 10_001, 20e9+5, 9e9+6), false); d.OctetsIn != 5 || d.OctetsOut != 6 {
		t.Errorf("and on from the newest: %+v", d)
	}
}

// What an agent does not know it tells as all ones, for a while or for good: it is no octets, no packets and no speed.
func TestReadingsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	const unknown, unknown32 = math.MaxUint64, math.MaxUint32
	without := reading(20, 2, unknown, unknown)
	without.PacketsIn, without.PacketsOut = [3]uint32{unknown32, unknown32, unknown32}, [3]uint32{unknown32, unknown32, unknown32}
	speedless := func(r Reading) Reading {
		r.Speed = unknown
		return r
	}
	oneWay := func(r Reading) Reading {
		r.OctetsOut, r.PacketsOut = unknown, [3]uint32{unknown32, unknown32, unknown32}
		return r
	}
	unicast := func(r Reading) Reading {
		r.PacketsIn[1], r.PacketsIn[2], r.PacketsOut[1], r.PacketsOut[2] = unknown32, unknown32, unknown32, unknown32
		return r
	}
	for name, c := range map[string]struct {
		readings []Reading
		in, out  uint64
		packets  uint64 // in
	}{
		"for a while":            {[]Reading{reading(0, 1, 8000, 5000), without, reading(40, 3, 9000, 7000)}, 1000, 2000, 1},
		"from the first":         {[]Reading{without, reading(40, 3, 9000, 7000), reading(60, 4, 10_000, 7001)}, 1000, 1, 1},
		"one direction":          {[]Reading{oneWay(reading(0, 1, 8000, 0)), oneWay(reading(20, 2, 9000, 0))}, 1000, 0, 1},
		"no speed":               {[]Reading{speedless(reading(0, 1, 8000, 5000)), speedless(reading(20, 2, 1<<62, 5001))}, 0, 0, 0},
		"more than can be kept":  {[]Reading{reading(0, 1, 0, 0), speedless(reading(30*86_400, 2, 1<<63, 0))}, 0, 0, 0},
		"broadcasts, at a reset": {[]Reading{unicast(reading(0, 1, 9e9, 9e9)), unicast(reading(20, 2, 4000, 3000))}, 4000, 3000, 4},
	} {
		p := &Port{}
		var in, out, packets uint64
		for _, r := range c.readings {
			d := p.Read(r, false)
			in, out, packets = in+d.OctetsIn, out+d.OctetsOut, packets+d.PacketsIn
		}
		if in != c.in || out != c.out || packets != c.packets {
			t.Errorf("%s: %d and %d octets, %d packets", name, in, out, packets)
		}
	}
}

// After a restart all since then is counted with the first reading: one from before it that comes late adds nothing.
func TestTheFirstReadingAfterARestartComesLate(t *testing.T) {
	t.Parallel()
	p := &Port{}
	after := func(seconds int64, sequence uint32, in, out uint64) Reading {
		r := reading(seconds, sequence, in, out)
		r.Uptime = uint32(5000 + (seconds-40)*1000)
		return r
	}
	p.Read(reading(0, 70, 9e9, 9e9), false)
	if d := p.Read(after(60, 2, 900, 900), true); d.OctetsIn != 900 || !d.Reset {
		t.Errorf("%+v", d)
	}
	if d := p.Read(after(40, 1, 700, 800), false); d.Counted {
		t.Errorf("%+v", d)
	}
	if d := p.Read(after(80, 3, 950, 960), false); d.OctetsIn != 50 || d.OctetsOut != 60 {
		t.Errorf("%+v", d)
	}
}

// A reading of before a restart that is overtaken by one of after it tells nothing: the old counters are not the new ones' next.
func TestAReadingFromBeforeTheRestartComesLate(t *testing.T) {
	t.Parallel()
	p := &Port{}
	p.Read(reading(0, 70, 9e9, 9e9), false)
	rebooted := reading(40, 1, 700, 800)
	rebooted.Uptime = 5000
	p.Read(rebooted, true)
	if d := p.Read(reading(20, 71, 91e8, 91e8), false); d.Counted {
		t.Errorf("%+v", d)
	}
	rebooted = reading(60, 2, 900, 900)
	rebooted.Uptime = 25_000
	if d := p.Read(rebooted, false); d.OctetsIn != 200 || d.OctetsOut != 100 || d.Reset {
		t.Errorf("and on from the newest: %+v", d)
	}
}
