package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangeContact has an account's mails, its invoices among them, go to another address. Members choose among the verified
// addresses of the account's people, so that nobody is mailed who never said that they read there; staff may name any.
// Invoices that are finalised keep the address that they have. Whoever reads the old address is told by mail.
type ChangeContact struct {
	ChangeID   uuid.UUID `json:"change_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	Email      string    `json:"email" audit:"redact"`
	OfMember   bool      `json:"of_member"` // it has to be of one of the account's people
}

// contactFields are what this command changes, for the audit row.
type contactFields struct {
	Email string `json:"email" audit:"redact"`
}

// Name is the command's name.
func (ChangeContact) Name() string { return "account.ChangeContact" }

// Aggregates is the account.
func (c ChangeContact) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c ChangeContact) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "change_id", c.ChangeID)
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Email(&fields, "email", c.Email)
	return fields.Err()
}

// Constraints says that another account has the address.
func (ChangeContact) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"customer_email": fault.New(fault.Conflict, "contact_taken", "another account has this address: an address is the contact of one account alone"),
	}
}

const (
	isOfMember = `
select exists (select from membership m join person p on p.id = m.person_id
    where m.customer_id = $1 and p.email = lower($2) and p.email_verified_at is not null and p.status = 'active')`

	setContact = `update customer set email = lower($2) where id = $1 returning old.email, new.email`

	keepContact = `
insert into contact_change (id, customer_id, replaced, email, changed_by, changed_at) values ($1, $2, $3, $4, $5, $6)`
)

// Handle changes the address.
func (c ChangeContact) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Account, []events.Event, error) {
	if c.OfMember {
		var ok bool
		if err := tx.QueryRow(ctx, isOfMember, c.CustomerID, c.Email).Scan(&ok); err != nil {
			return Account{}, nil, fmt.Errorf("find whose address it is: %w", err)
		}
		if !ok {
			var fields fault.Fields
			fields.Add("email", "is not the verified address of one of the account's people: invite its reader first, or ask us")
			return Account{}, nil, fields.Err()
		}
	}
	var was, is contactFields
	err := tx.QueryRow(ctx, setContact, c.CustomerID, c.Email).Scan(&was.Email, &is.Email)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, nil, noSuchCustomer(c.CustomerID)
	}
	if err != nil {
		return Account{}, nil, fmt.Errorf("change the contact of %s: %w", c.CustomerID, err)
	}
	happened := []events.Event{events.CustomerChanged{CustomerID: c.CustomerID}}
	if was != is {
		if _, err := tx.Exec(ctx, keepContact, c.ChangeID, c.CustomerID, was.Email, is.Email, meta.Actor, meta.Now); err != nil {
			return Account{}, nil, fmt.Errorf("keep the old contact of %s: %w", c.CustomerID, err)
		}
		happened = append(happened, events.ContactChanged{CustomerID: c.CustomerID, ChangeID: c.ChangeID})
	}
	return Account{CustomerID: c.CustomerID, Change: command.Change{Before: was, After: is}}, happened, nil
}
