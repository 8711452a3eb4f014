package billing

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// InvoiceSummary is a finalised invoice, or a credit note with a negative total, without its lines.
type InvoiceSummary struct {
	ID          uuid.UUID       `json:"id" format:"uuid"`
	Number      string          `json:"number"`
	Kind        string          `json:"kind" enum:"usage,credit_note"`
	Status      string          `json:"status" enum:"finalised,paid,void"`
	Customer    InvoiceCustomer `json:"customer" db:"-"`
	Service     InvoiceService  `json:"service" db:"-"`
	Period      Period          `json:"period" db:"-"`
	Total       query.Money     `json:"total" db:"-"`
	Currency    string          `json:"currency"`
	FinalisedAt time.Time       `json:"finalised_at"`
}

// Invoice is an invoice with its lines.
type Invoice struct {
	InvoiceSummary
	Lines []InvoiceLine `json:"lines" nullable:"false"`
}

// InvoiceCustomer is the customer as frozen at finalisation.
type InvoiceCustomer struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// InvoiceService is the service that was billed.
type InvoiceService struct {
	ID   uuid.UUID `json:"id" format:"uuid"`
	Name string    `json:"name"`
}

// InvoiceLine is one amount and what it stands on.
type InvoiceLine struct {
	Kind        string      `json:"kind" enum:"overage,late_usage"`
	Description string      `json:"description"`
	Quantity    string      `json:"quantity" doc:"Decimal, in units of unit_bytes"`
	UnitBytes   int64       `json:"unit_bytes"`
	UnitPrice   string      `json:"unit_price" doc:"Decimal, per unit"`
	Amount      query.Money `json:"amount" db:"-" doc:"Rounded once"`
	Evidence    Evidence    `json:"evidence"`
}

// Evidence is the usage that a line was rated on, how sure it is, and what is known to be missing from it.
type Evidence struct {
	BytesIn            int64    `json:"bytes_in"`
	BytesOut           int64    `json:"bytes_out"`
	BillAt             string   `json:"bill_at,omitempty" enum:"estimate,lower_bound" doc:"Which of the two below is billed; absent: estimate"`
	EstimatedBytes     *int64   `json:"estimated_bytes,omitempty" doc:"By basis and direction; absent: as billable_bytes"`
	LowerBoundBytes    *int64   `json:"lower_bound_bytes,omitempty" doc:"The estimate less its 95 % error bound"`
	BillableBytes      int64    `json:"billable_bytes"`
	QuotaBytes         *int64   `json:"quota_bytes,omitempty"`
	Samples            int64    `json:"samples"`
	ErrorBoundPercent  *float64 `json:"error_bound_percent,omitempty"`
	DatagramsLost      int64    `json:"datagrams_lost"`
	SamplesLost        int64    `json:"samples_lost"`
	RecordsLost        *int64   `json:"records_lost,omitempty" doc:"Of NetFlow and IPFIX; absent: an older line, which did not tell"`
	SamplesQuarantined int64    `json:"samples_quarantined"`
	KernelDrops        int64    `json:"kernel_drops" doc:"Of the datagrams lost, those that the collector's socket could not hold"`
	SpoolDrops         *int64   `json:"spool_drops,omitempty" doc:"Of them, those that the collector's spool could not hold; absent: as records_lost"`
	Basis              string   `json:"basis"`
	Direction          string   `json:"direction"`
}

type invoiceRow struct {
	InvoiceSummary
	CustomerName  string
	CustomerEmail string
	ServiceID     uuid.UUID
	ServiceName   string
	StartsAt      time.Time
	EndsAt        time.Time
	TotalMinor    int64
}

type lineRow struct {
	InvoiceLine
	AmountMinor int64
}

//go:embed list_invoices.sql
var listInvoicesSQL string

//go:embed find_invoice.sql
var findInvoiceSQL string

//go:embed list_invoice_lines.sql
var listInvoiceLinesSQL string

// InvoiceFilter narrows a list of invoices. Empty fields keep all.
type InvoiceFilter struct {
	Customer string // id or mail address
	Service  string // id or name
}

// ListInvoices lists the invoices in scope, newest first.
func ListInvoices(ctx context.Context, db query.Postgres, scope query.Scope, filter InvoiceFilter, page query.Page) (query.List[InvoiceSummary], error) {
	at, id, err := page.TimeAfter()
	if err != nil {
		return query.List[InvoiceSummary]{}, err
	}
	rows, err := query.All[invoiceRow](ctx, db, listInvoicesSQL, scope.Owner(), filter.Customer, filter.Service, at, id, page.Rows())
	if err != nil {
		return query.List[InvoiceSummary]{}, err
	}
	invoices := make([]InvoiceSummary, len(rows))
	for i, row := range rows {
		if invoices[i], err = row.summary(); err != nil {
			return query.List[InvoiceSummary]{}, err
		}
	}
	return query.Cut(page, invoices, func(v InvoiceSummary) []string { return query.TimeKey(v.FinalisedAt, v.ID.String()) }), nil
}

// FindInvoice finds an invoice in scope by id or number, with its lines. Errors: NotFound, also for another's.
func FindInvoice(ctx context.Context, db query.Postgres, scope query.Scope, reference string) (Invoice, error) {
	row, err := query.One[invoiceRow](ctx, db, "invoice", findInvoiceSQL, scope.Owner(), reference)
	if err != nil {
		return Invoice{}, err
	}
	summary, err := row.summary()
	if err != nil {
		return Invoice{}, err
	}
	rows, err := query.All[lineRow](ctx, db, listInvoiceLinesSQL, summary.ID)
	if err != nil {
		return Invoice{}, err
	}
	lines := make([]InvoiceLine, len(rows))
	for i, line := range rows {
		amount, err := query.MoneyOf(line.AmountMinor, summary.Currency)
		if err != nil {
			return Invoice{}, err
		}
		lines[i] = line.InvoiceLine
		lines[i].Amount = amount
	}
	return Invoice{InvoiceSummary: summary, Lines: lines}, nil
}

func (r invoiceRow) summary() (InvoiceSummary, error) {
	total, err := query.MoneyOf(r.TotalMinor, r.Currency)
	v := r.InvoiceSummary
	v.Customer = InvoiceCustomer{Name: r.CustomerName, Email: r.CustomerEmail}
	v.Service = InvoiceService{ID: r.ServiceID, Name: r.ServiceName}
	v.Period = Period{From: r.StartsAt, To: r.EndsAt}
	v.Total = total
	return v, err
}
