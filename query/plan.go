package query

import (
	"time"

	"github.com/google/uuid"
)

// Plan is what a service costs and how its traffic is billed. It stands here because two contexts show it: the
// catalogue, and each service.
type Plan struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	Name       string    `json:"name"`
	Price      Money     `json:"price"`
	Interval   string    `json:"interval" enum:"month,quarter,year"`
	QuotaBytes *int64    `json:"quota_bytes,omitempty" doc:"Bytes included in a cycle; absent: no quota"`
	ByteBasis  string    `json:"byte_basis" enum:"l2,l3" doc:"l2 bills frames as a switch port counts them, l3 IP packets"`
	Direction  string    `json:"direction" enum:"sum,in,out,max"`
	BillAt     string    `json:"bill_at" enum:"estimate,lower_bound" doc:"lower_bound bills the estimate less its 95 % error bound; quota alerts are about the estimate"`
	Thresholds []int     `json:"thresholds" nullable:"false" doc:"Percent of the quota that alert, ascending"`
	Overage    *Overage  `json:"overage,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	Version    int64     `json:"version" doc:"Give it as If-Match to change only what you have seen"`
}

// Overage is the price of bytes beyond the quota.
type Overage struct {
	UnitBytes int64  `json:"unit_bytes"`
	UnitPrice string `json:"unit_price" doc:"Decimal, major units of the plan's currency per unit" example:"0.01"`
}

// PlanRow is a plan as the columns of a statement give it.
type PlanRow struct {
	PlanID        uuid.UUID
	PlanName      string
	PriceMinor    int64
	Currency      string
	Interval      string
	QuotaBytes    *int64
	ByteBasis     string
	Direction     string
	BillAt        string
	Thresholds    []int
	UnitBytes     *int64
	UnitPrice     *string
	PlanCreatedAt time.Time
	PlanVersion   int64
}

// Plan shows the row.
func (r PlanRow) Plan() (Plan, error) {
	price, err := MoneyOf(r.PriceMinor, r.Currency)
	p := Plan{ID: r.PlanID, Name: r.PlanName, Price: price, Interval: r.Interval, QuotaBytes: r.QuotaBytes, ByteBasis: r.ByteBasis,
		Direction: r.Direction, BillAt: r.BillAt, Thresholds: r.Thresholds, CreatedAt: r.PlanCreatedAt, Version: r.PlanVersion}
	if r.UnitBytes != nil && r.UnitPrice != nil {
		p.Overage = &Overage{UnitBytes: *r.UnitBytes, UnitPrice: *r.UnitPrice}
	}
	return p, err
}
