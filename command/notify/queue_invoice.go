package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/schemas/events"
)

// QueueInvoice tells a customer by mail that an invoice or credit note was finalised.
type QueueInvoice struct {
	EventID   uuid.UUID `json:"event_id"`
	InvoiceID uuid.UUID `json:"invoice_id"`
}

// Name is the command's name.
func (QueueInvoice) Name() string { return "notify.QueueInvoice" }

// Aggregates is the invoice.
func (c QueueInvoice) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeInvoice, ID: c.InvoiceID}}
}

// Validate checks the fields.
func (c QueueInvoice) Validate() error {
	return missing(map[string]uuid.UUID{"event_id": c.EventID, "invoice_id": c.InvoiceID})
}

const (
	selectInvoice = `
select i.customer_id, i.customer_email, i.customer_name, s.name, i.number, i.kind, i.currency, i.total_minor
from invoice i join service s on s.id = i.service_id
where i.id = $1`
	selectLines = `select description, amount_minor from invoice_line where invoice_id = $1 order by position`
)

// Handle queues the message.
func (c QueueInvoice) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	content := Invoice{InvoiceID: c.InvoiceID}
	var customerID uuid.UUID
	var email string
	var total int64
	err := tx.QueryRow(ctx, selectInvoice, c.InvoiceID).
		Scan(&customerID, &email, &content.CustomerName, &content.ServiceName, &content.Number, &content.Kind, &content.Currency, &total)
	if errors.Is(err, pgx.ErrNoRows) {
		return Queued{}, nil, fault.New(fault.NotFound, "invoice_not_found", "there is no invoice %s", c.InvoiceID)
	}
	if err != nil {
		return Queued{}, nil, fmt.Errorf("select invoice %s: %w", c.InvoiceID, err)
	}
	currency, err := money.ParseCurrency(content.Currency)
	if err != nil {
		return Queued{}, nil, fmt.Errorf("read invoice %s: %w", c.InvoiceID, err)
	}
	content.Total = money.New(total, currency).Decimal()
	if content.Lines, err = readLines(ctx, tx, c.InvoiceID, currency); err != nil {
		return Queued{}, nil, err
	}
	queued, err := queue(ctx, tx, meta, draft{customerID: customerID, channel: ChannelMail, recipient: email, template: TemplateInvoice, eventID: c.EventID, content: content})
	return queued, nil, err
}

func readLines(ctx context.Context, tx pgx.Tx, invoiceID uuid.UUID, currency money.Currency) ([]InvoiceLine, error) {
	rows, err := tx.Query(ctx, selectLines, invoiceID)
	if err != nil {
		return nil, fmt.Errorf("select the lines of invoice %s: %w", invoiceID, err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (InvoiceLine, error) {
		var l InvoiceLine
		var minor int64
		err := row.Scan(&l.Description, &minor)
		l.Amount = money.New(minor, currency).Decimal()
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("select the lines of invoice %s: %w", invoiceID, err)
	}
	return lines, nil
}
