package simulate

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ezscale/platform/metering/sflow"
	"github.com/ezscale/platform/metering/simulate/scenario"
)

const (
	// safeDatagrams is how many of a sub-agent arrive in order after a start, so that a meter finds its place.
	safeDatagrams = 8

	// What a sample with a raw packet header takes in a datagram beside the header itself, at most.
	sampleBytes = 8 + 44 + 8 + 16

	readingBytes = 8 + 16 + 8 + 88 // of a sample with interface counters

	headerEthernet = 1 // header protocol of a raw packet header
	ethernetIfType = 6
)

// port is a port at work.
type port struct {
	scenario.Port
	sub      *subAgent
	tally    *PortTruth
	skip     uint64 // packets to the next sample
	pool     uint32
	sequence uint32
	polls    uint32
	nextPoll time.Duration

	octetsIn, octetsOut   uint64 // since the boot
	packetsIn, packetsOut uint64
}

// subAgent numbers its own datagrams.
type subAgent struct {
	id       uint32
	sequence uint32 // of the next datagram
	sent     int    // since the boot
	encoder  sflow.Encoder
	open     *datagram // nil when nothing waits
	opened   time.Duration
	ports    []*port
}

// agent is an agent at work. All times are virtual, since the start of the simulation.
type agent struct {
	scenario.Agent
	random  random
	ports   []*port
	flows   []flow
	subs    []*subAgent
	network network
	events  []scenario.Event // still to come
	booted  time.Duration
	now     time.Duration
	tally   *AgentTruth

	datagramBytes int
	flush         time.Duration
}

func newAgent(s *scenario.Scenario, index int, tally *AgentTruth) *agent {
	a := &agent{
		Agent: s.Agents[index], tally: tally, datagramBytes: s.DatagramBytes, flush: s.Flush,
		random: newRandom(s.Seed, index, forTraffic),
	}
	a.booted = -a.Uptime
	a.network = network{Network: *a.Network, random: newRandom(s.Seed, index, forNetwork), tally: tally}
	a.events = slices.Clone(a.Events)
	slices.SortStableFunc(a.events, func(x, y scenario.Event) int { return int(x.At - y.At) })
	for i := range a.SubAgents {
		a.subs = append(a.subs, &subAgent{id: i, sequence: a.FirstSequence})
	}
	tally.Ports = make([]PortTruth, len(a.Ports))
	for i, config := range a.Ports {
		tally.Ports[i].IfIndex = config.Index
		p := &port{Port: config, sub: a.subs[i%len(a.subs)], tally: &tally.Ports[i], skip: a.random.skip(config.Rate)}
		p.nextPoll = a.Counters * time.Duration(i) / time.Duration(len(a.Ports))
		p.sub.ports = append(p.sub.ports, p)
		a.ports = append(a.ports, p)
	}
	return a
}

// port finds a port by its index; 0 is the first uplink.
func (a *agent) port(index uint32) *port {
	for _, p := range a.ports {
		if p.Index == index || index == 0 && p.Uplink {
			return p
		}
	}
	return nil
}

// tick lets everything happen that happens until now.
func (a *agent) tick(now time.Duration, start time.Time, length time.Duration) {
	a.now = now
	for len(a.events) > 0 && a.events[0].At <= now {
		a.happen(a.events[0])
		a.events = a.events[1:]
	}
	for i := range a.flows {
		f := &a.flows[i]
		if now%time.Second < length {
			f.turn(start.Add(now), &a.random)
		}
		for j := range f.classes {
			if n := f.classes[j].packets(f.factor); n > 0 {
				a.forward(f, &f.classes[j], n)
			}
		}
	}
	for _, p := range a.ports {
		if p.nextPoll <= now {
			a.poll(p)
			p.nextPoll += a.Counters
		}
	}
	for _, sub := range a.subs {
		if sub.open != nil && now-sub.opened >= a.flush {
			a.send(sub, false)
		}
	}
}

func (a *agent) happen(e scenario.Event) {
	switch e.Kind {
	case scenario.EventReboot:
		a.reboot()
	case scenario.EventLose:
		a.network.lose += e.Count
	case scenario.EventRate:
		for _, p := range a.ports {
			if e.Port == 0 || e.Port == p.Index {
				p.Rate = e.Rate
				p.skip = a.random.skip(p.Rate)
			}
		}
	}
}

// reboot starts everything again that an agent keeps in memory.
func (a *agent) reboot() {
	a.close()
	a.booted = a.now
	for _, sub := range a.subs {
		sub.sequence, sub.sent = 1, 0
		if len(sub.ports) > 0 {
			a.tally.Restarts++
		}
	}
	for _, p := range a.ports {
		p.octetsIn, p.octetsOut, p.packetsIn, p.packetsOut = 0, 0, 0, 0
		p.pool, p.sequence, p.polls = 0, 0, 0
		p.skip = a.random.skip(p.Rate)
	}
}

// close sends a last datagram of every sub-agent, safely, so that whatever was lost before it can be seen.
func (a *agent) close() {
	for _, sub := range a.subs {
		if len(sub.ports) == 0 {
			continue
		}
		if sub.open == nil {
			a.poll(sub.ports[0])
		}
		a.send(sub, true)
	}
}

// forward lets n packets of a class pass through the switch.
func (a *agent) forward(f *flow, c *class, n uint64) {
	octets := n * uint64(c.frame)
	f.entry.octetsIn += octets
	f.entry.packetsIn += n
	f.entry.tally.OctetsIn += octets
	f.exit.octetsOut += octets
	f.exit.packetsOut += n
	f.exit.tally.OctetsOut += octets
	a.sampled(f, c, f.entry, n, true)
	if a.Sides == scenario.SidesBoth {
		a.sampled(f, c, f.exit, n, false)
	}
}

// sampled takes the samples that fall on n packets at a port.
func (a *agent) sampled(f *flow, c *class, p *port, n uint64, entry bool) {
	for p.skip <= n {
		n -= p.skip
		p.pool += uint32(p.skip)
		a.sample(f, c, p, entry)
		p.skip = a.random.skip(p.Rate)
	}
	p.skip -= n
	p.pool += uint32(n)
}

func (a *agent) sample(f *flow, c *class, p *port, entry bool) {
	d := a.room(p.sub, sampleBytes+len(c.header))
	p.sequence++
	s := sflow.FlowSample{
		Sequence: p.sequence, SourceIndex: p.Index, Rate: p.Rate, Pool: p.pool,
		Input: f.entry.Index, Output: f.exit.Index,
	}
	p.sub.encoder.Flow(&s, a.Expanded)
	header := p.sub.encoder.RawHeader(headerEthernet, c.frame, checkBytes, c.header)
	f.fill(header, c.family, &a.random)
	r := record{flow: f, frame: c.frame, ip: c.ipLength, rate: p.Rate, counted: entry}
	if f.owner < 0 {
		r.address = f.ownAddress(header, c.family)
	}
	d.records = append(d.records, r)
	if len(d.records) == a.Samples {
		a.send(p.sub, false)
	}
}

// ownAddress reads the background's own end out of a filled header.
func (f *flow) ownAddress(header []byte, family int) [16]byte {
	at, length := f.link+12, 4
	if family == 1 {
		at, length = f.link+8, 16
	}
	if f.inward {
		at += length
	}
	address, _ := netip.AddrFromSlice(header[at : at+length])
	return address.As16()
}

// poll adds a reading of a port's counters.
func (a *agent) poll(p *port) {
	d := a.room(p.sub, readingBytes)
	p.polls++
	p.sub.encoder.Counters(&sflow.CounterSample{
		Sequence: p.polls, SourceIndex: p.Index, IfIndex: p.Index, IfType: ethernetIfType, Speed: uint64(p.Speed),
		Direction: 1, Status: 3, OctetsIn: p.octetsIn, OctetsOut: p.octetsOut,
		UnicastIn: uint32(p.packetsIn), UnicastOut: uint32(p.packetsOut),
	}, a.Expanded)
	d.counters++
}

// room gives the sub-agent's open datagram with so many bytes left, after sending a full one.
func (a *agent) room(sub *subAgent, bytes int) *datagram {
	if sub.open != nil && sub.encoder.Len()+bytes > a.datagramBytes {
		a.send(sub, false)
	}
	if sub.open == nil {
		sub.open, sub.opened = a.network.take(), a.now
		sub.encoder.Start(sflow.Header{
			Agent: a.Address, SubAgent: sub.id, Sequence: sub.sequence,
			Uptime: uint32((a.now - a.booted).Milliseconds()),
		})
	}
	return sub.open
}

// send puts the open datagram on the way.
func (a *agent) send(sub *subAgent, safe bool) {
	d := sub.open
	d.bytes = sub.encoder.Swap(d.bytes)
	sub.open = nil
	sub.sequence++
	sub.sent++
	a.network.send(d, safe || sub.sent <= safeDatagrams)
}
