package sources_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

func exporter(n byte, source, agent string) sources.Exporter {
	e := sources.Exporter{ID: uuid.UUID{15: n}, Source: netip.MustParsePrefix(source)}
	if agent != "" {
		e.Agent = netip.MustParseAddr(agent)
	}
	return e
}

// header is the start of an sFlow datagram of an agent.
func header(agent string) []byte {
	addr := netip.MustParseAddr(agent)
	kind := byte(1)
	if addr.Is6() {
		kind = 2
	}
	return append([]byte{0, 0, 0, 5, 0, 0, 0, kind}, addr.AsSlice()...)
}

func TestChoose(t *testing.T) {
	t.Parallel()
	table := sources.NewTable([]sources.Exporter{
		exporter(1, "192.0.2.0/24", ""),
		exporter(2, "192.0.2.7/32", "10.0.0.7"),
		exporter(3, "2001:db8::/32", ""),
		exporter(4, "198.51.100.1/32", "10.0.0.1"),
		exporter(5, "198.51.100.1/32", "2001:db8::5"),
		exporter(6, "203.0.113.1/32", ""),
		exporter(7, "203.0.113.1/32", "10.0.0.1"),
		exporter(8, "::ffff:203.0.113.128/121", ""),
	}, events.FlowPartitions)
	for name, c := range map[string]struct {
		source  string
		payload []byte
		want    byte // 0: none
	}{
		"prefix":                         {"192.0.2.9", nil, 1},
		"longest prefix":                 {"192.0.2.7", header("10.0.0.7"), 2},
		"alone, the agent is not looked": {"192.0.2.7", header("10.9.9.9"), 2},
		"IPv6":                           {"2001:db8::1", nil, 3},
		"unknown":                        {"192.0.3.1", nil, 0},
		"first agent":                    {"198.51.100.1", header("10.0.0.1"), 4},
		"second agent":                   {"198.51.100.1", header("2001:db8::5"), 5},
		"no such agent":                  {"198.51.100.1", header("10.0.0.2"), 0},
		"unreadable goes to the first":   {"198.51.100.1", []byte("x"), 4},
		"version 4 goes to the first":    {"198.51.100.1", []byte{0, 0, 0, 4, 0, 0, 0, 1, 10, 0, 0, 1}, 4},
		"cut IPv6 agent":                 {"198.51.100.1", header("2001:db8::5")[:20], 4},
		"the named agent first":          {"203.0.113.1", header("10.0.0.1"), 7},
		"any other agent":                {"203.0.113.1", header("10.0.0.9"), 6},
		"mapped prefix":                  {"203.0.113.200", nil, 8},
	} {
		got := choice(table, envelope.ProtocolSFlow, c.source, c.payload)
		if got != c.want {
			t.Errorf("%s: exporter %d, want %d", name, got, c.want)
		}
	}
	if table.Len() != 8 {
		t.Errorf("%d exporters", table.Len())
	}
}

// choice is the exporter's number, 0 for none.
func choice(table *sources.Table, protocol envelope.Protocol, source string, payload []byte) byte {
	if k := sources.Choose(table.Group(netip.MustParseAddr(source)), protocol, payload); k != nil {
		return k.ID[15]
	}
	return 0
}

// NetFlow names no agent: what looks like one in its datagrams is not asked for.
func TestChooseNetFlow(t *testing.T) {
	t.Parallel()
	table := sources.NewTable([]sources.Exporter{
		exporter(1, "192.0.2.7/32", "10.0.0.7"),
		exporter(2, "198.51.100.1/32", "10.0.0.1"), exporter(3, "198.51.100.1/32", "10.0.0.2"),
		exporter(4, "203.0.113.1/32", "10.0.0.1"), exporter(5, "203.0.113.1/32", ""), exporter(6, "203.0.113.1/32", ""),
	}, events.FlowPartitions)
	for name, c := range map[string]struct {
		source string
		want   byte
	}{
		"alone": {"192.0.2.7", 1}, "all want an agent": {"198.51.100.1", 2}, "the first that wants none": {"203.0.113.1", 5}, "unknown": {"192.0.2.8", 0},
	} {
		if got := choice(table, envelope.ProtocolNetFlow, c.source, header("10.0.0.2")); got != c.want {
			t.Errorf("%s: exporter %d, want %d", name, got, c.want)
		}
	}
}

func TestUnknownIsBounded(t *testing.T) {
	t.Parallel()
	u := sources.NewUnknown()
	const heard = 10_000
	for i := range heard {
		u.Add(netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/250, i%250)), 100, int64(i+1))
	}
	latest := u.Latest()
	if u.Total() != heard || len(latest) != envelope.MaxUnknown {
		t.Errorf("%d datagrams, %d named", u.Total(), len(latest))
	}
	for i := 1; i < len(latest); i++ {
		if latest[i].LastAt.After(latest[i-1].LastAt) {
			t.Fatal("not the newest first")
		}
	}
	last := netip.MustParseAddr("10.0.39.249")
	if !u.Answered(last, heard+5, 10) || u.Answered(last, heard+5, 5) || u.Answered(netip.MustParseAddr("10.9.9.9"), heard, heard) {
		t.Error("when a source was answered is told wrongly")
	}
}

// FuzzChoose: any payload belongs to at most one of the group, and never panics.
func FuzzChoose(f *testing.F) {
	group := sources.NewTable([]sources.Exporter{
		exporter(1, "192.0.2.1/32", "10.0.0.1"), exporter(2, "192.0.2.1/32", "2001:db8::1"),
	}, events.FlowPartitions).Group(netip.MustParseAddr("192.0.2.1"))
	f.Add(header("10.0.0.1"))
	f.Add(header("2001:db8::1"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, protocol := range []envelope.Protocol{envelope.ProtocolSFlow, envelope.ProtocolNetFlow} {
			k := sources.Choose(group, protocol, payload)
			if k != nil && k != group[0] && k != group[1] {
				t.Fatal("an exporter from nowhere")
			}
		}
	})
}
