// Package catalog answers what is for sale: plans with their price, quota and overage.
package catalog

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Plan is what a service costs and how its traffic is billed.
type Plan struct {
	ID         uuid.UUID   `json:"id" format:"uuid"`
	Name       string      `json:"name"`
	Price      query.Money `json:"price" db:"-"`
	Interval   string      `json:"interval" enum:"month,quarter,year"`
	QuotaBytes *int64      `json:"quota_bytes,omitempty" doc:"Bytes included in a cycle; absent: no quota"`
	Basis      string      `json:"basis" enum:"l2,l3" doc:"l2 bills frames as a switch port counts them, l3 IP packets"`
	Direction  string      `json:"direction" enum:"sum,in,out,max"`
	Thresholds []int       `json:"thresholds" nullable:"false" doc:"Percent of the quota, ascending"`
	Overage    *Overage    `json:"overage,omitempty" db:"-"`
	CreatedAt  time.Time   `json:"created_at"`
}

// Overage is the price of bytes beyond the quota.
type Overage struct {
	UnitBytes int64  `json:"unit_bytes"`
	UnitPrice string `json:"unit_price" doc:"Decimal, major units of the plan's currency per unit"`
}

// planRow is a plan as its columns give it.
type planRow struct {
	Plan
	PriceMinor int64
	Currency   string
	UnitBytes  *int64
	UnitPrice  *string
}

func (r planRow) plan() (Plan, error) {
	p := r.Plan
	var err error
	p.Price, err = query.MoneyOf(r.PriceMinor, r.Currency)
	if r.UnitBytes != nil && r.UnitPrice != nil {
		p.Overage = &Overage{UnitBytes: *r.UnitBytes, UnitPrice: *r.UnitPrice}
	}
	return p, err
}

//go:embed list_plans.sql
var listPlansSQL string

//go:embed find_plan.sql
var findPlanSQL string

// ListPlans lists plans by name.
func ListPlans(ctx context.Context, db query.Postgres, page query.Page) (query.List[Plan], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[Plan]{}, err
	}
	rows, err := query.All[planRow](ctx, db, listPlansSQL, after, page.Rows())
	if err != nil {
		return query.List[Plan]{}, err
	}
	plans := make([]Plan, len(rows))
	for i, row := range rows {
		if plans[i], err = row.plan(); err != nil {
			return query.List[Plan]{}, err
		}
	}
	return query.Cut(page, plans, func(p Plan) []string { return []string{p.Name} }), nil
}

// FindPlan finds a plan by id or name. Errors: NotFound.
func FindPlan(ctx context.Context, db query.Postgres, reference string) (Plan, error) {
	row, err := query.One[planRow](ctx, db, "plan", findPlanSQL, reference)
	if err != nil {
		return Plan{}, err
	}
	return row.plan()
}
