package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// RateCycle prices the overage of a cycle's snapshot.
type RateCycle struct {
	CycleID uuid.UUID `json:"cycle_id"`
}

// Name is the command's name.
func (RateCycle) Name() string { return "billing.RateCycle" }

// Aggregates is the cycle.
func (c RateCycle) Aggregates() []events.Aggregate {
	return []events.Aggregate{cycleAggregate(c.CycleID)}
}

// Validate checks the fields.
func (c RateCycle) Validate() error { return validateIDs(map[string]uuid.UUID{"cycle_id": c.CycleID}) }

// Handle rates the snapshot.
func (c RateCycle) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Progress, []events.Event, error) {
	ended, err := lockCycle(ctx, tx, c.CycleID)
	if err != nil {
		return Progress{}, nil, err
	}
	if due, err := ended.due(StatusSnapshot); err != nil || !due {
		return ended.unchanged(), nil, err
	}
	taken, err := lastSnapshot(ctx, tx, ended.ID)
	if err != nil {
		return Progress{}, nil, err
	}
	rated, err := rate(ctx, tx, ended, taken, meta.Now)
	if err != nil {
		return Progress{}, nil, err
	}
	progress, err := ended.move(ctx, tx, StatusRated, meta.Now)
	return progress, []events.Event{rated}, err
}

const insertRating = `
insert into cycle_rating (cycle_id, revision, overage_bytes, overage_minor, currency, rated_at) values ($1, $2, $3, $4, $5, $6)`

// rate writes what a snapshot's usage costs.
func rate(ctx context.Context, tx pgx.Tx, c cycle, s snapshot, now time.Time) (events.CycleRated, error) {
	over, amount, err := c.overage(s.BillableBytes)
	if err != nil {
		return events.CycleRated{}, err
	}
	if _, err := tx.Exec(ctx, insertRating, c.ID, s.Revision, over, amount.Minor(), c.Currency, now); err != nil {
		return events.CycleRated{}, fmt.Errorf("write rating %d of cycle %s: %w", s.Revision, c.ID, err)
	}
	return events.CycleRated{CycleID: c.ID, ServiceID: c.ServiceID, CustomerID: c.CustomerID, Revision: s.Revision,
		OverageBytes: over, OverageMinor: amount.Minor(), Currency: c.Currency}, nil
}
