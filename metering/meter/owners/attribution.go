// Package owners keeps what a meter must know about ownership: which exporters there are, which service had which
// prefix when, and which billing cycle covers an hour on which terms. It is read whole, in one snapshot, whenever a
// change has become visible, and shared by all partitions of a process.
package owners

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/sflow"
)

var (
	//go:embed sql/changed.sql
	changedSQL string
	//go:embed sql/cycles.sql
	cyclesSQL string
)

// closedKept is how far back closed cycles are kept in memory.
const closedKept = 40 * 24 * time.Hour

// Service is who usage is written down for.
type Service struct{ ID, Customer uuid.UUID }

// Terms are what a cycle's thresholds are judged by, and when it is.
type Terms struct {
	ID         uuid.UUID
	Customer   uuid.UUID
	from, to   int64 // hours since 1970, to exclusive
	Quota      int64 // 0: none
	l3         bool
	direction  string
	thresholds []int16 // percent
}

// View is everything that a meter knows about ownership, as one database snapshot saw it. It never changes; the
// indexes of its lists hold in all later views, too.
type View struct {
	ownership.Snapshot
	Version     uint64 // grows by one with each load
	Services    []Service
	ExporterIDs []uuid.UUID
	bound       map[int32][]ownership.Binding // by service
	cycles      map[int32][]Terms             // by service, ascending
	byID        map[uuid.UUID]*Terms
	snapshot    string // pg_snapshot
}

// Attribution keeps the newest view, shared by all partitions of a process.
type Attribution struct {
	pool *pgxpool.Pool
	now  func() time.Time

	mu        sync.Mutex
	current   *View
	services  map[uuid.UUID]int32
	exporters map[uuid.UUID]int32
}

// New makes one; nothing is read before Fresh.
func New(pool *pgxpool.Pool, now func() time.Time) *Attribution {
	return &Attribution{pool: pool, now: now, services: map[uuid.UUID]int32{}, exporters: map[uuid.UUID]int32{}}
}

// Fresh gives a view that shows every change committed before the call. It costs one short query while nothing
// has changed. What was received before a change was committed may still be attributed by the new view: it
// holds the old intervals as well.
func (a *Attribution) Fresh(ctx context.Context) (*View, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		var changed bool
		if err := a.pool.QueryRow(ctx, changedSQL, a.current.snapshot).Scan(&changed); err != nil {
			return nil, fmt.Errorf("ask whether attribution has changed: %w", err)
		}
		if !changed {
			return a.current, nil
		}
	}
	v, err := a.load(ctx)
	if err != nil {
		a.forget(v)
		return nil, fmt.Errorf("load attribution: %w", err)
	}
	a.current = v
	return v, nil
}

// forget takes back the indexes that a view gave away which is not taken into use.
func (a *Attribution) forget(v *View) {
	services, exporters := 0, 0
	if a.current != nil {
		services, exporters = len(a.current.Services), len(a.current.ExporterIDs)
	}
	for _, s := range v.Services[services:] {
		delete(a.services, s.ID)
	}
	for _, id := range v.ExporterIDs[exporters:] {
		delete(a.exporters, id)
	}
}

func (a *Attribution) load(ctx context.Context) (*View, error) {
	v := &View{Version: 1, cycles: map[int32][]Terms{}, byID: map[uuid.UUID]*Terms{}}
	if a.current != nil {
		v.Version, v.Services, v.ExporterIDs = a.current.Version+1, a.current.Services, a.current.ExporterIDs
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, a.pool, options, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select pg_current_snapshot()::text").Scan(&v.snapshot); err != nil {
			return err
		}
		for _, load := range []func(context.Context, pgx.Tx, *View) error{a.loadExporters, a.loadServices, a.loadBindings, a.loadPrefixes, a.loadCycles} {
			if err := load(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

func (a *Attribution) loadExporters(ctx context.Context, tx pgx.Tx, v *View) error {
	v.Exporters = map[uuid.UUID]*ownership.Exporter{}
	rows, err := tx.Query(ctx, `select id, agent, count_policy, inside, rate_min, rate_max, coalesce(rate_default, 0), coalesce(rate_override, 0)
		from exporter order by id`)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var agent *netip.Prefix // an inet with its host mask
	var policy string
	var inside []string
	var rateMin, rateMax, rateDefault, rateOverride int64
	_, err = pgx.ForEachRow(rows, []any{&id, &agent, &policy, &inside, &rateMin, &rateMax, &rateDefault, &rateOverride}, func() error {
		e := &ownership.Exporter{ID: id, RateMin: rate(rateMin), RateMax: rate(rateMax), RateDefault: rate(rateDefault), RateOverride: rate(rateOverride)}
		var err error
		if e.Policy, err = ownership.ParsePolicy(policy); err != nil {
			return err
		}
		if e.Inside, err = sflow.ParseInside(inside); err != nil {
			return err
		}
		if agent != nil {
			e.Agent = agent.Addr()
		}
		a.index(v, e)
		return nil
	})
	return err
}

func rate(n int64) uint32 { return uint32(min(n, math.MaxUint32)) }

// index gives an exporter its place in the list that only grows.
func (a *Attribution) index(v *View, e *ownership.Exporter) {
	var known bool
	if e.Index, known = a.exporters[e.ID]; !known {
		e.Index = int32(len(v.ExporterIDs))
		a.exporters[e.ID] = e.Index
		v.ExporterIDs = append(v.ExporterIDs, e.ID)
	}
	v.Exporters[e.ID] = e
}

func (a *Attribution) loadServices(ctx context.Context, tx pgx.Tx, v *View) error {
	rows, err := tx.Query(ctx, "select id, customer_id from service order by id")
	if err != nil {
		return err
	}
	var s Service
	_, err = pgx.ForEachRow(rows, []any{&s.ID, &s.Customer}, func() error {
		if _, known := a.services[s.ID]; !known {
			a.services[s.ID] = int32(len(v.Services))
			v.Services = append(v.Services, s)
		}
		return nil
	})
	return err
}

func (a *Attribution) loadCycles(ctx context.Context, tx pgx.Tx, v *View) error {
	rows, err := tx.Query(ctx, cyclesSQL, a.now().Add(-closedKept))
	if err != nil {
		return err
	}
	var t Terms
	var owner uuid.UUID
	var from, to time.Time
	var basis string
	_, err = pgx.ForEachRow(rows, []any{&t.ID, &owner, &from, &to, &t.Quota, &basis, &t.direction, &t.thresholds}, func() error {
		one := t
		one.from, one.to, one.l3 = hourOf(from), hourOf(to), basis == "l3"
		index := a.services[owner]
		one.Customer = v.Services[index].Customer
		v.cycles[index] = append(v.cycles[index], one)
		t.thresholds = nil
		return nil
	})
	for _, all := range v.cycles {
		for i := range all {
			v.byID[all[i].ID] = &all[i]
		}
	}
	return err
}

// Cycle is the cycle of a service that covers an hour, if one is known.
func (v *View) Cycle(service int32, hour int64) (*Terms, bool) {
	all := v.cycles[service]
	for i := len(all) - 1; i >= 0; i-- {
		if hour >= all[i].from && hour < all[i].to {
			return &all[i], true
		}
	}
	return nil, false
}

// Terms finds a cycle by its id; false when it was closed long ago.
func (v *View) Terms(cycle uuid.UUID) (*Terms, bool) {
	t, ok := v.byID[cycle]
	return t, ok
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }
