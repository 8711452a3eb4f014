package reports

import (
	_ "embed"
	"time"

	"github.com/google/uuid"
)

// QuarantineRow is samples of one service, direction, hour and rate that could not be believed. Lengths are
// unscaled: times the rate that is true they are bytes. What is open is the row less what was decided of it.
type QuarantineRow struct {
	Keyed
	ExporterID      uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter        string    `json:"exporter"`
	Hour            time.Time `json:"hour"`
	ServiceID       uuid.UUID `json:"service_id" format:"uuid"`
	Service         string    `json:"service"`
	Direction       string    `json:"direction" enum:"in,out"`
	Rate            int64     `json:"rate" doc:"The rate that could not be believed; 0: none was given"`
	Samples         int64     `json:"samples" doc:"Ever set aside"`
	FrameLength     int64     `json:"frame_length" doc:"Bytes, unscaled"`
	IPLength        int64     `json:"ip_length" doc:"Bytes, unscaled"`
	OpenSamples     int64     `json:"open_samples" doc:"Waiting for a decision"`
	OpenFrameLength int64     `json:"open_frame_length"`
	OpenIPLength    int64     `json:"open_ip_length"`
}

// QuarantineGroup is what is open of one exporter, service and rate in the range: what one decision is about.
type QuarantineGroup struct {
	Keyed
	ExporterID     uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter       string    `json:"exporter"`
	ServiceID      uuid.UUID `json:"service_id" format:"uuid"`
	Service        string    `json:"service"`
	Rate           int64     `json:"rate" doc:"The rate that could not be believed; 0: none was given"`
	RateMin        int64     `json:"rate_min" doc:"Lowest rate believed of the exporter"`
	RateMax        int64     `json:"rate_max" doc:"Highest rate believed of the exporter"`
	UsualRate      *int64    `json:"usual_rate" doc:"Rate of most of the exporter's samples in the range; null: not known"`
	Samples        int64     `json:"samples"`
	FrameLengthIn  int64     `json:"frame_length_in" doc:"Bytes, unscaled"`
	FrameLengthOut int64     `json:"frame_length_out"`
	IPLengthIn     int64     `json:"ip_length_in"`
	IPLengthOut    int64     `json:"ip_length_out"`
	Hours          int64     `json:"hours" doc:"With something open"`
	FirstHour      time.Time `json:"first_hour"`
	LastHour       time.Time `json:"last_hour"`
}

// QuarantineDecision is what was decided about quarantined samples, and why.
type QuarantineDecision struct {
	Keyed
	ID          uuid.UUID `json:"id" format:"uuid"`
	DecidedAt   time.Time `json:"decided_at"`
	Decision    string    `json:"decision" enum:"released,rejected"`
	ExporterID  uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter    string    `json:"exporter"`
	Hour        time.Time `json:"hour"`
	ServiceID   uuid.UUID `json:"service_id" format:"uuid"`
	Service     string    `json:"service"`
	Direction   string    `json:"direction" enum:"in,out"`
	Rate        int64     `json:"rate"`
	RateGiven   *int64    `json:"rate_given" doc:"Null: rejected"`
	Samples     int64     `json:"samples"`
	FrameLength int64     `json:"frame_length" doc:"Bytes, unscaled"`
	IPLength    int64     `json:"ip_length" doc:"Bytes, unscaled"`
	Reason      string    `json:"reason"`
}

//go:embed quarantine.sql
var quarantineSQL string

//go:embed quarantine_groups.sql
var quarantineGroupsSQL string

//go:embed quarantine_decisions.sql
var quarantineDecisionsSQL string

// Quarantine lists what was set aside, hour by hour.
func Quarantine() Report[QuarantineRow] {
	return Report[QuarantineRow]{
		Name: "quarantine", Title: "Samples set aside because their rate cannot be believed, by hour", sql: quarantineSQL, span: month,
		Filters: []string{byExporter, byService, byRate}, States: []string{"open", "all"},
		Orders: append([]Order{timeOrder("hour")}, append(byColumn("open_samples", "open_frame_length", "samples", "rate"), textOrder("exporter"), textOrder("service"))...),
	}
}

// QuarantineGroups gathers what is open by exporter, service and rate.
func QuarantineGroups() Report[QuarantineGroup] {
	return Report[QuarantineGroup]{
		Name: "quarantine-groups", Title: "Open quarantine, gathered by exporter, service and rate", sql: quarantineGroupsSQL, span: month,
		Filters: []string{byExporter, byService, byRate},
		Orders:  append(byColumn("samples", "frame_length_in", "frame_length_out", "rate", "hours"), timeOrder("first_hour"), timeOrder("last_hour"), textOrder("exporter"), textOrder("service")),
	}
}

// QuarantineDecisions is the history, by the time of the decision.
func QuarantineDecisions() Report[QuarantineDecision] {
	return Report[QuarantineDecision]{
		Name: "quarantine-decisions", Title: "Decisions about quarantined samples, by the time of the decision", sql: quarantineDecisionsSQL, span: month,
		Filters: []string{byExporter, byService}, States: []string{"all", "released", "rejected"},
		Orders: append([]Order{timeOrder("decided_at"), timeOrder("hour")}, append(byColumn("samples", "frame_length", "rate"), textOrder("exporter"), textOrder("service"))...),
	}
}
