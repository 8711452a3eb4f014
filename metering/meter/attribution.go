package meter

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

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/meter/count"
)

var (
	//go:embed sql/changed.sql
	changedSQL string
	//go:embed sql/cycles.sql
	cyclesSQL string
)

// service is who usage is written down for.
type service struct{ id, customer uuid.UUID }

// terms are what a cycle's thresholds are judged by, and when it is.
type terms struct {
	cycle      uuid.UUID
	customer   uuid.UUID
	from, to   int64 // hours since 1970, to exclusive
	quota      int64 // 0: none
	l3         bool
	direction  string
	thresholds []int16 // percent
}

// view is everything that a meter knows about ownership, as one database snapshot saw it. It never changes; the
// indexes of its lists hold in all later views, too.
type view struct {
	count.Snapshot
	version   uint64 // grows by one with each load
	services  []service
	exporters []uuid.UUID
	cycles    map[int32][]terms // by service, ascending
	byID      map[uuid.UUID]*terms
	snapshot  string // pg_snapshot
}

// attribution keeps the newest view, shared by all partitions of a process.
type attribution struct {
	pool *pgxpool.Pool
	now  func() time.Time

	mu        sync.Mutex
	current   *view
	services  map[uuid.UUID]int32
	exporters map[uuid.UUID]int32
}

func newAttribution(pool *pgxpool.Pool, now func() time.Time) *attribution {
	return &attribution{pool: pool, now: now, services: map[uuid.UUID]int32{}, exporters: map[uuid.UUID]int32{}}
}

// fresh gives a view that shows every change committed before the call. It costs one short query while nothing
// has changed. What was received before a change was committed may still be attributed by the new view: it
// holds the old intervals as well.
func (a *attribution) fresh(ctx context.Context) (*view, error) {
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
		return nil, fmt.Errorf("load attribution: %w", err)
	}
	a.current = v
	return v, nil
}

func (a *attribution) load(ctx context.Context) (*view, error) {
	v := &view{version: 1, cycles: map[int32][]terms{}, byID: map[uuid.UUID]*terms{}}
	if a.current != nil {
		v.version, v.services, v.exporters = a.current.version+1, a.current.services, a.current.exporters
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, a.pool, options, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select pg_current_snapshot()::text").Scan(&v.snapshot); err != nil {
			return err
		}
		for _, load := range []func(context.Context, pgx.Tx, *view) error{a.loadExporters, a.loadServices, a.loadPrefixes, a.loadCycles} {
			if err := load(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

func (a *attribution) loadExporters(ctx context.Context, tx pgx.Tx, v *view) error {
	v.Exporters = map[uuid.UUID]*count.Exporter{}
	rows, err := tx.Query(ctx, "select id, agent, count_policy, rate_min, rate_max from exporter order by id")
	if err != nil {
		return err
	}
	var id uuid.UUID
	var agent *netip.Prefix // an inet with its host mask
	var policy string
	var rateMin, rateMax int64
	_, err = pgx.ForEachRow(rows, []any{&id, &agent, &policy, &rateMin, &rateMax}, func() error {
		p, err := count.ParsePolicy(policy)
		if err != nil {
			return err
		}
		e := &count.Exporter{ID: id, Policy: p, RateMin: uint32(rateMin), RateMax: uint32(min(rateMax, math.MaxUint32))}
		if agent != nil {
			e.Agent = agent.Addr()
		}
		var known bool
		if e.Index, known = a.exporters[id]; !known {
			e.Index = int32(len(v.exporters))
			a.exporters[id] = e.Index
			v.exporters = append(v.exporters, id)
		}
		v.Exporters[id] = e
		return nil
	})
	return err
}

func (a *attribution) loadServices(ctx context.Context, tx pgx.Tx, v *view) error {
	rows, err := tx.Query(ctx, "select id, customer_id from service order by id")
	if err != nil {
		return err
	}
	var s service
	_, err = pgx.ForEachRow(rows, []any{&s.id, &s.customer}, func() error {
		if _, known := a.services[s.id]; !known {
			a.services[s.id] = int32(len(v.services))
			v.services = append(v.services, s)
		}
		return nil
	})
	return err
}

func (a *attribution) loadPrefixes(ctx context.Context, tx pgx.Tx, v *view) error {
	rows, err := tx.Query(ctx, "select prefix, service_id, lower(valid), upper(valid) from assignment")
	if err != nil {
		return err
	}
	var all []prefix.Assignment
	var p netip.Prefix
	var owner uuid.UUID
	var from time.Time
	var to *time.Time
	if _, err = pgx.ForEachRow(rows, []any{&p, &owner, &from, &to}, func() error {
		one := prefix.Assignment{Prefix: p, Owner: a.services[owner], From: from.UnixNano(), To: prefix.Forever}
		if to != nil {
			one.To = to.UnixNano()
		}
		all = append(all, one)
		return nil
	}); err != nil {
		return err
	}
	v.Prefixes, err = prefix.New(all)
	return err
}

func (a *attribution) loadCycles(ctx context.Context, tx pgx.Tx, v *view) error {
	rows, err := tx.Query(ctx, cyclesSQL, a.now().Add(-closedCyclesKept))
	if err != nil {
		return err
	}
	var t terms
	var owner uuid.UUID
	var from, to time.Time
	var basis string
	_, err = pgx.ForEachRow(rows, []any{&t.cycle, &owner, &from, &to, &t.quota, &basis, &t.direction, &t.thresholds}, func() error {
		one := t
		one.from, one.to, one.l3 = hourOf(from), hourOf(to), basis == "l3"
		index := a.services[owner]
		one.customer = v.services[index].customer
		v.cycles[index] = append(v.cycles[index], one)
		v.byID[one.cycle] = &one
		t.thresholds = nil
		return nil
	})
	return err
}

// cycle is the cycle of a service that covers an hour, if one is known.
func (v *view) cycle(service int32, hour int64) (*terms, bool) {
	all := v.cycles[service]
	for i := len(all) - 1; i >= 0; i-- {
		if hour >= all[i].from && hour < all[i].to {
			return &all[i], true
		}
	}
	return nil, false
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func hourTime(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }
