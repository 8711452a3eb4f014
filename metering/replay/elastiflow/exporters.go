package elastiflow

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/schemas/events"
)

// errUnknownName is an exporter that nobody has registered.
var errUnknownName = errors.New("that is not the name of an exporter")

// exporterAge is how long a table of exporters is used.
const exporterAge = 30 * time.Second

// table tells whose documents those of an address are.
type table struct {
	sources  *sources.Table
	agents   map[netip.Addr]uuid.UUID // uuid.Nil: of several
	names    map[string]uuid.UUID
	fallback uuid.UUID
	trusted  map[uuid.UUID]bool
	trustIPs map[netip.Addr]bool
	readAt   time.Time
}

// newTable fails when a name is of no exporter.
func newTable(list []Exporter, fallback string, trust []string) (*table, error) {
	t := &table{agents: map[netip.Addr]uuid.UUID{}, names: map[string]uuid.UUID{}, trusted: map[uuid.UUID]bool{}, trustIPs: map[netip.Addr]bool{}}
	known := make([]sources.Exporter, 0, len(list))
	for _, e := range list {
		known = append(known, sources.Exporter{ID: e.ID, Source: e.Source, Agent: e.Agent})
		t.names[e.Name] = e.ID
		if !e.Agent.IsValid() {
			continue
		}
		if _, taken := t.agents[e.Agent.Unmap()]; taken {
			t.agents[e.Agent.Unmap()] = uuid.Nil
			continue
		}
		t.agents[e.Agent.Unmap()] = e.ID
	}
	t.sources = sources.NewTable(known, events.FlowPartitions)
	if fallback != "" {
		id, ok := t.names[fallback]
		if !ok {
			return nil, fmt.Errorf("%w: %q", errUnknownName, fallback)
		}
		t.fallback = id
	}
	for _, name := range trust {
		if err := t.trust(name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *table) trust(name string) error {
	if id, ok := t.names[name]; ok {
		t.trusted[id] = true
		return nil
	}
	address, err := netip.ParseAddr(name)
	if err != nil {
		return fmt.Errorf("%w, nor an address: %q", errUnknownName, name)
	}
	t.trustIPs[address.Unmap()] = true
	return nil
}

// find gives the exporter of a document by its addresses: by agent, else by the longest source, else the fallback.
// address is the one that it was found by.
func (t *table) find(addresses []netip.Addr) (id uuid.UUID, address netip.Addr, ok bool) {
	for _, a := range addresses {
		if id := t.agents[a]; id != uuid.Nil {
			return id, a, true
		}
	}
	for _, a := range addresses {
		group := t.sources.Group(a)
		if len(group) == 1 {
			return group[0].ID, a, true
		}
		if i := slices.IndexFunc(group, func(k *sources.Known) bool { return !k.Agent.IsValid() }); i >= 0 {
			return group[i].ID, a, true
		}
	}
	return t.fallback, addresses[0], t.fallback != uuid.Nil
}

func (t *table) trusts(id uuid.UUID, address netip.Addr) bool {
	return t.trusted[id] || t.trustIPs[address]
}

// exporters gives a table that is not too old. One that cannot be read anew is used on.
func (r *Replay) exporters(ctx context.Context) (*table, error) {
	now := r.deps.Now()
	if r.table != nil && now.Sub(r.table.readAt) < exporterAge {
		return r.table, nil
	}
	list, err := r.deps.Exporters(ctx)
	if err != nil && r.table != nil {
		r.deps.Log.Warn("exporters cannot be read; the last table stays", "error", err)
		return r.table, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the exporters: %w", err)
	}
	t, err := newTable(list, r.cfg.Fallback, r.cfg.Trust)
	if err != nil {
		return nil, err
	}
	t.readAt = now
	r.table = t
	return t, nil
}
