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

// ReleasePort ends a service's binding of a port: from then on its prefixes' flows are billed. At may lie ahead. It
// may lie back as ReleasePrefix allows.
type ReleasePort struct {
	ExporterID uuid.UUID `json:"exporter_id"`
	IfIndex    int64     `json:"if_index"`
	ServiceID  uuid.UUID `json:"service_id"`
	At         time.Time `json:"at,omitzero"` // zero: now
}

// Name is the command's name.
func (ReleasePort) Name() string { return "bandwidth.ReleasePort" }

// Aggregates is the service.
func (c ReleasePort) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}}
}

// Validate checks the fields.
func (c ReleasePort) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "service_id", c.ServiceID)
	checkPort(&fields, c.ExporterID, c.IfIndex)
	return fields.Err()
}

// Handle ends the binding.
func (c ReleasePort) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Bound, []events.Event, error) {
	released, err := unbind(ctx, tx, c.ServiceID, c.ExporterID, c.IfIndex, orNow(c.At, meta.Now), meta.Now)
	if err != nil {
		return Bound{}, nil, err
	}
	answer := Bound{BindingID: released.BindingID, ExporterID: c.ExporterID, IfIndex: c.IfIndex, ServiceID: c.ServiceID,
		From: released.from, To: &released.To, Change: shortened(released.until, released.To)}
	return answer, []events.Event{released.PortReleased}, nil
}
