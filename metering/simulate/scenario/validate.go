package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Err is what every fault found in a scenario wraps.
var Err = errors.New("scenario")

// Bounds of a scenario.
const (
	maxAgents    = 1000
	maxServices  = 100_000
	maxPorts     = 4096 // of one agent
	maxSubAgents = 256
	maxVLANs     = 2

	minDatagramBytes = 400 // room for one sample
	maxDatagramBytes = 9000
	minHeaderBytes   = 64 // an IPv6 header behind two tags fits
	maxHeaderBytes   = 256
	minTick          = 100 * time.Microsecond
	maxTick          = time.Second
)

// MaxDelay bounds by how many datagrams one may be late: well inside what meters can put in order.
const MaxDelay = 1024

// Which samples an agent takes.
const (
	SidesIngress = "ingress"
	SidesBoth    = "both" // where a packet comes in and where it goes out
)

func fault(format string, args ...any) error {
	return fmt.Errorf("%w: %w", Err, fmt.Errorf(format, args...))
}

// Complete fills in the defaults and says everything that is wrong. Errors wrap Err.
func (s Scenario) Complete() (Scenario, error) {
	s = s.withDefaults()
	return s, s.validate()
}

// validate says everything that is wrong with a scenario that has its defaults.
func (s *Scenario) validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault(format, args...))
		}
	}
	bad(len(s.Agents) == 0 || len(s.Agents) > maxAgents, "agents: 1 to %d, not %d", maxAgents, len(s.Agents))
	bad(len(s.Services) > maxServices, "services: at most %d", maxServices)
	bad(s.Tick < minTick || s.Tick > maxTick || time.Second%s.Tick != 0, "tick: %v is no even part of a second, or below %v", s.Tick, minTick)
	bad(s.Flush < s.Tick || s.Flush > time.Minute, "flush: %v is not between a tick and a minute", s.Flush)
	bad(s.Duration < 0, "duration: %v", s.Duration)
	bad(s.DatagramBytes < minDatagramBytes || s.DatagramBytes > maxDatagramBytes, "datagram_bytes: %d to %d", minDatagramBytes, maxDatagramBytes)
	names := map[string]bool{}
	for i := range s.Agents {
		a := &s.Agents[i]
		bad(a.Name == "" || names[a.Name], "agent %d: name %q is empty or taken", i, a.Name)
		names[a.Name] = true
		errs = append(errs, a.validate(s.DatagramBytes)...)
	}
	return errors.Join(append(errs, s.validateServices()...)...)
}

func (a *Agent) validate(datagramBytes int) []error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault("agent %s: "+format, append([]any{a.Name}, args...)...))
		}
	}
	bad(!a.Address.IsValid() || !a.Source.IsValid(), "address: missing")
	bad(a.SubAgents > maxSubAgents, "sub_agents: at most %d", maxSubAgents)
	bad(a.Sides != SidesIngress && a.Sides != SidesBoth, "sides: %q is neither %s nor %s", a.Sides, SidesIngress, SidesBoth)
	bad(a.HeaderBytes < minHeaderBytes || a.HeaderBytes > min(maxHeaderBytes, datagramBytes-150), "header_bytes: %d to %d, and a sample must fit", minHeaderBytes, maxHeaderBytes)
	bad(a.Samples < 0, "samples: %d", a.Samples)
	bad(a.Counters < time.Second, "counters: at least a second")
	bad(a.Uptime < 0, "uptime: %v", a.Uptime)
	n := a.Network
	for name, p := range map[string]float64{"loss": n.Loss, "duplicate": n.Duplicate, "reorder": n.Reorder} {
		bad(!(p >= 0 && p <= 1), "%s: %v is no probability", name, p)
	}
	bad(n.Delay < 1 || n.Delay > MaxDelay, "delay: 1 to %d datagrams", MaxDelay)
	bad(len(a.Ports) > maxPorts || !slices.ContainsFunc(a.Ports, func(p Port) bool { return p.Uplink }), "ports: at most %d, one of them an uplink", maxPorts)
	seen := map[uint32]bool{}
	for _, p := range a.Ports {
		bad(p.Index == 0 || p.Index >= 1<<24 || seen[p.Index], "port %d: 0, above 2^24 or twice", p.Index)
		bad(p.Rate == 0 || p.Rate > 1<<24, "port %d: rate %d", p.Index, p.Rate)
		seen[p.Index] = true
	}
	for i, e := range a.Events {
		known := e.Kind == EventReboot || e.Kind == EventLose && e.Count > 0 ||
			e.Kind == EventRate && e.Rate > 0 && e.Rate <= 1<<24 && (e.Port == 0 || seen[e.Port])
		bad(!known || e.At < 0, "event %d (%s): not known, or without its rate, port or count", i, e.Kind)
	}
	for i := range a.Background {
		edge := slices.ContainsFunc(a.Ports, func(p Port) bool { return p.Index == a.Background[i].Port && !p.Uplink })
		bad(!edge, "background %d: no port %d that is no uplink", i, a.Background[i].Port)
		bad(len(a.Background[i].Prefixes) == 0, "background %d: no prefix", i)
		errs = append(errs, a.Background[i].Traffic.validate("background of "+a.Name)...)
	}
	return errs
}

func (s *Scenario) validateServices() []error {
	var errs []error
	names := map[string]bool{}
	for i := range s.Services {
		v := &s.Services[i]
		if v.Name == "" || names[v.Name] {
			errs = append(errs, fault("service %d: name %q is empty or taken", i, v.Name))
		}
		names[v.Name] = true
		at := slices.IndexFunc(s.Agents, func(a Agent) bool { return a.Name == v.Agent })
		if at < 0 || !slices.ContainsFunc(s.Agents[at].Ports, func(p Port) bool { return p.Index == v.Port && !p.Uplink }) {
			errs = append(errs, fault("service %s: no agent %q with a port %d that is no uplink", v.Name, v.Agent, v.Port))
		}
		if len(v.Prefixes) == 0 {
			errs = append(errs, fault("service %s: no prefix", v.Name))
		}
		errs = append(errs, v.Traffic.validate("service "+v.Name)...)
	}
	return append(errs, s.validatePrefixes()...)
}

// validatePrefixes holds that no address belongs to two: services, background and peers.
func (s *Scenario) validatePrefixes() []error {
	type owned struct {
		netip.Prefix
		owner string
	}
	var all []owned
	for _, p := range s.Peers {
		all = append(all, owned{p, "peers"})
	}
	for i := range s.Services {
		for _, p := range s.Services[i].Prefixes {
			all = append(all, owned{p, "service " + s.Services[i].Name})
		}
	}
	for i := range s.Agents {
		for _, b := range s.Agents[i].Background {
			for _, p := range b.Prefixes {
				all = append(all, owned{p, "background of " + s.Agents[i].Name})
			}
		}
	}
	slices.SortFunc(all, func(a, b owned) int { return a.Addr().Compare(b.Addr()) })
	var errs []error
	for i, p := range all {
		if !p.IsValid() || p.Masked() != p.Prefix {
			errs = append(errs, fault("%s: %v is no prefix, or has bits behind its mask", p.owner, p.Prefix))
		} else if i > 0 && all[i-1].IsValid() && all[i-1].Overlaps(p.Prefix) {
			errs = append(errs, fault("%s and %s share addresses: %v, %v", all[i-1].owner, p.owner, all[i-1].Prefix, p.Prefix))
		}
	}
	return errs
}

func (t *Traffic) validate(of string) []error {
	var errs []error
	for name, share := range map[string]float64{"wave": t.Wave, "jitter": t.Jitter, "ipv6": t.IPv6, "local": t.Local} {
		if !(share >= 0 && share <= 1) {
			errs = append(errs, fault("%s: %s: %v is not between 0 and 1", of, name, share))
		}
	}
	if in, _ := t.Sizes(); in == nil {
		errs = append(errs, fault("%s: mix: %q is none of imix, web, bulk, game", of, t.Mix))
	}
	if t.Peak < 1 || t.Peak > 24 || len(t.VLANs) > maxVLANs {
		errs = append(errs, fault("%s: peak is an hour from 1 to 24, vlans at most %d", of, maxVLANs))
	}
	return errs
}
