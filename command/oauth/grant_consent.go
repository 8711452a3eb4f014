package oauth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// maxFamilies bounds the consents of one person to one client that stand at a time, and so the families of refresh tokens:
// one for each of their machines, and room for those that they have forgotten.
const maxFamilies = 20

// GrantConsent is a person's yes to a client. One more than there may be ends the one that was not used for the longest
// time. The person is told by mail of what they had not allowed before.
type GrantConsent struct {
	GrantID    uuid.UUID  `json:"grant_id"`
	ClientID   uuid.UUID  `json:"client_id"`
	PersonID   uuid.UUID  `json:"person_id"`
	SessionID  uuid.UUID  `json:"session_id"`            // at which they say it, which has to be open still
	CustomerID *uuid.UUID `json:"customer_id,omitempty"` // the account that it is about; nil on the admin site
	Scopes     []string   `json:"scopes"`
	ProvedAt   time.Time  `json:"proved_at"` // when the person last proved who they are
	At         time.Time  `json:"at"`        // by the machine's clock
}

// Granted is the answer.
type Granted struct {
	GrantID uuid.UUID `json:"grant_id"`
}

// Name is the command's name.
func (GrantConsent) Name() string { return "oauth.GrantConsent" }

// Aggregates is the person, who is locked while their consents are counted, and against whoever ends them all.
func (c GrantConsent) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c GrantConsent) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "grant_id", c.GrantID)
	check.ID(&fields, "client_id", c.ClientID)
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "session_id", c.SessionID)
	fields.Check(len(c.Scopes) <= maxScopes && !repeats(c.Scopes), "scopes", "name each scope once")
	fields.Check(!c.At.IsZero() && !c.ProvedAt.IsZero(), "at", "is missing")
	return fields.Err()
}

const (
	// Nothing is added unless client and person are of one site, the person is active, signed in and in the account, and the
	// scopes are the client's. A code has to come of it within its lifetime.
	insertGrant = `
insert into oauth_grant (id, client_id, person_id, customer_id, scopes, proved_at, created_at, used_at, expires_at)
select $1, k.id, p.id, $4, $5, $6, $7, $7, $8
from oauth_client k join person p on p.site = k.site and p.status = 'active'
where k.id = $2 and p.id = $3 and $5::text[] <@ k.scopes and 'authorization_code' = any (k.grants)
  and exists (select from session s where s.id = $9 and s.person_id = p.id and s.ended_at is null)
  and (k.site = 'account') = ($4::uuid is not null)
  and ($4::uuid is null or exists (select from membership m where m.person_id = p.id and m.customer_id = $4))`

	allowedBefore = `
select exists (select from oauth_grant where person_id = $1 and client_id = $2 and customer_id is not distinct from $3 and $4::text[] <@ scopes
    and revoked_at is null and expires_at > $5)`

	endOldFamilies = `
update oauth_grant set revoked_at = $3
where id in (select id from oauth_grant where person_id = $1 and client_id = $2 and id <> $5 and revoked_at is null and expires_at > $3 order by used_at desc, id desc offset $4)`
)

// Handle writes the consent down.
func (c GrantConsent) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Granted, []events.Event, error) {
	var before bool
	if err := tx.QueryRow(ctx, allowedBefore, c.PersonID, c.ClientID, c.CustomerID, list(c.Scopes), c.At).Scan(&before); err != nil {
		return Granted{}, nil, fmt.Errorf("find what %s allowed before: %w", c.PersonID, err)
	}
	tag, err := tx.Exec(ctx, insertGrant, c.GrantID, c.ClientID, c.PersonID, c.CustomerID, list(c.Scopes), c.ProvedAt, c.At, c.At.Add(CodeLifetime), c.SessionID)
	if err != nil {
		return Granted{}, nil, fmt.Errorf("insert grant: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return Granted{}, nil, fault.New(fault.Conflict, "consent_not_possible", "this application cannot be given that access")
	}
	if _, err := tx.Exec(ctx, endOldFamilies, c.PersonID, c.ClientID, c.At, maxFamilies-1, c.GrantID); err != nil {
		return Granted{}, nil, fmt.Errorf("end old consents of %s: %w", c.PersonID, err)
	}
	if before {
		return Granted{GrantID: c.GrantID}, nil, nil
	}
	return Granted{GrantID: c.GrantID}, []events.Event{events.ApplicationAllowed{PersonID: c.PersonID, GrantID: c.GrantID}}, nil
}
