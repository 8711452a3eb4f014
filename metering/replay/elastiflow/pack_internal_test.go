package elastiflow

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

// Whatever the flows and their order: each is in one envelope of its exporter, and the same flows give the same bytes.
func TestPackKeepsEveryFlow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		flows := map[uuid.UUID][]envelope.Flow{}
		shuffled := map[uuid.UUID][]envelope.Flow{}
		want := map[uint64]uuid.UUID{}
		for e := range rapid.IntRange(0, 4).Draw(t, "exporters") {
			id := uuid.UUID{1, byte(e)}
			for range rapid.IntRange(1, 1500).Draw(t, "flows") {
				f := envelope.Flow{
					Start: rapid.Int64Range(0, 50).Draw(t, "start"), Src: netip.IPv4Unspecified(), Dst: netip.IPv6Unspecified(),
					Document: uint64(len(want)) + 1,
				}
				f.End = f.Start
				want[f.Document] = id
				flows[id] = append(flows[id], f)
			}
			shuffled[id] = slices.Clone(flows[id])
			slices.Reverse(shuffled[id])
		}
		all, err := pack(uuid.UUID{9}, 7, flows)
		if err != nil {
			t.Fatal(err)
		}
		again, err := pack(uuid.UUID{9}, 7, shuffled)
		if err != nil || len(again) != len(all) {
			t.Fatalf("%d envelopes of other order, %d of this, %v", len(again), len(all), err)
		}
		for i, e := range all {
			if !bytes.Equal(e.Value, again[i].Value) || e.Partition != again[i].Partition {
				t.Fatalf("envelope %d differs with the order", i)
			}
			envelope.SetSequence(e.Value, 1)
			h, body, err := envelope.Parse(e.Value)
			if err != nil || len(e.Value) > envelopeBytes || e.Partition != events.Partition(events.VirtualShard(h.Exporter), events.FlowPartitions) {
				t.Fatalf("envelope of %d bytes in partition %d: %v", len(e.Value), e.Partition, err)
			}
			for f, ok := body.NextFlow(); ok; f, ok = body.NextFlow() {
				if want[f.Document] != h.Exporter {
					t.Fatalf("document %d is missing or twice", f.Document)
				}
				delete(want, f.Document)
			}
		}
		if len(want) > 0 {
			t.Fatalf("%d flows are lost", len(want))
		}
	})
}

func TestWhoseDocument(t *testing.T) {
	t.Parallel()
	id := func(n byte) uuid.UUID { return uuid.UUID{n} }
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	list := []Exporter{
		{ID: id(1), Name: "by agent", Source: prefix("10.0.0.0/24"), Agent: addr("192.0.2.1")},
		{ID: id(2), Name: "wide", Source: prefix("10.0.0.0/8")},
		{ID: id(3), Name: "narrow", Source: prefix("10.1.0.0/16")},
		{ID: id(4), Name: "shares its agent", Source: prefix("10.4.0.1/32"), Agent: addr("192.0.2.9")},
		{ID: id(5), Name: "shares it too", Source: prefix("10.5.0.1/32"), Agent: addr("192.0.2.9")},
	}
	for _, c := range []struct {
		addresses []string
		fallback  string
		want      uuid.UUID
	}{
		{[]string{"192.0.2.1"}, "", id(1)},
		{[]string{"10.0.0.7"}, "", id(1)},
		{[]string{"10.9.9.9"}, "", id(2)},
		{[]string{"10.1.9.9"}, "", id(3)},
		{[]string{"203.0.113.1", "192.0.2.1"}, "", id(1)},
		{[]string{"192.0.2.9"}, "", uuid.Nil},
		{[]string{"192.0.2.9", "10.5.0.1"}, "", id(5)},
		{[]string{"203.0.113.1"}, "", uuid.Nil},
		{[]string{"203.0.113.1"}, "narrow", id(3)},
		{[]string{"192.0.2.1"}, "narrow", id(1)},
	} {
		table, err := newTable(list, c.fallback, nil)
		if err != nil {
			t.Fatal(err)
		}
		var addresses []netip.Addr
		for _, a := range c.addresses {
			addresses = append(addresses, addr(a))
		}
		if got, _, ok := table.find(addresses); got != c.want || ok != (c.want != uuid.Nil) {
			t.Errorf("%v, else %q: %v, want %v", c.addresses, c.fallback, got, c.want)
		}
	}
	if _, err := newTable(list, "nobody", nil); err == nil {
		t.Error("took a fallback that is not there")
	}
	if _, err := newTable(list, "", []string{"nobody"}); err == nil {
		t.Error("trusted somebody who is not there")
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	good := Config{From: from, To: from.Add(time.Hour)}
	if err := good.withDefaults().check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no start":        func(c *Config) { c.From = time.Time{} },
		"backwards":       func(c *Config) { c.To = c.From },
		"half a minute":   func(c *Config) { c.To = c.To.Add(30 * time.Second) },
		"slice of 90s":    func(c *Config) { c.Slice = 90 * time.Second },
		"slice of a day":  func(c *Config) { c.Slice = 24 * time.Hour },
		"page too large":  func(c *Config) { c.Page = 10_001 },
		"kept too short":  func(c *Config) { c.Keep = time.Minute },
		"negative window": func(c *Config) { c.Window = -time.Minute },
		"negative page":   func(c *Config) { c.Page = -1 },
		"far future":      func(c *Config) { c.To = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		c := good
		change(&c)
		if err := c.withDefaults().check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
