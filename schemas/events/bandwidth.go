package events

import (
	"time"

	"github.com/google/uuid"
)

// ExporterRegistered says that datagrams of a source are now metered.
type ExporterRegistered struct {
	ExporterID   uuid.UUID `json:"exporter_id"`
	Source       string    `json:"source"`          // CIDR of UDP source addresses
	Agent        string    `json:"agent,omitempty"` // sFlow agent address, empty for any
	CountPolicy  string    `json:"count_policy"`    // ingress, egress, both, bound
	RateMin      int64     `json:"rate_min"`
	RateMax      int64     `json:"rate_max"`
	Inside       []string  `json:"inside,omitempty"`        // tunnels to look into: gre, mpls, vxlan
	RateDefault  int64     `json:"rate_default,omitempty"`  // for flow records that state no rate; 0: quarantine
	RateOverride int64     `json:"rate_override,omitempty"` // for flow records, whatever they state; 0: none
}

// ExporterChanged carries the exporter's new settings, whole.
type ExporterChanged ExporterRegistered

// PrefixAssigned says that a prefix's traffic belongs to a service from a time on.
type PrefixAssigned struct {
	AssignmentID uuid.UUID  `json:"assignment_id"`
	ServiceID    uuid.UUID  `json:"service_id"`
	CustomerID   uuid.UUID  `json:"customer_id"`
	Prefix       string     `json:"prefix"`
	From         time.Time  `json:"from"`
	To           *time.Time `json:"to,omitempty"`            // exclusive; nil while it lasts
	AttachmentID *uuid.UUID `json:"attachment_id,omitempty"` // the only exporter that counts its traffic; nil: each does
}

// PrefixReleased ends an assignment. A move, or another attachment, is a release and an assignment in one transaction.
type PrefixReleased struct {
	AssignmentID uuid.UUID `json:"assignment_id"`
	ServiceID    uuid.UUID `json:"service_id"`
	CustomerID   uuid.UUID `json:"customer_id"`
	Prefix       string    `json:"prefix"`
	To           time.Time `json:"to"` // exclusive
}

// PortBound says that a service is billed by the counters of a port from a time on.
type PortBound struct {
	BindingID  uuid.UUID  `json:"binding_id"`
	ExporterID uuid.UUID  `json:"exporter_id"`
	IfIndex    int64      `json:"if_index"`
	ServiceID  uuid.UUID  `json:"service_id"`
	CustomerID uuid.UUID  `json:"customer_id"`
	From       time.Time  `json:"from"`
	To         *time.Time `json:"to,omitempty"` // exclusive; nil while it lasts
}

// PortReleased ends a binding. A move is a release and a binding in one transaction.
type PortReleased struct {
	BindingID  uuid.UUID `json:"binding_id"`
	ExporterID uuid.UUID `json:"exporter_id"`
	IfIndex    int64     `json:"if_index"`
	ServiceID  uuid.UUID `json:"service_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	To         time.Time `json:"to"` // exclusive
}

// QuotaThresholdReached says that a service's billable bytes crossed a share of its quota: once per service,
// cycle and threshold. Its aggregate is the crossing itself, so that the meter needs no lock on the service.
type QuotaThresholdReached struct {
	AlertID       uuid.UUID `json:"alert_id"`
	ServiceID     uuid.UUID `json:"service_id"`
	CustomerID    uuid.UUID `json:"customer_id"`
	CycleID       uuid.UUID `json:"cycle_id"`
	Threshold     int       `json:"threshold"` // percent
	QuotaBytes    int64     `json:"quota_bytes"`
	BillableBytes int64     `json:"billable_bytes"`
	ReachedAt     time.Time `json:"reached_at"`
}

// UsageRemetered says that a service's usage was metered anew after an assignment was corrected in the past, and by how
// much it changes. It is one of a batch; the hours are in usage_correction.
type UsageRemetered struct {
	BatchID    uuid.UUID `json:"batch_id"`
	ServiceID  uuid.UUID `json:"service_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"` // exclusive
	Hours      int       `json:"hours"`
	Reason     string    `json:"reason"`
	BytesInL2  int64     `json:"bytes_in_l2"` // changes; negative takes away
	BytesOutL2 int64     `json:"bytes_out_l2"`
	BytesInL3  int64     `json:"bytes_in_l3"`
	BytesOutL3 int64     `json:"bytes_out_l3"`
}

func (ExporterRegistered) Type() string              { return "bandwidth.ExporterRegistered" }
func (ExporterRegistered) SchemaVersion() int        { return 1 }
func (e ExporterRegistered) Aggregate() Aggregate    { return Aggregate{TypeExporter, e.ExporterID} }
func (e ExporterRegistered) ShardKey() uuid.UUID     { return e.ExporterID }
func (ExporterChanged) Type() string                 { return "bandwidth.ExporterChanged" }
func (ExporterChanged) SchemaVersion() int           { return 1 }
func (e ExporterChanged) Aggregate() Aggregate       { return Aggregate{TypeExporter, e.ExporterID} }
func (e ExporterChanged) ShardKey() uuid.UUID        { return e.ExporterID }
func (PrefixAssigned) Type() string                  { return "bandwidth.PrefixAssigned" }
func (PrefixAssigned) SchemaVersion() int            { return 1 }
func (e PrefixAssigned) Aggregate() Aggregate        { return Aggregate{TypeService, e.ServiceID} }
func (e PrefixAssigned) ShardKey() uuid.UUID         { return e.CustomerID }
func (PrefixReleased) Type() string                  { return "bandwidth.PrefixReleased" }
func (PrefixReleased) SchemaVersion() int            { return 1 }
func (e PrefixReleased) Aggregate() Aggregate        { return Aggregate{TypeService, e.ServiceID} }
func (e PrefixReleased) ShardKey() uuid.UUID         { return e.CustomerID }
func (PortBound) Type() string                       { return "bandwidth.PortBound" }
func (PortBound) SchemaVersion() int                 { return 1 }
func (e PortBound) Aggregate() Aggregate             { return Aggregate{TypeService, e.ServiceID} }
func (e PortBound) ShardKey() uuid.UUID              { return e.CustomerID }
func (PortReleased) Type() string                    { return "bandwidth.PortReleased" }
func (PortReleased) SchemaVersion() int              { return 1 }
func (e PortReleased) Aggregate() Aggregate          { return Aggregate{TypeService, e.ServiceID} }
func (e PortReleased) ShardKey() uuid.UUID           { return e.CustomerID }
func (QuotaThresholdReached) Type() string           { return "bandwidth.QuotaThresholdReached" }
func (QuotaThresholdReached) SchemaVersion() int     { return 1 }
func (e QuotaThresholdReached) Aggregate() Aggregate { return Aggregate{TypeQuotaAlert, e.AlertID} }
func (e QuotaThresholdReached) ShardKey() uuid.UUID  { return e.CustomerID }
func (UsageRemetered) Type() string                  { return "bandwidth.UsageRemetered" }
func (UsageRemetered) SchemaVersion() int            { return 1 }
func (e UsageRemetered) Aggregate() Aggregate        { return Aggregate{TypeService, e.ServiceID} }
func (e UsageRemetered) ShardKey() uuid.UUID         { return e.CustomerID }
