package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// CreatePlan puts a plan on sale. Its name is unique.
type CreatePlan struct {
	PlanID uuid.UUID `json:"plan_id"`
	Terms
}

// Name is the command's name.
func (CreatePlan) Name() string { return "catalog.CreatePlan" }

// Aggregates is the new plan.
func (c CreatePlan) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePlan, ID: c.PlanID}}
}

// Validate checks the fields.
func (c CreatePlan) Validate() error { return c.validate(c.PlanID) }

// Constraints says what a second plan of the name means.
func (c CreatePlan) Constraints() map[string]*fault.Error { return c.constraints(c.PlanID) }

const insertPlan = `
insert into plan (id, name, price_minor, currency, interval, quota_bytes, byte_basis, direction, thresholds,
                  overage_unit_bytes, overage_unit_price, bill_at, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::numeric, $12, $13)`

// Handle writes the plan.
func (c CreatePlan) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Plan, []events.Event, error) {
	terms := c.withDefaults()
	arguments := append(append([]any{c.PlanID}, terms.arguments()...), meta.Now)
	if _, err := tx.Exec(ctx, insertPlan, arguments...); err != nil {
		return Plan{}, nil, fmt.Errorf("insert plan %s: %w", c.PlanID, err)
	}
	return Plan{PlanID: c.PlanID}, []events.Event{events.PlanCreated(terms.event(c.PlanID))}, nil
}
