package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// EvidenceHour is flows of a service that were kept beside what was billed in the hour.
type EvidenceHour struct {
	Keyed
	ServiceID   uuid.UUID `json:"service_id" format:"uuid"`
	Service     string    `json:"service"`
	ExporterID  uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter    string    `json:"exporter"`
	Hour        time.Time `json:"hour"`
	Reason      string    `json:"reason" enum:"bound,attachment" doc:"bound: the service's port is billed by its counters; attachment: its prefix is attached to another exporter"`
	BytesInL2   int64     `json:"bytes_in_l2" doc:"Seen, not billed"`
	BytesOutL2  int64     `json:"bytes_out_l2"`
	BytesInL3   int64     `json:"bytes_in_l3"`
	BytesOutL3  int64     `json:"bytes_out_l3"`
	PacketsIn   int64     `json:"packets_in"`
	PacketsOut  int64     `json:"packets_out"`
	SamplesIn   int64     `json:"samples_in"`
	SamplesOut  int64     `json:"samples_out"`
	BilledInL2  int64     `json:"billed_in_l2" doc:"Counted for the service in that hour, by all exporters"`
	BilledOutL2 int64     `json:"billed_out_l2"`
}

//go:embed evidence.sql
var evidenceSQL string

// Evidence lists the flows that explain what is billed and are not billed themselves.
func Evidence() Report[EvidenceHour] {
	return Report[EvidenceHour]{
		Name: "evidence", Title: "Flows kept as evidence beside what is billed, by service and hour", sql: evidenceSQL, span: day,
		Filters: []string{byService, byExporter}, States: []string{"all", "bound", "attachment"},
		Orders: append([]Order{timeOrder("hour")}, append(byColumn("bytes_in_l2", "bytes_out_l2", "billed_in_l2", "billed_out_l2"), textOrder("service"), textOrder("exporter"))...),
	}
}
