package notify

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// maxOwners bounds how many of an account's owners are told.
const maxOwners = 50

// QueueLeft tells the owners of an account that somebody has left it.
type QueueLeft struct {
	EventID    uuid.UUID `json:"event_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	PersonID   uuid.UUID `json:"person_id"`
}

// Name is the command's name.
func (QueueLeft) Name() string { return "notify.QueueLeft" }

// Aggregates is the account.
func (c QueueLeft) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c QueueLeft) Validate() error {
	return missing(map[string]uuid.UUID{"event_id": c.EventID, "customer_id": c.CustomerID, "person_id": c.PersonID})
}

const selectOwners = `
select o.id, o.name, o.email, coalesce(nullif(c.company, ''), c.name), p.name, p.email
from person p join customer c on c.id = $1
join membership m on m.customer_id = c.id and m.rights = 'owner' and m.person_id <> p.id
join person o on o.id = m.person_id and o.email_verified_at is not null
where p.id = $2
order by m.since, o.id
limit $3`

// Handle queues the mails.
func (c QueueLeft) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	rows, err := tx.Query(ctx, selectOwners, c.CustomerID, c.PersonID, maxOwners)
	if err != nil {
		return Queued{}, nil, fmt.Errorf("list the owners of %s: %w", c.CustomerID, err)
	}
	drafts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (draft, error) {
		n := PersonNotice{Site: "account", At: meta.Now.UTC()}
		d := draft{customerID: c.CustomerID, channel: ChannelMail, template: TemplateLeft, eventID: c.EventID}
		err := row.Scan(&d.personID, &n.PersonName, &d.recipient, &n.Account, &n.By, &n.Address)
		d.content = n
		return d, err
	})
	if err != nil {
		return Queued{}, nil, fmt.Errorf("list the owners of %s: %w", c.CustomerID, err)
	}
	queued, err := queue(ctx, tx, meta, drafts...)
	return queued, nil, err
}
