// Package catalog answers what is for sale: plans with their price, quota and overage.
package catalog

import (
	"context"
	_ "embed"

	"github.com/ezscale/platform/query"
)

//go:embed list_plans.sql
var listPlansSQL string

//go:embed find_plan.sql
var findPlanSQL string

// ListPlans lists plans by name.
func ListPlans(ctx context.Context, db query.Postgres, page query.Page) (query.List[query.Plan], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[query.Plan]{}, err
	}
	rows, err := query.All[query.PlanRow](ctx, db, listPlansSQL, after, page.Rows())
	if err != nil {
		return query.List[query.Plan]{}, err
	}
	plans := make([]query.Plan, len(rows))
	for i, row := range rows {
		if plans[i], err = row.Plan(); err != nil {
			return query.List[query.Plan]{}, err
		}
	}
	return query.Cut(page, plans, func(p query.Plan) []string { return []string{p.Name} }), nil
}

// FindPlan finds a plan by id or name. Errors: NotFound.
func FindPlan(ctx context.Context, db query.Postgres, reference string) (query.Plan, error) {
	row, err := query.One[query.PlanRow](ctx, db, "plan", findPlanSQL, reference)
	if err != nil {
		return query.Plan{}, err
	}
	return row.Plan()
}
