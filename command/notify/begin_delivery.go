package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// BeginDelivery notes an attempt at a queued notification and gives what is to be sent. Of one that is sent or
// has failed it gives the status alone.
type BeginDelivery struct {
	NotificationID uuid.UUID `json:"notification_id"`
}

// Delivery is the answer.
type Delivery struct {
	NotificationID uuid.UUID       `json:"notification_id"`
	Status         string          `json:"status"`   // queued: send it
	Attempts       int             `json:"attempts"` // this one included
	Channel        string          `json:"channel"`
	Recipient      string          `json:"recipient"`
	Template       string          `json:"template"`
	Content        json.RawMessage `json:"content"`
	QueuedAt       time.Time       `json:"queued_at"`
	Token          secret.Text     `json:"-"` // of the link in it; whoever sends it draws it
}

// Name is the command's name.
func (BeginDelivery) Name() string { return "notify.BeginDelivery" }

// Aggregates is the notification.
func (c BeginDelivery) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: aggregateNotification, ID: c.NotificationID}}
}

// Validate checks the fields.
func (c BeginDelivery) Validate() error {
	return missing(map[string]uuid.UUID{"notification_id": c.NotificationID})
}

const beginAttempt = `
update notification
set attempts = attempts + (status = 'queued')::int, tried_at = case when status = 'queued' then $2 else tried_at end
where id = $1
returning status, attempts, channel, recipient, template, content, queued_at`

// Handle notes the attempt.
func (c BeginDelivery) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Delivery, []events.Event, error) {
	d := Delivery{NotificationID: c.NotificationID}
	err := tx.QueryRow(ctx, beginAttempt, c.NotificationID, meta.Now).Scan(&d.Status, &d.Attempts, &d.Channel, &d.Recipient, &d.Template, &d.Content, &d.QueuedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Delivery{}, nil, noSuchNotification(c.NotificationID)
	}
	if err != nil {
		return Delivery{}, nil, fmt.Errorf("begin delivery of notification %s: %w", c.NotificationID, err)
	}
	return d, nil, nil
}

func noSuchNotification(id uuid.UUID) error {
	return fault.New(fault.NotFound, "notification_not_found", "there is no notification %s", id)
}
