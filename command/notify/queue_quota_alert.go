package notify

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

// QueueQuotaAlert tells a customer by mail, and the staff by Discord if wanted, that a quota's threshold was reached.
type QueueQuotaAlert struct {
	EventID uuid.UUID                    `json:"event_id"`
	Alert   events.QuotaThresholdReached `json:"alert"`
	Staff   bool                         `json:"staff"`
}

// Name is the command's name.
func (QueueQuotaAlert) Name() string { return "notify.QueueQuotaAlert" }

// Aggregates is the alert.
func (c QueueQuotaAlert) Aggregates() []events.Aggregate {
	return []events.Aggregate{c.Alert.Aggregate()}
}

// Validate checks the fields.
func (c QueueQuotaAlert) Validate() error {
	return missing(map[string]uuid.UUID{"event_id": c.EventID, "alert.service_id": c.Alert.ServiceID, "alert.cycle_id": c.Alert.CycleID})
}

const selectAlerted = `
select s.customer_id, u.email, u.name, s.name, c.starts_at, c.ends_at, c.currency,
       coalesce(c.overage_unit_bytes, 0), coalesce(trim_scale(c.overage_unit_price)::text, '')
from service s
join customer u on u.id = s.customer_id
join cycle c on c.id = $2 and c.service_id = s.id
where s.id = $1`

// Handle queues the messages.
func (c QueueQuotaAlert) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	content := QuotaAlert{Threshold: c.Alert.Threshold, QuotaBytes: c.Alert.QuotaBytes, BillableBytes: c.Alert.BillableBytes, ReachedAt: c.Alert.ReachedAt}
	var customerID uuid.UUID
	var email string
	err := tx.QueryRow(ctx, selectAlerted, c.Alert.ServiceID, c.Alert.CycleID).Scan(&customerID, &email, &content.CustomerName, &content.ServiceName,
		&content.Period.From, &content.Period.To, &content.Currency, &content.OverageUnitBytes, &content.OverageUnitPrice)
	if errors.Is(err, pgx.ErrNoRows) {
		return Queued{}, nil, fault.New(fault.NotFound, "cycle_not_found", "there is no cycle %s of service %s", c.Alert.CycleID, c.Alert.ServiceID)
	}
	if err != nil {
		return Queued{}, nil, fmt.Errorf("select what the alert is about: %w", err)
	}
	drafts := []draft{{customerID: customerID, channel: ChannelMail, recipient: email, template: TemplateQuotaAlert, eventID: c.EventID, content: content}}
	if c.Staff {
		drafts = append(drafts, draft{customerID: customerID, channel: ChannelDiscord, recipient: RecipientStaff, template: TemplateQuotaAlert, eventID: c.EventID, content: content})
	}
	queued, err := queue(ctx, tx, meta, drafts...)
	return queued, nil, err
}
