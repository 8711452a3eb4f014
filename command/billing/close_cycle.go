package billing

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// CloseCycle ends the work on a cycle that is billed. What comes later is late usage.
type CloseCycle struct {
	CycleID uuid.UUID `json:"cycle_id"`
}

// Name is the command's name.
func (CloseCycle) Name() string { return "billing.CloseCycle" }

// Aggregates is the cycle.
func (c CloseCycle) Aggregates() []events.Aggregate {
	return []events.Aggregate{cycleAggregate(c.CycleID)}
}

// Validate checks the fields.
func (c CloseCycle) Validate() error { return validateIDs(map[string]uuid.UUID{"cycle_id": c.CycleID}) }

// Handle closes the cycle. Error: fault.Conflict "not_invoiced" when its overage is on no invoice.
func (c CloseCycle) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Progress, []events.Event, error) {
	rated, err := lockCycle(ctx, tx, c.CycleID)
	if err != nil {
		return Progress{}, nil, err
	}
	if due, err := rated.due(StatusRated); err != nil || !due {
		return rated.unchanged(), nil, err
	}
	all, err := selectAllOwed(ctx, tx, rated)
	if err != nil {
		return Progress{}, nil, err
	}
	for _, o := range all {
		if o.CycleID == rated.ID {
			return Progress{}, nil, fault.New(fault.Conflict, "not_invoiced", "the overage of cycle %s is on no invoice", rated.ID)
		}
	}
	progress, err := rated.move(ctx, tx, StatusClosed, meta.Now)
	return progress, []events.Event{events.CycleClosed{CycleID: rated.ID, ServiceID: rated.ServiceID, CustomerID: rated.CustomerID}}, err
}
