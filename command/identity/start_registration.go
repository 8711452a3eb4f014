package identity

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

// StartRegistration is somebody who says who they are, which a mailed link is to prove. Whatever is known of the
// address, the answer is the same: an unknown one makes a person who is nobody until the link is followed; one that is
// not verified yet takes the new name and password, and a new link; the owner of a verified one is told that they are here
// already.
type StartRegistration struct {
	PersonID     uuid.UUID `json:"person_id"` // of somebody new
	LinkID       uuid.UUID `json:"link_id"`
	Email        string    `json:"email" audit:"redact"`
	PersonName   string    `json:"name" audit:"redact"`
	Company      string    `json:"company" audit:"redact"`
	PasswordHash string    `json:"password_hash" audit:"redact"`
	At           time.Time `json:"at"` // by the machine's clock
}

// Name is the command's name.
func (StartRegistration) Name() string { return "identity.StartRegistration" }

// Aggregates are the link and the person who may become one.
func (c StartRegistration) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeLink, ID: c.LinkID}, {Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c StartRegistration) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "link_id", c.LinkID)
	check.Email(&fields, "email", c.Email)
	check.Text(&fields, "name", c.PersonName)
	check.Line(&fields, "company", c.Company)
	fields.Check(c.PasswordHash != "", "password", "is missing")
	check.At(&fields, c.At)
	return fields.Err()
}

const (
	// The row is locked, whether it is new or not: two registrations of one address come one after the other.
	putUnverified = `
insert into person (id, site, email, name, company, created_at) values ($1, 'account', lower($2), $3, $4, $5)
on conflict (site, email) do update set
    name       = case when person.email_verified_at is null then excluded.name else person.name end,
    company    = case when person.email_verified_at is null then excluded.company else person.company end,
    created_at = case when person.email_verified_at is null then excluded.created_at else person.created_at end
returning id, email_verified_at is not null, status = 'active', coalesce(old.name, ''), coalesce(old.company, '')`

	putPassword = `
insert into password (person_id, hash, set_at) values ($1, $2, $3)
on conflict (person_id) do update set hash = excluded.hash, set_at = excluded.set_at
returning case when old.person_id is null then '' else 'old' end`
)

// Handle registers the person, or does what looks the same.
func (c StartRegistration) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Requested, []events.Event, error) {
	var person uuid.UUID
	var verified, active bool
	var was provedFields
	err := tx.QueryRow(ctx, putUnverified, c.PersonID, c.Email, c.PersonName, c.Company, meta.Now).
		Scan(&person, &verified, &active, &was.Name, &was.Company)
	if err != nil {
		return Requested{}, nil, fmt.Errorf("insert person: %w", err)
	}
	answer := Requested{LinkID: c.LinkID}
	switch {
	case !active: // not one more mail
		return answer, nil, nil
	case verified:
		return answer, []events.Event{events.RegistrationRepeated{AttemptID: c.LinkID, PersonID: person}}, nil
	}
	if err := tx.QueryRow(ctx, putPassword, person, c.PasswordHash, meta.Now).Scan(&was.Password); err != nil {
		return Requested{}, nil, fmt.Errorf("set password: %w", err)
	}
	if _, err := tx.Exec(ctx, revokeLinks, person, PurposeReset, c.At); err != nil { // it would verify what is replaced here
		return Requested{}, nil, fmt.Errorf("revoke links of %s: %w", person, err)
	}
	link := newLink{id: c.LinkID, purpose: PurposeVerify, site: "account", person: &person, email: c.Email, at: c.At, lifetime: verifyLifetime, replacesOthers: true}
	answer, happened, err := link.answer(ctx, tx, meta)
	if person == c.PersonID {
		return answer, append(happened, events.PersonRegistered{PersonID: person, Site: "account"}), err
	}
	answer.Change = command.Change{Before: was, After: provedFields{Name: c.PersonName, Company: c.Company, Password: "new"}}
	return answer, happened, err
}
