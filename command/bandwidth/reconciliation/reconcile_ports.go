// Package reconciliation compares, hour by hour, what flow samples say of a port with what the port itself counted.
// Near 1 the samples tell the truth; a ratio that is off says that a switch lost samples, states another rate than it
// takes, or is not sampled where it should be. A port's hour is judged once, when its books are closed. The alert is
// given when a port turns off, not again for each hour that it stays so, and so is the news that it agrees again.
package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

const (
	maxPorts = 2000 // judged by one command
	memory   = 7 * 24 * time.Hour

	// TypeHour is the aggregate of the command: the hour, so that two runs follow one another. It has no events.
	TypeHour = "reconciliation"
)

// ReconcilePorts judges ports of a closed hour that are not judged yet, at most 2,000.
type ReconcilePorts struct {
	Hour time.Time `json:"hour"`
}

// Reconciled is the answer. More says that the hour has further ports to judge.
type Reconciled struct {
	Judged     int  `json:"judged"`
	Off        int  `json:"off"`
	Alerts     int  `json:"alerts"`     // of those that turned off
	Recoveries int  `json:"recoveries"` // of those that agree again
	More       bool `json:"more"`
}

// Outcome is the whole answer.
func (r Reconciled) Outcome() any { return r }

// Name is the command's name.
func (ReconcilePorts) Name() string { return "bandwidth.ReconcilePorts" }

// Aggregates is the hour. Each alert is an aggregate of its own.
func (c ReconcilePorts) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: TypeHour, ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte("reconciliation "+c.Hour.UTC().Format(time.RFC3339)))}}
}

// Validate checks the field.
func (c ReconcilePorts) Validate() error {
	var fields fault.Fields
	fields.Check(!c.Hour.IsZero() && c.Hour.Equal(period.Hour(c.Hour)), "hour", "must be a whole hour UTC")
	return fields.Err()
}

// Handle judges. Error: fault.Unavailable "collecting" while the hour's books are not closed.
func (c ReconcilePorts) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Reconciled, []events.Event, error) {
	if closed, err := closed(ctx, tx, c.Hour, meta.Now); err != nil || !closed {
		if err == nil {
			err = fault.New(fault.Unavailable, "collecting", "not every meter has passed the end of the hour %s", c.Hour.UTC().Format(time.RFC3339))
		}
		return Reconciled{}, nil, err
	}
	ports, err := c.unjudged(ctx, tx)
	if err != nil {
		return Reconciled{}, nil, err
	}
	done := Reconciled{Judged: len(ports), More: len(ports) == maxPorts}
	var news []events.Event
	rows := make([]judged, len(ports))
	for i, p := range ports {
		rows[i] = judged{port: p, judgement: p.hour().judge()}
		if e := rows[i].news(c.Hour.UTC(), meta.NewID); e != nil {
			news = append(news, e)
		}
		done.count(rows[i])
	}
	return done, news, c.write(ctx, tx, meta.Now, rows)
}

func (r *Reconciled) count(j judged) {
	if j.verdict == Off {
		r.Off++
	}
	switch {
	case j.event == nil:
	case j.verdict == Off:
		r.Alerts++
	default:
		r.Recoveries++
	}
}

// port is a port's hour as the books have it, with what was said of it before.
type port struct {
	ExporterID                        uuid.UUID
	IfIndex                           int64
	OctetsIn, OctetsOut               int64
	FlowIn, FlowOut                   int64
	SamplesIn, SamplesOut             int64
	FlowInElsewhere, FlowOutElsewhere int64
	SamplesInElsewhere                int64
	SamplesOutElsewhere               int64
	Disturbed                         bool
	Sampled                           bool // or is not meant to be
	Busy                              bool
	Uncounted                         bool   // and bound
	Before                            string // last verdict that said something; empty: none lately
}

// Flow bytes are those of samples taken at the port, where there are any, else of other ports' samples of packets that
// passed it. The two hours before are looked at for a port that is not sampled; one without a row was silent. An
// exporter that counts its bound ports alone need not sample.
const selectPorts = `
select p.exporter_id, p.if_index, p.octets_in, p.octets_out, p.flow_in, p.flow_out, p.samples_in, p.samples_out,
       p.flow_in_elsewhere, p.flow_out_elsewhere, p.samples_in_elsewhere, p.samples_out_elsewhere,
       p.resets > 0 or p.implausible > 0 or p.gap_seconds > $2 as disturbed,
       e.count_policy = 'bound' or lately.samples > 0 as sampled,
       lately.busy = 3 as busy,
       p.readings = 0 and p.octets_in = 0 and p.octets_out = 0
           and exists (select from binding b where b.exporter_id = p.exporter_id and b.if_index = p.if_index
                       and b.valid && tstzrange(p.hour, p.hour + interval '1 hour')) as uncounted,
       coalesce((select r.verdict from port_reconciliation r
                 where r.exporter_id = p.exporter_id and r.if_index = p.if_index and r.hour < p.hour and r.hour >= $3 and r.verdict <> 'unknown'
                 order by r.hour desc limit 1), '') as before
from port_hourly p
join exporter e on e.id = p.exporter_id
cross join lateral (
    select count(*) filter (where l.octets_in::numeric + l.octets_out >= $4) as busy,
           sum(l.samples_in::numeric + l.samples_out + l.samples_in_elsewhere + l.samples_out_elsewhere) as samples
    from port_hourly l
    where l.exporter_id = p.exporter_id and l.if_index = p.if_index and l.hour > p.hour - interval '3 hours' and l.hour <= p.hour
) lately
where p.hour = $1
  and not exists (select from port_reconciliation r where r.exporter_id = p.exporter_id and r.if_index = p.if_index and r.hour = p.hour)
order by p.exporter_id, p.if_index
limit $5`

func (c ReconcilePorts) unjudged(ctx context.Context, tx pgx.Tx) ([]port, error) {
	rows, err := tx.Query(ctx, selectPorts, c.Hour, maxGap, c.Hour.Add(-memory), largeOctets, maxPorts)
	if err != nil {
		return nil, fmt.Errorf("select the ports of hour %s: %w", c.Hour, err)
	}
	ports, err := pgx.CollectRows(rows, pgx.RowToStructByPos[port])
	if err != nil {
		return nil, fmt.Errorf("select the ports of hour %s: %w", c.Hour, err)
	}
	return ports, nil
}

func (p port) hour() hour {
	h := hour{in: side{octets: p.OctetsIn, flow: p.FlowIn, samples: p.SamplesIn}, out: side{octets: p.OctetsOut, flow: p.FlowOut, samples: p.SamplesOut},
		disturbed: p.Disturbed, sampledSince: p.Sampled, busySince: p.Busy, uncounted: p.Uncounted}
	if p.SamplesIn == 0 {
		h.in.flow, h.in.samples = p.FlowInElsewhere, p.SamplesInElsewhere
	}
	if p.SamplesOut == 0 {
		h.out.flow, h.out.samples = p.FlowOutElsewhere, p.SamplesOutElsewhere
	}
	return h
}

// judged is a port's hour with its verdict, and the alert, if it is worth one.
type judged struct {
	port
	judgement
	event *uuid.UUID
}

// news is the event of a port that turned off, or agrees again; nil when it is as before.
func (j *judged) news(at time.Time, newID func() uuid.UUID) events.Event {
	turned := j.verdict == Off && j.Before != Off || j.verdict == OK && j.Before == Off
	if !turned {
		return nil
	}
	id := newID()
	j.event = &id
	if j.verdict == OK {
		return events.PortReconciled{AlertID: id, ExporterID: j.ExporterID, IfIndex: j.IfIndex, Hour: at, RatioIn: j.ratioIn, RatioOut: j.ratioOut}
	}
	h := j.hour()
	return events.PortReconciliationOff{AlertID: id, ExporterID: j.ExporterID, IfIndex: j.IfIndex, Hour: at, Reason: j.reason, RatioIn: j.ratioIn, RatioOut: j.ratioOut,
		OctetsIn: h.in.octets, OctetsOut: h.out.octets, FlowIn: h.in.flow, FlowOut: h.out.flow}
}

const insertVerdicts = `
insert into port_reconciliation (exporter_id, if_index, hour, ratio_in, ratio_out, verdict, event_id, judged_at)
select exporter_id, if_index, $1, nullif(ratio_in, '')::numeric, nullif(ratio_out, '')::numeric, verdict, event_id, $2
from unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::uuid[]) as row (exporter_id, if_index, ratio_in, ratio_out, verdict, event_id)`

func (c ReconcilePorts) write(ctx context.Context, tx pgx.Tx, now time.Time, rows []judged) error {
	n := len(rows)
	exporters, ifIndexes, verdicts := make([]uuid.UUID, n), make([]int64, n), make([]string, n)
	in, out, eventIDs := make([]string, n), make([]string, n), make([]*uuid.UUID, n)
	for i, r := range rows {
		exporters[i], ifIndexes[i], verdicts[i], in[i], out[i], eventIDs[i] = r.ExporterID, r.IfIndex, r.verdict, r.ratioIn, r.ratioOut, r.event
	}
	if _, err := tx.Exec(ctx, insertVerdicts, c.Hour, now, exporters, ifIndexes, in, out, verdicts, eventIDs); err != nil {
		return fmt.Errorf("write the verdicts on %d ports: %w", n, err)
	}
	return nil
}
