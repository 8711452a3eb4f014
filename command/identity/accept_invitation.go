package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// AcceptInvitation makes somebody who was invited a member. Who is here already comes signed in: that they read the
// address is not enough, since then a mailbox would do for a password. Who is new gets a name and a password, and the
// link has verified the address.
type AcceptInvitation struct {
	Proof
	CustomerID   uuid.UUID `json:"customer_id"`
	PersonID     uuid.UUID `json:"person_id"` // who is signed in, or the id of somebody new
	New          bool      `json:"new"`
	PersonName   string    `json:"name,omitempty" audit:"redact"` // of somebody new, as the hash is
	PasswordHash string    `json:"password_hash,omitempty" audit:"redact"`
}

// Member is the answer.
type Member struct {
	CustomerID uuid.UUID `json:"customer_id"`
	PersonID   uuid.UUID `json:"person_id"`
	command.Change
}

type memberFields struct {
	Rights string `json:"rights"`
}

// Name is the command's name.
func (AcceptInvitation) Name() string { return "identity.AcceptInvitation" }

// Aggregates are the account and the person.
func (c AcceptInvitation) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}, {Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c AcceptInvitation) Validate() error {
	var fields fault.Fields
	c.check(&fields)
	check.ID(&fields, "customer_id", c.CustomerID)
	check.ID(&fields, "person_id", c.PersonID)
	if c.New {
		check.Text(&fields, "name", c.PersonName)
		fields.Check(c.PasswordHash != "", "password", "is missing")
	}
	return fields.Err()
}

// Constraints says that the person came in by another way meanwhile.
func (AcceptInvitation) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"person_site_email_key": fault.New(fault.Conflict, "sign_in_first", "you are here already: sign in, then open the link again"),
		"membership_pkey":       fault.New(fault.Conflict, "member_already", "you are in this account already"),
	}
}

const (
	findInvited = `select p.email from person p where p.id = $1 and p.site = 'account' and p.status = 'active' and p.email_verified_at is not null`

	// Who sent the invitation lets somebody in now, not then: one of the account's people has to be an owner still.
	findOpenAccount = `
select exists (select from customer c join link l on l.id = $2
    where c.id = $1 and c.status <> 'banned' and (l.created_by not like 'person:%' or exists (
        select from membership m join person p on p.id = m.person_id and p.status = 'active'
        where m.customer_id = c.id and m.rights = 'owner' and l.created_by = 'person:' || p.id::text)))`

	insertMember = `insert into membership (person_id, customer_id, rights, since) values ($1, $2, $3, $4)`
)

// Handle makes the member.
func (c AcceptInvitation) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Member, []events.Event, error) {
	link, err := c.use(ctx, tx, PurposeInvitation)
	if err != nil {
		return Member{}, nil, err
	}
	var open bool
	if err := tx.QueryRow(ctx, findOpenAccount, c.CustomerID, c.LinkID).Scan(&open); err != nil {
		return Member{}, nil, fmt.Errorf("find account %s: %w", c.CustomerID, err)
	}
	if link.customer == nil || *link.customer != c.CustomerID || !open {
		return Member{}, nil, InvalidLink()
	}
	happened, err := c.person(ctx, tx, meta, link.email)
	if err != nil {
		return Member{}, nil, err
	}
	if _, err := tx.Exec(ctx, insertMember, c.PersonID, c.CustomerID, link.rights, meta.Now); err != nil {
		return Member{}, nil, fmt.Errorf("insert member: %w", err)
	}
	joined := events.MembershipChanged{CustomerID: c.CustomerID, PersonID: c.PersonID, Rights: link.rights}
	return Member{CustomerID: c.CustomerID, PersonID: c.PersonID, Change: command.Change{Before: memberFields{}, After: memberFields{Rights: link.rights}}},
		append(happened, joined), nil
}

// person makes the person, or asks whether it is the one who was invited.
func (c AcceptInvitation) person(ctx context.Context, tx pgx.Tx, meta command.Meta, email string) ([]events.Event, error) {
	if c.New {
		if err := displace(ctx, tx, "account", email, c.At); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, insertPerson, c.PersonID, "account", email, true, c.PersonName, meta.Now); err != nil {
			return nil, fmt.Errorf("insert person: %w", err)
		}
		if _, err := tx.Exec(ctx, putPassword, c.PersonID, c.PasswordHash, meta.Now); err != nil {
			return nil, fmt.Errorf("set password: %w", err)
		}
		return []events.Event{events.PersonRegistered{PersonID: c.PersonID, Site: "account"}}, nil
	}
	var own string
	err := tx.QueryRow(ctx, findInvited, c.PersonID).Scan(&own)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, InvalidLink()
	}
	if err != nil {
		return nil, fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	if !strings.EqualFold(own, email) {
		return nil, fault.New(fault.Conflict, "other_person", "the invitation is for another address: sign in with that one, or sign out")
	}
	return nil, nil
}
