package bandwidth

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RegisterExporter makes a device known: its datagrams are metered from now on. Name, and source with agent, are unique.
type RegisterExporter struct {
	ExporterID uuid.UUID `json:"exporter_id"`
	Settings
}

// Name is the command's name.
func (RegisterExporter) Name() string { return "bandwidth.RegisterExporter" }

// Aggregates is the new exporter.
func (c RegisterExporter) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeExporter, ID: c.ExporterID}}
}

// Validate checks the fields.
func (c RegisterExporter) Validate() error { return c.validate(c.ExporterID) }

// Constraints says what a second exporter of the name or source means.
func (c RegisterExporter) Constraints() map[string]*fault.Error { return c.constraints(c.ExporterID) }

const insertExporter = `
insert into exporter (id, name, source, agent, count_policy, rate_min, rate_max, inside, rate_default, rate_override, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, 0), nullif($10, 0), $11)`

// Handle writes the exporter.
func (c RegisterExporter) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Exporter, []events.Event, error) {
	settings := c.withDefaults()
	arguments := append(append([]any{c.ExporterID}, settings.arguments()...), meta.Now)
	if _, err := tx.Exec(ctx, insertExporter, arguments...); err != nil {
		return Exporter{}, nil, fmt.Errorf("insert exporter %s: %w", c.ExporterID, err)
	}
	return Exporter{ExporterID: c.ExporterID}, []events.Event{settings.event(c.ExporterID)}, nil
}
