package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// RateHour is how often one sampling rate was seen at a port in an hour.
type RateHour struct {
	Keyed
	ExporterID   uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter     string    `json:"exporter"`
	IfIndex      int64     `json:"if_index"`
	Port         string    `json:"port"`
	Hour         time.Time `json:"hour"`
	Rate         int64     `json:"rate" doc:"1 in so many packets"`
	Samples      int64     `json:"samples"`
	SharePercent float64   `json:"share_percent" doc:"Of the port's samples in the hour"`
	UsualRate    int64     `json:"usual_rate" doc:"The rate of most of the port's samples in the range, the lower of equals"`
	AboveUsual   bool      `json:"above_usual" doc:"Seldom enough sampled to be adaptive sampling: the switch samples fewer packets when it is busy"`
}

//go:embed rates.sql
var ratesSQL string

// Rates is the histogram of sampling rates per port, hour by hour.
func Rates() Report[RateHour] {
	return Report[RateHour]{
		Name: "sampling-rates", Title: "Sampling rates seen at each port, hour by hour", sql: ratesSQL, span: day,
		Filters: []string{byExporter, byPort}, States: []string{"all", "above"},
		Orders: append([]Order{timeOrder("hour")}, append(byColumn("rate", "samples", "share_percent"), textOrder("exporter"))...),
	}
}
