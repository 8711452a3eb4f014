package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// ReconciledHour is the verdict on one port's closed hour, and what it was reached on.
type ReconciledHour struct {
	Keyed
	ExporterID uuid.UUID  `json:"exporter_id" format:"uuid"`
	Exporter   string     `json:"exporter"`
	IfIndex    int64      `json:"if_index"`
	Port       string     `json:"port"`
	Hour       time.Time  `json:"hour"`
	Verdict    string     `json:"verdict" enum:"ok,off,unknown"`
	RatioIn    *float64   `json:"ratio_in" doc:"Flow estimate / octets; null: too little to say"`
	RatioOut   *float64   `json:"ratio_out"`
	Deviation  *float64   `json:"deviation" doc:"The larger distance of the two from 1"`
	OctetsIn   int64      `json:"octets_in" doc:"By the port's counters"`
	OctetsOut  int64      `json:"octets_out"`
	FlowIn     int64      `json:"flow_in" doc:"L2 estimate: of samples taken at the port, or of other ports' where none was"`
	FlowOut    int64      `json:"flow_out"`
	SamplesIn  int64      `json:"samples_in" doc:"Behind flow_in"`
	SamplesOut int64      `json:"samples_out"`
	Resets     int64      `json:"resets"`
	GapSeconds int64      `json:"gap_seconds"`
	ServiceID  *uuid.UUID `json:"service_id" format:"uuid" doc:"Billed by this port's counters; null: none"`
	Service    *string    `json:"service"`
	JudgedAt   time.Time  `json:"judged_at"`
}

//go:embed reconciliation.sql
var reconciliationSQL string

// Reconciliation lists the verdicts on ports, hour by hour.
func Reconciliation() Report[ReconciledHour] {
	return Report[ReconciledHour]{
		Name: "reconciliation", Title: "Ports' counters against flow estimates, hour by hour", sql: reconciliationSQL, span: day,
		Filters: []string{byExporter, byPort, byService}, States: []string{"all", "off", "ok", "unknown"},
		Orders: append([]Order{timeOrder("hour")}, append(byColumn("deviation", "ratio_in", "ratio_out", "octets_in", "octets_out", "flow_in", "flow_out"), textOrder("exporter"), textOrder("verdict"))...),
	}
}
