package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

const maxReason = 500 // bytes of an error that are kept

// RecordDelivery keeps the outcome of an attempt: sent, failed for good, or still queued for another attempt.
// What is sent stays sent, whatever a late answer says.
type RecordDelivery struct {
	NotificationID uuid.UUID `json:"notification_id"`
	Status         string    `json:"status"`
	Reason         string    `json:"reason,omitempty" audit:"redact"` // why it was not sent; may name the recipient
}

// Recorded is the answer.
type Recorded struct {
	NotificationID uuid.UUID `json:"notification_id"`
	Status         string    `json:"status"`
	command.Change
}

type deliveryFields struct {
	Status string `json:"status"`
}

// Name is the command's name.
func (RecordDelivery) Name() string { return "notify.RecordDelivery" }

// Aggregates is the notification.
func (c RecordDelivery) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: aggregateNotification, ID: c.NotificationID}}
}

// Validate checks the fields.
func (c RecordDelivery) Validate() error {
	var fields fault.Fields
	fields.Check(c.NotificationID != uuid.Nil, "notification_id", "is missing")
	switch c.Status {
	case StatusSent:
		fields.Check(c.Reason == "", "reason", "is for what was not sent")
	case StatusQueued, StatusFailed:
		fields.Check(c.Reason != "", "reason", "is missing")
	default:
		fields.Add("status", "%q is not sent, queued or failed", c.Status)
	}
	return fields.Err()
}

const recordAttempt = `
update notification
set status = case when status = 'sent' then 'sent' else $2 end,
    error = case when status = 'sent' then error else nullif($3, '') end,
    sent_at = case when status = 'sent' then sent_at when $2 = 'sent' then $4::timestamptz end
where id = $1
returning old.status, new.status`

// Handle keeps the outcome.
func (c RecordDelivery) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Recorded, []events.Event, error) {
	reason := strings.ToValidUTF8(c.Reason[:min(len(c.Reason), maxReason)], "")
	var was, is deliveryFields
	err := tx.QueryRow(ctx, recordAttempt, c.NotificationID, c.Status, reason, meta.Now).Scan(&was.Status, &is.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return Recorded{}, nil, noSuchNotification(c.NotificationID)
	}
	if err != nil {
		return Recorded{}, nil, fmt.Errorf("record delivery of notification %s: %w", c.NotificationID, err)
	}
	return Recorded{NotificationID: c.NotificationID, Status: c.Status, Change: command.Change{Before: was, After: is}}, nil, nil
}
