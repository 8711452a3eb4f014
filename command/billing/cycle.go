// Package billing turns metered usage into invoices, once. A cycle goes one way:
//
//	open -> collecting -> snapshot -> rated -> closed
//	EndCycle  SnapshotCycle  RateCycle  FinaliseInvoice, CloseCycle
//
// EndCycle opens the next cycle in the same transaction, so that a service is never without one. SnapshotCycle
// waits until every meter's watermark has passed the period's end, or until collecting has lasted two hours,
// and copies the usage: from there on a bill depends on rows that never change. RateCycle prices the overage.
// FinaliseInvoice writes the invoice, if anything is to be billed, with its number, frozen customer and ledger
// entries. Each step is a command that may be repeated at any time by anyone: a step that is done already does
// nothing, so a crash between two steps, or two sweeps at once, give one invoice. Unique constraints are the
// last net.
//
// Late usage. What a closed cycle owes is one number: its newest rating less the sum of all invoice lines about
// it. BillLateUsage compares the usage books with the last snapshot of a closed cycle and, if they differ, adds
// a revision: snapshot and rating of everything up to then. If the cycle owes less than was billed, a credit
// note is written at once. If it owes more, the difference waits: FinaliseInvoice of the service's next cycle to
// close takes it along as a "late usage" line, also when that cycle itself has nothing to bill. The rule holds
// no state of its own, so neither the order in which usage arrives nor how often it is looked at can change the
// sum of what is billed.
//
// Which figure. Sampled bytes are an estimate; a plan bills it, or its lower 95 % bound (bill_at), and the snapshot
// keeps both. Quota alerts are about the estimate either way: they warn of what was used.
//
// Two bills of one service are written one after the other: every command here locks the service's row first.
package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

// Statuses of a cycle, in their order.
const (
	StatusOpen       = "open"
	StatusCollecting = "collecting"
	StatusSnapshot   = "snapshot"
	StatusRated      = "rated"
	StatusClosed     = "closed"
)

// Progress is the answer of a command that moves a cycle. Moved is false when there was nothing to do.
type Progress struct {
	CycleID uuid.UUID `json:"cycle_id"`
	Status  string    `json:"status"`
	Moved   bool      `json:"changed"`
	command.Change
}

// cycleFields are what can change of a cycle, for the audit row.
type cycleFields struct {
	Status string `json:"status"`
}

// cycle is a billing cycle with its terms, and what the next one needs to know of its service.
type cycle struct {
	ID, ServiceID, CustomerID uuid.UUID
	Period                    period.Period
	Status                    string
	CollectingAt              *time.Time
	terms
	AnchorDay int
	Interval  period.Interval // of the service's plan now
}

// terms are what a cycle is billed on.
type terms struct {
	QuotaBytes *int64 // nil: nothing to exceed
	Basis      string
	Direction  string
	BillAt     string // estimate, lower_bound
	Currency   string
	UnitBytes  *int64 // nil: overage is free
	UnitPrice  *string
}

const (
	lockService = `select from service where id = (select service_id from cycle where id = $1) for no key update`
	selectCycle = `
select c.id, c.service_id, s.customer_id, c.starts_at, c.ends_at, c.status, c.collecting_at,
       c.quota_bytes, c.byte_basis, c.direction, c.bill_at, c.currency, c.overage_unit_bytes, trim_scale(c.overage_unit_price)::text,
       s.anchor_day, p.interval
from cycle c
join service s on s.id = c.service_id
join plan p on p.id = s.plan_id
where c.id = $1`
	updateStatus = `update cycle set status = $2, collecting_at = coalesce(collecting_at, $3) where id = $1`
)

// lockCycle locks the cycle's service and reads the cycle.
func lockCycle(ctx context.Context, tx pgx.Tx, id uuid.UUID) (cycle, error) {
	if _, err := tx.Exec(ctx, lockService, id); err != nil {
		return cycle{}, fmt.Errorf("lock the service of cycle %s: %w", id, err)
	}
	var c cycle
	err := tx.QueryRow(ctx, selectCycle, id).Scan(&c.ID, &c.ServiceID, &c.CustomerID, &c.Period.From, &c.Period.To, &c.Status, &c.CollectingAt,
		&c.QuotaBytes, &c.Basis, &c.Direction, &c.BillAt, &c.Currency, &c.UnitBytes, &c.UnitPrice, &c.AnchorDay, &c.Interval)
	if errors.Is(err, pgx.ErrNoRows) {
		return cycle{}, fault.New(fault.NotFound, "cycle_not_found", "there is no cycle %s", id)
	}
	if err != nil {
		return cycle{}, fmt.Errorf("select cycle %s: %w", id, err)
	}
	return c, nil
}

// due tells whether a step that begins at a status is to be done: it is not when the cycle is past it, and a
// conflict when the cycle has not come so far.
func (c cycle) due(status string) (bool, error) {
	if rank(c.Status) < rank(status) {
		return false, fault.New(fault.Conflict, "cycle_status", "cycle %s is %s, not yet %s", c.ID, c.Status, status)
	}
	return c.Status == status, nil
}

func rank(status string) int {
	for i, s := range []string{StatusOpen, StatusCollecting, StatusSnapshot, StatusRated, StatusClosed} {
		if s == status {
			return i
		}
	}
	return -1
}

func (c cycle) unchanged() Progress { return Progress{CycleID: c.ID, Status: c.Status} }

func (c cycle) move(ctx context.Context, tx pgx.Tx, status string, now time.Time) (Progress, error) {
	if _, err := tx.Exec(ctx, updateStatus, c.ID, status, now); err != nil {
		return Progress{}, fmt.Errorf("move cycle %s to %s: %w", c.ID, status, err)
	}
	return Progress{CycleID: c.ID, Status: status, Moved: true,
		Change: command.Change{Before: cycleFields{c.Status}, After: cycleFields{status}}}, nil
}

func cycleAggregate(id uuid.UUID) events.Aggregate {
	return events.Aggregate{Type: events.TypeCycle, ID: id}
}

func validateIDs(ids map[string]uuid.UUID) error {
	var fields fault.Fields
	for name, id := range ids {
		fields.Check(id != uuid.Nil, name, "is missing")
	}
	return fields.Err()
}

// overage is how far bytes are over the quota, and what that costs.
func (t terms) overage(billable int64) (int64, money.Amount, error) {
	currency, err := money.ParseCurrency(t.Currency)
	if err != nil {
		return 0, money.Amount{}, fmt.Errorf("rate overage: %w", err)
	}
	if t.QuotaBytes == nil || billable <= *t.QuotaBytes {
		return 0, money.New(0, currency), nil
	}
	over := billable - *t.QuotaBytes
	if t.UnitBytes == nil || t.UnitPrice == nil {
		return over, money.New(0, currency), nil
	}
	price, err := money.ParsePrice(*t.UnitPrice)
	if err != nil {
		return 0, money.Amount{}, fmt.Errorf("rate overage: %w", err)
	}
	amount, err := money.Rate(over, *t.UnitBytes, price, currency)
	if err != nil {
		return 0, money.Amount{}, fmt.Errorf("rate overage: %w", err)
	}
	return over, amount, nil
}
