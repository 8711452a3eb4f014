package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Grace is how long a cycle waits for meters that do not come: from when it ended to count, not from the
// period's end, so that a platform that was down over the end still collects what its exporters sent.
const Grace = 2 * time.Hour

// SnapshotCycle fixes the usage that a cycle is billed on, once all of it has been counted.
type SnapshotCycle struct {
	CycleID uuid.UUID `json:"cycle_id"`
}

// Name is the command's name.
func (SnapshotCycle) Name() string { return "billing.SnapshotCycle" }

// Aggregates is the cycle.
func (c SnapshotCycle) Aggregates() []events.Aggregate {
	return []events.Aggregate{cycleAggregate(c.CycleID)}
}

// Validate checks the fields.
func (c SnapshotCycle) Validate() error {
	return validateIDs(map[string]uuid.UUID{"cycle_id": c.CycleID})
}

const (
	// Every partition of the raw flows has a meter that has counted all that was received before a time.
	selectCollected = `select count(*) filter (where watermark >= $1) >= $2 from meter`

	// What tells of traffic afterwards is waited for, in minutes: flow records until an active timeout of half an hour is
	// over, a port's counters for some readings. Without that every cycle of theirs would have late usage.
	selectArrears = `
select case
    when exists (select from usage_hourly u join loss_hourly l using (exporter_id, hour)
                 where u.service_id = $1 and u.hour >= $3::timestamptz - interval '1 day' and u.hour < $3 and l.records > 0) then 31
    when exists (select from binding where service_id = $1 and valid && tstzrange($2, $3)) then 5
    else 0 end`
)

// Handle takes the snapshot. Error: fault.Unavailable "collecting" while usage may still come.
func (c SnapshotCycle) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Progress, []events.Event, error) {
	ended, err := lockCycle(ctx, tx, c.CycleID)
	if err != nil {
		return Progress{}, nil, err
	}
	if due, err := ended.due(StatusCollecting); err != nil || !due {
		return ended.unchanged(), nil, err
	}
	collected, err := isCollected(ctx, tx, ended)
	if err != nil {
		return Progress{}, nil, err
	}
	if !collected && meta.Now.Before(ended.CollectingAt.Add(Grace)) {
		return Progress{}, nil, fault.New(fault.Unavailable, "collecting", "not every meter has passed %s, the end of cycle %s",
			ended.Period.To.Format(time.RFC3339), ended.ID)
	}
	used, err := readUsage(ctx, tx, ended.ServiceID, ended.Period)
	if err != nil {
		return Progress{}, nil, err
	}
	_, taken, err := takeSnapshot(ctx, tx, ended, 0, used, meta.Now)
	if err != nil {
		return Progress{}, nil, err
	}
	progress, err := ended.move(ctx, tx, StatusSnapshot, meta.Now)
	return progress, []events.Event{taken}, err
}

// isCollected tells whether all that was received about a cycle has been counted.
func isCollected(ctx context.Context, tx pgx.Tx, ended cycle) (collected bool, err error) {
	var arrears int
	if err := tx.QueryRow(ctx, selectArrears, ended.ServiceID, ended.Period.From, ended.Period.To).Scan(&arrears); err != nil {
		return false, fmt.Errorf("ask how the service of cycle %s is metered: %w", ended.ID, err)
	}
	until := ended.Period.To.Add(time.Duration(arrears) * time.Minute)
	if err := tx.QueryRow(ctx, selectCollected, until, events.FlowPartitions).Scan(&collected); err != nil {
		return false, fmt.Errorf("read the meters' watermarks: %w", err)
	}
	return collected, nil
}
