package reports

import (
	_ "embed"

	"github.com/google/uuid"
)

// TopExporter is what one exporter's samples and counters came to in the range.
type TopExporter struct {
	Keyed
	ExporterID          uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter            string    `json:"exporter"`
	BytesInL2           int64     `json:"bytes_in_l2" doc:"Of services"`
	BytesOutL2          int64     `json:"bytes_out_l2" doc:"Of services"`
	BytesL2             int64     `json:"bytes_l2" doc:"In and out, of services"`
	BytesL3             int64     `json:"bytes_l3" doc:"In and out, of services"`
	SharePercent        *float64  `json:"share_percent" doc:"Of the L2 bytes of all exporters in the range; null when there are none"`
	Services            int64     `json:"services" doc:"That it metered"`
	BytesUnattributedL2 int64     `json:"bytes_unattributed_l2" doc:"Of addresses that no service owns"`
	Samples             int64     `json:"samples" doc:"That the bytes of services come from"`
	ErrorBoundPercent   *float64  `json:"error_bound_percent" doc:"95 % bound, 196/sqrt(samples); 0 for bytes of port counters; null without bytes"`
	Datagrams           int64     `json:"datagrams" doc:"Counted"`
	DatagramsLost       int64     `json:"datagrams_lost"`
	SamplesLost         int64     `json:"samples_lost"`
	RecordsLost         int64     `json:"records_lost"`
	SamplesQuarantined  int64     `json:"samples_quarantined" doc:"Still waiting for a decision"`
}

//go:embed top_exporters.sql
var topExportersSQL string

// TopExporters ranks exporters by what they metered.
func TopExporters() Report[TopExporter] {
	return Report[TopExporter]{
		Name: "top-exporters", Title: "Exporters by the traffic they metered", sql: topExportersSQL, span: day,
		Filters: []string{byExporter},
		Orders:  append(byColumn("bytes_l2", "bytes_l3", "services", "bytes_unattributed_l2", "samples", "datagrams", "datagrams_lost"), textOrder("exporter")),
	}
}
