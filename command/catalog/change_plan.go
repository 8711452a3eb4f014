package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/cycles"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangePlan gives a plan other terms, whole, and the running cycles of its services with it: the quota, basis
// and overage price of a cycle are those at its end. The currency stays, because an invoice has one and late
// usage of an earlier cycle must fit on it. A changed interval counts from the end of the running cycle.
type ChangePlan struct {
	PlanID uuid.UUID `json:"plan_id"`
	Terms
}

// Name is the command's name.
func (ChangePlan) Name() string { return "catalog.ChangePlan" }

// Aggregates is the plan.
func (c ChangePlan) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePlan, ID: c.PlanID}}
}

// Validate checks the fields.
func (c ChangePlan) Validate() error { return c.validate(c.PlanID) }

// Constraints says what another plan of the name means.
func (c ChangePlan) Constraints() map[string]*fault.Error { return c.constraints(c.PlanID) }

const updatePlan = `
update plan
set name = $2, price_minor = $3, currency = $4, interval = $5, quota_bytes = $6, byte_basis = $7, direction = $8,
    thresholds = $9, overage_unit_bytes = $10, overage_unit_price = $11::numeric, bill_at = $12
where id = $1
returning old.name, old.price_minor, old.currency, old.interval, coalesce(old.quota_bytes, 0), old.byte_basis, old.direction, old.thresholds,
    coalesce(old.overage_unit_bytes, 0), coalesce(trim_scale(old.overage_unit_price)::text, ''), old.bill_at,
    coalesce(trim_scale(new.overage_unit_price)::text, '')`

// Handle changes the plan and the running cycles.
func (c ChangePlan) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Plan, []events.Event, error) {
	terms := c.withDefaults()
	is := terms
	var was Terms
	err := tx.QueryRow(ctx, updatePlan, append([]any{c.PlanID}, terms.arguments()...)...).Scan(append(was.scan(), &is.OverageUnitPrice)...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Plan{}, nil, fault.New(fault.NotFound, "plan_not_found", "there is no plan %s", c.PlanID)
	case err != nil:
		return Plan{}, nil, fmt.Errorf("update plan %s: %w", c.PlanID, err)
	case was.Currency != terms.Currency:
		return Plan{}, nil, fault.New(fault.Conflict, "currency_fixed", "plan %s is sold in %s; make another plan for %s", terms.PlanName, was.Currency, terms.Currency)
	}
	if err := cycles.RetermPlan(ctx, tx, c.PlanID, meta.Now); err != nil {
		return Plan{}, nil, err
	}
	return Plan{PlanID: c.PlanID, Change: command.Change{Before: was, After: is}}, []events.Event{events.PlanChanged(terms.event(c.PlanID))}, nil
}
