package bandwidth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

// MaxRemeteredHours bounds the hours of one RemeterUsage; more are split by their caller.
const MaxRemeteredHours = 2_000

// Usage is what a meter counts: bytes and packets scaled, samples as received.
type Usage struct {
	BytesInL2  int64 `json:"bytes_in_l2"`
	BytesOutL2 int64 `json:"bytes_out_l2"`
	BytesInL3  int64 `json:"bytes_in_l3"`
	BytesOutL3 int64 `json:"bytes_out_l3"`
	PacketsIn  int64 `json:"packets_in"`
	PacketsOut int64 `json:"packets_out"`
	SamplesIn  int64 `json:"samples_in"`
	SamplesOut int64 `json:"samples_out"`
}

func (u *Usage) fields() []*int64 {
	return []*int64{&u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3, &u.PacketsIn, &u.PacketsOut, &u.SamplesIn, &u.SamplesOut}
}

// RemeteredHour is an hour of a service at an exporter, what it was when it was metered anew, and by how much that differs.
type RemeteredHour struct {
	ServiceID  uuid.UUID `json:"service_id"`
	ExporterID uuid.UUID `json:"exporter_id"`
	Hour       time.Time `json:"hour"`
	Old        Usage     `json:"old"` // with the corrections that wait
	By         Usage     `json:"by"`  // negative takes away
}

// RemeterUsage corrects usage that was metered anew from the raw log, after an assignment was corrected in the past. It
// only writes down what the meter is to add; a correction that was written stays. It is refused when the
// books are no longer what they were when the hours were computed: compute them again then.
type RemeterUsage struct {
	BatchID uuid.UUID       `json:"batch_id"` // of all commands of one decision
	From    time.Time       `json:"from"`
	To      time.Time       `json:"to"` // exclusive
	Reason  string          `json:"reason"`
	Hours   []RemeteredHour `json:"hours" audit:"redact"` // they are in usage_correction, by the batch
}

// Remetered is the answer.
type Remetered struct {
	BatchID  uuid.UUID `json:"batch_id"`
	Hours    int       `json:"hours"`
	Services int       `json:"services"`
}

// Name is the command's name.
func (RemeterUsage) Name() string { return "bandwidth.RemeterUsage" }

// Aggregates is every service of the hours.
func (c RemeterUsage) Aggregates() []events.Aggregate {
	var all []events.Aggregate
	for _, h := range c.Hours {
		if a := (events.Aggregate{Type: events.TypeService, ID: h.ServiceID}); !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// Validate checks the fields.
func (c RemeterUsage) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "batch_id", c.BatchID)
	fields.Check(len(c.Reason) > 0 && len(c.Reason) <= 1000, "reason", "must say why, in at most 1000 bytes")
	fields.Check(period.Hour(c.From).Equal(c.From) && period.Hour(c.To).Equal(c.To) && c.To.After(c.From), "to", "from and to must be whole hours UTC, to after from")
	fields.Check(len(c.Hours) > 0 && len(c.Hours) <= MaxRemeteredHours, "hours", "must be from 1 to %d", MaxRemeteredHours)
	if err := fields.Err(); err != nil {
		return err
	}
	for i := range c.Hours {
		c.Hours[i].check(&fields, fmt.Sprintf("hours[%d]", i), c.From, c.To)
	}
	return fields.Err()
}

func (h *RemeteredHour) check(fields *fault.Fields, name string, from, to time.Time) {
	check.ID(fields, name+".service_id", h.ServiceID)
	check.ID(fields, name+".exporter_id", h.ExporterID)
	fields.Check(period.Hour(h.Hour).Equal(h.Hour) && !h.Hour.Before(from) && h.Hour.Before(to), name+".hour", "must be a whole hour of the range")
	fields.Check(h.By != Usage{}, name+".by", "changes nothing")
	old := h.Old.fields()
	for i, by := range h.By.fields() {
		if *old[i]+*by < 0 {
			fields.Add(name+".by", "takes away more than there is")
			return
		}
	}
}

const selectRemeterable = `select count(*) filter (where watermark >= $1) >= $2 from meter`

// Handle writes the corrections.
func (c RemeterUsage) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Remetered, []events.Event, error) {
	var passed bool
	if err := tx.QueryRow(ctx, selectRemeterable, c.To, events.FlowPartitions).Scan(&passed); err != nil {
		return Remetered{}, nil, fmt.Errorf("read the meters' watermarks: %w", err)
	}
	if !passed {
		return Remetered{}, nil, fault.New(fault.Conflict, "not_metered_yet", "not every meter has passed %s; what comes until then is metered by the assignments of now", c.To.Format(time.RFC3339))
	}
	if err := c.compare(ctx, tx); err != nil {
		return Remetered{}, nil, err
	}
	news, err := c.events(ctx, tx)
	if err != nil {
		return Remetered{}, nil, err
	}
	return Remetered{BatchID: c.BatchID, Hours: len(c.Hours), Services: len(news)}, news, c.write(ctx, tx, meta)
}

// keys are the hours' keys as three arrays.
func (c RemeterUsage) keys() (services, exporters []uuid.UUID, hours []time.Time) {
	for _, h := range c.Hours {
		services, exporters, hours = append(services, h.ServiceID), append(exporters, h.ExporterID), append(hours, h.Hour)
	}
	return services, exporters, hours
}

// One statement sees the counters and the corrections of one moment, while the meter moves the ones into the other.
const selectEffective = `
select k.place, coalesce(u.bytes_in_l2, 0) + w.a, coalesce(u.bytes_out_l2, 0) + w.b, coalesce(u.bytes_in_l3, 0) + w.c, coalesce(u.bytes_out_l3, 0) + w.d,
       coalesce(u.packets_in, 0) + w.e, coalesce(u.packets_out, 0) + w.f, coalesce(u.samples_in, 0) + w.g, coalesce(u.samples_out, 0) + w.h
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) with ordinality as k (service_id, exporter_id, hour, place)
left join usage_hourly u using (service_id, exporter_id, hour)
cross join lateral (
    select coalesce(sum(bytes_in_l2), 0)::bigint as a, coalesce(sum(bytes_out_l2), 0)::bigint as b, coalesce(sum(bytes_in_l3), 0)::bigint as c,
           coalesce(sum(bytes_out_l3), 0)::bigint as d, coalesce(sum(packets_in), 0)::bigint as e, coalesce(sum(packets_out), 0)::bigint as f,
           coalesce(sum(samples_in), 0)::bigint as g, coalesce(sum(samples_out), 0)::bigint as h
    from usage_correction x
    where x.service_id = k.service_id and x.hour = k.hour and x.exporter_id = k.exporter_id and x.applied_at is null) w`

// compare refuses when an hour is not what it was.
func (c RemeterUsage) compare(ctx context.Context, tx pgx.Tx) error {
	services, exporters, hours := c.keys()
	rows, err := tx.Query(ctx, selectEffective, services, exporters, hours)
	if err != nil {
		return fmt.Errorf("read the usage that is to be corrected: %w", err)
	}
	var place int64
	var now Usage
	scan := []any{&place}
	for _, field := range now.fields() {
		scan = append(scan, field)
	}
	changed := -1
	if _, err := pgx.ForEachRow(rows, scan, func() error {
		if i := int(place) - 1; now != c.Hours[i].Old {
			changed = i
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read the usage that is to be corrected: %w", err)
	}
	if changed >= 0 {
		h := c.Hours[changed]
		return fault.New(fault.Conflict, "usage_changed", "the usage of service %s in the hour of %s is no longer what it was when it was metered anew; do it again",
			h.ServiceID, h.Hour.Format(time.RFC3339))
	}
	return nil
}

// events are one of each service, with the sums of its hours.
func (c RemeterUsage) events(ctx context.Context, tx pgx.Tx) ([]events.Event, error) {
	sums := map[uuid.UUID]*events.UsageRemetered{}
	for _, h := range c.Hours {
		e, ok := sums[h.ServiceID]
		if !ok {
			e = &events.UsageRemetered{BatchID: c.BatchID, ServiceID: h.ServiceID, From: c.From, To: c.To, Reason: c.Reason}
			sums[h.ServiceID] = e
		}
		e.Hours++
		e.BytesInL2, e.BytesOutL2 = e.BytesInL2+h.By.BytesInL2, e.BytesOutL2+h.By.BytesOutL2
		e.BytesInL3, e.BytesOutL3 = e.BytesInL3+h.By.BytesInL3, e.BytesOutL3+h.By.BytesOutL3
	}
	news := make([]events.Event, 0, len(sums))
	for _, a := range c.Aggregates() {
		e := sums[a.ID]
		if err := tx.QueryRow(ctx, "select customer_id from service where id = $1", a.ID).Scan(&e.CustomerID); err != nil {
			return nil, fmt.Errorf("find the customer of service %s: %w", a.ID, err)
		}
		news = append(news, *e)
	}
	return news, nil
}

func (c RemeterUsage) write(ctx context.Context, tx pgx.Tx, meta command.Meta) error {
	columns := []string{"id", "kind", "service_id", "exporter_id", "hour", "bytes_in_l2", "bytes_out_l2", "bytes_in_l3", "bytes_out_l3",
		"packets_in", "packets_out", "samples_in", "samples_out", "batch", "reason", "created_at"}
	source := pgx.CopyFromSlice(len(c.Hours), func(i int) ([]any, error) {
		h := &c.Hours[i]
		row := []any{meta.NewID(), "remeter", h.ServiceID, h.ExporterID, h.Hour}
		for _, by := range h.By.fields() {
			row = append(row, *by)
		}
		return append(row, c.BatchID, c.Reason, meta.Now), nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"usage_correction"}, columns, source); err != nil {
		return fmt.Errorf("write the corrections: %w", err)
	}
	return nil
}
