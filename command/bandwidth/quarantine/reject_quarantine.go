package quarantine

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RejectQuarantine says that what is open never becomes usage.
type RejectQuarantine struct {
	DecisionID uuid.UUID `json:"decision_id"`
	Filter
	Reason string `json:"reason"`
}

// Rejected is the answer: what was decided about. Lengths are unscaled.
type Rejected struct {
	DecisionID  uuid.UUID `json:"decision_id"`
	Rows        int       `json:"rows"`
	Samples     int64     `json:"samples"`
	FrameLength int64     `json:"frame_length"`
	IPLength    int64     `json:"ip_length"`
	command.Change
}

// Outcome is the whole answer.
func (r Rejected) Outcome() any { return r }

// Name is the command's name.
func (RejectQuarantine) Name() string { return "bandwidth.RejectQuarantine" }

// Aggregates is the exporter.
func (c RejectQuarantine) Aggregates() []events.Aggregate {
	return []events.Aggregate{c.aggregate()}
}

// Validate checks the fields.
func (c RejectQuarantine) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "decision_id", c.DecisionID)
	c.validate(&fields)
	check.Text(&fields, "reason", c.Reason)
	return fields.Err()
}

// Handle writes the decisions.
func (c RejectQuarantine) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Rejected, []events.Event, error) {
	taken, err := c.take(ctx, tx)
	if err != nil {
		return Rejected{}, nil, err
	}
	if err := c.decide(ctx, tx, meta.NewID, verdict{decision: "rejected", reason: c.Reason, at: meta.Now}, taken); err != nil {
		return Rejected{}, nil, err
	}
	done := Rejected{DecisionID: c.DecisionID, Rows: len(taken)}
	for _, row := range taken {
		done.Samples += row.Samples
		done.FrameLength += row.FrameLength
		done.IPLength += row.IPLength
	}
	done.Change = decided(done.Rows, done.Samples)
	news := events.QuarantineRejected{DecisionID: c.DecisionID, ExporterID: c.ExporterID, ServiceID: c.ServiceID, Hours: c.hours(), Rate: c.Rate,
		Rows: done.Rows, Samples: done.Samples, FrameLength: done.FrameLength, IPLength: done.IPLength}
	return done, []events.Event{news}, nil
}
