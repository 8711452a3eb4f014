package books

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/owners"
)

var (
	//go:embed sql/usage_hourly.sql
	usageHourlySQL string
	//go:embed sql/usage_slot.sql
	usageSlotSQL string
	//go:embed sql/usage_pending.sql
	usagePendingSQL string
	//go:embed sql/usage_late.sql
	usageLateSQL string
	//go:embed sql/usage_cycle.sql
	usageCycleSQL string
)

// Pages sends a flush's statements in batches of a bounded size. It keeps its memory between flushes.
//
// Tables come one after another, and the rows of each in the order of services' ids also from one batch to the next:
// two meters that write about the same services wait for each other, but never in a circle.
type Pages struct {
	// Rows bounds what one batch writes, and with it the memory that its arrays take three times over: here, in pgx, and
	// in Postgres. The rows of one service are not parted.
	Rows int

	arena  Arena
	batch  *pgx.Batch
	queued int // rows
}

// add adds a statement about that many rows.
func (p *Pages) add(rows int, sql string, arguments ...any) *pgx.QueuedQuery {
	p.queued += rows
	return p.batch.Queue(sql, arguments...)
}

// Begin forgets what is queued.
func (p *Pages) Begin() {
	p.arena.Reset()
	p.batch, p.queued = &pgx.Batch{}, 0
}

// Batch is what is queued, for statements that are small at any time.
func (p *Pages) Batch() *pgx.Batch { return p.batch }

// Send sends what is queued.
func (p *Pages) Send(ctx context.Context, tx pgx.Tx) error {
	err := tx.SendBatch(ctx, p.batch).Close()
	p.Begin()
	return err
}

// eachPage calls queue for one part of a table after the other, and sends what is queued whenever that is a page.
func eachPage[K comparable](ctx context.Context, tx pgx.Tx, p *Pages, t *Table[K], same func(a, b K) bool, queue func(part Table[K])) error {
	for from := 0; from < len(t.Keys); {
		to := min(from+p.Rows-p.queued, len(t.Keys))
		for to < len(t.Keys) && same(t.Keys[to-1], t.Keys[to]) {
			to++
		}
		queue(Table[K]{t.Keys[from:to], t.Sums[from:to]})
		if from = to; p.queued >= p.Rows {
			if err := p.Send(ctx, tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Usage writes all usage but the cycles'; the last page is left to Send.
func (p *Pages) Usage(ctx context.Context, tx pgx.Tx, v *owners.View, r *Rows, partition int, flush int64) error {
	u := usage{p, v, partition, flush}
	service := func(a, b ServiceTime) bool { return a.Service == b.Service }
	if err := eachPage(ctx, tx, p, &r.Hourly, func(a, b HourKey) bool { return a.Service == b.Service }, u.hourly); err != nil {
		return err
	}
	if err := eachPage(ctx, tx, p, &r.Slots, service, u.slots); err != nil {
		return err
	}
	if err := eachPage(ctx, tx, p, &r.Pending, service, u.pending); err != nil {
		return err
	}
	return eachPage(ctx, tx, p, &r.Late, service, u.late)
}

// usage queues one part of a table each.
type usage struct {
	*Pages
	view      *owners.View
	partition int
	flush     int64
}

func (u usage) queue(rows int, sql string, keys []any, sums []count.Usage, more ...any) {
	u.add(rows, sql, append(append(keys, countColumns(&u.arena, sums)...), more...)...)
}

func (u usage) ids(keys []ServiceTime) Column {
	return idColumn(&u.arena, keys, func(k *ServiceTime) uuid.UUID { return u.view.Services[k.Service].ID })
}

func (u usage) hours(keys []ServiceTime) Column {
	return timeColumn(&u.arena, keys, func(k *ServiceTime) time.Time { return hourTime(k.Time) })
}

func (u usage) hourly(t Table[HourKey]) {
	u.queue(len(t.Keys), usageHourlySQL, []any{
		idColumn(&u.arena, t.Keys, func(k *HourKey) uuid.UUID { return u.view.Services[k.Service].ID }),
		idColumn(&u.arena, t.Keys, func(k *HourKey) uuid.UUID { return u.view.ExporterIDs[k.Exporter] }),
		timeColumn(&u.arena, t.Keys, func(k *HourKey) time.Time { return hourTime(k.Hour) }),
	}, t.Sums)
}

func (u usage) slots(t Table[ServiceTime]) {
	slots := timeColumn(&u.arena, t.Keys, func(k *ServiceTime) time.Time { return SlotTime(k.Time) })
	u.queue(len(t.Keys), usageSlotSQL, []any{u.ids(t.Keys), slots}, t.Sums, u.partition, u.flush)
}

func (u usage) pending(t Table[ServiceTime]) {
	u.queue(len(t.Keys), usagePendingSQL, []any{u.partition, u.ids(t.Keys), u.hours(t.Keys)}, t.Sums)
}

func (u usage) late(t Table[ServiceTime]) {
	u.queue(len(t.Keys), usageLateSQL, []any{u.ids(t.Keys), u.hours(t.Keys)}, t.Sums)
}

// Cycles adds usage to cycles, and tells each for each what was added and what is there now; the last page is left to Send.
func (p *Pages) Cycles(ctx context.Context, tx pgx.Tx, cycles *Table[CycleKey], each func(key CycleKey, added, now *count.Usage)) error {
	return eachPage(ctx, tx, p, cycles, func(a, b CycleKey) bool { return a.Service == b.Service }, func(t Table[CycleKey]) {
		arguments := []any{
			idColumn(&p.arena, t.Keys, func(k *CycleKey) uuid.UUID { return k.Cycle }),
			idColumn(&p.arena, t.Keys, func(k *CycleKey) uuid.UUID { return k.Service }),
		}
		p.add(len(t.Keys), usageCycleSQL, append(arguments, countColumns(&p.arena, t.Sums)...)...).
			Query(func(found pgx.Rows) error { return readCycles(found, &t, each) })
	})
}
