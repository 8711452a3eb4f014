package track

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// datagram is one of a test's script; its CRC tells apart what would differ in content.
type datagram struct{ seq, crc, uptime uint32 }

type totals struct {
	accepted, duplicates, restarts int
	lost                           int64
}

func play(s *SubAgent, script []datagram) totals {
	var t totals
	for _, d := range script {
		v := s.Datagram(d.seq, d.crc, d.uptime, int64(d.uptime)*1e6, 1)
		if v.Duplicate {
			t.duplicates++
		} else {
			t.accepted++
		}
		if v.Restart {
			t.restarts++
		}
		t.lost += v.Lost
	}
	return t
}

func subAgent() *SubAgent {
	s, _ := NewBook().Exporter(uuid.Nil).SubAgent(netip.MustParseAddr("192.0.2.1"), 0)
	return s
}

// run is count datagrams from seq on, of one boot.
func run(seq uint32, count int, boot uint32) []datagram {
	var ds []datagram
	for i := range uint32(count) {
		ds = append(ds, datagram{seq + i, (seq + i) ^ boot*0x9e3779b9, 1000 + i*10})
	}
	return ds
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script []datagram
		want   totals
	}{
		"in order":            {run(1, 100, 1), totals{accepted: 100}},
		"twice":               {append(run(1, 100, 1), run(1, 100, 1)...), totals{accepted: 100, duplicates: 100}},
		"gap":                 {append(run(1, 10, 1), run(21, 10, 1)...), totals{accepted: 20, lost: 10}},
		"gap filled":          {slices.Concat(run(1, 10, 1), run(21, 10, 1), run(11, 10, 1)), totals{accepted: 30}},
		"wrap":                {run(1<<32-50, 100, 1), totals{accepted: 100}},
		"gap over the wrap":   {append(run(1<<32-50, 40, 1), run(10, 5, 1)...), totals{accepted: 45, lost: 20}},
		"restart":             {append(run(1, 3000, 1), run(1, 3000, 2)...), totals{accepted: 6000, restarts: 1}},
		"restart far behind":  {append(run(1_000_000, 100, 1), run(1, 100, 2)...), totals{accepted: 200, restarts: 1}},
		"old boot's last one": {slices.Concat(run(100_000, 99, 1), run(1, 5, 2), run(100_099, 1, 1), run(6, 5, 2)), totals{accepted: 110, restarts: 1}},
		"two devices, one address": {interleave(run(1, 500, 1), run(90_000, 500, 2)),
			totals{accepted: 1000, restarts: 1}},
		"jump too far":             {append(run(1, 10, 1), run(1<<30, 10, 1)...), totals{accepted: 20, restarts: 1}},
		"jump of the bound":        {append(run(0, 1, 1), run(MaxJump, 1, 1)...), totals{accepted: 2, lost: MaxJump - 1}},
		"first one late":           {[]datagram{{500, 1, 90}, {498, 2, 70}, {501, 3, 100}}, totals{accepted: 3, lost: 1}},
		"restart by a still clock": {append(still(run(500, 100, 1), 0), still(run(1, 60, 2), 0)...), totals{accepted: 160, restarts: 1}},
		"far restart, still clock": {append(still(run(2000, 100, 1), 4711), still(run(7, 60, 2), 4711)...), totals{accepted: 160, restarts: 1}},
		"late by a still clock":    {slices.Concat(still(run(700, 9, 1), 7), still(run(1, 699, 1), 7)), totals{accepted: 708}},
		"restart of a young agent": {append(still(run(2000, 100, 1), 100_000), still(run(1, 60, 2), 10)...), totals{accepted: 160, restarts: 1}},
		"restart below a floor":    {append(run(2990, 10, 1), datagram{1, 7, 4_000_000_000}), totals{accepted: 11, restarts: 1}},
	} {
		if got := play(subAgent(), c.script); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// still sets all uptimes to one.
func still(ds []datagram, uptime uint32) []datagram {
	for i := range ds {
		ds[i].uptime = uptime
	}
	return ds
}

func interleave(a, b []datagram) []datagram {
	var ds []datagram
	for i := range a {
		ds = append(ds, a[i], b[i])
	}
	return ds
}

// Any order within the window, with any repeats, accepts each datagram once and ends at the same loss.
func TestOrderAndRepeatsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint32().Draw(t, "start")
		count := rapid.IntRange(1, 400).Draw(t, "count")
		kept := rapid.SliceOfNDistinct(rapid.IntRange(0, count-1), 1, count, rapid.ID).Draw(t, "kept")
		slices.Sort(kept)
		var script []datagram
		for _, i := range kept {
			script = append(script, datagram{start + uint32(i), uint32(i) * 7, 1000 + uint32(i)})
		}
		want := play(subAgent(), script)
		order := rapid.Permutation(script).Draw(t, "order")
		repeats := rapid.SliceOfN(rapid.SampledFrom(script), 0, 50).Draw(t, "repeats")
		got := play(subAgent(), append(order, repeats...))
		if got.duplicates != len(repeats) {
			t.Fatalf("%d duplicates of %d", got.duplicates, len(repeats))
		}
		got.duplicates = 0
		if got != want || got.lost != int64(kept[len(kept)-1]-kept[0]+1-len(kept)) {
			t.Fatalf("got %+v, in order %+v", got, want)
		}
	})
}

// Whatever an agent sends with fresh content is accepted, restarts and all; what was just accepted is a repeat.
func TestRestartsNeverLose(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := subAgent()
		seq := rapid.Uint32().Draw(t, "first")
		for i := range rapid.IntRange(1, 300).Draw(t, "count") {
			switch rapid.IntRange(0, 20).Draw(t, "what") {
			case 0:
				seq = rapid.Uint32().Draw(t, "restart at")
			case 1:
				seq += rapid.Uint32Range(0, 6000).Draw(t, "skip")
			default:
				seq++
			}
			d := datagram{seq, uint32(i)*2654435761 + 1, uint32(i)}
			if got := play(s, []datagram{d, d}); got.accepted != 1 || got.duplicates != 1 {
				t.Fatalf("datagram %d: %+v", i, got)
			}
		}
	})
}

func TestSamples(t *testing.T) {
	t.Parallel()
	type step struct{ seq, drops uint32 }
	for name, c := range map[string]struct {
		steps         []step
		lost, dropped int64
	}{
		"in order":       {[]step{{1, 0}, {2, 0}, {3, 4}}, 0, 4},
		"gap":            {[]step{{1, 0}, {11, 0}}, 9, 0},
		"gap of 49":      {[]step{{1, 0}, {51, 0}}, 49, 0},
		"jump over 50":   {[]step{{1, 0}, {52, 900}, {53, 901}}, 0, 1},
		"late":           {[]step{{1, 0}, {4, 9}, {2, 3}, {3, 5}, {3, 5}, {5, 9}}, 0, 9},
		"restart":        {[]step{{1000, 77}, {1, 2}, {2, 3}}, 0, 1},
		"wrap":           {[]step{{1<<32 - 1, 1<<32 - 1}, {1, 1}}, 1, 2},
		"drops go back":  {[]step{{1, 100}, {2, 50}, {3, 51}}, 0, 1},
		"repeat":         {[]step{{1, 0}, {1, 0}, {2, 0}}, 0, 0},
		"late then over": {[]step{{100, 0}, {140, 0}, {101, 0}, {101, 0}, {189, 0}}, 39 - 1 + 48, 0},
	} {
		s, lost, dropped := subAgent(), int64(0), int64(0)
		for _, step := range c.steps {
			l, d, tracked := s.Sample(0, 7, step.seq, step.drops, 10)
			if !tracked {
				t.Errorf("%s: not tracked", name)
			}
			lost, dropped = lost+l, dropped+d
		}
		if lost != c.lost || dropped != c.dropped {
			t.Errorf("%s: lost %d, dropped %d, want %d and %d", name, lost, dropped, c.lost, c.dropped)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	e := NewBook().Exporter(uuid.Nil)
	agent := netip.MustParseAddr("2001:db8::1")
	for i := range uint32(MaxSubAgents) {
		if _, ok := e.SubAgent(agent, i); !ok {
			t.Fatalf("sub-agent %d refused", i)
		}
	}
	if _, ok := e.SubAgent(agent, MaxSubAgents); ok {
		t.Error("one sub-agent too many")
	}
	s, ok := e.SubAgent(agent, 3)
	if !ok {
		t.Fatal("a known sub-agent refused")
	}
	for i := range uint32(MaxSources) {
		s.Sample(0, i, 1, 0, 1)
	}
	if _, _, tracked := s.Sample(1, 0, 1, 0, 1); tracked {
		t.Error("one source too many")
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	b, id := NewBook(), uuid.New()
	for i, c := range []struct {
		boot  int64
		seq   uint64
		fresh bool
		gap   uint64
	}{{1, 5, true, 0}, {1, 5, false, 0}, {1, 4, false, 0}, {1, 6, true, 0}, {1, 9, true, 2}, {2, 1, true, 0}, {1, 9, false, 0}, {2, 2, true, 0}} {
		if fresh, gap := b.Envelope(id, c.boot, c.seq, int64(i)); fresh != c.fresh || gap != c.gap {
			t.Errorf("step %d: %v %d", i, fresh, gap)
		}
	}
	for i := range int64(MaxProducers) {
		b.Envelope(id, 100+i, 1, 100+i)
	}
	if fresh, _ := b.Envelope(id, 100+MaxProducers-1, 1, 1000); fresh || len(b.producers) != MaxProducers {
		t.Errorf("newest producer forgotten, or %d kept", len(b.producers))
	}
}

func TestWatermark(t *testing.T) {
	t.Parallel()
	b, at := NewBook(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if _, ok := b.Watermark(); ok {
		t.Error("a watermark of nobody")
	}
	one, two := uuid.New(), uuid.New()
	report := func(id uuid.UUID, boot int64, at time.Time, drops int64) int64 {
		kernel, _ := b.Report(Report{Collector: id, Boot: boot, At: at, Watermark: at.Add(-time.Second), KernelDrops: drops})
		return kernel
	}
	report(one, 1, at, 0)
	report(two, 1, at.Add(time.Minute), 5)
	if w, ok := b.Watermark(); !ok || !w.Equal(at.Add(-time.Second)) {
		t.Errorf("watermark %s, not the slower collector's", w)
	}
	if got := report(two, 1, at.Add(11*time.Minute), 9); got != 4 {
		t.Errorf("%d new drops", got)
	}
	if w, _ := b.Watermark(); !w.Equal(at.Add(11*time.Minute - time.Second)) {
		t.Errorf("watermark %s is held by a silent collector", w)
	}
	if got := report(two, 2, at.Add(12*time.Minute), 3); got != 3 {
		t.Errorf("%d drops of a new boot", got)
	}
	if got := report(two, 1, at.Add(13*time.Minute), 50); got != 0 {
		t.Errorf("%d drops of an old boot", got)
	}
}

func TestIngressPorts(t *testing.T) {
	t.Parallel()
	a := subAgent().Agent
	if a.SamplesIngress(7, 5) {
		t.Error("unknown port")
	}
	a.NoteIngress(7, 100)
	if !a.SamplesIngress(7, 99) || !a.SamplesIngress(7, 100+ingressFresh-1) || a.SamplesIngress(7, 100+ingressFresh) {
		t.Error("the hour is not kept")
	}
}

func filled(t testing.TB) *Book {
	b := NewBook()
	for i := range 3 {
		e := b.Exporter(uuid.NewSHA1(uuid.Nil, []byte{byte(i)}))
		for _, agent := range []string{"192.0.2.1", "2001:db8::7"} {
			s, ok := e.SubAgent(netip.MustParseAddr(agent), uint32(i))
			if !ok {
				t.Fatal("refused")
			}
			play(s, slices.Concat(run(1, 40, 1), run(50, 5000*i, 1), run(1, 9, 2)))
			s.Sample(0, 1, 5, 6, 7)
			s.Sample(2, 1, 9, 6, 7)
			s.Sample(0, 1, 8, 6, 9)
			s.Agent.NoteIngress(1, 77)
		}
	}
	b.Envelope(uuid.New(), 5, 9, 3)
	b.Report(Report{Collector: uuid.New(), Boot: 5, At: time.Unix(9, 0), Watermark: time.Unix(8, 0), KernelDrops: 1, SpoolDrops: 2})
	return b
}

func TestEncodeComesBack(t *testing.T) {
	t.Parallel()
	for _, b := range []*Book{NewBook(), filled(t)} {
		encoded := b.Encode(nil)
		back, err := Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(encoded, back.Encode(nil)); diff != "" {
			t.Error(diff)
		}
	}
	if b, err := Decode(nil); err != nil || len(b.exporters) != 0 {
		t.Errorf("nothing: %v", err)
	}
}

// A memory that went through its encoded form at any moment judges what follows as the one that did not.
func TestEncodeKeepsEveryJudgement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one := filled(&testing.T{})
		two, err := Decode(one.Encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		id := uuid.NewSHA1(uuid.Nil, []byte{1})
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			seq := rapid.Uint32Range(0, 6000).Draw(t, "seq")
			d := []datagram{{seq, rapid.Uint32Range(0, 3).Draw(t, "crc"), seq}}
			a, _ := one.Exporter(id).SubAgent(netip.MustParseAddr("192.0.2.1"), 1)
			b, _ := two.Exporter(id).SubAgent(netip.MustParseAddr("192.0.2.1"), 1)
			if x, y := play(a, d), play(b, d); x != y {
				t.Fatalf("%+v and %+v", x, y)
			}
		}
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	b := filled(t)
	b.Forget(forgetAfter)
	if len(b.exporters) != 3 {
		t.Errorf("%d exporters, all were heard within the day", len(b.exporters))
	}
	b.Forget(forgetAfter * 100)
	if len(b.exporters) != 0 {
		t.Errorf("%d exporters after a hundred days", len(b.exporters))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(NewBook().Encode(nil))
	small := NewBook()
	if s, ok := small.Exporter(uuid.Max).SubAgent(netip.MustParseAddr("192.0.2.1"), 7); ok {
		play(s, run(1, 3, 1))
		s.Sample(0, 1, 5, 6, 7)
	}
	small.Envelope(uuid.Max, 1, 2, 3)
	f.Add(small.Encode(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 9 { // most inputs should get past the checksum
			raw = sealed(raw)
		}
		b, err := Decode(raw)
		if err != nil {
			return
		}
		again, err := Decode(b.Encode(nil))
		if err != nil {
			t.Fatalf("what was accepted does not come back: %v", err)
		}
		s, ok := again.Exporter(uuid.Nil).SubAgent(netip.MustParseAddr("192.0.2.1"), 0)
		if ok {
			play(s, run(1, 10, 1))
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	s := subAgent()
	for i := 0; b.Loop(); i++ {
		s.Datagram(uint32(i), uint32(i), uint32(i), int64(i), 1)
	}
}

// A meter that is brought up to date goes on from the memory that the program before it has written.
func TestVersion1IsRead(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile("testdata/version1.state")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Decode(old)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := b.Exporter(uuid.Max).SubAgent(netip.MustParseAddr("192.0.2.1"), 7)
	if got := play(s, run(1, 4, 1)); got != (totals{accepted: 1, duplicates: 3}) {
		t.Errorf("%+v", got)
	}
	if lost, _, _ := s.Sample(0, 1, 7, 6, 7); lost != 1 {
		t.Errorf("%d samples lost", lost)
	}
	if at, ok := b.Watermark(); !ok || !at.Equal(time.Unix(8, 0)) {
		t.Errorf("watermark %s", at)
	}
}
