package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// QueueContact tells whoever reads the old contact address of an account that it was changed, and the reader of the new one
// why an account's mails come to them, unless it was they who changed it.
type QueueContact struct {
	EventID    uuid.UUID `json:"event_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	ChangeID   uuid.UUID `json:"change_id"`
}

// Name is the command's name.
func (QueueContact) Name() string { return "notify.QueueContact" }

// Aggregates is the account.
func (c QueueContact) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c QueueContact) Validate() error {
	return missing(map[string]uuid.UUID{"event_id": c.EventID, "customer_id": c.CustomerID, "change_id": c.ChangeID})
}

// An actor is "person:…", perhaps by a token; "client:…", a program by itself; or staff, perhaps as a person. Whoever never
// verified an address need not be its reader, and is not called by the name that they chose.
const selectContactChange = `
select k.replaced, k.email, k.changed_at, coalesce(nullif(c.company, ''), c.name), coalesce(b.name, a.name, ''), coalesce(b.email, ''),
    coalesce(o.id, '00000000-0000-0000-0000-000000000000'), coalesce(o.name, ''), coalesce(n.id, '00000000-0000-0000-0000-000000000000'), coalesce(n.name, '')
from contact_change k join customer c on c.id = k.customer_id
left join person b on b.id = case when k.changed_by like 'person:%' then substring(k.changed_by from 8 for 36)::uuid end
left join oauth_client a on a.id = case when k.changed_by like 'client:%' then substring(k.changed_by from 8 for 36)::uuid end
left join person o on o.site = 'account' and o.email = k.replaced and o.email_verified_at is not null
left join person n on n.site = 'account' and n.email = k.email and n.email_verified_at is not null
where k.id = $1 and k.customer_id = $2`

// Handle queues the mails.
func (c QueueContact) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	old := draft{customerID: c.CustomerID, channel: ChannelMail, template: TemplateContactWas, eventID: c.EventID}
	now := old
	now.template = TemplateContact
	was, is := PersonNotice{Site: "account"}, PersonNotice{Site: "account"}
	err := tx.QueryRow(ctx, selectContactChange, c.ChangeID, c.CustomerID).
		Scan(&old.recipient, &now.recipient, &was.At, &was.Account, &was.By, &was.ByAddress, &old.personID, &was.PersonName, &now.personID, &is.PersonName)
	if errors.Is(err, pgx.ErrNoRows) {
		return Queued{}, nil, nil
	}
	if err != nil {
		return Queued{}, nil, fmt.Errorf("select change %s of a contact: %w", c.ChangeID, err)
	}
	was.At, was.Address = was.At.UTC(), now.recipient
	is.At, is.Account, is.By = was.At, was.Account, was.By
	old.content, now.content = was, is
	drafts := []draft{old}
	if now.recipient != was.ByAddress {
		drafts = append(drafts, now)
	}
	queued, err := queue(ctx, tx, meta, drafts...)
	return queued, nil, err
}
