package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// UsageCorrection is usage of one hour that a decision added or took away.
type UsageCorrection struct {
	Keyed
	ID         uuid.UUID  `json:"id" format:"uuid"`
	CreatedAt  time.Time  `json:"created_at"`
	AppliedAt  *time.Time `json:"applied_at" doc:"When a meter added it to the counters; null: not yet"`
	Kind       string     `json:"kind" enum:"quarantine_release,remeter"`
	Batch      uuid.UUID  `json:"batch" format:"uuid" doc:"The decision it belongs to"`
	ServiceID  uuid.UUID  `json:"service_id" format:"uuid"`
	Service    string     `json:"service"`
	ExporterID uuid.UUID  `json:"exporter_id" format:"uuid"`
	Exporter   string     `json:"exporter"`
	Hour       time.Time  `json:"hour" doc:"Of the usage"`
	BytesInL2  int64      `json:"bytes_in_l2" doc:"Negative: taken away"`
	BytesOutL2 int64      `json:"bytes_out_l2"`
	BytesInL3  int64      `json:"bytes_in_l3"`
	BytesOutL3 int64      `json:"bytes_out_l3"`
	PacketsIn  int64      `json:"packets_in"`
	PacketsOut int64      `json:"packets_out"`
	SamplesIn  int64      `json:"samples_in"`
	SamplesOut int64      `json:"samples_out"`
	Reason     string     `json:"reason"`
}

//go:embed corrections.sql
var correctionsSQL string

// Corrections lists what decisions changed, by the time of the decision.
func Corrections() Report[UsageCorrection] {
	return Report[UsageCorrection]{
		Name: "corrections", Title: "Usage added or taken away by decisions, by the time of the decision", sql: correctionsSQL, span: month,
		Filters: []string{byService, byExporter}, States: []string{"all", "waiting", "applied"},
		Orders: append([]Order{timeOrder("created_at"), timeOrder("hour"), timeOrder("applied_at")}, append(byColumn("bytes_in_l2", "bytes_out_l2"), textOrder("service"), textOrder("exporter"), textOrder("kind"))...),
	}
}
