package track

import (
	"net/netip"
	"os"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func flowSource() *FlowSource {
	f, _ := NewBook().Exporter(uuid.Nil).FlowSource(netip.MustParseAddr("192.0.2.1"), 7, 10)
	return f
}

// flowRun is count datagrams of one boot from sequence on, each of step records.
func flowRun(sequence, step uint32, count int, boot uint32) []FlowDatagram {
	var all []FlowDatagram
	for i := range uint32(count) {
		all = append(all, FlowDatagram{Sequence: sequence + i*step, Step: step, StepKnown: true, CRC: (i + 1) * (boot*2 + 1), At: int64(boot)*1e12 + int64(i), Feeder: 1})
	}
	return all
}

func playFlows(f *FlowSource, script []FlowDatagram) (t totals) {
	for _, d := range script {
		v := Verdict{Duplicate: f.Known(d)}
		if !v.Duplicate {
			v = f.Datagram(d)
		}
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

func TestFlowDatagrams(t *testing.T) {
	t.Parallel()
	without := func(ds []FlowDatagram, i int) []FlowDatagram {
		return append(append([]FlowDatagram{}, ds[:i]...), ds[i+1:]...)
	}
	late := append(without(flowRun(0, 30, 10, 1), 4), flowRun(0, 30, 10, 1)[4])
	unknown := flowRun(0, 5, 2, 1)
	unknown[0].StepKnown = false
	unknown[1].Sequence = 17 // 12 more records were in the first than could be read
	laggard := flowRun(0, 1, 5000, 1)
	for i := range laggard {
		laggard[i].Feeder = 2
	}
	templates := flowRun(100, 20, 3, 1) // and templates alone, numbered as the data they were sent before
	templates = append(templates, FlowDatagram{Sequence: 120, StepKnown: true, CRC: 77, At: templates[1].At, Feeder: 1})
	templates = append(templates, flowRun(160, 20, 3, 2)...)
	unread := flowRun(0, 1, 5000, 1)
	unread[4999].StepKnown = false // the newest, when the laggard's come
	before, after := flowRun(100_000, 1, 3000, 1), flowRun(0, 1, 500, 2)
	behind := flowRun(100_000, 1, 3000, 1)
	for i := range behind {
		behind[i].Feeder = 2
	}
	near := append(flowRun(5000, 1, 200, 1), flowRun(0, 1, 4900, 2)...) // the new numbering has nearly come to where the old one began
	nearBehind := append([]FlowDatagram{}, near...)
	for i := range nearBehind {
		nearBehind[i].Feeder = 2
	}
	captured := flowRun(100_000, 1, 3000, 1)
	for i := range captured {
		captured[i].Feeder = 3
	}
	registered := flowRun(0, 1, 1500, 30)
	holed := append(without(before, 2990), after...)
	for name, c := range map[string]struct {
		script []FlowDatagram
		want   totals
	}{
		"datagrams numbered":              {flowRun(1, 1, 100, 1), totals{accepted: 100}},
		"records numbered":                {flowRun(1, 30, 100, 1), totals{accepted: 100}},
		"over the end of 32 bits":         {flowRun(0xffffff00, 30, 100, 1), totals{accepted: 100}},
		"twice":                           {append(flowRun(1, 30, 100, 1), flowRun(1, 30, 100, 1)...), totals{accepted: 100, duplicates: 100}},
		"one missing":                     {without(flowRun(0, 30, 10, 1), 4), totals{accepted: 9, lost: 30}},
		"the missing one late":            {late, totals{accepted: 10}},
		"the first one late":              {append(without(flowRun(0, 30, 10, 1), 0), flowRun(0, 30, 10, 1)[0]), totals{accepted: 10}},
		"another boot":                    {append(flowRun(50_000, 30, 10, 1), flowRun(0, 30, 10, 2)...), totals{accepted: 20, restarts: 1}},
		"records that could not be read":  {unknown, totals{accepted: 2}},
		"a second collector that lags":    {append(flowRun(0, 1, 5000, 1), laggard...), totals{accepted: 5000, duplicates: 5000}},
		"a second collector takes over":   {append(flowRun(0, 1, 2500, 1), laggard...), totals{accepted: 5000, duplicates: 2500}},
		"templates alone that come late":  {templates, totals{accepted: 7}},
		"a laggard behind what is unread": {append(unread, laggard...), totals{accepted: 5000, duplicates: 5000}},
		"a laggard over a restart":        {append(append(before, after...), behind...), totals{accepted: 3500, duplicates: 3000, restarts: 1}},
		"a laggard, near numberings":      {append(near, nearBehind...), totals{accepted: 5100, duplicates: 5100, restarts: 1}},
		"what only the laggard has heard": {append(holed, behind[2900:]...), totals{accepted: 3500, duplicates: 99, restarts: 1, lost: 1}},
		"a capture of an earlier boot":    {append(append(registered, captured...), captured...), totals{accepted: 4500, duplicates: 3000, lost: 98_500}},
		"a far jump is another numbering": {append(flowRun(0, 1, 3, 1), flowRun(1<<30, 1, 3, 2)...), totals{accepted: 6, restarts: 1}},
	} {
		if got := playFlows(flowSource(), c.script); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Any order of the same datagrams within reach, with any repeats, accepts each once and ends at the same loss.
func TestFlowOrderAndRepeatsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.Uint32Range(1, 30).Draw(t, "step")
		all := flowRun(rapid.Uint32().Draw(t, "first"), step, 60, 1)
		kept := []FlowDatagram{all[0], all[len(all)-1]}
		for _, d := range all[1 : len(all)-1] {
			if rapid.IntRange(0, 4).Draw(t, "lost") > 0 {
				kept = append(kept, d)
			}
		}
		repeats := rapid.SliceOf(rapid.SampledFrom(kept)).Draw(t, "repeats")
		got := playFlows(flowSource(), append(rapid.Permutation(kept).Draw(t, "order"), repeats...))
		want := totals{accepted: len(kept), duplicates: len(repeats), lost: int64(step) * int64(len(all)-len(kept))}
		if got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

func TestFlowSourcesComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook()
		find := func(b *Book) *FlowSource {
			f, _ := b.Exporter(uuid.Max).FlowSource(netip.MustParseAddr("192.0.2.1"), 7, 9)
			return f
		}
		draw := func() FlowDatagram {
			return FlowDatagram{Sequence: rapid.Uint32Range(0, 500).Draw(t, "sequence"), Step: rapid.Uint32Range(0, 9).Draw(t, "step"), StepKnown: rapid.Bool().Draw(t, "known"),
				CRC: rapid.Uint32Range(0, 3).Draw(t, "crc"), At: rapid.Int64Range(0, 50).Draw(t, "at"), Feeder: rapid.Uint64Range(1, 2).Draw(t, "feeder")}
		}
		for range rapid.IntRange(0, 40).Draw(t, "before") {
			playFlows(find(b), []FlowDatagram{draw()})
		}
		find(b).Agent.NoteIngress(5, 6)
		back, err := Decode(b.Encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		if string(back.Encode(nil)) != string(b.Encode(nil)) {
			t.Fatal("written differently")
		}
		for range rapid.IntRange(0, 40).Draw(t, "after") {
			d := draw()
			if x, y := playFlows(find(b), []FlowDatagram{d}), playFlows(find(back), []FlowDatagram{d}); x != y {
				t.Fatalf("%+v: %+v and %+v", d, x, y)
			}
		}
	})
}

// Templates that only the second collector has heard are not thrown away with the repeats around them.
func TestTemplatesThatOneCollectorHasHeard(t *testing.T) {
	t.Parallel()
	all := flowRun(100, 20, 5, 1)
	script := append([]FlowDatagram{}, all[0], all[3], all[4]) // the first collector has lost two, and templates before the first of them
	for _, d := range append([]FlowDatagram{{Sequence: 120, StepKnown: true, CRC: 77, At: all[1].At}}, all...) {
		d.Feeder = 2
		script = append(script, d)
	}
	if got, want := playFlows(flowSource(), script), (totals{accepted: 6, duplicates: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What a replay of last month knows of ports is not forgotten because datagrams of today are counted beside it.
func TestAReplayIsNotForgotten(t *testing.T) {
	t.Parallel()
	const replayed, now = int64(1e18), int64(1e18 + 30*86400e9)
	b := NewBook()
	b.Exporter(uuid.Nil).Replayed(replayed).NoteIngress(5, replayed)
	b.Forget(now)
	if !b.Exporter(uuid.Nil).Replayed(replayed+1).SamplesIngress(5, replayed+1) {
		t.Error("the port's egress records count a second time")
	}
}

// Two collectors hear one agent, one of them far behind: each datagram counts once, and the one that is left goes on.
func TestTwoCollectorsCountOnce(t *testing.T) {
	t.Parallel()
	s := subAgent()
	const ahead = 3 * Window
	counted, lost := 0, int64(0)
	hear := func(seq uint32, feeder uint64) {
		v := s.Datagram(seq, seq*7, seq, int64(seq)*1000, feeder)
		if !v.Duplicate {
			counted++
		}
		if v.Restart {
			t.Fatalf("%d of collector %d: a restart", seq, feeder)
		}
		lost += v.Lost
	}
	for seq := uint32(1); seq <= 10*Window; seq++ {
		hear(seq, 1)
		if seq > ahead {
			hear(seq-ahead, 2)
		}
	}
	for seq := uint32(10*Window - ahead + 1); seq <= 11*Window; seq++ { // the first has died
		hear(seq, 2)
	}
	if counted != 11*Window || lost != 0 {
		t.Errorf("counted %d of %d, lost %d", counted, 11*Window, lost)
	}
}

// What one collector has lost of before a restart the other brings after it: of the old numbering, not a jump of the new.
func TestALaggardOverARestart(t *testing.T) {
	t.Parallel()
	type datagram struct{ seq, uptime, crc uint32 }
	const every, lag = int64(400e6), 24 // datagrams
	var sent []datagram
	for i := range uint32(200) {
		sent = append(sent, datagram{2*Window + i, 1e6 + 400*i, i})
	}
	for i := range uint32(200) {
		sent = append(sent, datagram{1 + i, 1000 + 400*i, 1000 + i})
	}
	s, counted, lost := subAgent(), map[uint32]int{}, int64(0)
	hear := func(i int, feeder uint64) {
		v := s.Datagram(sent[i].seq, sent[i].crc, sent[i].uptime, 1e18+int64(i)*every, feeder)
		if lost += v.Lost; !v.Duplicate {
			counted[sent[i].crc]++
		}
	}
	for i := range len(sent) + lag {
		if i < len(sent) && i%33 != 32 {
			hear(i, 1)
		}
		if i >= lag {
			hear(i-lag, 2)
		}
	}
	for _, d := range sent {
		if counted[d.crc] != 1 {
			t.Errorf("%d counts %d times", d.seq, counted[d.crc])
		}
	}
	if lost != 0 {
		t.Errorf("%d lost", lost)
	}
}

// The state of version 3 did not know when a flow exporter restarted.
func TestVersion3IsRead(t *testing.T) {
	t.Parallel()
	state, err := os.ReadFile("testdata/version3.state")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Decode(state)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := b.Exporter(uuid.Max).FlowSource(netip.MustParseAddr("192.0.2.1"), 7, 10)
	if got, want := playFlows(f, flowRun(0, 30, 12, 2)), (totals{accepted: 2, duplicates: 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// After a restart a collector lags behind the window: what it brings does not go on from where the boot before ended.
func TestALaggardLongAfterARestart(t *testing.T) {
	t.Parallel()
	const before, after, lag, every = 3000, 6 * Window, Window + 1000, int64(100e6)
	s, counted := subAgent(), 0
	hear := func(i int, feeder uint64) {
		seq, uptime := uint32(10_000+i), uint32(1e6+100*i)
		if i >= before {
			seq, uptime = uint32(1+i-before), uint32(1000+100*(i-before))
		}
		if v := s.Datagram(seq, uint32(i)*7919, uptime, 1e18+int64(i)*every, feeder); !v.Duplicate {
			counted++
		}
	}
	for i := range before + after {
		hear(i, 1)
		if i >= lag {
			hear(i-lag, 2)
		}
	}
	if counted != before+after {
		t.Errorf("%d of %d", counted, before+after)
	}
}

// A collector whose Kafka was away for a long time brings the boot before as well. Its sequences lie a little ahead of the
// new ones, or in their gaps, but were received before the first of them.
func TestALaggardOfAnotherBoot(t *testing.T) {
	t.Parallel()
	const before, after, every = 5 * Window, 3000, int64(100e6)
	s, counted, restarts := subAgent(), 0, 0
	hear := func(i int, feeder uint64) {
		seq, crc, uptime := uint32(i), uint32(i), uint32(1e6+100*i)
		if i >= before {
			seq, uptime = uint32(1+i-before), uint32(1000+100*(i-before))
		}
		v := s.Datagram(seq, crc*7919, uptime, 1e18+int64(i)*every, feeder)
		if !v.Duplicate {
			counted++
		}
		if v.Restart {
			restarts++
		}
	}
	for i := range before + after {
		if i != before+50 {
			hear(i, 1)
		}
	}
	for i := range before + after {
		hear(i, 2)
	}
	if counted != before+after || restarts != 1 {
		t.Errorf("%d of %d, %d restarts", counted, before+after, restarts)
	}
}
