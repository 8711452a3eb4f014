package events

import (
	"time"

	"github.com/google/uuid"
)

// CustomerRegistered names nobody: personal data stays in Postgres.
type CustomerRegistered struct {
	CustomerID uuid.UUID `json:"customer_id"`
}

// CustomerChanged says that a customer's personal data changed, not how.
type CustomerChanged CustomerRegistered

// PlanTerms are a plan's price, quota and overage.
type PlanTerms struct {
	PlanID           uuid.UUID `json:"plan_id"`
	PriceMinor       int64     `json:"price_minor"`
	Currency         string    `json:"currency"`
	Interval         string    `json:"interval"`              // month, quarter, year
	QuotaBytes       int64     `json:"quota_bytes,omitempty"` // 0: no quota
	ByteBasis        string    `json:"byte_basis"`            // l2, l3
	Direction        string    `json:"direction"`             // sum, in, out, max
	BillAt           string    `json:"bill_at,omitempty"`     // estimate, lower_bound; empty: estimate
	Thresholds       []int     `json:"thresholds"`            // percent, ascending
	OverageUnitBytes int64     `json:"overage_unit_bytes,omitempty"`
	OverageUnitPrice string    `json:"overage_unit_price,omitempty"` // decimal, major units per unit
}

// PlanCreated and PlanChanged carry the plan's terms, whole.
type (
	PlanCreated PlanTerms
	PlanChanged PlanTerms
)

// ServiceCreated says that a customer has a service on a plan.
type ServiceCreated struct {
	ServiceID  uuid.UUID `json:"service_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	PlanID     uuid.UUID `json:"plan_id"`
	Since      time.Time `json:"since"`
}

// ServicePlanChanged moves a service to another plan.
type ServicePlanChanged struct {
	ServiceID  uuid.UUID `json:"service_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	PlanID     uuid.UUID `json:"plan_id"`
}

func (CustomerRegistered) Type() string           { return "identity.CustomerRegistered" }
func (CustomerRegistered) SchemaVersion() int     { return 1 }
func (e CustomerRegistered) Aggregate() Aggregate { return Aggregate{TypeCustomer, e.CustomerID} }
func (e CustomerRegistered) ShardKey() uuid.UUID  { return e.CustomerID }
func (CustomerChanged) Type() string              { return "identity.CustomerChanged" }
func (CustomerChanged) SchemaVersion() int        { return 1 }
func (e CustomerChanged) Aggregate() Aggregate    { return Aggregate{TypeCustomer, e.CustomerID} }
func (e CustomerChanged) ShardKey() uuid.UUID     { return e.CustomerID }
func (PlanCreated) Type() string                  { return "catalog.PlanCreated" }
func (PlanCreated) SchemaVersion() int            { return 1 }
func (e PlanCreated) Aggregate() Aggregate        { return Aggregate{TypePlan, e.PlanID} }
func (e PlanCreated) ShardKey() uuid.UUID         { return e.PlanID }
func (PlanChanged) Type() string                  { return "catalog.PlanChanged" }
func (PlanChanged) SchemaVersion() int            { return 1 }
func (e PlanChanged) Aggregate() Aggregate        { return Aggregate{TypePlan, e.PlanID} }
func (e PlanChanged) ShardKey() uuid.UUID         { return e.PlanID }
func (ServiceCreated) Type() string               { return "provisioning.ServiceCreated" }
func (ServiceCreated) SchemaVersion() int         { return 1 }
func (e ServiceCreated) Aggregate() Aggregate     { return Aggregate{TypeService, e.ServiceID} }
func (e ServiceCreated) ShardKey() uuid.UUID      { return e.CustomerID }
func (ServicePlanChanged) Type() string           { return "provisioning.ServicePlanChanged" }
func (ServicePlanChanged) SchemaVersion() int     { return 1 }
func (e ServicePlanChanged) Aggregate() Aggregate { return Aggregate{TypeService, e.ServiceID} }
func (e ServicePlanChanged) ShardKey() uuid.UUID  { return e.CustomerID }
