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
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/schemas/events"
)

// VerifyEmail is a link that was followed: who has it reads the address. Of a registration it makes the person's
// account. Of a change of address it puts the new one in place of the old, and ends the other sessions; that an address
// is verified belongs to the address, so that nobody moves a verified person to one that they cannot read.
type VerifyEmail struct {
	Proof
	Joining
	PersonID uuid.UUID  `json:"person_id"`
	But      *uuid.UUID `json:"but,omitempty"`     // the session that goes on: the one that the link was followed in
	Contact  *uuid.UUID `json:"contact,omitempty"` // the account of which the old address is the contact, and the person an owner
}

// Joining is what a verified person may need: the ids of an account of their own, and of an invitation.
type Joining struct {
	CustomerID   uuid.UUID `json:"customer_id"`
	InvitationID uuid.UUID `json:"invitation_id"`
}

// Verified is the answer.
type Verified struct {
	PersonID   uuid.UUID  `json:"person_id"`
	CustomerID *uuid.UUID `json:"customer_id,omitempty"` // the account that was made
	command.Change
}

// provedFields are what links and registrations change of a person, for the audit row. Password stands for its hash, which
// nobody is shown: empty where there is none, and another word where it is another one.
type provedFields struct {
	Email    string `json:"email,omitempty" audit:"redact"`
	Name     string `json:"name,omitempty" audit:"redact"`
	Company  string `json:"company,omitempty" audit:"redact"`
	Verified bool   `json:"verified"`
	Password string `json:"password,omitempty" audit:"redact"`
	Contact  string `json:"contact,omitempty" audit:"redact"` // of the person's account
	ending.Ended
}

// Name is the command's name.
func (VerifyEmail) Name() string { return "identity.VerifyEmail" }

// Aggregates are the person, and what may become of the registration.
func (c VerifyEmail) Aggregates() []events.Aggregate {
	all := append([]events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}, c.aggregates()...)
	if c.Contact != nil {
		all = append(all, events.Aggregate{Type: events.TypeCustomer, ID: *c.Contact})
	}
	return all
}

func (j Joining) aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: j.CustomerID}, {Type: events.TypeLink, ID: j.InvitationID}}
}

func (j Joining) check(fields *fault.Fields) {
	check.ID(fields, "customer_id", j.CustomerID)
	check.ID(fields, "invitation_id", j.InvitationID)
}

// Validate checks the fields.
func (c VerifyEmail) Validate() error {
	var fields fault.Fields
	c.Proof.check(&fields)
	c.Joining.check(&fields)
	check.ID(&fields, "person_id", c.PersonID)
	return fields.Err()
}

// Constraints says that the new address went to somebody else meanwhile.
func (VerifyEmail) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"person_site_email_key": fault.New(fault.Conflict, "address_taken", "somebody else has taken this address meanwhile"),
	}
}

const (
	findVerifiable = `select site, email, email_verified_at is not null, name, company from person where id = $1 and status = 'active' for update`

	setAddress = `update person set email = $2, email_verified_at = $3 where id = $1`

	keepReplaced = `update link set replaced = $2 where id = $1`
)

// verifiable is a person whose address is about to be verified.
type verifiable struct {
	id                  uuid.UUID
	site, email         string
	verified            bool
	personName, company string
}

// useOf uses a link of this person, whom it locks.
func (p Proof) useOf(ctx context.Context, tx pgx.Tx, purpose string, id uuid.UUID) (usedLink, verifiable, error) {
	who := verifiable{id: id}
	link, err := p.use(ctx, tx, purpose)
	if err != nil {
		return link, who, err
	}
	if link.person == nil || *link.person != id {
		return link, who, InvalidLink()
	}
	err = tx.QueryRow(ctx, findVerifiable, id).Scan(&who.site, &who.email, &who.verified, &who.personName, &who.company)
	if errors.Is(err, pgx.ErrNoRows) { // suspended: nothing is proved to one who may not come in
		return link, who, InvalidLink()
	}
	if err != nil {
		return link, who, fmt.Errorf("find person %s: %w", id, err)
	}
	return link, who, nil
}

// Handle verifies the address.
func (c VerifyEmail) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Verified, []events.Event, error) {
	link, person, err := c.useOf(ctx, tx, PurposeVerify, c.PersonID)
	if err != nil {
		return Verified{}, nil, err
	}
	switch {
	case !person.verified && link.email == person.email:
		return c.admit(ctx, tx, meta, c.At, person, command.Change{Before: provedFields{}, After: provedFields{Verified: true}})
	case person.verified:
		return c.move(ctx, tx, meta, person, link.email)
	}
	return Verified{}, nil, InvalidLink()
}

// move gives the person the new address.
func (c VerifyEmail) move(ctx context.Context, tx pgx.Tx, meta command.Meta, person verifiable, email string) (Verified, []events.Event, error) {
	if err := displace(ctx, tx, person.site, email, c.At); err != nil {
		return Verified{}, nil, err
	}
	if _, err := tx.Exec(ctx, setAddress, c.PersonID, email, meta.Now); err != nil {
		return Verified{}, nil, fmt.Errorf("change the address of %s: %w", c.PersonID, err)
	}
	if _, err := tx.Exec(ctx, keepReplaced, c.LinkID, person.email); err != nil {
		return Verified{}, nil, fmt.Errorf("keep the old address of %s: %w", c.PersonID, err)
	}
	if _, err := tx.Exec(ctx, revokeLinks, c.PersonID, PurposeReset, c.At); err != nil { // it lies in the old mailbox
		return Verified{}, nil, fmt.Errorf("revoke links of %s: %w", c.PersonID, err)
	}
	sessions, err := ending.Sessions(ctx, tx, c.PersonID, c.At, c.But)
	if err != nil {
		return Verified{}, nil, err
	}
	changed := []events.Event{events.PersonChanged{PersonID: c.PersonID}, events.CredentialChanged{PersonID: c.PersonID, Kind: "email", Change: "changed", SessionsEnded: sessions}}
	was := provedFields{Email: person.email, Verified: true, Ended: ending.Ended{Sessions: sessions}}
	change := command.Change{Before: was, After: provedFields{Email: email, Verified: true}}
	followed, err := c.follow(ctx, tx, person.email, email, &change)
	return Verified{PersonID: c.PersonID, Change: change}, append(changed, followed...), err
}

// Who registered an address that somebody else has now proved to read, was never there.
const displaceUnverified = `
update person set email = id::text || '@displaced.invalid' where site = $1 and email = $2 and email_verified_at is null returning id`

// displace takes an address from whoever registered it and never verified it: it would keep its reader out.
func displace(ctx context.Context, tx pgx.Tx, site, email string, now time.Time) error {
	var id uuid.UUID
	err := tx.QueryRow(ctx, displaceUnverified, site, email).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = ending.Links(ctx, tx, id, now)
	}
	if err != nil {
		return fmt.Errorf("take an address from an unverified person: %w", err)
	}
	return nil
}

const (
	markVerified = `update person set email_verified_at = $2, company = '' where id = $1`

	findAccountOf = `
select c.id, not exists (select from membership m where m.customer_id = c.id) and c.status <> 'banned',
    exists (select from membership m where m.person_id = $2)
from (select) one left join customer c on c.email = $1`

	insertAccount = `insert into customer (id, email, name, company, created_at) values ($1, $2, $3, $4, $5) on conflict (email) do nothing`

	insertOwner = `insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'owner', $3)`
)

// admit verifies the address of somebody who registered, and gives them an account.
//
// Is there an account with the address already, made by staff or an import? Of one that has people, the address alone
// makes nobody a member: they may have changed who reads it. Of one that has none, the address is all there is to tell
// whose it is; but this link alone is not enough. Whoever registered chose the password, and whoever reads the mailbox
// followed the link, and nobody knows that they are one: a stranger may register an address, and its reader click. For a
// new account that is empty and harmless; for one with services and invoices it would not be. So the reader is mailed an
// invitation as its owner, and to accept it they have to be signed in: both at once.
func (j Joining) admit(ctx context.Context, tx pgx.Tx, meta command.Meta, at time.Time, person verifiable, change command.Change) (Verified, []events.Event, error) {
	if _, err := tx.Exec(ctx, markVerified, person.id, meta.Now); err != nil {
		return Verified{}, nil, fmt.Errorf("verify %s: %w", person.id, err)
	}
	verified, happened := Verified{PersonID: person.id, Change: change}, []events.Event{events.PersonChanged{PersonID: person.id}}
	if person.site != "account" {
		return verified, happened, nil
	}
	var account *uuid.UUID
	var nobodys *bool
	var member bool
	if err := tx.QueryRow(ctx, findAccountOf, person.email, person.id).Scan(&account, &nobodys, &member); err != nil {
		return Verified{}, nil, fmt.Errorf("find the account of %s: %w", person.id, err)
	}
	switch {
	case member:
		return verified, happened, nil
	case account != nil && *nobodys:
		invitation := newLink{id: j.InvitationID, purpose: PurposeInvitation, site: person.site, customer: account, rights: permission.Owner, email: person.email, at: at, lifetime: invitationLifetime}
		requested, err := invitation.request(ctx, tx, meta)
		return verified, append(happened, requested), err
	case account != nil:
		return verified, happened, nil
	}
	made, err := j.open(ctx, tx, meta, person)
	verified.CustomerID = &j.CustomerID
	return verified, append(happened, made...), err
}

// open makes the account of a person.
func (j Joining) open(ctx context.Context, tx pgx.Tx, meta command.Meta, person verifiable) ([]events.Event, error) {
	tag, err := tx.Exec(ctx, insertAccount, j.CustomerID, person.email, person.personName, person.company, meta.Now)
	if err != nil {
		return nil, fmt.Errorf("insert customer: %w", err)
	}
	if tag.RowsAffected() == 0 { // staff made one in this moment
		return nil, fault.New(fault.Conflict, "busy", "somebody is making this account: try again")
	}
	if _, err := tx.Exec(ctx, insertOwner, person.id, j.CustomerID, meta.Now); err != nil {
		return nil, fmt.Errorf("insert owner: %w", err)
	}
	return []events.Event{events.CustomerRegistered{CustomerID: j.CustomerID},
		events.MembershipChanged{CustomerID: j.CustomerID, PersonID: person.id, Rights: permission.Owner}}, nil
}
