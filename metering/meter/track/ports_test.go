package track

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/track/counters"
)

func TestPortsAreBounded(t *testing.T) {
	t.Parallel()
	s := subAgent()
	for i := range uint32(MaxSources) {
		if _, ok := s.Port(i); !ok {
			t.Fatalf("port %d refused", i)
		}
	}
	if _, ok := s.Port(MaxSources); ok {
		t.Error("one over the bound")
	}
}

// What a port did while nothing was heard of it counts afterwards: its readings outlive the rest.
func TestPortsOutliveSilence(t *testing.T) {
	t.Parallel()
	b := NewBook()
	s, _ := b.Exporter(uuid.Max).SubAgent(netip.MustParseAddr("192.0.2.1"), 0)
	s.Datagram(1, 1, 1, 1e18, 1)
	p, _ := s.Port(3)
	p.Read(counters.Reading{At: 1e18, Sequence: 1, OctetsIn: 100}, false)
	b.Forget(1e18 + 3*forgetAfter)
	back, err := Decode(b.Encode(nil))
	if err != nil {
		t.Fatal(err)
	}
	s, _ = back.Exporter(uuid.Max).SubAgent(netip.MustParseAddr("192.0.2.1"), 0)
	if len(s.streams) != 0 {
		t.Error("the streams are kept as well")
	}
	p, _ = s.Port(3)
	if d := p.Read(counters.Reading{At: 1e18 + 3*forgetAfter, Sequence: 2, OctetsIn: 150}, false); d.OctetsIn != 50 {
		t.Errorf("%+v", d)
	}
	b.Forget(1e18 + 2*forgetPortsAfter)
	if len(b.exporters) != 0 {
		t.Error("kept for ever")
	}
}
