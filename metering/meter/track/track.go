// Package track keeps a meter's memory of what it has seen: which envelopes of which collector, which datagrams
// of which agent, which samples of which source. It decides what is a repeat, what is missing and what is a
// restart, and nothing about bytes. It has no clock: all times come from the log, so the same log always gives
// the same answers.
//
// Datagrams. sFlow numbers datagrams per (agent, sub-agent). Each such sub-agent has up to four streams, one per
// restart that still matters (or per device, when two share an address). A stream has a window of 4096 sequences
// with the CRC-32C of each datagram:
//
//   - same sequence, same CRC: a repeat, dropped and counted;
//   - same sequence, other CRC, in every stream: a restart, a new stream;
//   - behind all windows: a restart, too. Nothing is ever dropped for being old;
//   - ahead by up to 2^24: a gap, counted as lost at once (and taken back when it proves to have been the step
//     between two devices that share an address);
//   - in a gap of the window: late, takes its own loss back.
//
// A datagram that could belong to several streams goes to the nearest. All arithmetic is modulo 2^32. So within
// the window any order of the same datagrams, with any repeats, accepts each once and ends at the same loss.
//
// Two collectors that hear the same agent give each datagram twice; whichever comes first counts, the other is a repeat. A
// collector that lags behind the window (its Kafka was away) brings datagrams that look like another boot's: they are
// known by their receive time, which is older than what the collector in front has brought, and dropped as repeats. But
// for those that lie in a remembered gap of that time, or were received before the sub-agent was first heard: nobody
// has counted them. A capture file that is replayed brings such, after an outage or of the time before a switch was registered.
//
// Flow records. NetFlow and IPFIX are tracked per (address, domain, version), see [FlowSource]; ports' counters per
// sub-agent and ifIndex, see package counters.
//
// Samples. Sequences per (sub-agent, source id) show samples that are missing although their neighbours came,
// those inside lost datagrams among them: what a lost datagram held cannot be known, so the two counts of loss
// stand side by side and are not to be added. A jump over 50 is a reset.
//
// Bounds: agents and sub-agents per exporter, sources per sub-agent, producers and collectors per partition.
// What is over a bound is refused or left untracked, and said so; nothing is evicted to make room, because an
// evicted window could count a repeat. Sub-agents silent for a day of log time are forgotten at the snapshot.
package track

import (
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/track/counters"
	"github.com/ezscale/platform/metering/meter/track/samples"
	"github.com/ezscale/platform/metering/netflow"
)

// Bounds of what is remembered.
const (
	MaxStreams    = 4    // per sub-agent; the least recently used makes room
	MaxSubAgents  = 256  // per exporter, over all its agents
	MaxSources    = 4096 // per sub-agent
	recentSources = 8    // per sub-agent, found at once
	MaxProducers  = 256  // per partition; the longest silent makes room
	MaxCollectors = 256  // per partition; the longest silent makes room

	forgetAfter      = int64(24 * time.Hour)      // of silence, in log time
	forgetPortsAfter = int64(35 * 24 * time.Hour) // of a sub-agent that reported counters: a month's outage loses no octet

	// ingressFresh is how long one ingress sample proves that a port is sampled.
	ingressFresh = int64(time.Hour)

	// collectorSilent is how long a collector may lag behind the newest report before it no longer holds the watermark.
	collectorSilent = 10 * time.Minute
)

// Verdict is what became of a datagram.
type Verdict struct {
	Duplicate bool
	Restart   bool
	Lost      int64 // change of the count of lost datagrams; negative when a late one takes back
}

// Book is all that one partition's meter remembers. It is not safe for concurrent use.
type Book struct {
	exporters  map[uuid.UUID]*Exporter
	producers  map[producerKey]*producer
	collectors map[uuid.UUID]*collector
	forgotten  int64 // receive time of the newest datagram of all sub-agents that were forgotten
}

// NewBook is an empty memory.
func NewBook() *Book {
	return &Book{
		exporters:  map[uuid.UUID]*Exporter{},
		producers:  map[producerKey]*producer{},
		collectors: map[uuid.UUID]*collector{},
	}
}

// Exporter finds or makes the memory of one exporter.
func (b *Book) Exporter(id uuid.UUID) *Exporter {
	e, ok := b.exporters[id]
	if !ok {
		e = newExporter(b)
		b.exporters[id] = e
	}
	return e
}

// Exporter is one configured exporter: the agents heard through it.
type Exporter struct {
	book      *Book
	agents    map[netip.Addr]*Agent
	subAgents int
	last      *SubAgent // of the last datagram, which is mostly that of the next
	flows     map[flowKey]*FlowSource
	netflow   *netflow.Decoder // with its templates and samplers; nil without NetFlow
}

// NetFlow is the decoder that knows the exporter's templates and samplers.
func (e *Exporter) NetFlow() *netflow.Decoder {
	if e.netflow == nil {
		e.netflow = netflow.New()
	}
	return e.netflow
}

func newExporter(b *Book) *Exporter {
	return &Exporter{book: b, agents: map[netip.Addr]*Agent{}, flows: map[flowKey]*FlowSource{}}
}

// Agent is one sFlow agent.
type Agent struct {
	subs map[uint32]*SubAgent

	// ingressAt is when each port last gave an ingress sample: an egress sample of a packet that came in there
	// is that packet's second. Only kept for exporters that count both sides.
	ingressAt map[uint32]int64
}

func newAgent() *Agent { return &Agent{subs: map[uint32]*SubAgent{}, ingressAt: map[uint32]int64{}} }

// SubAgent is one numbering of datagrams.
type SubAgent struct {
	Agent   *Agent
	address netip.Addr
	id      uint32
	streams []*stream
	sources map[uint64]*samples.Source
	recent  [recentSources]*samples.Source // of sources, found without the map: samples come of few
	ports   map[uint32]*counters.Port
	tick    uint64
	heardAt int64  // receive time of the newest datagram
	feeder  uint64 // the collector that brought it
	early   early
}

func newSubAgent(a *Agent, address netip.Addr, id uint32) *SubAgent {
	return &SubAgent{Agent: a, address: address, id: id, sources: map[uint64]*samples.Source{}, ports: map[uint32]*counters.Port{}}
}

// SubAgents is how many there are, over all agents.
func (e *Exporter) SubAgents() int { return e.subAgents }

// SubAgent finds or makes one; false when the exporter has too many already.
func (e *Exporter) SubAgent(agent netip.Addr, id uint32) (*SubAgent, bool) {
	if s := e.last; s != nil && s.id == id && s.address == agent {
		return s, true
	}
	if a, ok := e.agents[agent]; ok {
		if s, ok := a.subs[id]; ok {
			e.last = s
			return s, true
		}
	}
	if e.subAgents >= MaxSubAgents {
		return nil, false
	}
	return e.add(agent, id), true
}

func (e *Exporter) add(agent netip.Addr, id uint32) *SubAgent {
	a, ok := e.agents[agent]
	if !ok {
		a = newAgent()
		e.agents[agent] = a
	}
	s := newSubAgent(a, agent, id)
	a.subs[id] = s
	s.early.ground = e.book.forgotten
	e.subAgents++
	e.last = s
	return s
}

// Datagram judges one datagram by its sequence and checksum. at is its receive time in Unix nanoseconds, uptime
// the agent's in milliseconds, feeder names the collector it came by.
func (s *SubAgent) Datagram(seq, crc, uptime uint32, at int64, feeder uint64) Verdict {
	s.tick++
	for _, stream := range s.streams {
		if stream.repeats(seq, crc) {
			return Verdict{Duplicate: true}
		}
	}
	best := s.nearest(seq, uptime, at)
	if stale(at, s.heardAt, feeder, s.feeder) && (best == nil || at > best.heardAt+clocksDiffer) {
		return s.straggler(seq, crc, uptime, at, feeder)
	}
	heard := s.heardAt
	if at >= s.heardAt {
		s.heardAt, s.feeder = at, feeder
	}
	if best != nil {
		best.used = s.tick
		return Verdict{Lost: best.accept(seq, crc, uptime, heard, at)}
	}
	if len(s.streams) == 0 {
		s.early = early{bornAt: at, ground: max(s.early.ground, heard)}
	}
	return s.restart(seq, crc, uptime, at)
}

// stale tells a datagram that fits nowhere, or what was over by then, because its collector lags behind the one in front.
func stale(at, heardAt int64, feeder, front uint64) bool { return feeder != front && at < heardAt }

// restart begins another stream.
func (s *SubAgent) restart(seq, crc, uptime uint32, at int64) Verdict {
	fresh := newStream(seq, crc, uptime, at)
	fresh.used = s.tick
	restart := len(s.streams) > 0
	for _, stream := range s.streams {
		if stream.goesOn(seq) {
			fresh.claim, stream.jump = stream.jump, 0
			stream.unmiss(stream.before + 1)
			break
		}
	}
	s.keep(fresh)
	return Verdict{Restart: restart}
}

func (s *SubAgent) nearest(seq, uptime uint32, at int64) *stream {
	if len(s.streams) == 1 {
		if _, ok := s.streams[0].distance(seq, uptime, at); !ok {
			return nil
		}
		return s.streams[0]
	}
	var best *stream
	var least uint64
	newest := s.newest()
	for _, stream := range s.streams {
		near, ok := stream.distance(seq, uptime, at)
		if !ok {
			continue
		}
		cost := uint64(near)
		switch {
		case stream != newest && s.tick-stream.used > idleAfter:
			cost = cost<<32 + 1<<32 // a stream of an earlier boot takes what no other can
		case stream != newest && seq-stream.high == near:
			cost *= idlePenalty
		}
		if best == nil || cost < least || cost == least && stream.used > best.used {
			best, least = stream, cost
		}
	}
	return best
}

func (s *SubAgent) newest() *stream {
	var newest *stream
	for _, stream := range s.streams {
		if newest == nil || stream.used > newest.used {
			newest = stream
		}
	}
	return newest
}

func (s *SubAgent) keep(fresh *stream) {
	if len(s.streams) < MaxStreams {
		s.streams = append(s.streams, fresh)
		return
	}
	oldest := 0
	for i, stream := range s.streams {
		if stream.used < s.streams[oldest].used {
			oldest = i
		}
	}
	s.streams[oldest] = fresh
}

// Sample takes one flow sample of an accepted datagram and gives the changes of lost samples and of samples that
// the agent dropped. tracked is false when the sub-agent has too many sources.
func (s *SubAgent) Sample(class, index, seq, drops, rate uint32) (lost, dropped int64, tracked bool) {
	key := uint64(class)<<32 | uint64(index)
	place := &s.recent[index%recentSources]
	if src := *place; src != nil && src.Key == key {
		lost, dropped = src.Take(seq, drops, rate)
		return lost, dropped, true
	}
	src, ok := s.sources[key]
	if ok {
		*place = src
		lost, dropped = src.Take(seq, drops, rate)
		return lost, dropped, true
	}
	if len(s.sources) >= MaxSources {
		return 0, 0, false
	}
	src = &samples.Source{Key: key, High: seq, Drops: drops, Rate: rate}
	s.sources[key], *place = src, src
	return 0, 0, true
}

// Rate is the sampling rate of the newest sample of a port, 0 when there was none.
func (s *SubAgent) Rate(port uint32) uint32 {
	if src, ok := s.sources[uint64(port)]; ok {
		return src.Rate
	}
	return 0
}

// NoteIngress remembers that a port gave an ingress sample.
func (a *Agent) NoteIngress(port uint32, at int64) {
	if len(a.ingressAt) < MaxSources || a.ingressAt[port] != 0 {
		a.ingressAt[port] = max(a.ingressAt[port], at)
	}
}

// SamplesIngress tells whether a port gave an ingress sample in the hour around at.
func (a *Agent) SamplesIngress(port uint32, at int64) bool {
	last, ok := a.ingressAt[port]
	return ok && at-last < ingressFresh
}

// Port finds or makes the memory of a port; false when the sub-agent has too many.
func (s *SubAgent) Port(index uint32) (*counters.Port, bool) {
	p, ok := s.ports[index]
	if !ok {
		if len(s.ports) >= MaxSources {
			return nil, false
		}
		p = &counters.Port{}
		s.ports[index] = p
	}
	return p, true
}
