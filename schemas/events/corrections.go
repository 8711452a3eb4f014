package events

import (
	"time"

	"github.com/google/uuid"
)

// QuarantineReleased says that an operator gave samples a rate whose own could not be believed. They are added to
// the usage of the hours in which they were taken.
type QuarantineReleased struct {
	DecisionID uuid.UUID  `json:"decision_id"` // the batch of its corrections
	ExporterID uuid.UUID  `json:"exporter_id"`
	ServiceID  *uuid.UUID `json:"service_id,omitempty"` // nil: of every service
	Hours      Period     `json:"hours"`
	Rate       *int64     `json:"rate,omitempty"` // nil: whatever was stated
	RateGiven  int64      `json:"rate_given"`
	Rows       int        `json:"rows"`
	Samples    int64      `json:"samples"`
	BytesInL2  int64      `json:"bytes_in_l2"` // lengths x rate_given, summed
	BytesOutL2 int64      `json:"bytes_out_l2"`
	BytesInL3  int64      `json:"bytes_in_l3"`
	BytesOutL3 int64      `json:"bytes_out_l3"`
}

// QuarantineRejected says that samples will never be bytes. Lengths are unscaled.
type QuarantineRejected struct {
	DecisionID  uuid.UUID  `json:"decision_id"`
	ExporterID  uuid.UUID  `json:"exporter_id"`
	ServiceID   *uuid.UUID `json:"service_id,omitempty"`
	Hours       Period     `json:"hours"`
	Rate        *int64     `json:"rate,omitempty"`
	Rows        int        `json:"rows"`
	Samples     int64      `json:"samples"`
	FrameLength int64      `json:"frame_length"`
	IPLength    int64      `json:"ip_length"`
}

// PortReconciliationOff says that a port's flow samples and its counters no longer tell of the same traffic: once,
// when that begins. Each alert is an aggregate of its own, so that judging needs no lock on the exporter.
type PortReconciliationOff struct {
	AlertID    uuid.UUID `json:"alert_id"`
	ExporterID uuid.UUID `json:"exporter_id"`
	IfIndex    int64     `json:"if_index"`
	Hour       time.Time `json:"hour"`
	Reason     string    `json:"reason"`              // ratio, not_sampled, not_counted
	RatioIn    string    `json:"ratio_in,omitempty"`  // decimal, flow estimate / counter; empty: too little to say
	RatioOut   string    `json:"ratio_out,omitempty"` // decimal
	OctetsIn   int64     `json:"octets_in"`
	OctetsOut  int64     `json:"octets_out"`
	FlowIn     int64     `json:"flow_in"` // bytes, L2
	FlowOut    int64     `json:"flow_out"`
}

// PortReconciled says that samples and counters agree again.
type PortReconciled struct {
	AlertID    uuid.UUID `json:"alert_id"` // of this news, not of the one that it ends
	ExporterID uuid.UUID `json:"exporter_id"`
	IfIndex    int64     `json:"if_index"`
	Hour       time.Time `json:"hour"`
	RatioIn    string    `json:"ratio_in,omitempty"`
	RatioOut   string    `json:"ratio_out,omitempty"`
}

func (QuarantineReleased) Type() string              { return "bandwidth.QuarantineReleased" }
func (QuarantineReleased) SchemaVersion() int        { return 1 }
func (e QuarantineReleased) Aggregate() Aggregate    { return Aggregate{TypeExporter, e.ExporterID} }
func (e QuarantineReleased) ShardKey() uuid.UUID     { return e.ExporterID }
func (QuarantineRejected) Type() string              { return "bandwidth.QuarantineRejected" }
func (QuarantineRejected) SchemaVersion() int        { return 1 }
func (e QuarantineRejected) Aggregate() Aggregate    { return Aggregate{TypeExporter, e.ExporterID} }
func (e QuarantineRejected) ShardKey() uuid.UUID     { return e.ExporterID }
func (PortReconciliationOff) Type() string           { return "bandwidth.PortReconciliationOff" }
func (PortReconciliationOff) SchemaVersion() int     { return 1 }
func (e PortReconciliationOff) Aggregate() Aggregate { return Aggregate{TypePortAlert, e.AlertID} }
func (e PortReconciliationOff) ShardKey() uuid.UUID  { return e.ExporterID }
func (PortReconciled) Type() string                  { return "bandwidth.PortReconciled" }
func (PortReconciled) SchemaVersion() int            { return 1 }
func (e PortReconciled) Aggregate() Aggregate        { return Aggregate{TypePortAlert, e.AlertID} }
func (e PortReconciled) ShardKey() uuid.UUID         { return e.ExporterID }
