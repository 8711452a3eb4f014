package simulate

import (
	"slices"

	"github.com/ezscale/platform/metering/simulate/scenario"
)

// datagram is one on its way, with what it is worth to a meter.
type datagram struct {
	bytes    []byte
	records  []record
	counters int
	repeat   bool // the second copy: it is worth nothing

	due  uint64 // when held: how many others must have passed
	held uint64 // how many had passed when it was held back
}

// record is one flow sample.
type record struct {
	flow    *flow
	address [16]byte // of background: its own end
	frame   uint32
	ip      uint32
	rate    uint32
	counted bool // taken at the port of entry
}

// network loses, doubles and delays one agent's datagrams.
type network struct {
	scenario.Network
	random  random
	lose    int // so many of the next
	passed  uint64
	held    []*datagram
	free    []*datagram
	deliver func(*datagram)
	tally   *AgentTruth
}

// maxFree bounds the datagrams kept for reuse.
const maxFree = 2 * scenario.MaxDelay

// take gives an empty datagram.
func (n *network) take() *datagram {
	if last := len(n.free) - 1; last >= 0 {
		d := n.free[last]
		n.free = n.free[:last]
		return d
	}
	return &datagram{}
}

func (n *network) give(d *datagram) {
	if len(n.free) < maxFree {
		*d = datagram{bytes: d.bytes[:0], records: d.records[:0]}
		n.free = append(n.free, d)
	}
}

// send puts a datagram on the way. A safe one arrives, once, after all sent before it.
func (n *network) send(d *datagram, safe bool) {
	n.tally.DatagramsSent++
	lost, twice, late := n.random.chance(n.Loss), n.random.chance(n.Duplicate), n.random.chance(n.Reorder)
	delay, delayTwice := 1+n.random.below(uint64(n.Delay)), n.random.below(uint64(n.Delay))
	switch {
	case safe:
		n.releaseAll()
		n.pass(d)
	case n.lose > 0 || lost:
		n.lose = max(0, n.lose-1)
		n.tally.DatagramsLost++
		n.tally.SamplesLost += int64(len(d.records))
		n.give(d)
	default:
		if twice {
			n.hold(n.copy(d), delayTwice)
		}
		if late {
			n.hold(d, delay)
		} else {
			n.pass(d)
		}
	}
	n.release()
}

func (n *network) copy(d *datagram) *datagram {
	c := n.take()
	c.bytes, c.repeat = append(c.bytes[:0], d.bytes...), true
	return c
}

func (n *network) hold(d *datagram, delay uint64) {
	d.due, d.held = n.passed+delay, n.passed
	n.held = append(n.held, d)
}

// pass delivers a datagram.
func (n *network) pass(d *datagram) {
	n.deliver(d)
	n.passed++
	n.give(d)
}

// release delivers what has been held long enough. What is delivered here counts as passed, too.
func (n *network) release() {
	for i := 0; i < len(n.held); {
		if n.held[i].due > n.passed {
			i++
			continue
		}
		d := n.held[i]
		n.held = slices.Delete(n.held, i, i+1)
		n.overtaken(d)
		i = 0
	}
}

func (n *network) releaseAll() {
	for _, d := range n.held {
		n.overtaken(d)
	}
	n.held = n.held[:0]
}

func (n *network) overtaken(d *datagram) {
	if !d.repeat && n.passed > d.held {
		n.tally.DatagramsReordered++
	}
	n.pass(d)
}
