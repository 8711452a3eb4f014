package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// PortBinding says that a port is one service's alone for a time: its counters are what is billed.
type PortBinding struct {
	Keyed
	ID         uuid.UUID  `json:"id" format:"uuid"`
	ExporterID uuid.UUID  `json:"exporter_id" format:"uuid"`
	Exporter   string     `json:"exporter"`
	IfIndex    int64      `json:"if_index"`
	Port       string     `json:"port"`
	ServiceID  uuid.UUID  `json:"service_id" format:"uuid"`
	Service    string     `json:"service"`
	Since      time.Time  `json:"since"`
	Until      *time.Time `json:"until" doc:"Exclusive; null: for good"`
}

//go:embed bindings.sql
var bindingsSQL string

// Bindings lists the bindings that held in the range or a part of it.
func Bindings() Report[PortBinding] {
	return Report[PortBinding]{
		Name: "bindings", Title: "Ports that bill one service, in the range", sql: bindingsSQL, span: time.Hour,
		Filters: []string{byExporter, byPort, byService},
		Orders:  []Order{textOrder("exporter"), textOrder("service"), bytesOrder("if_index"), timeOrder("since"), timeOrder("until")},
	}
}
