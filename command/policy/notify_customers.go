package policy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/schemas/events"
)

// ActorNotify is who queues and delivers notifications.
const ActorNotify = "policy:notify"

// NotifyConfig is what the rules about notifications need.
type NotifyConfig struct {
	Jobs  *jobs.Enqueuer
	Now   func() time.Time
	NewID func() uuid.UUID
	Staff bool // post alerts to the staff's channel too
}

// DeliverNotification is the job that sends one notification.
type DeliverNotification struct {
	NotificationID uuid.UUID `json:"notification_id"`
}

// Kind is the job's name.
func (DeliverNotification) Kind() string { return "notify.deliver" }

// NotifyRules are: when QuotaThresholdReached then mail the customer and post to the staff; when InvoiceFinalised
// then mail the customer; when a port's samples and counters part or agree again then post to the staff. Each queues notifications and, for those that were not there, jobs to deliver them.
// Those of people are peopleRules and staffRules.
func NotifyRules(cfg NotifyConfig) []Rule {
	return slices.Concat([]Rule{
		{On: events.QuotaThresholdReached{}.Type(), Name: "notify_quota_alert", Do: cfg.quotaAlert},
		{On: events.InvoiceFinalised{}.Type(), Name: "notify_invoice", Do: cfg.invoice},
		{On: events.PortReconciliationOff{}.Type(), Name: "notify_ports_off", Do: cfg.portOff},
		{On: events.PortReconciled{}.Type(), Name: "notify_ports_reconciled", Do: cfg.portReconciled},
	}, cfg.peopleRules(), cfg.staffRules())
}

func (c NotifyConfig) quotaAlert(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	alert, ok := e.(events.QuotaThresholdReached)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueQuotaAlert{EventID: h.ID, Alert: alert, Staff: c.Staff})
}

func (c NotifyConfig) invoice(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	finalised, ok := e.(events.InvoiceFinalised)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueInvoice{EventID: h.ID, InvoiceID: finalised.InvoiceID})
}

func (c NotifyConfig) portOff(ctx context.Context, tx pgx.Tx, e events.Event, _ events.Header) error {
	off, ok := e.(events.PortReconciliationOff)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.ports(ctx, tx, notify.QueuePorts{ExporterID: off.ExporterID, Hour: off.Hour, Off: true})
}

func (c NotifyConfig) portReconciled(ctx context.Context, tx pgx.Tx, e events.Event, _ events.Header) error {
	again, ok := e.(events.PortReconciled)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.ports(ctx, tx, notify.QueuePorts{ExporterID: again.ExporterID, Hour: again.Hour})
}

// ports posts to the staff, where there is a channel.
func (c NotifyConfig) ports(ctx context.Context, tx pgx.Tx, order notify.QueuePorts) error {
	if !c.Staff {
		return nil
	}
	return c.queue(ctx, tx, order)
}

// queue runs the command's handler in the consumer's own transaction: notifications, jobs and offset are one.
func (c NotifyConfig) queue(ctx context.Context, tx pgx.Tx, order command.Command[notify.Queued]) error {
	if err := order.Validate(); err != nil {
		return err
	}
	queued, _, err := order.Handle(ctx, tx, command.Meta{Actor: ActorNotify, Now: c.Now(), NewID: c.NewID})
	if err != nil {
		return err
	}
	for _, id := range queued.NotificationIDs {
		if err := c.Jobs.Enqueue(ctx, tx, DeliverNotification{NotificationID: id}); err != nil {
			return err
		}
	}
	return nil
}
