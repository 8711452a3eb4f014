// Package sources knows who may send: the table of exporters, and the addresses that send without being one.
package sources

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

// Exporter is a device that may send. Several may share a source and differ by agent.
type Exporter struct {
	ID     uuid.UUID    `json:"id"`
	Source netip.Prefix `json:"source"` // of UDP source addresses
	Agent  netip.Addr   `json:"agent"`  // sFlow agent address; the zero Addr for any
}

// Known is an exporter in a table. Index counts within the table.
type Known struct {
	Exporter
	Index     int
	Partition int
}

// Table is immutable: who sends from where. The longest prefix wins.
type Table struct {
	list    []*Known
	sources *bart.Table[[]*Known]
}

// NewTable makes a table for a topic with that many partitions.
func NewTable(list []Exporter, partitions int) *Table {
	t := &Table{sources: &bart.Table[[]*Known]{}}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Exporter) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for i, e := range list {
		source := netip.PrefixFrom(e.Source.Addr().Unmap(), unmappedBits(e.Source)).Masked()
		if !source.IsValid() {
			continue
		}
		e.Agent = e.Agent.Unmap()
		k := &Known{Exporter: e, Index: i, Partition: events.Partition(events.VirtualShard(e.ID), partitions)}
		t.list = append(t.list, k)
		group, _ := t.sources.Get(source)
		group = append(slices.Clone(group), k)
		slices.SortStableFunc(group, anyAgentLast)
		t.sources.Insert(source, group)
	}
	return t
}

// unmappedBits makes ::ffff:192.0.2.0/120 a /24.
func unmappedBits(p netip.Prefix) int {
	if p.Addr().Is4In6() {
		return p.Bits() - 96
	}
	return p.Bits()
}

func anyAgentLast(a, b *Known) int {
	return cmp.Compare(boolInt(!a.Agent.IsValid()), boolInt(!b.Agent.IsValid()))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Len is the number of exporters.
func (t *Table) Len() int { return len(t.list) }

// Group gives the exporters of a source; none when it is unknown.
func (t *Table) Group(source netip.Addr) []*Known {
	group, _ := t.sources.Lookup(source)
	return group
}

// Choose tells which exporter of a group a datagram is of; nil when it is of none. The datagram is looked into only
// when exporters share the source: an sFlow datagram whose agent cannot be read goes to the first, whose meter rejects and
// counts it. NetFlow and IPFIX name no agent: they go to the first exporter that wants none, or else to the first.
func Choose(group []*Known, protocol envelope.Protocol, payload []byte) *Known {
	switch len(group) {
	case 0:
		return nil
	case 1:
		return group[0]
	}
	if protocol != envelope.ProtocolSFlow {
		return agentless(group)
	}
	agent, ok := agentOf(payload)
	if !ok {
		return group[0]
	}
	for _, k := range group {
		if k.Agent == agent || !k.Agent.IsValid() {
			return k
		}
	}
	return nil
}

func agentless(group []*Known) *Known {
	for _, k := range group {
		if !k.Agent.IsValid() {
			return k
		}
	}
	return group[0]
}

// agentOf reads the agent address of an sFlow version 5 datagram (sFlow v5, "Sample datagram": version, address type, address).
func agentOf(b []byte) (netip.Addr, bool) {
	const version, v4, v6 = 5, 1, 2
	if len(b) < 12 || binary.BigEndian.Uint32(b) != version {
		return netip.Addr{}, false
	}
	switch kind := binary.BigEndian.Uint32(b[4:]); {
	case kind == v4:
		return netip.AddrFrom4([4]byte(b[8:12])), true
	case kind == v6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap(), true
	}
	return netip.Addr{}, false
}
