package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// PortHour is one hour of a port: what its counters say, and what flow samples say.
type PortHour struct {
	Keyed
	ExporterID          uuid.UUID `json:"exporter_id" format:"uuid"`
	IfIndex             int64     `json:"if_index"`
	Hour                time.Time `json:"hour"`
	OctetsIn            int64     `json:"octets_in"`
	OctetsOut           int64     `json:"octets_out"`
	PacketsIn           int64     `json:"packets_in"`
	PacketsOut          int64     `json:"packets_out"`
	Readings            int64     `json:"readings" doc:"Of the counters; 0: nothing is known of the octets"`
	Resets              int64     `json:"resets"`
	Implausible         int64     `json:"implausible"`
	GapSeconds          int64     `json:"gap_seconds"`
	FlowIn              int64     `json:"flow_in" doc:"L2 estimate of samples taken at the port"`
	FlowOut             int64     `json:"flow_out"`
	FlowInElsewhere     int64     `json:"flow_in_elsewhere" doc:"L2 estimate of samples of other ports whose packets came in by this one"`
	FlowOutElsewhere    int64     `json:"flow_out_elsewhere"`
	SamplesIn           int64     `json:"samples_in"`
	SamplesOut          int64     `json:"samples_out"`
	SamplesInElsewhere  int64     `json:"samples_in_elsewhere"`
	SamplesOutElsewhere int64     `json:"samples_out_elsewhere"`
	Verdict             *string   `json:"verdict" doc:"ok, off or unknown; null: not judged yet"`
	RatioIn             *float64  `json:"ratio_in" doc:"As judged"`
	RatioOut            *float64  `json:"ratio_out" doc:"As judged"`
}

//go:embed port_hours.sql
var portHoursSQL string

// PortHours lists the hours of one port.
func PortHours() Report[PortHour] {
	return Report[PortHour]{
		Name: "port-hours", Title: "One port, hour by hour: counters and flows", sql: portHoursSQL, span: 7 * day,
		Filters: []string{byExporter, byPort}, needs: []string{byExporter, byPort},
		Orders: append([]Order{timeOrder("hour")}, byColumn("octets_in", "octets_out", "flow_in", "flow_out", "ratio_in", "ratio_out")...),
	}
}
