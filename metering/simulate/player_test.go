package simulate

import (
	"crypto/sha256"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/simulate/scenario"
)

// listen opens a socket that takes what a player sends.
func listen(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadBuffer(64 << 20); err != nil {
		t.Fatal(err)
	}
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// needSources skips where 127.1.0.1 cannot be sent from.
func needSources(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 as local addresses")
	}
}

// TestPlayerSends holds that what arrives on the socket is what the simulation gives, from each agent's own address.
func TestPlayerSends(t *testing.T) {
	t.Parallel()
	needSources(t)
	s := rough()
	s.Duration = 300 * time.Millisecond
	sums := map[netip.Addr][][32]byte{}
	total := 0
	truth := play(t, s, func(d Datagram) {
		sums[d.Source] = append(sums[d.Source], sha256.Sum256(d.Bytes))
		total++
	})
	conn, target := listen(t)
	simulation, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlayer(PlayerConfig{Target: target, Unpaced: true, Now: time.Now}, simulation)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 65536)
	for range total {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		source := from.Addr().Unmap()
		if len(sums[source]) == 0 || sums[source][0] != sha256.Sum256(b[:n]) {
			t.Fatalf("not the datagram of %v that should have come", source)
		}
		sums[source] = sums[source][1:]
	}
	p.running.Wait() // the scenario ends by itself
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(truth, simulation.Truth(), same()); diff != "" {
		t.Errorf("truth (-generated +played):\n%s", diff)
	}
	if progress := p.Progress(); progress.Datagrams != int64(total) || progress.Refused != 0 {
		t.Errorf("progress %+v, %d sent", progress, total)
	}
}

// TestPlayerStops holds that a player in real time ends when told, with the last datagrams of its agents.
func TestPlayerStops(t *testing.T) {
	t.Parallel()
	needSources(t)
	conn, target := listen(t)
	s := scenario.Demo()
	simulation, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlayer(PlayerConfig{Target: target, Now: time.Now}, simulation)
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop before start: %v", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := conn.ReadFromUDPAddrPort(b); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	truth := simulation.Truth()
	sent := int64(0)
	for _, a := range truth.Agents {
		sent += a.DatagramsSent - a.DatagramsLost + a.DatagramsDuplicated
	}
	if p.Progress().Datagrams != sent {
		t.Errorf("%d sent, truth says %d", p.Progress().Datagrams, sent)
	}
}

// TestDue holds when datagrams have to go, by virtual time and by number.
func TestDue(t *testing.T) {
	t.Parallel()
	simulation, err := New(scenario.Demo())
	if err != nil {
		t.Fatal(err)
	}
	start := simulation.Scenario().Start
	type answer struct {
		Due time.Duration
		OK  bool
	}
	for name, tc := range map[string]struct {
		cfg  PlayerConfig
		want []answer // of datagrams 0, 31, 32, 33 at 0, 1 s, 1 s, 3 s
	}{
		"the clock":     {PlayerConfig{}, []answer{{0, false}, {time.Second, true}, {0, false}, {3 * time.Second, true}}},
		"twice as fast": {PlayerConfig{Speed: 2}, []answer{{0, false}, {time.Second / 2, true}, {0, false}, {3 * time.Second / 2, true}}},
		"unpaced":       {PlayerConfig{Unpaced: true}, make([]answer, 4)},
		"100 a second":  {PlayerConfig{PerSecond: 100}, []answer{{0, true}, {310 * time.Millisecond, true}, {320 * time.Millisecond, true}, {330 * time.Millisecond, true}}},
		"8000 a second": {PlayerConfig{PerSecond: 8000}, []answer{{0, true}, {3875 * time.Microsecond, false}, {4 * time.Millisecond, true}, {4125 * time.Microsecond, false}}},
	} {
		p := NewPlayer(tc.cfg, simulation)
		p.last = start
		var got []answer
		for i, at := range []time.Duration{0, time.Second, time.Second, 3 * time.Second} {
			due, ok := p.due(start.Add(at), []int{0, 31, 32, 33}[i])
			got = append(got, answer{due, ok})
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPlayerWithoutSource(t *testing.T) {
	t.Parallel()
	s := scenario.Demo()
	s.Agents[1].Source = netip.MustParseAddr("192.0.2.1")
	simulation, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlayer(PlayerConfig{Target: netip.MustParseAddrPort("127.0.0.1:9"), Now: time.Now}, simulation)
	if err := p.Run(t.Context()); err == nil {
		t.Error("sent from an address that is not ours")
	}
}

// TestPlayerNobodyListens holds that a missing listener is counted and ends nothing.
func TestPlayerNobodyListens(t *testing.T) {
	t.Parallel()
	needSources(t)
	conn, target := listen(t)
	_ = conn.Close()
	s := scenario.Demo()
	s.Duration = time.Second
	simulation, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlayer(PlayerConfig{Target: target, Unpaced: true, Now: time.Now}, simulation)
	if err := p.Run(t.Context()); err != nil || p.Progress().Refused == 0 {
		t.Errorf("%v, %+v", err, p.Progress())
	}
}

// BenchmarkPlayer sends to a socket that another goroutine drains.
func BenchmarkPlayer(b *testing.B) {
	needSources(b)
	conn, target := listen(b)
	go func() {
		for buffer := make([]byte, 2000); ; {
			if _, _, err := conn.ReadFromUDPAddrPort(buffer); err != nil {
				return
			}
		}
	}()
	s := scenario.Synthetic(scenario.Size{Agents: 4, Services: 1000, Rate: 64, First: netip.MustParseAddr("127.1.0.1"), Traffic: scenario.Traffic{In: 50e6, Out: 50e6}})
	for i := range s.Agents {
		s.Agents[i].Samples = 7
	}
	simulation, err := New(s)
	if err != nil {
		b.Fatal(err)
	}
	p := NewPlayer(PlayerConfig{Target: target, Unpaced: true, Now: time.Now}, simulation)
	if err := p.open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	sent := 0
	for d := range simulation.Datagrams(b.Context()) {
		if err := p.lanes[d.Agent].add(d.Bytes); err != nil {
			b.Fatal(err)
		}
		if sent++; sent == b.N {
			break
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "datagrams/s")
	samples := int64(0)
	for _, a := range simulation.Truth().Agents {
		samples += a.Samples
	}
	b.ReportMetric(float64(samples)/float64(sent), "samples/datagram")
	if err := p.close(); err != nil {
		b.Fatal(err)
	}
}
