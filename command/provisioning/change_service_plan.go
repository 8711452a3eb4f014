package provisioning

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/cycles"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangeServicePlan moves a service to another plan of the same currency. The running cycle takes the new terms
// at once and keeps its end; the next one has the new plan's length.
type ChangeServicePlan struct {
	ServiceID uuid.UUID `json:"service_id"`
	PlanID    uuid.UUID `json:"plan_id"`
}

// ChangedService is the answer.
type ChangedService struct {
	ServiceID uuid.UUID `json:"service_id"`
	PlanID    uuid.UUID `json:"plan_id"`
	command.Change
}

// serviceFields are what this command changes, for the audit row.
type serviceFields struct {
	PlanID uuid.UUID `json:"plan_id"`
}

// Name is the command's name.
func (ChangeServicePlan) Name() string { return "provisioning.ChangeServicePlan" }

// Aggregates is the service.
func (c ChangeServicePlan) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}}
}

// Validate checks the fields.
func (c ChangeServicePlan) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "service_id", c.ServiceID)
	check.ID(&fields, "plan_id", c.PlanID)
	return fields.Err()
}

// The plan is locked against a change of its terms until the cycle has them.
const selectPlans = `
select s.customer_id, s.plan_id, was.currency, p.name, p.currency
from service s
join plan was on was.id = s.plan_id
left join plan p on p.id = $2
where s.id = $1
for no key update of s`

const (
	lockPlan      = `select from plan where id = $1 for share`
	updateService = `update service set plan_id = $2 where id = $1`
)

// Handle moves the service and gives its running cycle the new terms.
func (c ChangeServicePlan) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (ChangedService, []events.Event, error) {
	if _, err := tx.Exec(ctx, lockPlan, c.PlanID); err != nil {
		return ChangedService{}, nil, fmt.Errorf("lock plan %s: %w", c.PlanID, err)
	}
	var customerID uuid.UUID
	var before serviceFields
	var was string
	var name, currency *string
	err := tx.QueryRow(ctx, selectPlans, c.ServiceID, c.PlanID).Scan(&customerID, &before.PlanID, &was, &name, &currency)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ChangedService{}, nil, fault.New(fault.NotFound, "service_not_found", "there is no service %s", c.ServiceID)
	case err != nil:
		return ChangedService{}, nil, fmt.Errorf("select service %s: %w", c.ServiceID, err)
	case currency == nil:
		return ChangedService{}, nil, fault.New(fault.NotFound, "plan_not_found", "there is no plan %s", c.PlanID)
	case *currency != was:
		return ChangedService{}, nil, fault.New(fault.Conflict, "currency_fixed", "the service is billed in %s; plan %s is sold in %s", was, *name, *currency)
	}
	if _, err := tx.Exec(ctx, updateService, c.ServiceID, c.PlanID); err != nil {
		return ChangedService{}, nil, fmt.Errorf("update service %s: %w", c.ServiceID, err)
	}
	if err := cycles.RetermService(ctx, tx, c.ServiceID, meta.Now); err != nil {
		return ChangedService{}, nil, err
	}
	changed := events.ServicePlanChanged{ServiceID: c.ServiceID, CustomerID: customerID, PlanID: c.PlanID}
	change := command.Change{Before: before, After: serviceFields{PlanID: c.PlanID}}
	return ChangedService{ServiceID: c.ServiceID, PlanID: c.PlanID, Change: change}, []events.Event{changed}, nil
}
