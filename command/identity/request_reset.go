package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RequestReset asks for a link by which somebody who has forgotten the password sets another. The answer is the same for
// an address that nobody here has.
type RequestReset struct {
	LinkID uuid.UUID `json:"link_id"`
	Site   string    `json:"site"`
	Email  string    `json:"email" audit:"redact"`
	At     time.Time `json:"at"` // by the machine's clock
}

// Name is the command's name.
func (RequestReset) Name() string { return "identity.RequestReset" }

// Aggregates is the link.
func (c RequestReset) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeLink, ID: c.LinkID}}
}

// Validate checks the fields.
func (c RequestReset) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "link_id", c.LinkID)
	check.Email(&fields, "email", c.Email)
	fields.Check(c.Site == "account" || c.Site == "admin", "site", "%q is neither account nor admin", c.Site)
	check.At(&fields, c.At)
	return fields.Err()
}

// On the account site the link of a reset verifies the address too, so it is for those as well whose first link is lost.
// Staff come in by an enrolment: who has no password yet, or lost it with all else that proved who they are, would
// have a mailbox do for two factors.
const findResettable = `
select id from person where site = $1 and email = lower($2) and status = 'active'
    and (site = 'account' or email_verified_at is not null and exists (select from password w where w.person_id = person.id)) for update`

// Handle asks for the link, if there is somebody to get it.
func (c RequestReset) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Requested, []events.Event, error) {
	var person uuid.UUID
	err := tx.QueryRow(ctx, findResettable, c.Site, c.Email).Scan(&person)
	if errors.Is(err, pgx.ErrNoRows) {
		return Requested{LinkID: c.LinkID}, nil, nil
	}
	if err != nil {
		return Requested{}, nil, fmt.Errorf("find person: %w", err)
	}
	link := newLink{id: c.LinkID, purpose: PurposeReset, site: c.Site, person: &person, email: c.Email, at: c.At, lifetime: resetLifetime, replacesOthers: true}
	return link.answer(ctx, tx, meta)
}
