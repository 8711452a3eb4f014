package simulate

import (
	"net/netip"
	"slices"
	"time"
)

// Truth is what a meter that missed nothing must show, and what really went through the ports.
type Truth struct {
	Seed         uint64         `json:"seed"`
	Start        time.Time      `json:"start"` // virtual
	End          time.Time      `json:"end"`
	Services     []ServiceTruth `json:"services"`
	Agents       []AgentTruth   `json:"agents"`
	Unattributed []AddressTruth `json:"unattributed"`
}

// ServiceTruth has the fields of a usage line.
type ServiceTruth struct {
	Service       string `json:"service"`
	BytesInL2     int64  `json:"bytes_in_l2"`
	BytesOutL2    int64  `json:"bytes_out_l2"`
	BytesInL3     int64  `json:"bytes_in_l3"`
	BytesOutL3    int64  `json:"bytes_out_l3"`
	PacketsIn     int64  `json:"packets_in"`
	PacketsOut    int64  `json:"packets_out"`
	Samples       int64  `json:"samples"`
	DatagramsLost int64  `json:"datagrams_lost"` // of its agent
}

// AgentTruth is what became of one agent's datagrams.
type AgentTruth struct {
	Agent               string      `json:"agent"`
	Address             netip.Addr  `json:"address"`
	DatagramsSent       int64       `json:"datagrams_sent"` // numbered by the agent, repeats not among them
	DatagramsLost       int64       `json:"datagrams_lost"`
	DatagramsDuplicated int64       `json:"datagrams_duplicated"` // copies that arrived beside the first
	DatagramsReordered  int64       `json:"datagrams_reordered"`  // arrived after one sent later
	Restarts            int64       `json:"restarts"`             // of sub-agents
	Samples             int64       `json:"samples"`              // that arrived and count
	SamplesEvidence     int64       `json:"samples_evidence"`     // that arrived and do not count: taken where the packet left
	SamplesLost         int64       `json:"samples_lost"`         // in lost datagrams
	CounterSamples      int64       `json:"counter_samples"`
	Ports               []PortTruth `json:"ports"`
}

// PortTruth is what really went through a port, restarts or not, and what its samples make of it.
type PortTruth struct {
	IfIndex    uint32 `json:"if_index"`
	OctetsIn   uint64 `json:"octets_in"`
	OctetsOut  uint64 `json:"octets_out"`
	EstimateIn uint64 `json:"estimate_in"` // from the samples that arrived
}

// AddressTruth is traffic of an address that no service has.
type AddressTruth struct {
	Address netip.Addr `json:"address"`
	Agent   string     `json:"agent"`
	BytesL2 int64      `json:"bytes_l2"`
	BytesL3 int64      `json:"bytes_l3"`
	Packets int64      `json:"packets"`
	Samples int64      `json:"samples"`
}

// addressKey is an address at an agent.
type addressKey struct {
	agent   int
	address [16]byte
}

// arrive adds what a datagram is worth.
func (s *Simulation) arrive(agent int, d *datagram) {
	tally := &s.agentTruth[agent]
	if d.repeat {
		tally.DatagramsDuplicated++
		return
	}
	tally.CounterSamples += int64(d.counters)
	for i := range d.records {
		r := &d.records[i]
		if !r.counted {
			tally.SamplesEvidence++
			continue
		}
		tally.Samples++
		l2, l3 := int64(r.frame)*int64(r.rate), int64(r.ip)*int64(r.rate)
		r.flow.entry.tally.EstimateIn += uint64(l2)
		s.attribute(agent, r, l2, l3)
	}
}

func (s *Simulation) attribute(agent int, r *record, l2, l3 int64) {
	f := r.flow
	switch {
	case f.owner < 0:
		s.unattributed(agent, r, l2, l3)
	case f.inward:
		s.services[f.owner].in(l2, l3, int64(r.rate))
	default:
		s.services[f.owner].out(l2, l3, int64(r.rate))
	}
	if f.other >= 0 {
		s.services[f.other].in(l2, l3, int64(r.rate))
	}
}

func (t *ServiceTruth) in(l2, l3, packets int64) {
	t.BytesInL2 += l2
	t.BytesInL3 += l3
	t.PacketsIn += packets
	t.Samples++
}

func (t *ServiceTruth) out(l2, l3, packets int64) {
	t.BytesOutL2 += l2
	t.BytesOutL3 += l3
	t.PacketsOut += packets
	t.Samples++
}

func (s *Simulation) unattributed(agent int, r *record, l2, l3 int64) {
	key := addressKey{agent, r.address}
	t, ok := s.addresses[key]
	if !ok {
		t = &AddressTruth{Address: netip.AddrFrom16(r.address).Unmap(), Agent: s.scenario.Agents[agent].Name}
		s.addresses[key] = t
	}
	t.BytesL2 += l2
	t.BytesL3 += l3
	t.Packets += int64(r.rate)
	t.Samples++
}

// Truth gives the totals of all datagrams that the iteration has given so far. It must not be called during a step.
func (s *Simulation) Truth() Truth {
	t := Truth{
		Seed: s.scenario.Seed, Start: s.scenario.Start, End: s.scenario.Start.Add(s.now),
		Services: slices.Clone(s.services), Agents: slices.Clone(s.agentTruth), Unattributed: []AddressTruth{},
	}
	for i := range t.Services {
		t.Services[i].DatagramsLost = s.agentTruth[s.home[i]].DatagramsLost
	}
	for i := range t.Agents {
		t.Agents[i].Ports = slices.Clone(t.Agents[i].Ports)
	}
	for _, a := range s.addresses {
		t.Unattributed = append(t.Unattributed, *a)
	}
	slices.SortFunc(t.Unattributed, func(a, b AddressTruth) int {
		if c := a.Address.Compare(b.Address); c != 0 {
			return c
		}
		return slices.Compare([]byte(a.Agent), []byte(b.Agent))
	})
	return t
}
