package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/schemas/events"
)

// Reader is what the lists of work are read from: a pool or a transaction.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Work is a cycle that a sweep has something to do with.
type Work struct {
	CycleID uuid.UUID
	Status  string
	EndsAt  time.Time
}

// A collecting cycle is due when all meters have passed its end, or its grace is over.
const selectDue = `
select c.id, c.status, c.ends_at
from cycle c
where c.status <> 'closed' and c.ends_at <= $1 and (c.ends_at, c.id) > ($2, $3)
  and (c.status <> 'collecting' or c.collecting_at <= $4
       or (select count(*) filter (where m.watermark >= c.ends_at) >= $5 from meter m))
order by c.ends_at, c.id
limit $6`

// Due lists cycles whose next step can be done now, after a cycle in (end, id) order; the zero Work begins.
func Due(ctx context.Context, db Reader, now time.Time, after Work, limit int) ([]Work, error) {
	rows, err := db.Query(ctx, selectDue, now, after.EndsAt, after.CycleID, now.Add(-Grace), events.FlowPartitions, limit)
	if err != nil {
		return nil, fmt.Errorf("list due cycles: %w", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Work])
	if err != nil {
		return nil, fmt.Errorf("list due cycles: %w", err)
	}
	return due, nil
}

// Waiting counts the cycles whose period is over and which are not closed.
func Waiting(ctx context.Context, db Reader, now time.Time) (int, error) {
	var count int
	err := db.QueryRow(ctx, `select count(*) from cycle where status <> 'closed' and ends_at <= $1`, now).Scan(&count)
	if err != nil {
		return 0, fmt.Errorf("count waiting cycles: %w", err)
	}
	return count, nil
}

// A page of closed cycles is cut first and looked at then, so that the cost of a page is bounded.
const selectLate = `
select page.id, page.status, page.ends_at,
       (taken.bytes_in_l2, taken.bytes_out_l2, taken.bytes_in_l3, taken.bytes_out_l3, taken.samples_in, taken.samples_out)
       is distinct from (used.a, used.b, used.c, used.d, used.e, used.f) as late
from (select id, service_id, status, starts_at, ends_at from cycle
      where status = 'closed' and ends_at > $1 and (ends_at, id) > ($2, $3)
      order by ends_at, id limit $4) page
cross join lateral (select * from cycle_snapshot where cycle_id = page.id order by revision desc limit 1) taken
cross join lateral (
    select coalesce(sum(bytes_in_l2), 0) as a, coalesce(sum(bytes_out_l2), 0) as b, coalesce(sum(bytes_in_l3), 0) as c,
           coalesce(sum(bytes_out_l3), 0) as d, coalesce(sum(samples_in), 0) as e, coalesce(sum(samples_out), 0) as f
    from usage_hourly
    where service_id = page.service_id and hour >= page.starts_at and hour < page.ends_at) used
order by page.ends_at, page.id`

// Late looks at a page of closed cycles that ended after since, in (end, id) order after a cycle. It gives those
// whose usage differs from their last snapshot, and the page's last cycle, which is the zero Work when there was
// none.
func Late(ctx context.Context, db Reader, since time.Time, after Work, limit int) (late []Work, last Work, err error) {
	rows, err := db.Query(ctx, selectLate, since, after.EndsAt, after.CycleID, limit)
	if err != nil {
		return nil, Work{}, fmt.Errorf("look for late usage: %w", err)
	}
	var differs bool
	_, err = pgx.ForEachRow(rows, []any{&last.CycleID, &last.Status, &last.EndsAt, &differs}, func() error {
		if differs {
			late = append(late, last)
		}
		return nil
	})
	if err != nil {
		return nil, Work{}, fmt.Errorf("look for late usage: %w", err)
	}
	return late, last, nil
}
