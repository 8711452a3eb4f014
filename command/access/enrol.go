package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// Enrol uses an enrolment link: it sets the password, proves the address, ends what other sessions, tokens, applications and
// links there are and opens a session. Of any number at once, one uses the link. A second factor that is there stays.
type Enrol struct {
	LinkID       uuid.UUID   `json:"link_id"`
	TokenHash    secret.Hash `json:"token_hash" audit:"redact"`
	PasswordHash string      `json:"password_hash" audit:"redact"`
	Session      OpenSession `json:"session"` // of the person whose link it is
}

// Name is the command's name.
func (Enrol) Name() string { return "access.Enrol" }

// Aggregates are the person and the new session.
func (c Enrol) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.Session.PersonID}, {Type: events.TypeSession, ID: c.Session.SessionID}}
}

// Validate checks the fields.
func (c Enrol) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "link_id", c.LinkID)
	fields.Check(c.TokenHash != secret.Hash{}, "token_hash", "is missing")
	fields.Check(c.PasswordHash != "", "password_hash", "is missing")
	fields.Check(c.Session.Site == "admin", "session.site", "%q is not admin", c.Session.Site)
	if err := fields.Err(); err != nil {
		return err
	}
	return c.Session.Validate()
}

// PurposeEnrolment is what such a link is for.
const PurposeEnrolment = "enrolment"

const (
	useEnrolment = `
update link l set used_at = $4
from person p
where l.id = $1 and l.token_hash = $2 and l.purpose = 'enrolment' and l.person_id = $3 and l.used_at is null and l.revoked_at is null and l.expires_at > $4
    and p.id = l.person_id and p.site = 'admin' and p.status = 'active' and p.email = l.email`

	putPassword = `
insert into password (person_id, hash, set_at) values ($1, $2, $3)
on conflict (person_id) do update set hash = excluded.hash, set_at = excluded.set_at
returning case when old.person_id is null then '' else 'old' end`

	verifyAddress = `update person set email_verified_at = coalesce(email_verified_at, $2) where id = $1 returning old.email_verified_at is not null`
)

// enrolledFields are what enrolment changes of a person, for the audit row. Password stands for its hash, which nobody is
// shown: empty where there is none, and another word where it is another one.
type enrolledFields struct {
	Verified bool   `json:"verified"`
	Password string `json:"password,omitempty" audit:"redact"`
	ending.Ended
}

// LinkNotValid is of a link that is none, was used, was taken back or is too old: nobody learns which.
func LinkNotValid() error {
	return fault.New(fault.NotFound, "link_not_valid", "this link does not work, or no longer; ask for another one")
}

// Handle uses the link.
func (c Enrol) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (OpenedSession, []events.Event, error) {
	who, at := c.Session.PersonID, c.Session.At
	tag, err := tx.Exec(ctx, useEnrolment, c.LinkID, c.TokenHash[:], who, at)
	if err != nil {
		return OpenedSession{}, nil, fmt.Errorf("use link %s: %w", c.LinkID, err)
	}
	if tag.RowsAffected() == 0 {
		return OpenedSession{}, nil, LinkNotValid()
	}
	var was enrolledFields
	if err := tx.QueryRow(ctx, putPassword, who, c.PasswordHash, at).Scan(&was.Password); err != nil {
		return OpenedSession{}, nil, fmt.Errorf("set the password of %s: %w", who, err)
	}
	if err := tx.QueryRow(ctx, verifyAddress, who, meta.Now).Scan(&was.Verified); err != nil {
		return OpenedSession{}, nil, fmt.Errorf("verify the address of %s: %w", who, err)
	}
	if err := ending.Links(ctx, tx, who, at); err != nil {
		return OpenedSession{}, nil, err
	}
	if was.Ended, err = ending.All(ctx, tx, who, at, nil); err != nil {
		return OpenedSession{}, nil, err
	}
	opened, evs, err := c.Session.Handle(ctx, tx, meta)
	changed := events.CredentialChanged{PersonID: who, Kind: "password", Change: "reset", SessionsEnded: was.Sessions, TokensEnded: was.Tokens, ApplicationsEnded: was.Applications}
	if was.Password == "" {
		changed.Change = "added"
	}
	opened.Change = command.Change{Before: was, After: enrolledFields{Password: "new", Verified: true}}
	return opened, append(evs, changed), err
}
