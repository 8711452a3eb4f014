package billing

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// BillLateUsage looks at a closed cycle again. If the usage books say something else than its last snapshot, it
// adds a revision. What the cycle now owes waits for the service's next invoice; what was billed too much is
// credited at once, on a credit note of its own.
type BillLateUsage struct {
	CycleID   uuid.UUID `json:"cycle_id"`
	InvoiceID uuid.UUID `json:"invoice_id"` // of the credit note, should one be due
}

// Name is the command's name.
func (BillLateUsage) Name() string { return "billing.BillLateUsage" }

// Aggregates is the cycle, and the credit note, which is new.
func (c BillLateUsage) Aggregates() []events.Aggregate {
	return []events.Aggregate{cycleAggregate(c.CycleID), {Type: events.TypeInvoice, ID: c.InvoiceID}}
}

// Validate checks the fields.
func (c BillLateUsage) Validate() error {
	return validateIDs(map[string]uuid.UUID{"cycle_id": c.CycleID, "invoice_id": c.InvoiceID})
}

// Handle adds the revision and, where due, the credit note. Changed is false when the books are as they were.
func (c BillLateUsage) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Invoiced, []events.Event, error) {
	closed, err := lockCycle(ctx, tx, c.CycleID)
	if err != nil {
		return Invoiced{}, nil, err
	}
	if _, err := closed.due(StatusClosed); err != nil {
		return Invoiced{}, nil, err
	}
	done := Invoiced{CycleID: closed.ID, Currency: closed.Currency}
	last, err := lastSnapshot(ctx, tx, closed.ID)
	if err != nil {
		return Invoiced{}, nil, err
	}
	used, err := readUsage(ctx, tx, closed.ServiceID, closed.Period)
	if err != nil || used == last.counted {
		return done, nil, err
	}
	taken, snapshotTaken, err := takeSnapshot(ctx, tx, closed, last.Revision+1, used, meta.Now)
	if err != nil {
		return Invoiced{}, nil, err
	}
	rated, err := rate(ctx, tx, closed, taken, meta.Now)
	if err != nil {
		return Invoiced{}, nil, err
	}
	done.Changed = true
	credited, news, err := c.credit(ctx, tx, meta, closed, done)
	return credited, append([]events.Event{snapshotTaken, rated}, news...), err
}

// credit writes the credit note when less is owed than was billed.
func (c BillLateUsage) credit(ctx context.Context, tx pgx.Tx, meta command.Meta, closed cycle, done Invoiced) (Invoiced, []events.Event, error) {
	all, err := selectAllOwed(ctx, tx, closed)
	if err != nil {
		return done, nil, err
	}
	for _, o := range all {
		if o.CycleID != closed.ID || o.OverageMinor >= o.BilledMinor {
			continue
		}
		l, err := o.line(lineLate)
		if err != nil {
			return done, nil, err
		}
		invoiced, finalised, err := finalise(ctx, tx, meta, c.InvoiceID, closed, kindCreditNote, o.Taken.Revision, []line{l})
		return invoiced, []events.Event{finalised}, err
	}
	return done, nil, nil
}
