package bandwidth

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangeExporter gives an exporter other settings, whole, for datagrams that are counted from now on.
type ChangeExporter struct {
	ExporterID uuid.UUID `json:"exporter_id"`
	Settings
}

// Name is the command's name.
func (ChangeExporter) Name() string { return "bandwidth.ChangeExporter" }

// Aggregates is the exporter.
func (c ChangeExporter) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeExporter, ID: c.ExporterID}}
}

// Validate checks the fields.
func (c ChangeExporter) Validate() error { return c.validate(c.ExporterID) }

// Constraints says what another exporter of the name or source means.
func (c ChangeExporter) Constraints() map[string]*fault.Error { return c.constraints(c.ExporterID) }

const updateExporter = `
update exporter
set name = $2, source = $3, agent = $4, count_policy = $5, rate_min = $6, rate_max = $7, inside = $8,
    rate_default = nullif($9, 0), rate_override = nullif($10, 0)
where id = $1
returning old.name, old.source::text, coalesce(host(old.agent), ''), old.count_policy, old.rate_min, old.rate_max, old.inside,
    coalesce(old.rate_default, 0), coalesce(old.rate_override, 0)`

// Handle changes the exporter.
func (c ChangeExporter) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Exporter, []events.Event, error) {
	settings := c.withDefaults()
	var was Settings
	err := tx.QueryRow(ctx, updateExporter, append([]any{c.ExporterID}, settings.arguments()...)...).Scan(was.scan()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return Exporter{}, nil, fault.New(fault.NotFound, "exporter_not_found", "there is no exporter %s", c.ExporterID)
	}
	if err != nil {
		return Exporter{}, nil, fmt.Errorf("update exporter %s: %w", c.ExporterID, err)
	}
	return Exporter{ExporterID: c.ExporterID, Change: command.Change{Before: was, After: settings.asStored()}}, []events.Event{events.ExporterChanged(settings.event(c.ExporterID))}, nil
}
