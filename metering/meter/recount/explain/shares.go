package explain

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/recount"
)

// lineKey names a line.
type lineKey struct {
	exporter uuid.UUID
	kind     count.TraceKind
	agent    netip.Addr
	subAgent uint32
	port     uint32
	in       bool
	prefix   netip.Prefix
	rate     uint32
}

type amount struct{ samples, packets, l2, l3 int64 }

type exchange struct{ in, out, samples int64 }

// shares adds up what the counter tells.
type shares struct {
	known *facts
	lines map[lineKey]*amount
	peers map[netip.Addr]*exchange
	more  int64
}

func newShares(known *facts) *shares {
	return &shares{known: known, lines: map[lineKey]*amount{}, peers: map[netip.Addr]*exchange{}}
}

func (s *shares) add(t *recount.Trace) {
	own, peer := t.Src, t.Dst
	if t.In {
		own, peer = t.Dst, t.Src
	}
	key := lineKey{
		exporter: t.ExporterID, kind: t.Kind, agent: t.Agent, subAgent: t.SubAgent, port: t.Port, in: t.In, rate: t.Rate,
		prefix: s.known.prefix(own, t.At),
	}
	s.line(key, t)
	if peer.IsValid() && t.Kind != count.TracePort && t.Kind != count.TraceAttachment {
		s.peer(peer, t)
	}
}

func (s *shares) line(key lineKey, t *recount.Trace) {
	a, ok := s.lines[key]
	if !ok {
		if len(s.lines) >= maxLines {
			s.more++
			key = lineKey{kind: key.kind, in: key.in}
			a = s.lines[key]
		}
		if a == nil {
			a = &amount{}
			s.lines[key] = a
		}
	}
	a.samples, a.packets, a.l2, a.l3 = a.samples+t.Samples, a.packets+t.Packets, a.l2+t.L2, a.l3+t.L3
}

func (s *shares) peer(address netip.Addr, t *recount.Trace) {
	e, ok := s.peers[address]
	if !ok && len(s.peers) >= maxPeers {
		address = netip.Addr{}
		e, ok = s.peers[address]
	}
	if !ok {
		e = &exchange{}
		s.peers[address] = e
	}
	e.samples += t.Samples
	if t.In {
		e.in += t.L2
	} else {
		e.out += t.L2
	}
}

func (s *shares) billed() []Line {
	return s.list(func(k count.TraceKind) bool { return k != count.TracePort && k != count.TraceAttachment })
}

func (s *shares) unbilled() []Line {
	return s.list(func(k count.TraceKind) bool { return k == count.TracePort || k == count.TraceAttachment })
}

// list gives the lines of some kinds, most bytes first.
func (s *shares) list(of func(count.TraceKind) bool) []Line {
	lines := []Line{}
	for k, a := range s.lines {
		if !of(k.kind) {
			continue
		}
		l := Line{
			Exporter: s.known.exporter(k.exporter), Kind: kindName(k.kind), SubAgent: k.subAgent, Port: k.port, Direction: direction(k.in),
			Rate: k.rate, Samples: a.samples, Packets: a.packets, BytesL2: a.l2, BytesL3: a.l3,
		}
		if k.agent.IsValid() {
			l.Agent = k.agent.String()
		}
		if k.prefix.IsValid() {
			l.Prefix = k.prefix.String()
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(b.BytesL2, a.BytesL2), cmp.Compare(a.Exporter, b.Exporter), cmp.Compare(a.Agent, b.Agent),
			cmp.Compare(a.SubAgent, b.SubAgent), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Direction, b.Direction),
			cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Rate, b.Rate), cmp.Compare(a.Kind, b.Kind))
	})
	return lines
}

// top gives the peers with the most bytes.
func (s *shares) top() []Peer {
	peers := []Peer{}
	for address, e := range s.peers {
		name := "others"
		if address.IsValid() {
			name = address.String()
		}
		peers = append(peers, Peer{name, e.in, e.out, e.samples})
	}
	slices.SortFunc(peers, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(b.BytesIn+b.BytesOut, a.BytesIn+a.BytesOut), cmp.Compare(a.Address, b.Address))
	})
	return peers[:min(len(peers), topPeers)]
}

func kindName(k count.TraceKind) string {
	switch k {
	case count.TraceRecord:
		return "record"
	case count.TraceCounter:
		return "counter"
	case count.TracePort:
		return "bound"
	case count.TraceAttachment:
		return "attachment"
	default:
		return "sample"
	}
}

func direction(in bool) string {
	if in {
		return "in"
	}
	return "out"
}
