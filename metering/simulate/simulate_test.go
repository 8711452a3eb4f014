package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ezscale/platform/metering/sflow"
	"github.com/ezscale/platform/metering/simulate/scenario"
)

// rough is the demonstration with everything that can go wrong.
func rough() scenario.Scenario {
	s := scenario.Demo()
	s.Seed, s.Duration = 7, 40*time.Second
	s.Network = scenario.Network{Loss: 0.02, Duplicate: 0.03, Reorder: 0.05}
	s.Agents[0].Sides = scenario.SidesBoth
	s.Agents[0].Events = []scenario.Event{
		{At: 9 * time.Second, Kind: scenario.EventRate, Port: 1, Rate: 2048}, {At: 11 * time.Second, Kind: scenario.EventReboot},
		{At: 20 * time.Second, Kind: scenario.EventLose, Count: 12}, {At: 31 * time.Second, Kind: scenario.EventReboot},
	}
	s.Agents[1].FirstSequence = 1<<32 - 20
	for i := range s.Services {
		s.Services[i].Traffic.Local = 0.1
	}
	s.Services[3].Traffic.VLANs = []uint16{100}
	s.Services[8].Traffic.VLANs = []uint16{200, 300}
	return s
}

func play(t testing.TB, s scenario.Scenario, each func(Datagram)) Truth {
	t.Helper()
	simulation, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	for d := range simulation.Datagrams(t.Context()) {
		each(d)
	}
	return simulation.Truth()
}

func digest(t testing.TB, s scenario.Scenario) (string, Truth) {
	t.Helper()
	h := sha256.New()
	truth := play(t, s, func(d Datagram) { _, _ = io.WriteString(h, d.Source.String()+d.At.String()+string(d.Bytes)) })
	return hex.EncodeToString(h.Sum(nil)), truth
}

func same() cmp.Options { return cmp.Options{cmpopts.EquateComparable(netip.Addr{})} }

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	one, truth := digest(t, rough())
	two, again := digest(t, rough())
	if one != two {
		t.Error("the same seed gave other datagrams")
	}
	if diff := cmp.Diff(truth, again, same()); diff != "" {
		t.Errorf("the same seed gave another truth:\n%s", diff)
	}
	other := rough()
	other.Seed++
	if three, _ := digest(t, other); three == one {
		t.Error("another seed gave the same datagrams")
	}
}

// TestLossChangesNoSample holds that what the network does is apart from what is sent.
func TestLossChangesNoSample(t *testing.T) {
	t.Parallel()
	clean := rough()
	clean.Network = scenario.Network{}
	clean.Agents[0].Events = slices.DeleteFunc(clean.Agents[0].Events, func(e scenario.Event) bool { return e.Kind == scenario.EventLose })
	sent := map[string]bool{}
	play(t, clean, func(d Datagram) { sent[string(d.Bytes)] = true })
	play(t, rough(), func(d Datagram) {
		if !sent[string(d.Bytes)] {
			t.Fatal("a datagram that the clean network did not carry")
		}
	})
}

// meter is a plain one, for comparison: it keeps everything that it has seen.
type meter struct {
	t        testing.TB
	decoder  sflow.Decoder
	owner    func(netip.Addr) (string, bool)
	services map[string]*ServiceTruth
	agents   []AgentTruth
	subs     map[subKey]*sub
	other    map[netip.Addr]int64
}

type subKey struct {
	agent int
	id    uint32
}

// sub is what has come of one sub-agent since its last restart, known by its uptime.
type sub struct {
	boot  time.Time
	first uint32
	last  uint32
	seen  map[uint32]uint32 // sequence to checksum
}

func (m *meter) take(d Datagram) {
	if err := m.decoder.Decode(d.Bytes); err != nil || m.decoder.Rejected+m.decoder.Unknown+m.decoder.Trailing != 0 {
		m.t.Fatalf("decode: %v, %+v", err, m.decoder.Datagram)
	}
	a := &m.agents[d.Agent]
	if m.repeated(a, d) {
		a.DatagramsDuplicated++
		return
	}
	a.CounterSamples += int64(m.decoder.CounterSamples)
	for i := range m.decoder.Flows {
		m.count(a, &m.decoder.Flows[i])
	}
}

func (m *meter) repeated(a *AgentTruth, d Datagram) bool {
	h := &m.decoder.Header
	key := subKey{d.Agent, h.SubAgent}
	boot := d.At.Add(-time.Duration(h.Uptime) * time.Millisecond)
	s := m.subs[key]
	if s == nil || boot.Sub(s.boot) > 5*time.Second { // datagrams are late by less, and reboots further apart
		if s != nil {
			a.Restarts++
			a.DatagramsLost += s.lost()
		}
		s = &sub{boot: boot, first: h.Sequence, last: h.Sequence, seen: map[uint32]uint32{}}
		m.subs[key] = s
	}
	sum := crc32.ChecksumIEEE(d.Bytes)
	if was, ok := s.seen[h.Sequence]; ok {
		if was != sum {
			m.t.Fatalf("sequence %d twice with other bytes", h.Sequence)
		}
		return true
	}
	s.seen[h.Sequence] = sum
	if int32(h.Sequence-s.last) > 0 {
		s.last = h.Sequence
	}
	return false
}

func (s *sub) lost() int64 { return int64(s.last-s.first) + 1 - int64(len(s.seen)) }

func (m *meter) count(a *AgentTruth, s *sflow.FlowSample) {
	if s.Side() != sflow.Ingress {
		a.SamplesEvidence++
		return
	}
	a.Samples++
	l2, l3 := int64(s.FrameLength)*int64(s.Rate), int64(s.IPLength)*int64(s.Rate)
	from, out := m.owner(s.Src)
	to, in := m.owner(s.Dst)
	if out {
		m.services[from].out(l2, l3, int64(s.Rate))
	}
	if in {
		m.services[to].in(l2, l3, int64(s.Rate))
	}
	if !in && !out {
		m.other[s.Src] += l2
		m.other[s.Dst] += l2
	}
}

func newMeter(t testing.TB, s scenario.Scenario) *meter {
	m := &meter{t: t, services: map[string]*ServiceTruth{}, subs: map[subKey]*sub{}, other: map[netip.Addr]int64{}}
	type assignment struct {
		prefix netip.Prefix
		name   string
	}
	var all []assignment
	for _, v := range s.Services {
		m.services[v.Name] = &ServiceTruth{Service: v.Name}
		for _, p := range v.Prefixes {
			all = append(all, assignment{p, v.Name})
		}
	}
	for _, a := range s.Agents {
		m.agents = append(m.agents, AgentTruth{Agent: a.Name, Address: a.Address})
	}
	m.owner = func(a netip.Addr) (string, bool) {
		for _, one := range all {
			if one.prefix.Contains(a) {
				return one.name, true
			}
		}
		return "", false
	}
	return m
}

func (m *meter) truth() ([]ServiceTruth, []AgentTruth) {
	for key, s := range m.subs {
		m.agents[key.agent].DatagramsLost += s.lost()
	}
	var services []ServiceTruth
	for _, v := range m.services {
		services = append(services, *v)
	}
	return services, m.agents
}

// TestTruth holds the truth against a meter that sees only the datagrams.
func TestTruth(t *testing.T) {
	t.Parallel()
	m := newMeter(t, rough())
	truth := play(t, rough(), m.take)
	services, agents := m.truth()
	byName := cmpopts.SortSlices(func(a, b ServiceTruth) bool { return a.Service < b.Service })
	if diff := cmp.Diff(truth.Services, services, byName, cmpopts.IgnoreFields(ServiceTruth{}, "DatagramsLost")); diff != "" {
		t.Errorf("services (-truth +metered):\n%s", diff)
	}
	unseen := cmpopts.IgnoreFields(AgentTruth{}, "DatagramsSent", "DatagramsReordered", "SamplesLost", "Ports")
	if diff := cmp.Diff(truth.Agents, agents, unseen, same()); diff != "" {
		t.Errorf("agents (-truth +metered):\n%s", diff)
	}
	for _, a := range truth.Unattributed {
		if m.other[a.Address] != a.BytesL2 {
			t.Errorf("%v: %d bytes metered, truth %d", a.Address, m.other[a.Address], a.BytesL2)
		}
	}
	for i, a := range truth.Agents {
		if a.DatagramsLost < 5 || a.DatagramsDuplicated < 5 || a.DatagramsReordered < 5 || a.Samples < 5000 {
			t.Errorf("agent %d: too little happened: %+v", i, a)
		}
	}
	if truth.Agents[0].Restarts != 4 || truth.Agents[0].SamplesEvidence < 1000 || len(truth.Unattributed) < 4 {
		t.Errorf("restarts %d, evidence %d, unattributed %d", truth.Agents[0].Restarts, truth.Agents[0].SamplesEvidence, len(truth.Unattributed))
	}
}

// TestEstimate holds the sampled estimate against the real octets of each port, within four standard errors.
func TestEstimate(t *testing.T) {
	t.Parallel()
	s := scenario.Demo()
	s.Duration, s.Network, s.Tick = 5*time.Minute, scenario.Network{}, 100*time.Millisecond
	truth := play(t, s, func(Datagram) {})
	for _, a := range truth.Agents {
		for _, p := range a.Ports {
			if p.OctetsIn < 1e8 {
				continue
			}
			samples := float64(p.OctetsIn) / 1500 / 512 // at least
			if off := float64(p.EstimateIn)/float64(p.OctetsIn) - 1; off*off*samples > 16*1.5 {
				t.Errorf("%s port %d: estimate %d of %d octets, %.2f %% off", a.Agent, p.IfIndex, p.EstimateIn, p.OctetsIn, 100*off)
			}
		}
	}
	for i, want := range []float64{434e6, 321e6} { // in plus out of the first two services, jitter and wave aside
		got := truth.Services[i]
		rate := float64(got.BytesInL2+got.BytesOutL2) * 8 / s.Duration.Seconds()
		factor := 1 + 0.5*-0.5 // at noon, eight hours before the peak
		if rate < want*factor*0.9 || rate > want*factor*1.1 {
			t.Errorf("%s: %.0f bit/s, want about %.0f", got.Service, rate, want*factor)
		}
	}
}

// TestStop holds that a simulation told to stop still ends with everything lost being visible.
func TestStop(t *testing.T) {
	t.Parallel()
	s := rough()
	s.Duration = 0
	simulation, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, n := newMeter(t, s), 0
	for d := range simulation.Datagrams(ctx) {
		m.take(d)
		if n++; n == 5000 {
			cancel()
		}
	}
	cancel()
	_, agents := m.truth()
	for i, a := range simulation.Truth().Agents {
		if a.DatagramsLost != agents[i].DatagramsLost || a.DatagramsLost == 0 {
			t.Errorf("agent %d: %d lost in truth, %d seen", i, a.DatagramsLost, agents[i].DatagramsLost)
		}
	}
	for range simulation.Datagrams(t.Context()) {
		break // must not panic on a second use, whatever it gives
	}
}

func TestBreak(t *testing.T) {
	t.Parallel()
	simulation, err := New(rough())
	if err != nil {
		t.Fatal(err)
	}
	for range simulation.Datagrams(t.Context()) {
		break
	}
	if truth := simulation.Truth(); truth.Agents[0].DatagramsSent > 100 {
		t.Errorf("went on after the break: %+v", truth.Agents[0])
	}
}

// TestDatagramsFit holds that no datagram is longer than allowed, and that seven usual samples fit into one.
func TestDatagramsFit(t *testing.T) {
	t.Parallel()
	s := scenario.Synthetic(scenario.Size{Agents: 1, Services: 10, Rate: 1, First: netip.MustParseAddr("127.1.0.1"), Traffic: scenario.Traffic{In: 1e6, Out: 1e6}})
	s.Duration = time.Second
	var d sflow.Decoder
	most := 0
	play(t, s, func(one Datagram) {
		if len(one.Bytes) > 1400 {
			t.Fatalf("%d bytes", len(one.Bytes))
		}
		if err := d.Decode(one.Bytes); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(d.Flows))
	})
	if most < 7 {
		t.Errorf("at most %d samples in a datagram", most)
	}
}

func BenchmarkDatagrams(b *testing.B) {
	s := scenario.Synthetic(scenario.Size{Agents: 4, Services: 1000, Rate: 64, First: netip.MustParseAddr("127.1.0.1"), Traffic: scenario.Traffic{In: 50e6, Out: 50e6}})
	simulation, err := New(s)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for range simulation.Datagrams(b.Context()) {
		if n++; n == b.N {
			break
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "datagrams/s")
}
