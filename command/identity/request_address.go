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

// RequestAddress asks for a link to a person's new address, which counts once it is followed. Until then nothing
// changes: the old address gets the mails, and signs in. That somebody else has the address already, its owner is told,
// not the one who asks.
type RequestAddress struct {
	LinkID    uuid.UUID `json:"link_id"`
	PersonID  uuid.UUID `json:"person_id"`
	SessionID uuid.UUID `json:"session_id"` // at which they ask, which has to be open still
	Email     string    `json:"email" audit:"redact"`
	At        time.Time `json:"at"` // by the machine's clock
}

// Name is the command's name.
func (RequestAddress) Name() string { return "identity.RequestAddress" }

// Aggregates are the link, and the person, who is locked against whoever ends the session.
func (c RequestAddress) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeLink, ID: c.LinkID}, {Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RequestAddress) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "link_id", c.LinkID)
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "session_id", c.SessionID)
	check.Email(&fields, "email", c.Email)
	check.At(&fields, c.At)
	return fields.Err()
}

// An address that was registered and never verified is nobody's: see displace.
const findAddress = `
select p.site, p.email, exists (select from session s where s.id = $3 and s.person_id = p.id and s.ended_at is null), (select o.id from person o where o.site = p.site and o.email = lower($2) and o.email_verified_at is not null)
from person p where p.id = $1 and p.status = 'active' for update of p`

// Handle asks for the link.
func (c RequestAddress) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Requested, []events.Event, error) {
	var site, email string
	var open bool
	var owner *uuid.UUID
	err := tx.QueryRow(ctx, findAddress, c.PersonID, c.Email, c.SessionID).Scan(&site, &email, &open, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return Requested{}, nil, noSuchPerson(c.PersonID)
	}
	if err != nil {
		return Requested{}, nil, fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	if !open { // a password was set since the request came in: what a thief had begun ends with the session
		return Requested{}, nil, fault.New(fault.Forbidden, "session_over", "this session is over: sign in again")
	}
	if owner != nil && *owner == c.PersonID {
		var fields fault.Fields
		fields.Add("email", "is your address already")
		return Requested{}, nil, fields.Err()
	}
	if owner != nil {
		return Requested{LinkID: c.LinkID}, []events.Event{events.RegistrationRepeated{AttemptID: c.LinkID, PersonID: *owner}}, nil
	}
	link := newLink{id: c.LinkID, purpose: PurposeVerify, site: site, person: &c.PersonID, email: c.Email, at: c.At, lifetime: verifyLifetime, replacesOthers: true}
	return link.answer(ctx, tx, meta)
}

func noSuchPerson(id uuid.UUID) error {
	return fault.New(fault.NotFound, "person_not_found", "there is no person %s", id)
}
