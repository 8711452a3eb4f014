package billing

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// FinaliseInvoice bills a rated cycle: a line for its overage, and one for each earlier cycle of the service
// that owes late usage. Without a line there is no invoice. A cycle has one invoice, whatever is asked again.
type FinaliseInvoice struct {
	CycleID   uuid.UUID `json:"cycle_id"`
	InvoiceID uuid.UUID `json:"invoice_id"`
}

// Name is the command's name.
func (FinaliseInvoice) Name() string { return "billing.FinaliseInvoice" }

// Aggregates is the cycle, and the invoice, which is new.
func (c FinaliseInvoice) Aggregates() []events.Aggregate {
	return []events.Aggregate{cycleAggregate(c.CycleID), {Type: events.TypeInvoice, ID: c.InvoiceID}}
}

// Validate checks the fields.
func (c FinaliseInvoice) Validate() error {
	return validateIDs(map[string]uuid.UUID{"cycle_id": c.CycleID, "invoice_id": c.InvoiceID})
}

const selectInvoice = `select id, number, kind, total_minor from invoice where cycle_id = $1 and kind = 'usage' and revision = 0`

// Handle writes the invoice.
func (c FinaliseInvoice) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Invoiced, []events.Event, error) {
	rated, err := lockCycle(ctx, tx, c.CycleID)
	if err != nil {
		return Invoiced{}, nil, err
	}
	due, err := rated.due(StatusRated)
	if err != nil {
		return Invoiced{}, nil, err
	}
	done := Invoiced{CycleID: rated.ID, Currency: rated.Currency}
	err = tx.QueryRow(ctx, selectInvoice, rated.ID).Scan(&done.InvoiceID, &done.Number, &done.Kind, &done.TotalMinor)
	if err == nil || errors.Is(err, pgx.ErrNoRows) && !due {
		return done, nil, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Invoiced{}, nil, fmt.Errorf("select the invoice of cycle %s: %w", rated.ID, err)
	}
	lines, err := invoiceLines(ctx, tx, rated)
	if err != nil || len(lines) == 0 {
		return done, nil, err
	}
	invoiced, finalised, err := finalise(ctx, tx, meta, c.InvoiceID, rated, kindUsage, 0, lines)
	return invoiced, []events.Event{finalised}, err
}

func invoiceLines(ctx context.Context, tx pgx.Tx, c cycle) ([]line, error) {
	all, err := selectAllOwed(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, o := range all {
		if o.OverageMinor < o.BilledMinor || o.Currency != c.Currency {
			continue // credited by BillLateUsage; plans keep their currency
		}
		kind := lineLate
		if o.CycleID == c.ID {
			kind = lineOverage
		}
		l, err := o.line(kind)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}
