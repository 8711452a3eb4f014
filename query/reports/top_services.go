package reports

import (
	_ "embed"

	"github.com/google/uuid"
)

// TopService is what was metered for one service in the range, and what is known not to be in it.
type TopService struct {
	Keyed
	ServiceID          uuid.UUID `json:"service_id" format:"uuid"`
	Service            string    `json:"service"`
	Customer           string    `json:"customer"`
	BytesInL2          int64     `json:"bytes_in_l2"`
	BytesOutL2         int64     `json:"bytes_out_l2"`
	BytesL2            int64     `json:"bytes_l2" doc:"In and out"`
	BytesInL3          int64     `json:"bytes_in_l3"`
	BytesOutL3         int64     `json:"bytes_out_l3"`
	BytesL3            int64     `json:"bytes_l3" doc:"In and out"`
	SharePercent       *float64  `json:"share_percent" doc:"Of the L2 bytes of all services in the range; null when there are none"`
	PacketsIn          int64     `json:"packets_in"`
	PacketsOut         int64     `json:"packets_out"`
	Samples            int64     `json:"samples"`
	ErrorBoundPercent  *float64  `json:"error_bound_percent" doc:"95 % bound, 196/sqrt(samples); 0 for bytes of port counters; null without bytes"`
	DatagramsLost      int64     `json:"datagrams_lost" doc:"Of the exporters that metered the service, as all losses here"`
	SamplesLost        int64     `json:"samples_lost"`
	RecordsLost        int64     `json:"records_lost"`
	SamplesQuarantined int64     `json:"samples_quarantined" doc:"Of this service, still waiting for a decision"`
}

//go:embed top_services.sql
var topServicesSQL string

// TopServices ranks services by what was metered for them.
func TopServices() Report[TopService] {
	return Report[TopService]{
		Name: "top-services", Title: "Services by their traffic", sql: topServicesSQL, span: day,
		Filters: []string{byExporter, bySearch},
		Orders: append(byColumn("bytes_l2", "bytes_in_l2", "bytes_out_l2", "bytes_l3", "bytes_in_l3", "bytes_out_l3", "samples", "error_bound_percent", "samples_quarantined"),
			textOrder("service"), textOrder("customer")),
	}
}
