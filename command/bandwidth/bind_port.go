package bandwidth

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// BindPort makes a port one service's alone: from then on the service is billed by the port's own counters, and flow
// samples only explain them. From may lie back as far as ReleasePrefix allows, because what flows have counted since
// is not taken back.
type BindPort struct {
	BindingID  uuid.UUID  `json:"binding_id"`
	ExporterID uuid.UUID  `json:"exporter_id"`
	IfIndex    int64      `json:"if_index"`
	ServiceID  uuid.UUID  `json:"service_id"`
	From       time.Time  `json:"from,omitzero"` // zero: now
	To         *time.Time `json:"to,omitempty"`  // exclusive; nil lasts
}

// Name is the command's name.
func (BindPort) Name() string { return "bandwidth.BindPort" }

// Aggregates is the service.
func (c BindPort) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}}
}

// Validate checks the fields.
func (c BindPort) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "binding_id", c.BindingID)
	check.ID(&fields, "service_id", c.ServiceID)
	checkPort(&fields, c.ExporterID, c.IfIndex)
	fields.Check(c.To == nil || c.From.IsZero() || c.To.After(c.From), "to", "must be after from")
	return fields.Err()
}

// Constraints says what an id that is taken, or an exporter that is not there, means.
func (c BindPort) Constraints() map[string]*fault.Error { return takenBinding(c.BindingID) }

// Handle writes the binding.
func (c BindPort) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Bound, []events.Event, error) {
	from, to := orNow(c.From, meta.Now), c.To
	if to != nil {
		end := check.Instant(*to)
		to = &end
	}
	if err := refusePast(ctx, tx, c.ServiceID, from, meta.Now, "bind the port"); err != nil {
		return Bound{}, nil, err
	}
	b := Bound{BindingID: c.BindingID, ExporterID: c.ExporterID, IfIndex: c.IfIndex, ServiceID: c.ServiceID, From: from, To: to}
	bound, err := bind(ctx, tx, "from", b)
	if err != nil {
		return Bound{}, nil, err
	}
	return b, []events.Event{bound}, nil
}
