package staff

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// EnrolmentLife is how long an enrolment link works.
const EnrolmentLife = 24 * time.Hour

const purposeEnrolment = "enrolment"

// Link is a link by which one of the staff sets his first password, or another one.
type Link struct {
	LinkID uuid.UUID `json:"link_id"`
	// TokenHash is of a token that whoever orders the link hands over himself, as the command line does. Without it the
	// link is mailed, with a token that is drawn then.
	TokenHash *secret.Hash `json:"token_hash,omitempty" audit:"redact"`
	At        time.Time    `json:"at"` // by the machine's clock
}

// EnrolStaff takes somebody in among the staff, with roles, and lets him come by a link.
type EnrolStaff struct {
	PersonID   uuid.UUID  `json:"person_id"`
	Email      string     `json:"email" audit:"redact"`
	PersonName string     `json:"name" audit:"redact"`
	Roles      []string   `json:"roles"`
	Link       Link       `json:"link"`
	By         *uuid.UUID `json:"by,omitempty"`
}

// RenewEnrolment gives one of the staff a new link; older ones work no more. With ResetFactors he loses all that he
// could prove himself with, the password too, for who knows a password alone could set up the second factor anew; and he
// is signed out.
type RenewEnrolment struct {
	PersonID     uuid.UUID  `json:"person_id"`
	Link         Link       `json:"link"`
	ResetFactors bool       `json:"reset_factors"`
	By           *uuid.UUID `json:"by,omitempty"`
}

// Enrolled is the answer of both.
type Enrolled struct {
	PersonID  uuid.UUID `json:"person_id"`
	LinkID    uuid.UUID `json:"link_id"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Name is the command's name.
func (EnrolStaff) Name() string { return "staff.EnrolStaff" }

// Name is the command's name.
func (RenewEnrolment) Name() string { return "staff.RenewEnrolment" }

// Aggregates are the new person and the link.
func (c EnrolStaff) Aggregates() []events.Aggregate { return withLink(c.PersonID, c.Link) }

// Aggregates are the person and the link.
func (c RenewEnrolment) Aggregates() []events.Aggregate { return withLink(c.PersonID, c.Link) }

func withLink(personID uuid.UUID, link Link) []events.Aggregate {
	return append(person(personID), events.Aggregate{Type: events.TypeLink, ID: link.LinkID})
}

// Validate checks the fields.
func (c EnrolStaff) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.Email(&fields, "email", c.Email)
	check.Text(&fields, "name", c.PersonName)
	fields.Check(!repeats(c.Roles), "roles", "name a role twice")
	c.Link.check(&fields)
	return fields.Err()
}

// Validate checks the fields.
func (c RenewEnrolment) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	c.Link.check(&fields)
	return fields.Err()
}

func (l Link) check(fields *fault.Fields) {
	check.ID(fields, "link.link_id", l.LinkID)
	fields.Check(l.TokenHash == nil || *l.TokenHash != secret.Hash{}, "link.token_hash", "is missing")
	fields.Check(!l.At.IsZero(), "link.at", "is missing")
}

// Constraints says what a second person of the address means.
func (c EnrolStaff) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"person_site_email_key": fault.New(fault.Conflict, "person_exists", "somebody with the mail address %s is among the staff already", strings.ToLower(c.Email)),
		"person_pkey":           fault.New(fault.Conflict, "person_exists", "person %s exists already", c.PersonID),
	}
}

const (
	insertStaff = `insert into person (id, site, email, name, created_at) values ($1, 'admin', lower($2), $3, $4)`

	selectEnrollable = `select email, status from person where id = $1 and site = 'admin' for update`

	revokeEnrolments = `update link set revoked_at = $2 where person_id = $1 and purpose = 'enrolment' and used_at is null and revoked_at is null`

	insertEnrolment = `
insert into link (id, purpose, site, person_id, email, token_hash, created_by, created_at, expires_at)
values ($1, 'enrolment', 'admin', $2, lower($3), $4, $5, $6, $7)`
)

// Handle takes the person in.
func (c EnrolStaff) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Enrolled, []events.Event, error) {
	evs := []events.Event{events.PersonRegistered{PersonID: c.PersonID, Site: "admin"}}
	err := order(ctx, tx, c.By, func(own reach) error {
		if _, err := tx.Exec(ctx, insertStaff, c.PersonID, c.Email, c.PersonName, meta.Now); err != nil {
			return fmt.Errorf("insert person: %w", err)
		}
		if err := give(ctx, tx, own, c.PersonID, c.Roles); err != nil {
			return err
		}
		asked, err := c.Link.insert(ctx, tx, meta, c.PersonID, c.Email)
		evs = append(evs, asked...)
		return err
	})
	return c.Link.answer(c.PersonID), evs, err
}

// Handle makes the link.
func (c RenewEnrolment) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Enrolled, []events.Event, error) {
	var evs []events.Event
	err := order(ctx, tx, c.By, func(own reach) error {
		email, err := c.enrollable(ctx, tx, own)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, revokeEnrolments, c.PersonID, c.Link.At); err != nil {
			return fmt.Errorf("revoke the links of %s: %w", c.PersonID, err)
		}
		if c.ResetFactors {
			if evs, err = resetFactors(ctx, tx, c.PersonID, c.Link.At); err != nil {
				return err
			}
		}
		asked, err := c.Link.insert(ctx, tx, meta, c.PersonID, email)
		evs = append(evs, asked...)
		return err
	})
	return c.Link.answer(c.PersonID), evs, err
}

// enrollable finds the address of somebody who is in the orderer's reach and not suspended.
func (c RenewEnrolment) enrollable(ctx context.Context, tx pgx.Tx, own reach) (email string, err error) {
	var status string
	err = tx.QueryRow(ctx, selectEnrollable, c.PersonID).Scan(&email, &status)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", noSuchStaff(c.PersonID)
	}
	if err != nil {
		return "", fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	if status != "active" {
		return "", fault.New(fault.Conflict, "person_not_active", "this person is %s", status)
	}
	has, err := granted(ctx, tx, c.PersonID)
	if err != nil {
		return "", err
	}
	return email, own.demand(has)
}

// insert writes the link, and asks for it to be mailed unless whoever orders has its token.
func (l Link) insert(ctx context.Context, tx pgx.Tx, meta command.Meta, to uuid.UUID, email string) ([]events.Event, error) {
	var hash []byte
	if l.TokenHash != nil {
		hash = l.TokenHash[:]
	}
	if _, err := tx.Exec(ctx, insertEnrolment, l.LinkID, to, email, hash, meta.Actor, l.At, l.At.Add(EnrolmentLife)); err != nil {
		return nil, fmt.Errorf("insert link: %w", err)
	}
	if l.TokenHash != nil {
		return nil, nil
	}
	return []events.Event{events.LinkRequested{LinkID: l.LinkID, Purpose: purposeEnrolment}}, nil
}

func (l Link) answer(personID uuid.UUID) Enrolled {
	return Enrolled{PersonID: personID, LinkID: l.LinkID, ExpiresAt: l.At.Add(EnrolmentLife)}
}

// resetFactors takes all that a person can prove himself with, and ends what he has proved. It tells what was there.
func resetFactors(ctx context.Context, tx pgx.Tx, personID uuid.UUID, at time.Time) ([]events.Event, error) {
	var evs []events.Event
	for _, f := range []struct{ kind, sql string }{
		{"password", `delete from password where person_id = $1`},
		{"passkey", `delete from passkey where person_id = $1`},
		{"totp", `delete from totp where person_id = $1`},
		{"recovery_codes", `delete from recovery_code where person_id = $1`},
	} {
		tag, err := tx.Exec(ctx, f.sql, personID)
		if err != nil {
			return nil, fmt.Errorf("take the %s of %s: %w", f.kind, personID, err)
		}
		if tag.RowsAffected() > 0 {
			evs = append(evs, events.CredentialChanged{PersonID: personID, Kind: f.kind, Change: "removed"})
		}
	}
	if _, err := tx.Exec(ctx, endStaffSessions, personID, at); err != nil {
		return nil, fmt.Errorf("end the sessions of %s: %w", personID, err)
	}
	return evs, nil
}
