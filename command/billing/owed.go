package billing

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/billable"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/internal/period"
)

// maxOwed bounds the lines of one invoice; what is over waits for the next.
const maxOwed = 100

// owed is what a cycle's newest rating says beyond what invoice lines have billed; below zero it is too much.
type owed struct {
	CycleID uuid.UUID
	Period  period.Period
	terms
	Taken        snapshot
	OverageBytes int64 // in all
	OverageMinor int64
	BilledBytes  int64 // of it, up to the last line
	BilledMinor  int64
}

// $1 is a service. Its cycle $2 is looked at in any status, and comes first; all others only when closed.
const selectOwed = `
select c.id, c.starts_at, c.ends_at, c.quota_bytes, c.byte_basis, c.direction, c.bill_at, c.currency, c.overage_unit_bytes,
       trim_scale(c.overage_unit_price)::text, r.overage_bytes, r.overage_minor, coalesce(before.overage_bytes, 0), billed.minor,
       ` + snapshotColumns + `
from cycle c
cross join lateral (select * from cycle_rating where cycle_id = c.id order by revision desc limit 1) r
join cycle_snapshot s on s.cycle_id = r.cycle_id and s.revision = r.revision
cross join lateral (select coalesce(sum(amount_minor), 0)::bigint as minor, max(revision) as revision
                    from invoice_line where service_id = c.service_id and cycle_id = c.id) billed
left join cycle_rating before on before.cycle_id = c.id and before.revision = billed.revision
where c.service_id = $1 and (c.id = $2 or c.status = 'closed') and r.overage_minor <> billed.minor
order by c.id = $2 desc, c.starts_at
limit $3`

// selectAllOwed lists what a service's closed cycles, and the one given, owe or are owed.
func selectAllOwed(ctx context.Context, tx pgx.Tx, c cycle) ([]owed, error) {
	rows, err := tx.Query(ctx, selectOwed, c.ServiceID, c.ID, maxOwed)
	if err != nil {
		return nil, fmt.Errorf("select what service %s owes: %w", c.ServiceID, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (owed, error) {
		var o owed
		columns := []any{&o.CycleID, &o.Period.From, &o.Period.To, &o.QuotaBytes, &o.Basis, &o.Direction, &o.BillAt, &o.Currency, &o.UnitBytes,
			&o.UnitPrice, &o.OverageBytes, &o.OverageMinor, &o.BilledBytes, &o.BilledMinor}
		return o, row.Scan(append(columns, o.Taken.columns()...)...)
	})
	if err != nil {
		return nil, fmt.Errorf("select what service %s owes: %w", c.ServiceID, err)
	}
	return all, nil
}

// Evidence is what an invoice line prints about the usage behind it, with its error bound and known loss.
type Evidence struct {
	Period             string      `json:"period"`
	Basis              string      `json:"basis"`
	Direction          string      `json:"direction"`
	BytesIn            int64       `json:"bytes_in"` // of the basis
	BytesOut           int64       `json:"bytes_out"`
	BillAt             string      `json:"bill_at"`           // which of the next two is billed: estimate, lower_bound
	EstimatedBytes     int64       `json:"estimated_bytes"`   // by basis and direction
	LowerBoundBytes    int64       `json:"lower_bound_bytes"` // the estimate less its error bound
	BillableBytes      int64       `json:"billable_bytes"`
	QuotaBytes         int64       `json:"quota_bytes"`
	OverageBytes       int64       `json:"overage_bytes"` // in all
	BilledBytes        int64       `json:"billed_bytes"`  // overage on earlier lines
	Samples            int64       `json:"samples"`       // behind billable_bytes
	ErrorBoundPercent  json.Number `json:"error_bound_percent,omitempty"`
	DatagramsLost      int64       `json:"datagrams_lost"`
	SamplesLost        int64       `json:"samples_lost"`
	RecordsLost        int64       `json:"records_lost"` // of NetFlow and IPFIX
	SamplesQuarantined int64       `json:"samples_quarantined"`
	KernelDrops        int64       `json:"kernel_drops"`
	SpoolDrops         int64       `json:"spool_drops"`
}

// line is one line of an invoice.
type line struct {
	owed
	Kind        string // overage, late_usage
	Description string
	Quantity    string // decimal, in units of UnitBytes
	Amount      money.Amount
	Evidence    Evidence
}

func (o owed) line(kind string) (line, error) {
	currency, err := money.ParseCurrency(o.Currency)
	if err != nil {
		return line{}, fmt.Errorf("write a line about cycle %s: %w", o.CycleID, err)
	}
	quantity, err := money.Quantity(o.OverageBytes-o.BilledBytes, *o.UnitBytes)
	if err != nil {
		return line{}, fmt.Errorf("write a line about cycle %s: %w", o.CycleID, err)
	}
	amount, err := money.New(o.OverageMinor, currency).Sub(money.New(o.BilledMinor, currency))
	if err != nil {
		return line{}, fmt.Errorf("write a line about cycle %s: %w", o.CycleID, err)
	}
	return line{owed: o, Kind: kind, Description: o.describe(kind), Quantity: quantity, Amount: amount, Evidence: o.evidence()}, nil
}

func (o owed) describe(kind string) string {
	over := fmt.Sprintf("traffic over %s, %s", bytesize.Format(*o.QuotaBytes), o.Period)
	if o.BillAt == billable.AtLowerBound {
		over += ", billed at the lower end of its error bound"
	}
	if kind == lineLate {
		return "Late usage: " + over
	}
	return "T" + over[1:]
}

func (o owed) evidence() Evidence {
	s := o.Taken
	e := Evidence{Period: o.Period.String(), Basis: o.Basis, Direction: o.Direction, BillAt: o.BillAt, EstimatedBytes: s.EstimatedBytes,
		LowerBoundBytes: billable.LowerBound(s.EstimatedBytes, s.BillableSamples), BillableBytes: s.BillableBytes, QuotaBytes: *o.QuotaBytes,
		OverageBytes: o.OverageBytes, BilledBytes: o.BilledBytes, Samples: s.BillableSamples, DatagramsLost: s.DatagramsLost,
		SamplesLost: s.SamplesLost, RecordsLost: s.RecordsLost, SamplesQuarantined: s.Quarantined, KernelDrops: s.KernelDrops, SpoolDrops: s.SpoolDrops}
	e.BytesIn, e.BytesOut = s.of(o.Basis)
	if s.ErrorBound != nil {
		e.ErrorBoundPercent = json.Number(*s.ErrorBound)
	}
	return e
}
