package simulate

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"github.com/ezscale/platform/metering/simulate/scenario"
)

// Datagram is one that arrives. Bytes is good until the next step of the iteration.
type Datagram struct {
	At     time.Time // virtual
	Agent  int       // of the scenario
	Source netip.Addr
	Bytes  []byte
}

// Simulation plays a scenario once.
type Simulation struct {
	scenario scenario.Scenario
	agents   []*agent
	now      time.Duration
	yield    func(Datagram) bool // nil when nobody listens any more

	services   []ServiceTruth
	home       []int // agent of each service
	agentTruth []AgentTruth
	addresses  map[addressKey]*AddressTruth
}

// New checks a scenario and sets up everything in it. Nothing happens before Datagrams is iterated. Errors wrap
// scenario.Err.
func New(play scenario.Scenario) (*Simulation, error) {
	play, err := play.Complete()
	if err != nil {
		return nil, err
	}
	s := &Simulation{scenario: play, addresses: map[addressKey]*AddressTruth{}}
	s.agentTruth = make([]AgentTruth, len(play.Agents))
	byName := map[string]int{}
	for i := range play.Agents {
		a := newAgent(&play, i, &s.agentTruth[i])
		a.tally.Agent, a.tally.Address = a.Name, a.Address
		a.network.deliver = func(d *datagram) { s.deliver(i, d) }
		s.agents = append(s.agents, a)
		byName[a.Name] = i
	}
	for i := range play.Services {
		s.services = append(s.services, ServiceTruth{Service: play.Services[i].Name})
		s.home = append(s.home, byName[play.Services[i].Agent])
	}
	s.connect()
	return s, nil
}

// Scenario gives the scenario with its defaults filled in.
func (s *Simulation) Scenario() scenario.Scenario { return s.scenario }

// Datagrams gives what arrives, in the order of arrival, until the scenario's duration is over or ctx is done; either
// way all agents end with a datagram that shows what was lost before it. It can be iterated once.
func (s *Simulation) Datagrams(ctx context.Context) iter.Seq[Datagram] {
	return func(yield func(Datagram) bool) {
		s.yield = yield
		for s.yield != nil && ctx.Err() == nil && (s.scenario.Duration == 0 || s.now < s.scenario.Duration) {
			for _, a := range s.agents {
				a.tick(s.now, s.scenario.Start, s.scenario.Tick)
			}
			s.now += s.scenario.Tick
		}
		for _, a := range s.agents {
			a.now = s.now
			a.close()
		}
		s.yield = nil
	}
}

func (s *Simulation) deliver(agent int, d *datagram) {
	if s.yield == nil {
		return
	}
	s.arrive(agent, d)
	a := s.agents[agent]
	if !s.yield(Datagram{s.scenario.Start.Add(a.now), agent, a.Source, d.bytes}) {
		s.yield = nil
	}
}

// connect makes the flows of all services and of the background.
func (s *Simulation) connect() {
	peers := pools(s.scenario.Peers)
	next := s.neighbours()
	for i := range s.scenario.Services {
		s.connectService(i, next[i], peers)
	}
	for _, a := range s.agents {
		for i := range a.Background {
			b := &a.Background[i]
			base := flow{owner: -1, other: -1, traffic: b.Traffic}
			s.addPair(a, base, pools(b.Prefixes), peers, a.port(b.Port), a.port(0), b.Traffic.In, b.Traffic.Out)
		}
	}
}

// connectService gives a service its flows: from and to the world by the first uplink, and to its neighbour.
func (s *Simulation) connectService(i, next int, peers [2]pool) {
	config, a := &s.scenario.Services[i], s.agents[s.home[i]]
	own, place := pools(config.Prefixes), a.port(config.Port)
	out := config.Traffic.Out
	base := flow{owner: i, other: -1, traffic: config.Traffic}
	neighbour := &s.scenario.Services[next]
	if neighbour.Port != config.Port && config.Traffic.Local > 0 { // what stays behind one port never reaches the switch
		local := scenario.Bits(float64(out) * config.Traffic.Local)
		out -= local
		f := base
		f.other, f.entry, f.exit = next, place, a.port(neighbour.Port)
		f.src, f.dst = own, pools(neighbour.Prefixes)
		_, sizes := config.Traffic.Sizes()
		s.add(a, f, local, sizes)
	}
	s.addPair(a, base, own, peers, place, a.port(0), config.Traffic.In, out)
}

func (s *Simulation) addPair(a *agent, f flow, own, peers [2]pool, place, uplink *port, in, out scenario.Bits) {
	sizesIn, sizesOut := f.traffic.Sizes()
	inward, outward := f, f
	inward.inward, inward.entry, inward.exit, inward.src, inward.dst = true, uplink, place, peers, own
	outward.entry, outward.exit, outward.src, outward.dst = place, uplink, own, peers
	s.add(a, inward, in, sizesIn)
	s.add(a, outward, out, sizesOut)
}

func (s *Simulation) add(a *agent, f flow, rate scenario.Bits, sizes []scenario.PacketSize) {
	if rate > 0 {
		a.flows = append(a.flows, newFlow(f, rate, sizes, s.scenario.Tick, a.HeaderBytes))
	}
}

// neighbours gives for each service the next one of the same agent, round in a ring.
func (s *Simulation) neighbours() []int {
	next, first, last := make([]int, len(s.home)), map[int]int{}, map[int]int{}
	for i, agent := range s.home {
		if before, ok := last[agent]; ok {
			next[before] = i
		} else {
			first[agent] = i
		}
		last[agent] = i
	}
	for agent, i := range last {
		next[i] = first[agent]
	}
	return next
}
