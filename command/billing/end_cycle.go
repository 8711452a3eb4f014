package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/cycles"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

// EndCycle ends an open cycle whose period is over and opens the next one on the terms of today.
type EndCycle struct {
	CycleID     uuid.UUID `json:"cycle_id"`
	NextCycleID uuid.UUID `json:"next_cycle_id"`
}

// Name is the command's name.
func (EndCycle) Name() string { return "billing.EndCycle" }

// Aggregates is the cycle, and the next one, which is new.
func (c EndCycle) Aggregates() []events.Aggregate {
	return []events.Aggregate{cycleAggregate(c.CycleID), cycleAggregate(c.NextCycleID)}
}

// Validate checks the fields.
func (c EndCycle) Validate() error {
	return validateIDs(map[string]uuid.UUID{"cycle_id": c.CycleID, "next_cycle_id": c.NextCycleID})
}

// Handle ends the cycle.
func (c EndCycle) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Progress, []events.Event, error) {
	ended, err := lockCycle(ctx, tx, c.CycleID)
	if err != nil {
		return Progress{}, nil, err
	}
	if due, err := ended.due(StatusOpen); err != nil || !due {
		return ended.unchanged(), nil, err
	}
	if meta.Now.Before(ended.Period.To) {
		return Progress{}, nil, fault.New(fault.Conflict, "cycle_running", "cycle %s lasts until %s", c.CycleID, ended.Period.To.Format(time.RFC3339))
	}
	to, err := period.Next(ended.Period.To, ended.AnchorDay, ended.Interval)
	if err != nil {
		return Progress{}, nil, fmt.Errorf("find the cycle after %s: %w", c.CycleID, err)
	}
	opened, err := cycles.Open(ctx, tx, c.NextCycleID, ended.ServiceID, period.Period{From: ended.Period.To, To: to})
	if err != nil {
		return Progress{}, nil, err
	}
	progress, err := ended.move(ctx, tx, StatusCollecting, meta.Now)
	over := events.CycleEnded{CycleID: ended.ID, ServiceID: ended.ServiceID, CustomerID: ended.CustomerID, Period: events.Period(ended.Period)}
	return progress, []events.Event{over, opened}, err
}
