package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

const (
	// Grace is how long an hour waits for meters that do not come.
	Grace = 2 * time.Hour
	// settle is how far past an hour's end every meter must be: readings and samples of its last minutes are in then.
	settle = 5 * time.Minute
	// horizon is how far back hours are looked for: a platform that was away for longer does not alert of the past.
	horizon = 48 * time.Hour
)

// Reader is what the list of work is read from: a pool or a transaction.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Every partition of the raw flows has a meter that has counted all that was received before the time.
const selectPassed = `select count(*) filter (where watermark >= $1) >= $2 from meter`

// closed tells whether an hour's books are closed: by the meters' watermarks, or because its grace is over.
func closed(ctx context.Context, db Reader, hour, now time.Time) (bool, error) {
	end := hour.Add(time.Hour)
	if !now.Before(end.Add(Grace)) {
		return true, nil
	}
	if now.Before(end.Add(settle)) {
		return false, nil
	}
	var passed bool
	if err := db.QueryRow(ctx, selectPassed, end.Add(settle), events.FlowPartitions).Scan(&passed); err != nil {
		return false, fmt.Errorf("read the meters' watermarks: %w", err)
	}
	return passed, nil
}

const selectHours = `
select distinct p.hour
from port_hourly p
where p.hour >= $1 and p.hour < $2
  and not exists (select from port_reconciliation r where r.exporter_id = p.exporter_id and r.if_index = p.if_index and r.hour = p.hour)
order by p.hour`

// Due lists the closed hours of the last two days with ports that are not judged, oldest first: at most 48.
func Due(ctx context.Context, db Reader, now time.Time) ([]time.Time, error) {
	rows, err := db.Query(ctx, selectHours, period.Hour(now.Add(-horizon)), period.Hour(now))
	if err != nil {
		return nil, fmt.Errorf("list hours to reconcile: %w", err)
	}
	hours, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return nil, fmt.Errorf("list hours to reconcile: %w", err)
	}
	for i, hour := range hours {
		if done, err := closed(ctx, db, hour, now); err != nil || !done {
			return hours[:i], err
		}
	}
	return hours, nil
}
