// Package quarantine decides about samples that were set aside because the sampling rate they state cannot be
// believed. An operator gives them a rate, and they become usage of the hours in which they were taken; or says that
// they never will. A decision takes what is open: a row of the quarantine less what was decided about it before, so
// that a row which goes on growing is open again with what came since. Nothing is updated and nothing is deleted.
//
// Released samples go into usage_correction, not into the counters: those are the meter's, which adds the
// corrections in one of its flushes, and by it quota alerts, late usage and read models follow as for any byte.
package quarantine

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

const (
	maxRows = 10_000    // that one order decides about
	maxRate = 1<<32 - 1 // an sFlow sampling rate has 32 bits
	// maxTotal bounds the bytes, and the packets, that one order may add, far below what the counters can hold: an
	// exabyte is four hours of a hundred full Tbit/s links.
	maxTotal = 1_000_000_000_000_000_000
)

// Filter says which samples are decided about: all that are open of an exporter, in whole hours.
type Filter struct {
	ExporterID uuid.UUID  `json:"exporter_id"`
	From       time.Time  `json:"from"`
	To         time.Time  `json:"to"`                   // exclusive
	ServiceID  *uuid.UUID `json:"service_id,omitempty"` // nil: of every service
	Rate       *int64     `json:"rate,omitempty"`       // as the samples state it; nil: whatever they state
}

func (f Filter) validate(fields *fault.Fields) {
	check.ID(fields, "exporter_id", f.ExporterID)
	fields.Check(!f.From.IsZero() && f.From.Equal(period.Hour(f.From)), "from", "must be a whole hour UTC")
	fields.Check(f.To.Equal(period.Hour(f.To)) && f.To.After(f.From), "to", "must be a whole hour UTC after from")
	fields.Check(f.ServiceID == nil || *f.ServiceID != uuid.Nil, "service_id", "is no id; leave it out for every service")
	fields.Check(f.Rate == nil || *f.Rate >= 0 && *f.Rate <= maxRate, "rate", "must be from 0 to %d", int64(maxRate))
}

func (f Filter) hours() events.Period { return events.Period{From: f.From.UTC(), To: f.To.UTC()} }

func (f Filter) aggregate() events.Aggregate {
	return events.Aggregate{Type: events.TypeExporter, ID: f.ExporterID}
}

// open is a row of the quarantine, less what was decided about it.
type open struct {
	Hour        time.Time
	ServiceID   uuid.UUID
	Direction   string // in, out
	Rate        int64
	Samples     int64
	FrameLength int64 // unscaled
	IPLength    int64
}

// Decisions about an exporter follow one another, because its aggregate is locked; the rows are locked against the
// meter, in the order in which it takes them.
const selectOpen = `
select q.hour, q.service_id, q.direction, q.rate, q.samples - decided.samples, q.frame_length - decided.frame_length, q.ip_length - decided.ip_length
from quarantine_hourly q
cross join lateral (
    select coalesce(sum(d.samples), 0)::bigint as samples, coalesce(sum(d.frame_length), 0)::bigint as frame_length,
           coalesce(sum(d.ip_length), 0)::bigint as ip_length
    from quarantine_decision d
    where d.exporter_id = q.exporter_id and d.hour = q.hour and d.service_id = q.service_id and d.direction = q.direction and d.rate = q.rate
) decided
where q.exporter_id = $1 and q.hour >= $2 and q.hour < $3 and ($4::uuid is null or q.service_id = $4) and ($5::bigint is null or q.rate = $5)
  and q.samples > decided.samples
order by q.exporter_id, q.hour, q.service_id, q.direction, q.rate
limit $6
for update of q`

// take locks what is open. Errors: fault.NotFound "nothing_open"; fault.Invalid when it is more than one order may
// decide about.
func (f Filter) take(ctx context.Context, tx pgx.Tx) ([]open, error) {
	rows, err := tx.Query(ctx, selectOpen, f.ExporterID, f.From, f.To, f.ServiceID, f.Rate, maxRows+1)
	if err != nil {
		return nil, fmt.Errorf("select what exporter %s has in quarantine: %w", f.ExporterID, err)
	}
	taken, err := pgx.CollectRows(rows, pgx.RowToStructByPos[open])
	if err != nil {
		return nil, fmt.Errorf("select what exporter %s has in quarantine: %w", f.ExporterID, err)
	}
	if len(taken) == 0 {
		return nil, fault.New(fault.NotFound, "nothing_open", "no samples of this exporter wait for a decision in these hours")
	}
	if len(taken) > maxRows {
		return nil, fault.New(fault.Invalid, "too_many_rows", "more than %d rows are open in these hours; narrow the hours, or name a service or a rate", maxRows)
	}
	return taken, nil
}

// waiting is what a decision changes, for the audit row: what of its hours is open.
type waiting struct {
	Rows    int   `json:"open_rows"`
	Samples int64 `json:"open_samples"`
}

func decided(rows int, samples int64) command.Change {
	return command.Change{Before: waiting{rows, samples}, After: waiting{}}
}

const insertDecisions = `
insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, rate_given, samples, frame_length, ip_length, reason, decided_at)
select id, $1, hour, service_id, direction, rate, $2, $3, samples, frame_length, ip_length, $4, $5
from unnest($6::uuid[], $7::timestamptz[], $8::uuid[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
    as row (id, hour, service_id, direction, rate, samples, frame_length, ip_length)`

// verdict is what a decision says of each row.
type verdict struct {
	decision  string // released, rejected
	rateGiven *int64
	reason    string
	at        time.Time
}

// decide writes one decision for each row.
func (f Filter) decide(ctx context.Context, tx pgx.Tx, newID func() uuid.UUID, v verdict, taken []open) error {
	n := len(taken)
	ids, hours, services, directions := make([]uuid.UUID, n), make([]time.Time, n), make([]uuid.UUID, n), make([]string, n)
	rates, samples, frames, ips := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, r := range taken {
		ids[i], hours[i], services[i], directions[i] = newID(), r.Hour, r.ServiceID, r.Direction
		rates[i], samples[i], frames[i], ips[i] = r.Rate, r.Samples, r.FrameLength, r.IPLength
	}
	_, err := tx.Exec(ctx, insertDecisions, f.ExporterID, v.decision, v.rateGiven, v.reason, v.at, ids, hours, services, directions, rates, samples, frames, ips)
	if err != nil {
		return fmt.Errorf("write %d decisions about exporter %s: %w", n, f.ExporterID, err)
	}
	return nil
}
