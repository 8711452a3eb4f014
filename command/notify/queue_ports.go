package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// maxPortsTold bounds the ports that one notice names; how many more there are it says.
const maxPortsTold = 20

// QueuePorts tells the staff, by Discord, which ports of an exporter turned off in an hour, or agree again: one notice
// for all of them, however many events there are.
type QueuePorts struct {
	ExporterID uuid.UUID `json:"exporter_id"`
	Hour       time.Time `json:"hour"`
	Off        bool      `json:"off"`
}

// Name is the command's name.
func (QueuePorts) Name() string { return "notify.QueuePorts" }

// Aggregates is the exporter.
func (c QueuePorts) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeExporter, ID: c.ExporterID}}
}

// Validate checks the fields.
func (c QueuePorts) Validate() error {
	var fields fault.Fields
	fields.Check(c.ExporterID != uuid.Nil, "exporter_id", "is missing")
	fields.Check(!c.Hour.IsZero(), "hour", "is missing")
	return fields.Err()
}

// subject is an id for what the notice is about: exporter, hour and verdict (RFC 9562, version 5).
func (c QueuePorts) subject() uuid.UUID {
	return uuid.NewSHA1(c.ExporterID, fmt.Appendf(nil, "ports %s %t", c.Hour.UTC().Format(time.RFC3339), c.Off))
}

const selectTurned = `
select e.name, count(*) over (), r.if_index, coalesce(p.name, ''), coalesce(r.ratio_in::text, ''), coalesce(r.ratio_out::text, ''), coalesce(h.readings = 0 and h.octets_in = 0 and h.octets_out = 0, false)
from port_reconciliation r
join exporter e on e.id = r.exporter_id
left join port p on p.exporter_id = r.exporter_id and p.if_index = r.if_index
left join port_hourly h on h.exporter_id = r.exporter_id and h.if_index = r.if_index and h.hour = r.hour
where r.exporter_id = $1 and r.hour = $2 and r.verdict = $3 and r.event_id is not null
order by r.if_index
limit $4`

// Handle queues the notice.
func (c QueuePorts) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	content := Ports{Hour: c.Hour.UTC(), Off: c.Off}
	verdict := "ok"
	if c.Off {
		verdict = "off"
	}
	rows, err := tx.Query(ctx, selectTurned, c.ExporterID, c.Hour, verdict, maxPortsTold)
	if err != nil {
		return Queued{}, nil, fmt.Errorf("select the ports of exporter %s: %w", c.ExporterID, err)
	}
	var p Port
	_, err = pgx.ForEachRow(rows, []any{&content.ExporterName, &content.Count, &p.IfIndex, &p.Name, &p.RatioIn, &p.RatioOut, &p.Silent}, func() error {
		content.Ports = append(content.Ports, p)
		return nil
	})
	if err != nil {
		return Queued{}, nil, fmt.Errorf("select the ports of exporter %s: %w", c.ExporterID, err)
	}
	if content.Count == 0 {
		return Queued{}, nil, fault.New(fault.NotFound, "ports_not_found", "no port of exporter %s turned %s in the hour %s", c.ExporterID, verdict, content.Hour.Format(time.RFC3339))
	}
	queued, err := queue(ctx, tx, meta, draft{channel: ChannelDiscord, recipient: RecipientStaff, template: TemplatePorts, eventID: c.subject(), content: content})
	return queued, nil, err
}
