// Package cycles writes the billing cycles that several contexts touch: provisioning opens a service's first,
// billing each next one, and a change of plan gives the running ones new terms. A cycle keeps its terms in its
// own row, so that what it is billed on never depends on what a plan says later.
package cycles

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

const insertCycle = `
insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, quota_bytes, byte_basis, direction,
                   thresholds, currency, overage_unit_bytes, overage_unit_price, bill_at)
select $1, s.id, p.id, $3, $4, 'open', p.quota_bytes, p.byte_basis, p.direction,
       p.thresholds, p.currency, p.overage_unit_bytes, p.overage_unit_price, p.bill_at
from service s join plan p on p.id = s.plan_id
where s.id = $2
for share of s, p
returning (select customer_id from service where id = $2)`

// Open starts a cycle of a service on the terms its plan has now. Cycles of a service cannot overlap. Service and
// plan are locked against a change meanwhile, which would miss the new cycle.
func Open(ctx context.Context, tx pgx.Tx, cycleID, serviceID uuid.UUID, p period.Period) (events.CycleOpened, error) {
	opened := events.CycleOpened{CycleID: cycleID, ServiceID: serviceID, Period: events.Period(p)}
	if err := tx.QueryRow(ctx, insertCycle, cycleID, serviceID, p.From, p.To).Scan(&opened.CustomerID); err != nil {
		return opened, fmt.Errorf("open cycle %s of service %s: %w", p, serviceID, err)
	}
	return opened, nil
}

const reterm = `
update cycle c
set plan_id = p.id, quota_bytes = p.quota_bytes, byte_basis = p.byte_basis, direction = p.direction,
    thresholds = p.thresholds, currency = p.currency,
    overage_unit_bytes = p.overage_unit_bytes, overage_unit_price = p.overage_unit_price, bill_at = p.bill_at
from service s join plan p on p.id = s.plan_id
where c.service_id = s.id and c.status = 'open' and c.ends_at > $2 and `

// RetermService gives the running cycle of a service the terms of the service's plan. A cycle whose period is
// over keeps those that held in it.
func RetermService(ctx context.Context, tx pgx.Tx, serviceID uuid.UUID, now time.Time) error {
	if _, err := tx.Exec(ctx, reterm+`s.id = $1`, serviceID, now); err != nil {
		return fmt.Errorf("change the terms of service %s: %w", serviceID, err)
	}
	return nil
}

// RetermPlan does the same for every service on a plan.
func RetermPlan(ctx context.Context, tx pgx.Tx, planID uuid.UUID, now time.Time) error {
	if _, err := tx.Exec(ctx, reterm+`p.id = $1`, planID, now); err != nil {
		return fmt.Errorf("change the terms of services on plan %s: %w", planID, err)
	}
	return nil
}
