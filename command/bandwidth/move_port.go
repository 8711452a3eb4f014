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

// MovePort takes a port from one service and binds it to another at the same instant, in one transaction. The new
// binding lasts as long as the old one would have. At may lie back as ReleasePrefix allows.
type MovePort struct {
	BindingID     uuid.UUID `json:"binding_id"`
	ExporterID    uuid.UUID `json:"exporter_id"`
	IfIndex       int64     `json:"if_index"`
	FromServiceID uuid.UUID `json:"from_service_id"`
	ToServiceID   uuid.UUID `json:"to_service_id"`
	At            time.Time `json:"at,omitzero"` // zero: now
}

// Name is the command's name.
func (MovePort) Name() string { return "bandwidth.MovePort" }

// Aggregates is both services.
func (c MovePort) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.FromServiceID}, {Type: events.TypeService, ID: c.ToServiceID}}
}

// Validate checks the fields.
func (c MovePort) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "binding_id", c.BindingID)
	check.ID(&fields, "from_service_id", c.FromServiceID)
	check.ID(&fields, "to_service_id", c.ToServiceID)
	fields.Check(c.FromServiceID != c.ToServiceID, "to_service_id", "is the service that has the port")
	checkPort(&fields, c.ExporterID, c.IfIndex)
	return fields.Err()
}

// Constraints says what an id that is taken means.
func (c MovePort) Constraints() map[string]*fault.Error { return takenBinding(c.BindingID) }

// Handle ends the old binding and begins the new one.
func (c MovePort) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Bound, []events.Event, error) {
	at := orNow(c.At, meta.Now)
	released, err := unbind(ctx, tx, c.FromServiceID, c.ExporterID, c.IfIndex, at, meta.Now)
	if err != nil {
		return Bound{}, nil, err
	}
	if err := refusePast(ctx, tx, c.ToServiceID, at, meta.Now, "move the port"); err != nil {
		return Bound{}, nil, err
	}
	b := Bound{BindingID: c.BindingID, ExporterID: c.ExporterID, IfIndex: c.IfIndex, ServiceID: c.ToServiceID, From: at, To: released.until}
	bound, err := bind(ctx, tx, "at", b)
	if err != nil {
		return Bound{}, nil, err
	}
	b.Change = command.Change{Before: holder{ServiceID: c.FromServiceID}, After: holder{ServiceID: c.ToServiceID}}
	return b, []events.Event{released.PortReleased, bound}, nil
}
