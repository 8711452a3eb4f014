// Package bandwidth decides what is metered: which devices may send, and which prefix and which port belonged to which
// service at which time. The meter reads these tables and attributes by the time a datagram was received.
//
// A prefix may be attached to one exporter, which alone counts its traffic; a port may be bound to one service, which
// is then billed by the port's counters. Each has a history: a change ends a row and begins another at the same
// instant. Packages below decide about samples that were set aside, and judge ports by their counters.
package bandwidth

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

const (
	defaultRateMax = 1_000_000
	maxRate        = 1<<32 - 1 // an sFlow sampling rate has 32 bits
)

// Settings are an exporter, whole.
type Settings struct {
	ExporterName string   `json:"name"`
	Source       string   `json:"source"`                 // prefix of the UDP source addresses it may send from
	Agent        string   `json:"agent,omitempty"`        // sFlow agent address; empty: any agent of that source
	CountPolicy  string   `json:"count_policy,omitempty"` // ingress (default), egress, both; bound: its ports' counters alone
	RateMin      int64    `json:"rate_min,omitempty"`     // sampling rates it may use; default 1 to 1,000,000
	RateMax      int64    `json:"rate_max,omitempty"`
	Inside       []string `json:"inside,omitempty"`        // tunnels to look into: vxlan, gre, mpls
	RateDefault  int64    `json:"rate_default,omitempty"`  // for flow records that state no rate; 0: quarantine
	RateOverride int64    `json:"rate_override,omitempty"` // for flow records, whatever they state; 0: none
}

// Exporter is the answer of the exporters' commands.
type Exporter struct {
	ExporterID uuid.UUID `json:"exporter_id"`
	command.Change
}

func (s Settings) withDefaults() Settings {
	if s.CountPolicy == "" {
		s.CountPolicy = "ingress"
	}
	if s.RateMin == 0 {
		s.RateMin = 1
	}
	if s.RateMax == 0 {
		s.RateMax = max(defaultRateMax, s.RateMin)
	}
	s.Inside = slices.Sorted(slices.Values(s.Inside))
	return s
}

func (s Settings) validate(exporterID uuid.UUID) error {
	s = s.withDefaults()
	var fields fault.Fields
	check.ID(&fields, "exporter_id", exporterID)
	check.Name(&fields, "name", s.ExporterName)
	check.Prefix(&fields, "source", s.Source)
	if s.Agent != "" {
		agent, err := netip.ParseAddr(s.Agent)
		fields.Check(err == nil && agent.Zone() == "" && !agent.Is4In6(), "agent", "%q is not an address", s.Agent)
	}
	fields.Check(slices.Contains([]string{"ingress", "egress", "both", "bound"}, s.CountPolicy), "count_policy", "%q is not ingress, egress, both or bound", s.CountPolicy)
	fields.Check(s.RateMin >= 1 && s.RateMin <= maxRate, "rate_min", "must be from 1 to %d", int64(maxRate))
	fields.Check(s.RateMax >= s.RateMin && s.RateMax <= maxRate, "rate_max", "must be from rate_min to %d", int64(maxRate))
	fields.Check(s.RateDefault >= 0 && s.RateDefault <= maxRate, "rate_default", "must be from 1 to %d, or 0 for none", int64(maxRate))
	fields.Check(s.RateOverride >= 0 && s.RateOverride <= maxRate, "rate_override", "must be from 1 to %d, or 0 for none", int64(maxRate))
	s.validateInside(&fields)
	return fields.Err()
}

// validateInside is for settings whose tunnels are sorted.
func (s Settings) validateInside(fields *fault.Fields) {
	for i, tunnel := range s.Inside {
		if !slices.Contains([]string{"gre", "mpls", "vxlan"}, tunnel) {
			fields.Add("inside", "%q is not vxlan, gre or mpls", tunnel)
			return
		}
		if i > 0 && tunnel == s.Inside[i-1] {
			fields.Add("inside", "%s is there twice", tunnel)
			return
		}
	}
}

// arguments are the columns of an exporter after its id. They were validated.
func (s Settings) arguments() []any {
	var agent *netip.Addr
	if s.Agent != "" {
		parsed := netip.MustParseAddr(s.Agent)
		agent = &parsed
	}
	inside := append([]string{}, s.Inside...) // a null array is not an empty one
	return []any{s.ExporterName, netip.MustParsePrefix(s.Source), agent, s.CountPolicy, s.RateMin, s.RateMax, inside, s.RateDefault, s.RateOverride}
}

// scan are the places for an exporter's columns, in the order of arguments; no agent and no rate are empty.
func (s *Settings) scan() []any {
	return []any{&s.ExporterName, &s.Source, &s.Agent, &s.CountPolicy, &s.RateMin, &s.RateMax, &s.Inside, &s.RateDefault, &s.RateOverride}
}

// asStored writes addresses as the database does, so that a comparison finds what was changed and nothing else.
func (s Settings) asStored() Settings {
	s.Source = netip.MustParsePrefix(s.Source).String()
	if s.Agent != "" {
		s.Agent = netip.MustParseAddr(s.Agent).String()
	}
	return s
}

func (s Settings) event(exporterID uuid.UUID) events.ExporterRegistered {
	return events.ExporterRegistered{ExporterID: exporterID, Source: s.Source, Agent: s.Agent, CountPolicy: s.CountPolicy,
		RateMin: s.RateMin, RateMax: s.RateMax, Inside: s.Inside, RateDefault: s.RateDefault, RateOverride: s.RateOverride}
}

func (s Settings) constraints(exporterID uuid.UUID) map[string]*fault.Error {
	agent := "any agent"
	if s.Agent != "" {
		agent = fmt.Sprintf("agent %s", s.Agent)
	}
	return map[string]*fault.Error{
		"exporter_name_key":         fault.New(fault.Conflict, "exporter_exists", "an exporter named %s exists already", s.ExporterName),
		"exporter_source_agent_key": fault.New(fault.Conflict, "exporter_exists", "an exporter with source %s and %s exists already", s.Source, agent),
		"exporter_pkey":             fault.New(fault.Conflict, "exporter_exists", "exporter %s exists already", exporterID),
	}
}
