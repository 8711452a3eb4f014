// Package catalog decides what is for sale: plans with their price, traffic quota, thresholds and overage. A
// plan's terms are copied into each billing cycle when it opens, and into the running ones when the plan
// changes; what a finished cycle is billed on never changes with its plan.
package catalog

import (
	"slices"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/billable"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

const (
	maxThresholds = 10
	maxThreshold  = 1000 // percent of the quota
)

// Terms are a plan, whole. Prices are given to the command as the currency's minor units (PriceMinor) and as a
// decimal of major units (OverageUnitPrice).
type Terms struct {
	PlanName         string `json:"name"`
	PriceMinor       int64  `json:"price_minor"`
	Currency         string `json:"currency"`                     // ISO 4217
	Interval         string `json:"interval"`                     // month, quarter, year
	QuotaBytes       int64  `json:"quota_bytes,omitempty"`        // 0: no quota, nothing to exceed
	ByteBasis        string `json:"byte_basis"`                   // l2 (default), l3
	Direction        string `json:"direction"`                    // sum (default), in, out, max
	BillAt           string `json:"bill_at,omitempty"`            // estimate (default), lower_bound: the estimate less its 95 % error bound
	Thresholds       []int  `json:"thresholds"`                   // percent, ascending; null: 75, 90, 100
	OverageUnitBytes int64  `json:"overage_unit_bytes,omitempty"` // 0: overage is free
	OverageUnitPrice string `json:"overage_unit_price,omitempty"` // per unit, in major units: "0.01"
}

// Plan is the answer of this context's commands.
type Plan struct {
	PlanID uuid.UUID `json:"plan_id"`
	command.Change
}

func (t Terms) withDefaults() Terms {
	if t.ByteBasis == "" {
		t.ByteBasis = "l2"
	}
	if t.Direction == "" {
		t.Direction = "sum"
	}
	if t.BillAt == "" {
		t.BillAt = billable.AtEstimate
	}
	if t.Thresholds == nil {
		t.Thresholds = []int{75, 90, 100}
	}
	return t
}

func (t Terms) validate(planID uuid.UUID) error {
	t = t.withDefaults()
	var fields fault.Fields
	check.ID(&fields, "plan_id", planID)
	check.Name(&fields, "name", t.PlanName)
	fields.Check(t.PriceMinor >= 0, "price_minor", "must not be negative")
	_, err := money.ParseCurrency(t.Currency)
	fields.Check(err == nil, "currency", "%q is not an ISO 4217 currency in use", t.Currency)
	fields.Check(period.Interval(t.Interval).Valid(), "interval", "%q is not month, quarter or year", t.Interval)
	fields.Check(t.ByteBasis == "l2" || t.ByteBasis == "l3", "byte_basis", "%q is not l2 or l3", t.ByteBasis)
	fields.Check(slices.Contains([]string{"sum", "in", "out", "max"}, t.Direction), "direction", "%q is not sum, in, out or max", t.Direction)
	fields.Check(t.BillAt == billable.AtEstimate || t.BillAt == billable.AtLowerBound, "bill_at", "%q is not estimate or lower_bound", t.BillAt)
	t.validateTraffic(&fields)
	return fields.Err()
}

func (t Terms) validateTraffic(fields *fault.Fields) {
	fields.Check(t.QuotaBytes >= 0, "quota_bytes", "must not be negative")
	fields.Check(t.OverageUnitBytes >= 0, "overage_unit_bytes", "must not be negative")
	fields.Check((t.OverageUnitBytes == 0) == (t.OverageUnitPrice == ""), "overage_unit_price", "goes together with overage_unit_bytes")
	fields.Check(t.OverageUnitBytes == 0 || t.QuotaBytes != 0, "overage_unit_bytes", "needs a quota to be over")
	if t.OverageUnitPrice != "" {
		_, err := money.ParsePrice(t.OverageUnitPrice)
		fields.Check(err == nil, "overage_unit_price", "%q is not a price such as 0.01", t.OverageUnitPrice)
	}
	fields.Check(len(t.Thresholds) <= maxThresholds, "thresholds", "are more than %d", maxThresholds)
	for i, percent := range t.Thresholds {
		rising := i == 0 || percent > t.Thresholds[i-1]
		if percent < 1 || percent > maxThreshold || !rising {
			fields.Add("thresholds", "must rise, each from 1 to %d percent", maxThreshold)
			return
		}
	}
}

// arguments are the columns of a plan after its id, in the order of the statements that write one.
func (t Terms) arguments() []any {
	thresholds := make([]int16, len(t.Thresholds))
	for i, percent := range t.Thresholds {
		thresholds[i] = int16(percent)
	}
	return []any{t.PlanName, t.PriceMinor, t.Currency, t.Interval, positive(t.QuotaBytes), t.ByteBasis, t.Direction, thresholds,
		positive(t.OverageUnitBytes), filled(t.OverageUnitPrice), t.BillAt}
}

// scan are the places for a plan's columns, in the order of arguments.
func (t *Terms) scan() []any {
	return []any{&t.PlanName, &t.PriceMinor, &t.Currency, &t.Interval, &t.QuotaBytes, &t.ByteBasis, &t.Direction, &t.Thresholds,
		&t.OverageUnitBytes, &t.OverageUnitPrice, &t.BillAt}
}

func (t Terms) event(planID uuid.UUID) events.PlanTerms {
	return events.PlanTerms{PlanID: planID, PriceMinor: t.PriceMinor, Currency: t.Currency, Interval: t.Interval, QuotaBytes: t.QuotaBytes,
		ByteBasis: t.ByteBasis, Direction: t.Direction, BillAt: t.BillAt, Thresholds: t.Thresholds, OverageUnitBytes: t.OverageUnitBytes, OverageUnitPrice: t.OverageUnitPrice}
}

func (t Terms) constraints(planID uuid.UUID) map[string]*fault.Error {
	return map[string]*fault.Error{
		"plan_name_key": fault.New(fault.Conflict, "plan_exists", "a plan named %s exists already", t.PlanName),
		"plan_pkey":     fault.New(fault.Conflict, "plan_exists", "plan %s exists already", planID),
	}
}

func positive(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
