// Package owners keeps what a meter must know about ownership: which exporters there are, which service had which
// prefix when, and which billing cycle covers an hour on which terms. It is read whole, in one snapshot, whenever a
// change has become visible, and shared by all partitions of a process.
package owners

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
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

// trusted is how long after the last question a view may still be asked about: notes of changes are kept for a day.
const trusted = 12 * time.Hour

// Service is who usage is written down for.
type Service struct{ ID, Customer uuid.UUID }

// Terms are what a cycle's thresholds are judged by, and when it is.
type Terms struct {
	ID         uuid.UUID
	Place      int // in its view, from 0 to View.Cycles
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
	terms       []Terms                       // those of a service together, ascending
	ofService   []cycles
	byID        map[uuid.UUID]int32 // in terms
	ranks       []int32             // of services by their ids
	snapshot    string              // pg_snapshot
}

// cycles are where a service's terms lie in a view.
type cycles struct{ from, to int32 }

// Attribution keeps the newest view, shared by all partitions of a process.
type Attribution struct {
	pool *pgxpool.Pool
	now  func() time.Time

	asked atomic.Uint64 // questions to the database that have begun

	mu        sync.Mutex
	answered  uint64 // the last question that current answers
	current   *View
	checked   time.Time // when current was last known to be whole
	services  map[uuid.UUID]int32
	exporters map[uuid.UUID]int32
}

// New makes one; nothing is read before Fresh.
func New(pool *pgxpool.Pool, now func() time.Time) *Attribution {
	return &Attribution{pool: pool, now: now, services: map[uuid.UUID]int32{}, exporters: map[uuid.UUID]int32{}}
}

// Fresh gives a view that shows every change committed before the call. It costs one short query while nothing
// has changed, and calls at the same time share it. What was received before a change was committed may still be
// attributed by the new view: it holds the old intervals as well.
func (a *Attribution) Fresh(ctx context.Context) (*View, error) {
	begun := a.asked.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answered > begun { // asked by another after this call
		return a.current, nil
	}
	question := a.asked.Add(1)
	if err := a.ask(ctx); err != nil {
		return nil, err
	}
	a.answered = question
	return a.current, nil
}

// ask makes current show what is there now.
func (a *Attribution) ask(ctx context.Context) error {
	now := a.now()
	if a.current != nil && now.Sub(a.checked) < trusted {
		var changed bool
		if err := a.pool.QueryRow(ctx, changedSQL, a.current.snapshot).Scan(&changed); err != nil {
			return fmt.Errorf("ask whether attribution has changed: %w", err)
		}
		if !changed {
			a.checked = now
			return nil
		}
	}
	v, err := a.load(ctx)
	if err != nil {
		a.forget(v)
		return fmt.Errorf("load attribution: %w", err)
	}
	a.current, a.checked = v, now
	return nil
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
	v := &View{Version: 1, byID: map[uuid.UUID]int32{}}
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
	v.rank()
	return err
}

// rank orders services by their ids. New services have the latest ids as a rule, so that little is left to sort.
func (v *View) rank() {
	order := make([]int32, len(v.Services))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return bytes.Compare(v.Services[a].ID[:], v.Services[b].ID[:]) })
	v.ranks = make([]int32, len(order))
	for rank, service := range order {
		v.ranks[service] = int32(rank)
	}
}

func (a *Attribution) loadCycles(ctx context.Context, tx pgx.Tx, v *View) error {
	rows, err := tx.Query(ctx, cyclesSQL, a.now().Add(-closedKept))
	if err != nil {
		return err
	}
	v.ofService = make([]cycles, len(v.Services))
	v.terms = make([]Terms, 0, a.expect(len(v.Services)))
	var t Terms
	var owner uuid.UUID
	var from, to time.Time
	var basis string
	var thresholds []int16
	_, err = pgx.ForEachRow(rows, []any{&t.ID, &owner, &from, &to, &t.Quota, &basis, &t.direction, &thresholds}, func() error {
		index := a.services[owner]
		t.from, t.to, t.l3, t.Customer = hourOf(from), hourOf(to), basis == "l3", v.Services[index].Customer
		if !slices.Equal(t.thresholds, thresholds) { // nearly all have the same, which are kept once
			t.thresholds = slices.Clone(thresholds)
		}
		v.add(index, t)
		return nil
	})
	return err
}

// expect is how many cycles there will be, nearly: most services have one, and between two views few are added. A list that
// grows by itself had been the largest garbage of a start.
func (a *Attribution) expect(services int) int {
	n := services
	if a.current != nil {
		n = len(a.current.terms)
	}
	return n + n/16
}

// add adds the next cycle of a service.
func (v *View) add(service int32, t Terms) {
	t.Place = len(v.terms)
	all := &v.ofService[service]
	if all.to == 0 {
		all.from = int32(t.Place)
	}
	all.to = int32(t.Place + 1)
	v.byID[t.ID] = int32(t.Place)
	v.terms = append(v.terms, t)
}

// Cycle is the cycle of a service that covers an hour, if one is known.
func (v *View) Cycle(service int32, hour int64) (*Terms, bool) {
	all := v.ofService[service]
	for i := all.to - 1; i >= all.from; i-- {
		if t := &v.terms[i]; hour >= t.from && hour < t.to {
			return t, true
		}
	}
	return nil, false
}

// Terms finds a cycle by its id; nil when it was closed long ago.
func (v *View) Terms(cycle uuid.UUID) *Terms {
	if place, ok := v.byID[cycle]; ok {
		return &v.terms[place]
	}
	return nil
}

// Cycles is the number of cycles.
func (v *View) Cycles() int { return len(v.terms) }

// Rank is a service's place in the order of all services' ids, in this view.
func (v *View) Rank(service int32) int32 { return v.ranks[service] }

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }
