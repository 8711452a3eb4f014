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

// QueueLink mails a link that was asked for. What is queued is which link, never a token: that is drawn when the mail is
// sent. A link that is over already has no mail.
type QueueLink struct {
	EventID uuid.UUID `json:"event_id"`
	LinkID  uuid.UUID `json:"link_id"`
}

// Name is the command's name.
func (QueueLink) Name() string { return "notify.QueueLink" }

// Aggregates is the link.
func (c QueueLink) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeLink, ID: c.LinkID}}
}

// Validate checks the fields.
func (c QueueLink) Validate() error {
	return missing(map[string]uuid.UUID{"event_id": c.EventID, "link_id": c.LinkID})
}

const selectLink = `
select l.purpose, l.site, l.email, l.expires_at, coalesce(l.person_id, '00000000-0000-0000-0000-000000000000'), coalesce(l.customer_id, '00000000-0000-0000-0000-000000000000'),
    coalesce(l.rights, ''), coalesce(p.name, ''), coalesce(p.email, ''), p.email_verified_at is not null, coalesce(nullif(c.company, ''), c.name, ''), coalesce(b.name, '')
from link l left join person p on p.id = l.person_id left join customer c on c.id = l.customer_id left join person b on l.created_by = 'person:' || b.id::text
where l.id = $1 and l.used_at is null and l.revoked_at is null`

// Handle queues the mail, and of a change of address a notice to the one in use.
func (c QueueLink) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	var purpose, email, inUse string
	var verified bool
	n := PersonNotice{LinkID: &c.LinkID, At: meta.Now}
	d := draft{channel: ChannelMail, eventID: c.EventID}
	err := tx.QueryRow(ctx, selectLink, c.LinkID).
		Scan(&purpose, &n.Site, &email, &n.ExpiresAt, &d.personID, &d.customerID, &n.Rights, &n.PersonName, &inUse, &verified, &n.Account, &n.By)
	if errors.Is(err, pgx.ErrNoRows) {
		return Queued{}, nil, nil
	}
	if err != nil {
		return Queued{}, nil, fmt.Errorf("select link %s: %w", c.LinkID, err)
	}
	n.ExpiresAt, d.recipient, d.template = n.ExpiresAt.UTC(), email, purpose
	drafts := []draft{}
	switch {
	case purpose == TemplateVerify && verified:
		d.template = TemplateChange
		notice := PersonNotice{Site: n.Site, PersonName: n.PersonName, Address: email, At: n.At}
		drafts = append(drafts, draft{personID: d.personID, channel: ChannelMail, recipient: inUse, template: TemplateChangeNotice, eventID: c.EventID, content: notice})
	case purpose == TemplateVerify || !verified && purpose == TemplateReset:
		n.PersonName = "" // whoever registered has chosen it, and need not be who reads this
	}
	d.content = n
	queued, err := queue(ctx, tx, meta, append(drafts, d)...)
	return queued, nil, err
}

// QueueNews tells a person by mail what happened to them. To whom it goes, and in which words, Template says.
type QueueNews struct {
	EventID    uuid.UUID `json:"event_id"`
	Template   string    `json:"template"`
	PersonID   uuid.UUID `json:"person_id"`
	SessionID  uuid.UUID `json:"session_id"`  // of TemplateSignIn
	CustomerID uuid.UUID `json:"customer_id"` // of TemplateMembership
	GrantID    uuid.UUID `json:"grant_id"`    // of TemplateApplication
	Rights     string    `json:"rights,omitempty"`
	Kind       string    `json:"kind,omitempty"` // of TemplateCredential
	Change     string    `json:"change,omitempty"`
	Ended      Ended     `json:"ended,omitzero"`
}

// Name is the command's name.
func (QueueNews) Name() string { return "notify.QueueNews" }

// Aggregates is the person.
func (c QueueNews) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c QueueNews) Validate() error {
	return missing(map[string]uuid.UUID{"event_id": c.EventID, "person_id": c.PersonID})
}

const (
	// An address that was never verified may be a stranger's, and gets no news.
	selectPerson = `
select p.site, p.name, p.email,
    coalesce((select l.replaced from link l where l.person_id = p.id and l.replaced is not null and l.email = p.email order by l.used_at desc limit 1), '')
from person p where p.id = $1 and p.email_verified_at is not null`

	// The first browser is no news, nor is somebody else's.
	selectSession = `
select coalesce(host(s.ip), ''), s.user_agent, s.opened_at from session s
where s.id = $1 and s.impersonator_id is null and s.factors <> '{development}'
  and exists (select from session o where o.person_id = s.person_id and o.opened_at < s.opened_at and o.impersonator_id is null)`

	selectGrant = `
select k.name, coalesce(nullif(c.company, ''), c.name, ''), g.scopes
from oauth_grant g join oauth_client k on k.id = g.client_id left join customer c on c.id = g.customer_id
where g.id = $1 and g.person_id = $2`

	selectAccountName = `select coalesce(nullif(company, ''), name) from customer where id = $1`
)

// Handle queues the mail.
func (c QueueNews) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	n := PersonNotice{Kind: c.Kind, Change: c.Change, Rights: c.Rights, Ended: c.Ended, At: meta.Now}
	d := draft{personID: c.PersonID, channel: ChannelMail, template: c.Template, eventID: c.EventID}
	var replaced string
	err := tx.QueryRow(ctx, selectPerson, c.PersonID).Scan(&n.Site, &n.PersonName, &d.recipient, &replaced)
	switch {
	case err != nil:
	case c.Template == TemplateSignIn:
		err = tx.QueryRow(ctx, selectSession, c.SessionID).Scan(&n.IP, &n.UserAgent, &n.At)
	case c.Template == TemplateCredential && c.Change == "reset":
		n.Remains, err = remains(ctx, tx, c.PersonID)
	case c.Template == TemplateApplication:
		err = tx.QueryRow(ctx, selectGrant, c.GrantID, c.PersonID).Scan(&n.Application, &n.Account, &n.Scopes)
	case c.Template == TemplateMembership:
		err = tx.QueryRow(ctx, selectAccountName, c.CustomerID).Scan(&n.Account)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return Queued{}, nil, nil
	}
	if err != nil {
		return Queued{}, nil, fmt.Errorf("look for what to tell %s: %w", c.PersonID, err)
	}
	if c.Kind == "email" && replaced != "" { // whoever reads the old address has to hear of it
		d.recipient = replaced
	}
	n.At = n.At.UTC()
	d.content = n
	queued, err := queue(ctx, tx, meta, d)
	return queued, nil, err
}
