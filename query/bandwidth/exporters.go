package bandwidth

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Exporter is a device that sends, and how well it is heard.
type Exporter struct {
	ID                 uuid.UUID `json:"id" format:"uuid"`
	Name               string    `json:"name"`
	Source             string    `json:"source" doc:"CIDR of the UDP source addresses it may send from"`
	Agent              *string   `json:"agent,omitempty" doc:"sFlow agent address; absent: any agent of that source"`
	CountPolicy        string    `json:"count_policy" enum:"ingress,egress,both,bound" doc:"bound: only the counters of its bound ports become bytes"`
	RateMin            int64     `json:"rate_min"`
	RateMax            int64     `json:"rate_max"`
	Inside             []string  `json:"inside" nullable:"false" doc:"Tunnels that are looked into: gre, mpls, vxlan"`
	RateDefault        *int64    `json:"rate_default,omitempty" doc:"For flow records that state no rate; absent: they are set aside"`
	RateOverride       *int64    `json:"rate_override,omitempty" doc:"For flow records, whatever they state"`
	Seen               *Seen     `json:"seen,omitempty" db:"-"`
	State              string    `json:"state" db:"-" enum:"never_seen,receiving,silent,losing" doc:"silent: nothing for two minutes; losing: gaps in the last ten minutes"`
	DatagramsPerSecond int64     `json:"datagrams_per_second" db:"-" doc:"Of the last whole minute, rounded"`
	SamplesPerSecond   int64     `json:"samples_per_second" db:"-" doc:"Estimated from the datagrams and the hour's samples in each, rounded"`
	LastHour           LossHour  `json:"last_hour" db:"-" doc:"The running hour"`
	Ports              []Port    `json:"ports" db:"-" nullable:"false"`
	CreatedAt          time.Time `json:"created_at"`
	Version            int64     `json:"version" doc:"Give it as If-Match to change only what you have seen"`
}

// Seen is when an exporter was heard.
type Seen struct {
	FirstAt time.Time `json:"first_at"`
	LastAt  time.Time `json:"last_at"`
}

// LossHour is the loss ledger of one exporter and hour: what was counted, and what is known not to be.
type LossHour struct {
	Hour                time.Time `json:"hour"`
	Datagrams           int64     `json:"datagrams" doc:"Counted"`
	DatagramsLost       int64     `json:"datagrams_lost" doc:"Gaps in the datagram sequence"`
	DatagramsDuplicate  int64     `json:"datagrams_duplicate"`
	DatagramsRejected   int64     `json:"datagrams_rejected"`
	Restarts            int64     `json:"restarts"`
	Samples             int64     `json:"samples" doc:"Counted once, after the count policy"`
	SamplesEvidence     int64     `json:"samples_evidence" doc:"Seen, but not counted by policy"`
	SamplesLost         int64     `json:"samples_lost"`
	SamplesDropped      int64     `json:"samples_dropped" doc:"By the agent itself"`
	SamplesQuarantined  int64     `json:"samples_quarantined"`
	SamplesWithoutIP    int64     `json:"samples_without_ip"`
	SamplesRejected     int64     `json:"samples_rejected"`
	SamplesUnattributed int64     `json:"samples_unattributed"`
	BytesUnattributedL2 int64     `json:"bytes_unattributed_l2"`
	CounterSamples      int64     `json:"counter_samples"`
	DiscardSamples      int64     `json:"discard_samples"`
	SamplesUnknown      int64     `json:"samples_unknown"`
	KernelDrops         int64     `json:"kernel_drops"`
	SpoolDrops          int64     `json:"spool_drops"`
}

// Port is the last reading of one interface.
type Port struct {
	IfIndex   int64     `json:"if_index"`
	Name      string    `json:"name" doc:"As the agent tells it; empty: it tells none"`
	AdminUp   bool      `json:"admin_up"`
	OperUp    bool      `json:"oper_up"`
	IfType    int64     `json:"if_type"`
	Speed     int64     `json:"speed" doc:"bit/s"`
	OctetsIn  int64     `json:"octets_in" doc:"As the port counts; what is over 2^63-1 shows as that"`
	OctetsOut int64     `json:"octets_out"`
	Rate      *int64    `json:"rate,omitempty" doc:"Sampling rate of the newest flow sample"`
	ReadAt    time.Time `json:"read_at"`
}

// ExporterDetail is an exporter with its last day by the hour, oldest first; hours without a row are silent.
type ExporterDetail struct {
	Exporter
	Hours []LossHour `json:"hours" nullable:"false"`
}

// silentAfter and losingFor decide an exporter's state.
const (
	silentAfter = 2 * time.Minute
	losingFor   = 10 * time.Minute
)

type exporterRow struct {
	Exporter
	FirstAt           *time.Time
	LastAt            *time.Time
	MinuteDatagrams   int64 // of the last whole minute
	LostLately        int64
	DatagramsTwoHours int64
	SamplesTwoHours   int64
}

type lossRow struct {
	ExporterID uuid.UUID
	LossHour
}

type portRow struct {
	ExporterID uuid.UUID
	Port
}

//go:embed list_exporters.sql
var listExportersSQL string

//go:embed list_losses.sql
var listLossesSQL string

//go:embed list_ports.sql
var listPortsSQL string

// ListExporters lists exporters with their health as of now, by name.
func ListExporters(ctx context.Context, db query.Postgres, now time.Time, page query.Page) (query.List[Exporter], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[Exporter]{}, err
	}
	rows, err := query.All[exporterRow](ctx, db, listExportersSQL, after, page.Rows(), now, now.Add(-losingFor), "")
	if err != nil {
		return query.List[Exporter]{}, err
	}
	cut := query.Cut(page, rows, func(r exporterRow) []string { return []string{r.Name} })
	exporters, err := withHealth(ctx, db, cut.Items, now)
	return query.List[Exporter]{Items: exporters, NextCursor: cut.NextCursor}, err
}

// FindExporter finds an exporter by id or name, with the losses of the last 24 hours. Errors: NotFound.
func FindExporter(ctx context.Context, db query.Postgres, reference string, now time.Time) (ExporterDetail, error) {
	row, err := query.One[exporterRow](ctx, db, "exporter", listExportersSQL, nil, 1, now, now.Add(-losingFor), reference)
	if err != nil {
		return ExporterDetail{}, err
	}
	exporters, err := withHealth(ctx, db, []exporterRow{row}, now)
	if err != nil {
		return ExporterDetail{}, err
	}
	hour := now.Truncate(time.Hour)
	losses, err := query.All[lossRow](ctx, db, listLossesSQL, []uuid.UUID{row.ID}, hour.Add(-23*time.Hour), hour)
	if err != nil {
		return ExporterDetail{}, err
	}
	hours := make([]LossHour, len(losses))
	for i, l := range losses {
		hours[i] = l.LossHour
	}
	return ExporterDetail{Exporter: exporters[0], Hours: hours}, nil
}

// ExporterName is an exporter by both its names.
type ExporterName struct {
	ID   uuid.UUID
	Name string
}

//go:embed name_exporter.sql
var nameExporterSQL string

// NameExporter finds an exporter by id or name, without its health. Errors: NotFound.
func NameExporter(ctx context.Context, db query.Postgres, reference string) (ExporterName, error) {
	return query.One[ExporterName](ctx, db, "exporter", nameExporterSQL, reference)
}

// withHealth adds what the loss ledger and the port readings say.
func withHealth(ctx context.Context, db query.Postgres, rows []exporterRow, now time.Time) ([]Exporter, error) {
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	hour := now.Truncate(time.Hour)
	losses, err := query.All[lossRow](ctx, db, listLossesSQL, ids, hour, hour)
	if err != nil {
		return nil, err
	}
	ports, err := query.All[portRow](ctx, db, listPortsSQL, ids)
	if err != nil {
		return nil, err
	}
	exporters := make([]Exporter, len(rows))
	place := make(map[uuid.UUID]*Exporter, len(rows))
	for i, r := range rows {
		exporters[i] = r.exporter(now)
		place[r.ID] = &exporters[i]
	}
	for _, l := range losses {
		place[l.ExporterID].LastHour = l.LossHour
	}
	for _, p := range ports {
		e := place[p.ExporterID]
		e.Ports = append(e.Ports, p.Port)
	}
	return exporters, nil
}

func (r exporterRow) exporter(now time.Time) Exporter {
	e := r.Exporter
	e.Ports = []Port{}
	e.LastHour = LossHour{Hour: now.Truncate(time.Hour)}
	if r.FirstAt == nil || r.LastAt == nil {
		e.State = "never_seen"
		return e
	}
	e.Seen = &Seen{FirstAt: *r.FirstAt, LastAt: *r.LastAt}
	switch {
	case now.Sub(*r.LastAt) > silentAfter:
		e.State = "silent"
	case r.LostLately > 0:
		e.State = "losing"
	default:
		e.State = "receiving"
	}
	e.DatagramsPerSecond = (r.MinuteDatagrams + 30) / 60
	if r.DatagramsTwoHours > 0 {
		e.SamplesPerSecond = (r.MinuteDatagrams*r.SamplesTwoHours/r.DatagramsTwoHours + 30) / 60
	}
	return e
}
