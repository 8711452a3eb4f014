package events

import (
	"time"

	"github.com/google/uuid"
)

// CycleOpened starts a service's billing period.
type CycleOpened struct {
	CycleID    uuid.UUID `json:"cycle_id"`
	ServiceID  uuid.UUID `json:"service_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	Period     Period    `json:"period"`
}

// CycleEnded says that a cycle's period is over and its last usage is being collected.
type CycleEnded CycleOpened

// CycleSnapshotTaken fixes the usage that a cycle, or a later revision of it, is billed on.
type CycleSnapshotTaken struct {
	CycleID        uuid.UUID `json:"cycle_id"`
	ServiceID      uuid.UUID `json:"service_id"`
	CustomerID     uuid.UUID `json:"customer_id"`
	Revision       int       `json:"revision"`
	EventEnd       time.Time `json:"event_end"`     // exclusive
	StoredBefore   time.Time `json:"stored_before"` // exclusive
	BillableBytes  int64     `json:"billable_bytes"`
	EstimatedBytes int64     `json:"estimated_bytes,omitempty"` // what billable_bytes is, or is the lower bound of
}

// CycleRated says what the usage costs. OverageMinor is of all overage so far, not of this revision alone.
type CycleRated struct {
	CycleID      uuid.UUID `json:"cycle_id"`
	ServiceID    uuid.UUID `json:"service_id"`
	CustomerID   uuid.UUID `json:"customer_id"`
	Revision     int       `json:"revision"`
	OverageBytes int64     `json:"overage_bytes"`
	OverageMinor int64     `json:"overage_minor"`
	Currency     string    `json:"currency"`
}

// CycleClosed ends a cycle's work; usage that comes later is a new revision.
type CycleClosed struct {
	CycleID    uuid.UUID `json:"cycle_id"`
	ServiceID  uuid.UUID `json:"service_id"`
	CustomerID uuid.UUID `json:"customer_id"`
}

// InvoiceFinalised says that an invoice, or a credit note with a negative total, has its number and never changes again.
type InvoiceFinalised struct {
	InvoiceID  uuid.UUID `json:"invoice_id"`
	Kind       string    `json:"kind"` // usage, credit_note
	Number     string    `json:"number"`
	CustomerID uuid.UUID `json:"customer_id"`
	CycleID    uuid.UUID `json:"cycle_id"`
	Revision   int       `json:"revision"`
	Currency   string    `json:"currency"`
	TotalMinor int64     `json:"total_minor"`
}

func (CycleOpened) Type() string                  { return "billing.CycleOpened" }
func (CycleOpened) SchemaVersion() int            { return 1 }
func (e CycleOpened) Aggregate() Aggregate        { return Aggregate{TypeCycle, e.CycleID} }
func (e CycleOpened) ShardKey() uuid.UUID         { return e.CustomerID }
func (CycleEnded) Type() string                   { return "billing.CycleEnded" }
func (CycleEnded) SchemaVersion() int             { return 1 }
func (e CycleEnded) Aggregate() Aggregate         { return Aggregate{TypeCycle, e.CycleID} }
func (e CycleEnded) ShardKey() uuid.UUID          { return e.CustomerID }
func (CycleSnapshotTaken) Type() string           { return "billing.CycleSnapshotTaken" }
func (CycleSnapshotTaken) SchemaVersion() int     { return 1 }
func (e CycleSnapshotTaken) Aggregate() Aggregate { return Aggregate{TypeCycle, e.CycleID} }
func (e CycleSnapshotTaken) ShardKey() uuid.UUID  { return e.CustomerID }
func (CycleRated) Type() string                   { return "billing.CycleRated" }
func (CycleRated) SchemaVersion() int             { return 1 }
func (e CycleRated) Aggregate() Aggregate         { return Aggregate{TypeCycle, e.CycleID} }
func (e CycleRated) ShardKey() uuid.UUID          { return e.CustomerID }
func (CycleClosed) Type() string                  { return "billing.CycleClosed" }
func (CycleClosed) SchemaVersion() int            { return 1 }
func (e CycleClosed) Aggregate() Aggregate        { return Aggregate{TypeCycle, e.CycleID} }
func (e CycleClosed) ShardKey() uuid.UUID         { return e.CustomerID }
func (InvoiceFinalised) Type() string             { return "billing.InvoiceFinalised" }
func (InvoiceFinalised) SchemaVersion() int       { return 1 }
func (e InvoiceFinalised) Aggregate() Aggregate   { return Aggregate{TypeInvoice, e.InvoiceID} }
func (e InvoiceFinalised) ShardKey() uuid.UUID    { return e.CustomerID }
