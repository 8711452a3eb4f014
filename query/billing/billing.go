// Package billing answers what a service has used in its billing periods, what that will cost, and what was
// invoiced. Figures of running cycles come from the meter's own counters (usage_cycle), the ones that quota
// alerts and invoices are decided on; nothing is estimated twice.
package billing

import (
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Period is a half-open interval of time, UTC.
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to" doc:"Exclusive"`
}

// CycleSummary is one billing period of a service: its terms, what has been used, and how sure that figure is.
type CycleSummary struct {
	ID                 uuid.UUID     `json:"id" format:"uuid"`
	Period             Period        `json:"period" db:"-"`
	Status             string        `json:"status" enum:"open,collecting,snapshot,rated,closed"`
	QuotaBytes         *int64        `json:"quota_bytes,omitempty" doc:"Absent: no quota"`
	EstimatedBytes     int64         `json:"estimated_bytes" db:"-" doc:"By basis and direction; what quota alerts are about"`
	BillableBytes      int64         `json:"billable_bytes" db:"-" doc:"What of the estimate is billed: all of it, or its lower 95 % bound"`
	BillAt             string        `json:"bill_at" enum:"estimate,lower_bound"`
	Basis              string        `json:"basis" enum:"l2,l3"`
	Direction          string        `json:"direction" enum:"sum,in,out,max"`
	BytesInL2          int64         `json:"bytes_in_l2"`
	BytesOutL2         int64         `json:"bytes_out_l2"`
	BytesInL3          int64         `json:"bytes_in_l3"`
	BytesOutL3         int64         `json:"bytes_out_l3"`
	Samples            int64         `json:"samples" db:"-" doc:"Of the billed direction, as on the invoice"`
	ErrorBoundPercent  *float64      `json:"error_bound_percent,omitempty" db:"-" doc:"95 % bound, 196/sqrt(samples); 0 for bytes that a port counted; absent without bytes"`
	DatagramsLost      int64         `json:"datagrams_lost" doc:"Of the exporters that metered this service in the period; as samples_lost and records_lost"`
	SamplesLost        int64         `json:"samples_lost"`
	RecordsLost        int64         `json:"records_lost" doc:"Of NetFlow and IPFIX"`
	SamplesQuarantined int64         `json:"samples_quarantined" doc:"Of this service, of a rate that cannot be believed, still waiting for a decision"`
	Thresholds         []int         `json:"thresholds" nullable:"false" doc:"Percent of the quota that alert, ascending"`
	ProjectedBytes     *int64        `json:"projected_bytes,omitempty" db:"-" doc:"Billable bytes at the period's end if it goes on like this; absent in the first hour and after the end"`
	Overage            *CycleOverage `json:"overage,omitempty" db:"-" doc:"Present once the quota is exceeded"`
}

// CycleOverage is what is beyond the quota so far.
type CycleOverage struct {
	Bytes  int64        `json:"bytes"`
	Amount *query.Money `json:"amount,omitempty" doc:"Absent when the plan does not charge for overage"`
}

// cycleRow is a cycle as its columns give it.
type cycleRow struct {
	CycleSummary
	ServiceID  uuid.UUID
	StartsAt   time.Time
	EndsAt     time.Time
	Currency   string
	UnitBytes  *int64
	UnitPrice  *string
	SamplesIn  int64
	SamplesOut int64
}
