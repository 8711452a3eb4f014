package scenario

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ezscale/platform/internal/manifest"
)

// rough is the demonstration with everything set that can be.
func rough() Scenario {
	s := Demo()
	s.Seed, s.Duration, s.Start = 7, 40*time.Second, time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	s.Network = Network{Loss: 0.02, Duplicate: 0.03, Reorder: 0.05, Delay: 9}
	s.Agents[0].Sides, s.Agents[0].Network = SidesBoth, &Network{Loss: 0.5}
	s.Agents[0].Events = []Event{
		{At: 9 * time.Second, Kind: EventRate, Port: 1, Rate: 2048}, {At: 11 * time.Second, Kind: EventReboot},
		{At: 20 * time.Second, Kind: EventLose, Count: 12},
	}
	s.Services[8].Traffic.VLANs = []uint16{200, 300}
	return s
}

func same() cmp.Options {
	return cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	text, err := yaml.Marshal(rough())
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(rough(), back, same()); diff != "" {
		t.Errorf("scenario after YAML (-before +after):\n%s", diff)
	}
	_, err = Parse([]byte("seed: 1\nagents:\n  - nmae: leaf\n"))
	if err == nil || !strings.Contains(err.Error(), "nmae") {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Scenario){
		"agents":               func(s *Scenario) { s.Agents = nil },
		"name \"leaf-0\"":      func(s *Scenario) { s.Agents[1].Name = "leaf-0" },
		"tick":                 func(s *Scenario) { s.Tick = 3 * time.Millisecond },
		"sides":                func(s *Scenario) { s.Agents[0].Sides = "egress" },
		"loss":                 func(s *Scenario) { s.Network.Loss = 1.5 },
		"rate 0":               func(s *Scenario) { s.Agents[0].Ports[2].Rate = 0 },
		"an uplink":            func(s *Scenario) { s.Agents[0].Ports[0].Uplink = false },
		"event 0 (explode)":    func(s *Scenario) { s.Agents[0].Events = []Event{{Kind: "explode"}} },
		"share addresses":      func(s *Scenario) { s.Services[0].Prefixes = s.Services[1].Prefixes },
		"bits behind its mask": func(s *Scenario) { s.Services[0].Prefixes = []netip.Prefix{netip.MustParsePrefix("10.9.9.9/8")} },
		"no agent \"spine\"":   func(s *Scenario) { s.Services[0].Agent = "spine" },
		"mix: \"video\"":       func(s *Scenario) { s.Services[0].Traffic.Mix = "video" },
		"peers and service":    func(s *Scenario) { s.Peers = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
	} {
		s := rough()
		change(&s)
		_, err := s.Complete()
		if !errors.Is(err, Err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	text, err := Demo().Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Parse("demo", text); err != nil {
		t.Errorf("not what `ezscale apply` reads: %v\n%s", err, text)
	}
	for _, want := range []string{
		"name: leaf-0", "source: 127.1.0.1/32", "agent: 127.1.0.1", "count: ingress", "name: vps-s", "amount: \"5.00\"",
		"thresholds: [75, 90, 100]", "email: jo@jo-codes.example", "since: 2026-01-01T00:00:00Z", "10.20.1.16/32",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	bare := Synthetic(Size{Agents: 3, Services: 100, Rate: 512, First: netip.MustParseAddr("127.1.0.1"), Traffic: Traffic{In: 1e6}})
	if text, err = bare.Manifest(); err != nil || !strings.Contains(string(text), "svc-10.20.0.100") || !strings.Contains(string(text), "customer: simulated@example.com") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := manifest.Parse("synthetic", text); err != nil {
		t.Errorf("not what `ezscale apply` reads: %v", err)
	}
}

func TestBits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Bits{"1Gbit": 1e9, "1.5Mbit": 1500000, "64k": 64000, "0": 0, "12345": 12345} {
		var b Bits
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "fast", "-1", "2Tbit", "NaN", "1e300", "1GB"} {
		var b Bits
		if b.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was read as %d", text, b)
		}
	}
}
