package bandwidth

import (
	"context"
	_ "embed"
	"time"

	"github.com/ezscale/platform/query"
)

// Minutes that ended less than settleAfter ago may still be on their way to the counters: not yet silent.
const settleAfter = 20 * time.Second

// lookBack is how long before a series' start an exporter may have metered the service last to be asked whether
// it was heard.
const lookBack = 24 * time.Hour

// minutesKept is how long the loss ledger of minutes is sure to be there; before, hours must do.
const minutesKept = 34 * 24 * time.Hour

//go:embed heard_minutes.sql
var heardMinutesSQL string

//go:embed heard_hours.sql
var heardHoursSQL string

// ear knows when the exporters of a service were heard. Exporters is how many there are; the minutes of a bucket
// are added up over them.
type ear struct {
	bucket    time.Duration
	exporters int64
	settled   time.Time // minutes before this are complete
	from      time.Time
	heard     map[int64]hearingRow
}

type hearingRow struct {
	At        int64
	Exporters int64
	Minutes   int64
	Lost      int64
}

// hearing reads what the exporters concerned sent: those that metered the service in the range or shortly before,
// or all of them when none did yet.
func hearing(ctx context.Context, db query.Postgres, p seriesPlan, now time.Time) (ear, error) {
	bucket, sql := max(p.step, time.Minute), heardMinutesSQL
	if p.step >= time.Hour && p.From.Before(now.Add(-minutesKept)) {
		sql = heardHoursSQL
	}
	from := p.From.Truncate(bucket)
	rows, err := query.All[hearingRow](ctx, db, sql, p.Service, int64(bucket/time.Second), from, ceil(p.To, time.Minute), from.Add(-lookBack).Truncate(time.Hour))
	if err != nil {
		return ear{}, err
	}
	e := ear{bucket: bucket, settled: now.Add(-settleAfter).Truncate(time.Minute), from: from, heard: make(map[int64]hearingRow, len(rows))}
	for _, row := range rows {
		e.exporters = row.Exporters
		e.heard[row.At] = row
	}
	return e, nil
}

// at tells of the step at t whether no exporter was heard at all, and whether anything is missing. The time that
// has not settled yet is neither.
func (e ear) at(t time.Time) (silent, gap bool) {
	t = t.Truncate(e.bucket)
	row := e.heard[t.Unix()]
	end := t.Add(e.bucket)
	if end.After(e.settled) {
		end = e.settled
	}
	expected := int64(end.Sub(t) / time.Minute)
	if expected <= 0 {
		return e.exporters == 0, row.Lost > 0
	}
	if e.exporters == 0 {
		return true, true
	}
	return row.Minutes == 0, row.Lost > 0 || row.Minutes < expected*e.exporters
}
