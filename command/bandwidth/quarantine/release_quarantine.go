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
	"github.com/ezscale/platform/schemas/events"
)

// ReleaseQuarantine gives what is open the rate that it was taken at. Bytes are length x rate, packets samples x rate.
type ReleaseQuarantine struct {
	DecisionID uuid.UUID `json:"decision_id"` // the batch of its corrections
	Filter
	RateGiven int64  `json:"rate_given"`
	Reason    string `json:"reason"`
}

// Released is the answer: what was decided about, and the usage that it becomes.
type Released struct {
	DecisionID uuid.UUID `json:"decision_id"`
	Rows       int       `json:"rows"`
	Samples    int64     `json:"samples"`
	BytesInL2  int64     `json:"bytes_in_l2"`
	BytesOutL2 int64     `json:"bytes_out_l2"`
	BytesInL3  int64     `json:"bytes_in_l3"`
	BytesOutL3 int64     `json:"bytes_out_l3"`
	command.Change
}

// Outcome is the whole answer.
func (r Released) Outcome() any { return r }

// Name is the command's name.
func (ReleaseQuarantine) Name() string { return "bandwidth.ReleaseQuarantine" }

// Aggregates is the exporter.
func (c ReleaseQuarantine) Aggregates() []events.Aggregate {
	return []events.Aggregate{c.aggregate()}
}

// Validate checks the fields.
func (c ReleaseQuarantine) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "decision_id", c.DecisionID)
	c.validate(&fields)
	fields.Check(c.RateGiven >= 1 && c.RateGiven <= maxRate, "rate_given", "must be from 1 to %d", int64(maxRate))
	check.Text(&fields, "reason", c.Reason)
	return fields.Err()
}

// Handle writes the decisions, and the corrections that a meter adds to the counters.
func (c ReleaseQuarantine) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Released, []events.Event, error) {
	taken, err := c.take(ctx, tx)
	if err != nil {
		return Released{}, nil, err
	}
	var sum usage
	scaled := make([]usage, len(taken))
	for i, row := range taken {
		if scaled[i], err = row.scale(c.RateGiven); err != nil {
			return Released{}, nil, err
		}
		if sum, err = sum.plus(scaled[i], c.RateGiven); err != nil {
			return Released{}, nil, err
		}
	}
	v := verdict{decision: "released", rateGiven: &c.RateGiven, reason: c.Reason, at: meta.Now}
	if err := c.decide(ctx, tx, meta.NewID, v, taken); err != nil {
		return Released{}, nil, err
	}
	if err := c.correct(ctx, tx, meta, taken, scaled); err != nil {
		return Released{}, nil, err
	}
	done := Released{DecisionID: c.DecisionID, Rows: len(taken), Samples: sum.SamplesIn + sum.SamplesOut,
		BytesInL2: sum.BytesInL2, BytesOutL2: sum.BytesOutL2, BytesInL3: sum.BytesInL3, BytesOutL3: sum.BytesOutL3}
	done.Change = decided(done.Rows, done.Samples)
	return done, []events.Event{c.event(done)}, nil
}

func (c ReleaseQuarantine) event(r Released) events.QuarantineReleased {
	return events.QuarantineReleased{DecisionID: r.DecisionID, ExporterID: c.ExporterID, ServiceID: c.ServiceID, Hours: c.hours(), Rate: c.Rate,
		RateGiven: c.RateGiven, Rows: r.Rows, Samples: r.Samples,
		BytesInL2: r.BytesInL2, BytesOutL2: r.BytesOutL2, BytesInL3: r.BytesInL3, BytesOutL3: r.BytesOutL3}
}

const insertCorrections = `
insert into usage_correction (id, kind, service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3,
    packets_in, packets_out, samples_in, samples_out, batch, reason, created_at)
select id, 'quarantine_release', service_id, $1, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3,
    packets_in, packets_out, samples_in, samples_out, $2, $3, $4
from unnest($5::uuid[], $6::uuid[], $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
    as row (id, service_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)`

// correct writes one correction for each row.
func (c ReleaseQuarantine) correct(ctx context.Context, tx pgx.Tx, meta command.Meta, taken []open, scaled []usage) error {
	n := len(taken)
	ids, services, hours := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]time.Time, n)
	var figures [8][]int64 // in the order of the statement's columns
	for i, row := range taken {
		ids[i], services[i], hours[i] = meta.NewID(), row.ServiceID, row.Hour
		u := scaled[i]
		for j, value := range [8]int64{u.BytesInL2, u.BytesOutL2, u.BytesInL3, u.BytesOutL3, u.PacketsIn, u.PacketsOut, u.SamplesIn, u.SamplesOut} {
			figures[j] = append(figures[j], value)
		}
	}
	arguments := []any{c.ExporterID, c.DecisionID, c.Reason, meta.Now, ids, services, hours}
	for _, column := range figures {
		arguments = append(arguments, column)
	}
	if _, err := tx.Exec(ctx, insertCorrections, arguments...); err != nil {
		return fmt.Errorf("write %d corrections of exporter %s: %w", n, c.ExporterID, err)
	}
	return nil
}
