package billing

import (
	"context"
	_ "embed"
	"math"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/billable"
	"github.com/ezscale/platform/query"
)

// projectAfter is how old a cycle must be before its end is guessed from it.
const projectAfter = time.Hour

//go:embed list_cycles.sql
var listCyclesSQL string

//go:embed current_cycles.sql
var currentCyclesSQL string

//go:embed due_cycles.sql
var dueCyclesSQL string

// ListCycles lists a service's cycles, newest first. The caller has checked that the service is in scope; the
// statement checks it again.
func ListCycles(ctx context.Context, db query.Postgres, scope query.Scope, service uuid.UUID, now time.Time, page query.Page) (query.List[CycleSummary], error) {
	after, _, err := page.TimeAfter()
	if err != nil {
		return query.List[CycleSummary]{}, err
	}
	rows, err := query.All[cycleRow](ctx, db, listCyclesSQL, scope.Owner(), service, after, page.Rows())
	if err != nil {
		return query.List[CycleSummary]{}, err
	}
	cycles := make([]CycleSummary, len(rows))
	for i, row := range rows {
		if cycles[i], err = row.summary(now); err != nil {
			return query.List[CycleSummary]{}, err
		}
	}
	return query.Cut(page, cycles, func(c CycleSummary) []string { return query.TimeKey(c.Period.From, c.ID.String()) }), nil
}

// CurrentCycles finds the cycle that holds now of each service; a service without one is left out.
func CurrentCycles(ctx context.Context, db query.Postgres, services []uuid.UUID, now time.Time) (map[uuid.UUID]CycleSummary, error) {
	rows, err := query.All[cycleRow](ctx, db, currentCyclesSQL, services, now)
	if err != nil {
		return nil, err
	}
	current := make(map[uuid.UUID]CycleSummary, len(rows))
	for _, row := range rows {
		if current[row.ServiceID], err = row.summary(now); err != nil {
			return nil, err
		}
	}
	return current, nil
}

// Due counts the cycles whose period is over and which are not closed yet.
func Due(ctx context.Context, db query.Postgres, now time.Time) (int, error) {
	due, err := query.One[struct{ Cycles int }](ctx, db, "cycle", dueCyclesSQL, now)
	return due.Cycles, err
}

func (r cycleRow) summary(now time.Time) (CycleSummary, error) {
	c := r.CycleSummary
	c.Period = Period{From: r.StartsAt, To: r.EndsAt}
	r.bill(&c)
	c.ProjectedBytes = project(c.BillableBytes, c.Period, now)
	if c.QuotaBytes == nil || c.BillableBytes <= *c.QuotaBytes {
		return c, nil
	}
	c.Overage = &CycleOverage{Bytes: c.BillableBytes - *c.QuotaBytes}
	if r.UnitBytes == nil || r.UnitPrice == nil {
		return c, nil
	}
	amount, err := query.PriceOf(c.Overage.Bytes, *r.UnitBytes, *r.UnitPrice, r.Currency)
	c.Overage.Amount = &amount
	return c, err
}

// bill picks the bytes that the plan bills, and the samples they were estimated from.
func (r cycleRow) bill(c *CycleSummary) {
	in, out := c.BytesInL2, c.BytesOutL2
	if c.Basis == "l3" {
		in, out = c.BytesInL3, c.BytesOutL3
	}
	c.EstimatedBytes = billable.Bytes(c.Direction, in, out)
	billsIn, billsOut := billable.Sides(c.Direction, in, out)
	if billsIn {
		c.Samples += r.SamplesIn
	}
	if billsOut {
		c.Samples += r.SamplesOut
	}
	c.BillableBytes = billable.At(c.BillAt, c.EstimatedBytes, c.Samples)
	c.ErrorBoundPercent = bound(c.EstimatedBytes, c.Samples)
}

// bound is the 95 % bound of an estimate in per cent. Bytes without samples come from port counters and are exact.
func bound(bytes, samples int64) *float64 {
	exact := 0.0
	switch {
	case samples > 0:
		sampled := math.Round(196e6/math.Sqrt(float64(samples))) / 1e6
		return &sampled
	case bytes > 0:
		return &exact
	default:
		return nil
	}
}

// project stretches the bytes of the time gone by over the whole period, in whole numbers.
func project(bytes int64, period Period, now time.Time) *int64 {
	gone, whole := now.Sub(period.From), period.To.Sub(period.From)
	if gone < projectAfter || gone >= whole {
		return nil
	}
	guess := new(big.Int).Mul(big.NewInt(bytes), big.NewInt(int64(whole/time.Second)))
	guess.Div(guess, big.NewInt(int64(gone/time.Second)))
	if !guess.IsInt64() {
		return nil
	}
	projected := guess.Int64()
	return &projected
}
