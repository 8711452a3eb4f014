package reports

import (
	_ "embed"

	"github.com/google/uuid"
)

// TopPort is one port's range by its own counters and by flow samples.
type TopPort struct {
	Keyed
	ExporterID       uuid.UUID  `json:"exporter_id" format:"uuid"`
	Exporter         string     `json:"exporter"`
	IfIndex          int64      `json:"if_index"`
	Port             string     `json:"port" doc:"Name as the agent tells it; empty: it tells none"`
	Speed            int64      `json:"speed" doc:"bit/s; 0: not known"`
	ServiceID        *uuid.UUID `json:"service_id" format:"uuid" doc:"Billed by this port's counters, last in the range; null: none"`
	Service          *string    `json:"service"`
	OctetsIn         int64      `json:"octets_in" doc:"By the port's counters"`
	OctetsOut        int64      `json:"octets_out"`
	Octets           int64      `json:"octets" doc:"In and out"`
	UsePercent       *float64   `json:"use_percent" doc:"Of the speed, in the busier direction, on average over the hours read; null when the speed is not known"`
	FlowIn           int64      `json:"flow_in" doc:"L2 estimate of samples taken at the port"`
	FlowOut          int64      `json:"flow_out"`
	FlowInElsewhere  int64      `json:"flow_in_elsewhere" doc:"L2 estimate of samples of other ports whose packets came in by this one"`
	FlowOutElsewhere int64      `json:"flow_out_elsewhere"`
	SamplesIn        int64      `json:"samples_in" doc:"Taken at the port"`
	SamplesOut       int64      `json:"samples_out"`
	RatioIn          *float64   `json:"ratio_in" doc:"Flow estimate / octets; from elsewhere where none was sampled at the port; null without octets or samples"`
	RatioOut         *float64   `json:"ratio_out"`
	Readings         int64      `json:"readings" doc:"Of the counters"`
	Resets           int64      `json:"resets" doc:"Counters that began anew"`
	Implausible      int64      `json:"implausible" doc:"Readings beyond the port's speed, not counted"`
	GapSeconds       int64      `json:"gap_seconds" doc:"Between readings more than three minutes apart"`
}

//go:embed top_ports.sql
var topPortsSQL string

// TopPorts ranks ports by their counters.
func TopPorts() Report[TopPort] {
	return Report[TopPort]{
		Name: "top-ports", Title: "Ports by their counters, with the flow estimate beside them", sql: topPortsSQL, span: day,
		Filters: []string{byExporter, byService},
		Orders: append(byColumn("octets", "octets_in", "octets_out", "use_percent", "flow_in", "flow_out", "ratio_in", "ratio_out", "speed", "gap_seconds"),
			textOrder("exporter"), textOrder("port")),
	}
}
