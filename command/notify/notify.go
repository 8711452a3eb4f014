// Package notify decides which messages go out, and keeps book of them. A notification is a row, unique by what
// it is about (event, channel, recipient, template), with an id made of the same four: however often an event
// comes, one message is queued. Its content is frozen when it is queued, so that what is sent says what was true
// then.
//
// Mails to people say what happened to them, in few sentences (person.go). One that holds a link names the link alone:
// its token is drawn when the mail is sent, and again when it is sent again. A name that somebody chose is written so that
// nothing makes a link of it (unlinked.go).
//
// A delivery is three steps: BeginDelivery commits the attempt, the gateway is called, RecordDelivery commits the
// outcome. A crash after the gateway took the message and before that was recorded sends it once more, under the
// same id: mail and webhooks offer nothing better than that a receiver can tell.
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Channels, templates and statuses of a notification.
const (
	ChannelMail    = "mail"
	ChannelDiscord = "discord"

	TemplateQuotaAlert = "quota_alert"
	TemplateInvoice    = "invoice"
	TemplatePorts      = "ports" // for the staff alone

	StatusQueued = "queued"
	StatusSent   = "sent"
	StatusFailed = "failed"

	// RecipientStaff is the staff's Discord channel; where that is, is configuration.
	RecipientStaff = "staff"

	aggregateNotification = "notification"
)

// Queued is the answer of the commands that queue: the notifications that were not there before.
type Queued struct {
	NotificationIDs []uuid.UUID `json:"notification_ids"`
}

// QuotaAlert is the content of TemplateQuotaAlert.
type QuotaAlert struct {
	CustomerName     string        `json:"customer_name"`
	ServiceName      string        `json:"service_name"`
	Threshold        int           `json:"threshold"` // percent
	QuotaBytes       int64         `json:"quota_bytes"`
	BillableBytes    int64         `json:"billable_bytes"`
	Period           events.Period `json:"period"`
	ReachedAt        time.Time     `json:"reached_at"`
	Currency         string        `json:"currency"`
	OverageUnitBytes int64         `json:"overage_unit_bytes,omitempty"`
	OverageUnitPrice string        `json:"overage_unit_price,omitempty"`
}

// Invoice is the content of TemplateInvoice. Amounts are decimals.
type Invoice struct {
	CustomerName string        `json:"customer_name"`
	ServiceName  string        `json:"service_name"`
	InvoiceID    uuid.UUID     `json:"invoice_id"`
	Number       string        `json:"number"`
	Kind         string        `json:"kind"` // usage, credit_note
	Total        string        `json:"total"`
	Currency     string        `json:"currency"`
	Lines        []InvoiceLine `json:"lines"`
}

// InvoiceLine is one line of an invoice.
type InvoiceLine struct {
	Description string `json:"description"`
	Amount      string `json:"amount"`
}

// Ports is the content of TemplatePorts: ports of one exporter whose samples and counters no longer tell of the same
// traffic since an hour, or do so again.
type Ports struct {
	ExporterName string    `json:"exporter_name"`
	Hour         time.Time `json:"hour"`
	Off          bool      `json:"off"`
	Count        int       `json:"count"`
	Ports        []Port    `json:"ports"` // the first of them
}

// Port is one of them. Ratios are decimals, samples to counter; empty when there is none.
type Port struct {
	IfIndex  int64  `json:"if_index"`
	Name     string `json:"name,omitempty"`
	RatioIn  string `json:"ratio_in,omitempty"`
	RatioOut string `json:"ratio_out,omitempty"`
	Silent   bool   `json:"silent,omitempty"` // it sent no counters
}

// draft is a notification to be queued.
type draft struct {
	customerID                   uuid.UUID // nil UUID: about no customer
	personID                     uuid.UUID // nil UUID: to nobody who has a row
	channel, recipient, template string
	eventID                      uuid.UUID
	content                      any
}

// id is constant for what the notification is about: a name-based UUID (RFC 9562, version 5).
func (d draft) id() uuid.UUID {
	name := fmt.Sprintf("%s %s %s", d.channel, d.template, d.recipient)
	return uuid.NewSHA1(d.eventID, []byte(name))
}

const insertNotification = `
insert into notification (id, customer_id, person_id, channel, recipient, template, event_id, content, status, queued_at)
values ($1, nullif($2::uuid, '00000000-0000-0000-0000-000000000000'), nullif($3::uuid, '00000000-0000-0000-0000-000000000000'), $4, $5, $6, $7, $8, 'queued', $9)
on conflict do nothing`

func queue(ctx context.Context, tx pgx.Tx, meta command.Meta, drafts ...draft) (Queued, error) {
	var queued Queued
	for _, d := range drafts {
		content, err := json.Marshal(d.content)
		if err != nil {
			return Queued{}, fmt.Errorf("write a notification's content as JSON: %w", err)
		}
		tag, err := tx.Exec(ctx, insertNotification, d.id(), d.customerID, d.personID, d.channel, d.recipient, d.template, d.eventID, content, meta.Now)
		if err != nil {
			return Queued{}, fmt.Errorf("queue %s by %s: %w", d.template, d.channel, err)
		}
		if tag.RowsAffected() == 1 {
			queued.NotificationIDs = append(queued.NotificationIDs, d.id())
		}
	}
	return queued, nil
}

func missing(ids map[string]uuid.UUID) error {
	var fields fault.Fields
	for name, id := range ids {
		fields.Check(id != uuid.Nil, name, "is missing")
	}
	return fields.Err()
}
