package billing

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/schemas/events"
)

const (
	kindUsage      = "usage"
	kindCreditNote = "credit_note"
	lineOverage    = "overage"
	lineLate       = "late_usage"
)

// Invoiced is the answer of a command that may write an invoice. InvoiceID is nil when nothing was to be billed.
type Invoiced struct {
	CycleID    uuid.UUID  `json:"cycle_id"`
	InvoiceID  *uuid.UUID `json:"invoice_id,omitempty"`
	Number     string     `json:"number,omitempty"`
	Kind       string     `json:"kind,omitempty"`
	TotalMinor int64      `json:"total_minor"`
	Currency   string     `json:"currency"`
	Changed    bool       `json:"changed"`
}

// Outcome is the whole answer: an order names a cycle, and what it comes to are the number and the total.
func (i Invoiced) Outcome() any { return i }

const (
	takeNumber    = `update invoice_series set next = next + 1 where series = $1 returning old.next`
	insertInvoice = `
insert into invoice (id, kind, number, customer_id, customer_name, customer_email, service_id, cycle_id, revision, currency,
                     total_minor, status, finalised_at)
select $1, $2, $3, id, name, email, $5, $6, $7, $8, $9, 'finalised', $10 from customer where id = $4`
	insertLine = `
insert into invoice_line (invoice_id, position, kind, service_id, cycle_id, revision, description, quantity, unit_bytes,
                          unit_price, amount_minor, evidence)
values ($1, $2, $3, $4, $5, $6, $7, $8::numeric, $9, $10::numeric, $11, $12)`
	insertLedger = `
with transaction as (
    insert into ledger_transaction (id, at, description, invoice_id) values ($1, $2, $3, $4) returning id
)
insert into ledger_entry (transaction_id, position, account, customer_id, currency, amount_minor)
select transaction.id, entry.position, entry.account, $5, $6, entry.amount
from transaction, (values (1, 'receivable', $7::bigint), (2, 'revenue.usage', -$7::bigint)) as entry (position, account, amount)`
)

// finalise writes an invoice or credit note with its lines and its ledger entries, all or nothing. The number is
// taken from the locked row of its series in this transaction, so that a series has no gaps.
func finalise(ctx context.Context, tx pgx.Tx, meta command.Meta, id uuid.UUID, c cycle, kind string, revision int, lines []line) (Invoiced, events.Event, error) {
	total := lines[0].Amount
	for _, l := range lines[1:] {
		sum, err := total.Add(l.Amount)
		if err != nil {
			return Invoiced{}, nil, fmt.Errorf("sum invoice %s: %w", id, err)
		}
		total = sum
	}
	number, err := numberOf(ctx, tx, kind, meta)
	if err != nil {
		return Invoiced{}, nil, err
	}
	_, err = tx.Exec(ctx, insertInvoice, id, kind, number, c.CustomerID, c.ServiceID, c.ID, revision, c.Currency, total.Minor(), meta.Now)
	if err != nil {
		return Invoiced{}, nil, fmt.Errorf("write invoice %s: %w", number, err)
	}
	for i, l := range lines {
		if err := insertInvoiceLine(ctx, tx, id, i+1, c.ServiceID, l); err != nil {
			return Invoiced{}, nil, fmt.Errorf("write line %d of invoice %s: %w", i+1, number, err)
		}
	}
	if err := book(ctx, tx, meta, c, id, number, total); err != nil {
		return Invoiced{}, nil, err
	}
	return Invoiced{CycleID: c.ID, InvoiceID: &id, Number: number, Kind: kind, TotalMinor: total.Minor(), Currency: c.Currency, Changed: true},
		events.InvoiceFinalised{InvoiceID: id, Kind: kind, Number: number, CustomerID: c.CustomerID, CycleID: c.ID, Revision: revision,
			Currency: c.Currency, TotalMinor: total.Minor()}, nil
}

func numberOf(ctx context.Context, tx pgx.Tx, kind string, meta command.Meta) (string, error) {
	series := "INV"
	if kind == kindCreditNote {
		series = "CN"
	}
	var next int64
	if err := tx.QueryRow(ctx, takeNumber, series).Scan(&next); err != nil {
		return "", fmt.Errorf("take a number of series %s: %w", series, err)
	}
	return fmt.Sprintf("%s-%d-%06d", series, meta.Now.UTC().Year(), next), nil
}

func insertInvoiceLine(ctx context.Context, tx pgx.Tx, invoiceID uuid.UUID, position int, serviceID uuid.UUID, l line) error {
	evidence, err := json.Marshal(l.Evidence)
	if err != nil {
		return fmt.Errorf("write the evidence as JSON: %w", err)
	}
	_, err = tx.Exec(ctx, insertLine, invoiceID, position, l.Kind, serviceID, l.CycleID, l.Taken.Revision, l.Description, l.Quantity,
		*l.UnitBytes, *l.UnitPrice, l.Amount.Minor(), evidence)
	return err
}

// book enters what an invoice is over: the customer owes it, and it is revenue. A total of zero moves nothing.
func book(ctx context.Context, tx pgx.Tx, meta command.Meta, c cycle, invoiceID uuid.UUID, number string, total money.Amount) error {
	if total.Minor() == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, insertLedger, meta.NewID(), meta.Now, "invoice "+number, invoiceID, c.CustomerID, c.Currency, total.Minor())
	if err != nil {
		return fmt.Errorf("book invoice %s: %w", number, err)
	}
	return nil
}
