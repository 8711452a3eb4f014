package reports

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Reasons counts by reason.
type Reasons map[string]int64

// String lists the reasons with their counts, the most frequent first.
func (r Reasons) String() string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if r[a] != r[b] {
			return int(min(max(r[b]-r[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s: %d", name, r[name])
	}
	return strings.Join(names, ", ")
}

// IngestHour is the whole loss ledger of one exporter and hour: what was counted, and what is known not to be.
// An hour in which a known exporter was silent is there too.
type IngestHour struct {
	Keyed
	ExporterID          uuid.UUID `json:"exporter_id" format:"uuid"`
	Exporter            string    `json:"exporter"`
	Hour                time.Time `json:"hour"`
	SilentMinutes       *int64    `json:"silent_minutes" doc:"Without a datagram, since it was first heard; null: minutes that old are not kept"`
	Datagrams           int64     `json:"datagrams" doc:"Counted"`
	DatagramsLost       int64     `json:"datagrams_lost" doc:"Gaps in the datagram sequence"`
	DatagramsDuplicate  int64     `json:"datagrams_duplicate" doc:"Received again, dropped"`
	DatagramsRejected   int64     `json:"datagrams_rejected" doc:"Not decodable, or not of this exporter's agent"`
	Rejected            Reasons   `json:"rejected" doc:"Datagrams, samples and records that were refused, by reason"`
	Restarts            int64     `json:"restarts" doc:"Of the agent"`
	Samples             int64     `json:"samples" doc:"That passed the count policy"`
	SamplesEvidence     int64     `json:"samples_evidence" doc:"Seen, but not counted by policy"`
	SamplesElsewhere    int64     `json:"samples_elsewhere" doc:"Of prefixes that are attached to another exporter"`
	SamplesLost         int64     `json:"samples_lost" doc:"Gaps in the sample sequence"`
	SamplesDropped      int64     `json:"samples_dropped" doc:"By the agent itself"`
	SamplesQuarantined  int64     `json:"samples_quarantined" doc:"Of a rate that cannot be believed, set aside in that hour"`
	SamplesWithoutIP    int64     `json:"samples_without_ip"`
	SamplesRejected     int64     `json:"samples_rejected" doc:"Bad ones in good datagrams"`
	SamplesUnknown      int64     `json:"samples_unknown" doc:"Of formats that are not known"`
	SamplesUnattributed int64     `json:"samples_unattributed"`
	BytesUnattributedL2 int64     `json:"bytes_unattributed_l2"`
	Records             int64     `json:"records" doc:"NetFlow and IPFIX records that passed the count policy"`
	RecordsLost         int64     `json:"records_lost" doc:"Gaps in the sequences that count records"`
	SetsWithoutTemplate int64     `json:"sets_without_template" doc:"Never decoded: their template did not come"`
	CounterSamples      int64     `json:"counter_samples"`
	DiscardSamples      int64     `json:"discard_samples"`
	KernelDrops         int64     `json:"kernel_drops" doc:"Datagrams that the collector's socket could not hold"`
	SpoolDrops          int64     `json:"spool_drops" doc:"Datagrams that the spool could not hold while the broker was away"`
}

//go:embed ingest.sql
var ingestSQL string

// Ingest is the loss ledger.
func Ingest() Report[IngestHour] {
	return Report[IngestHour]{
		Name: "ingest", Title: "What was counted and what is known to be missing, by exporter and hour", sql: ingestSQL, span: day,
		Filters: []string{byExporter}, States: []string{"all", "trouble"},
		Orders: append([]Order{timeOrder("hour")}, append(byColumn("silent_minutes", "datagrams", "datagrams_lost", "datagrams_duplicate", "datagrams_rejected", "restarts",
			"samples", "samples_lost", "samples_dropped", "samples_quarantined", "samples_unattributed", "bytes_unattributed_l2",
			"records", "records_lost", "sets_without_template", "kernel_drops", "spool_drops"), textOrder("exporter"))...),
	}
}
