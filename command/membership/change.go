// Package membership decides who is in an account, with which rights, and what ends when somebody no longer is: sessions
// that look at it, tokens and applications that act in it. An account keeps an owner. How people come in by an invitation is
// package identity's.
package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/schemas/events"
)

// Change gives a person rights in an account, others than they had, or none any more.
type Change struct {
	CustomerID uuid.UUID `json:"customer_id"`
	PersonID   uuid.UUID `json:"person_id"`
	Rights     string    `json:"rights"` // owner, billing, technical, read_only; empty: takes the person out
	At         time.Time `json:"at"`     // by the machine's clock, of the end of what they have there
}

// Member is the answer.
type Member struct {
	CustomerID uuid.UUID `json:"customer_id"`
	PersonID   uuid.UUID `json:"person_id"`
	command.Change
}

type memberFields struct {
	Rights string `json:"rights"`
	ending.Ended
}

// Name is the command's name.
func (Change) Name() string { return "membership.Change" }

// Aggregates is the account: it is locked, so that two owners cannot take each other out at once. The person is, so that
// nothing is begun for them that would come back with them.
func (c Change) Aggregates() []events.Aggregate { return both(c.CustomerID, c.PersonID) }

func both(customer, person uuid.UUID) []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: customer}, {Type: events.TypePerson, ID: person}}
}

// Validate checks the fields.
func (c Change) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "customer_id", c.CustomerID)
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(c.Rights == "" || slices.Contains(permission.Rights(), c.Rights), "rights", "%q is none of owner, billing, technical and read_only", c.Rights)
	check.At(&fields, c.At)
	return fields.Err()
}

// Constraints says what is not there.
func (c Change) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"membership_customer_id_fkey": fault.New(fault.NotFound, "customer_not_found", "there is no customer %s", c.CustomerID),
	}
}

const (
	findRights = `select rights from membership where customer_id = $1 and person_id = $2`

	findAccountPerson = `select exists (select from person where id = $1 and site = 'account')`

	// Who is suspended, or never verified the address, cannot sign in, and is no owner that an account could be left to.
	otherOwners = `
select exists (select from membership m join person p on p.id = m.person_id
    where m.customer_id = $1 and m.rights = 'owner' and p.id <> $2 and p.status = 'active' and p.email_verified_at is not null)`

	putMember = `
insert into membership (customer_id, person_id, rights, since) values ($1, $2, $3, $4)
on conflict (person_id, customer_id) do update set rights = excluded.rights`

	deleteMember = `delete from membership where customer_id = $1 and person_id = $2`
)

// Handle changes the membership.
func (c Change) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Member, []events.Event, error) {
	var was memberFields
	err := tx.QueryRow(ctx, findRights, c.CustomerID, c.PersonID).Scan(&was.Rights)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Member{}, nil, fmt.Errorf("find the rights of %s: %w", c.PersonID, err)
	}
	if err := c.allowed(ctx, tx, was.Rights); err != nil {
		return Member{}, nil, err
	}
	if c.Rights == "" {
		was.Ended, err = remove(ctx, tx, c.CustomerID, c.PersonID, c.At, nil)
	} else if _, err = tx.Exec(ctx, putMember, c.CustomerID, c.PersonID, c.Rights, meta.Now); err != nil {
		err = fmt.Errorf("change member %s: %w", c.PersonID, err)
	}
	if err != nil {
		return Member{}, nil, err
	}
	member := Member{CustomerID: c.CustomerID, PersonID: c.PersonID, Change: command.Change{Before: was, After: memberFields{Rights: c.Rights}}}
	return member, []events.Event{events.MembershipChanged{CustomerID: c.CustomerID, PersonID: c.PersonID, Rights: c.Rights}}, nil
}

// remove takes a person out, and ends what they have in the account but the session that is named.
func remove(ctx context.Context, tx pgx.Tx, customer, person uuid.UUID, at time.Time, but *uuid.UUID) (ending.Ended, error) {
	if _, err := tx.Exec(ctx, deleteMember, customer, person); err != nil {
		return ending.Ended{}, fmt.Errorf("take %s out: %w", person, err)
	}
	return ending.InAccount(ctx, tx, person, customer, at, but)
}

// allowed asks whether the person is there, and whether an owner is left who can act. Staff suspend whom they have to, the
// last owner too, and make another one.
func (c Change) allowed(ctx context.Context, tx pgx.Tx, was string) error {
	question, id := findAccountPerson, []any{c.PersonID}
	if was == permission.Owner && c.Rights != permission.Owner {
		question, id = otherOwners, []any{c.CustomerID, c.PersonID}
	} else if was == "" && c.Rights == "" {
		return fault.New(fault.NotFound, "member_not_found", "there is no such person in the account")
	}
	var ok bool
	if err := tx.QueryRow(ctx, question, id...).Scan(&ok); err != nil {
		return fmt.Errorf("look at the account's people: %w", err)
	}
	switch {
	case ok:
		return nil
	case was == permission.Owner:
		return fault.New(fault.Conflict, "last_owner", "an account keeps an owner who can sign in: make somebody else one first")
	}
	return fault.New(fault.NotFound, "person_not_found", "there is no person %s", c.PersonID)
}
