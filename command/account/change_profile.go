// Package account decides about what an account is beside its people and its services: its profile with postal addresses
// and a sealed tax id, its status, and what staff write down about it. Personal data is written to Postgres alone; events
// say that something changed, never what.
package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Address is a postal address.
type Address struct {
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2: DE
}

// Profile is what is known of an account beside its services.
type Profile struct {
	CustomerName string   `json:"name" audit:"redact"`
	Company      string   `json:"company" audit:"redact"`
	Phone        string   `json:"phone" audit:"redact"`
	Locale       string   `json:"locale"`
	TimeZone     string   `json:"time_zone"`
	TaxExempt    *bool    `json:"tax_exempt,omitempty"` // staff say so; nil: as it is
	Billing      *Address `json:"billing_address" audit:"redact"`
	Shipping     *Address `json:"shipping_address" audit:"redact"`
}

// ChangeProfile sets an account's profile, whole. Invoices that are finalised keep what they say.
type ChangeProfile struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Profile
	TaxID       command.Secret `json:"tax_id"` // tells one order from another; written is what is sealed of it
	SealedTaxID []byte         `json:"-"`      // nil: none
	KeepTaxID   bool           `json:"-"`      // it is the one that is sealed there
}

// Account is the answer of this context's commands.
type Account struct {
	CustomerID uuid.UUID `json:"customer_id"`
	command.Change
}

// Name is the command's name.
func (ChangeProfile) Name() string { return "account.ChangeProfile" }

// Aggregates is the account.
func (c ChangeProfile) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c ChangeProfile) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Text(&fields, "name", c.CustomerName)
	check.Line(&fields, "company", c.Company)
	check.Phone(&fields, "phone", c.Phone)
	check.TaxID(&fields, "tax_id", c.TaxID.Reveal())
	check.Locale(&fields, "locale", c.Locale)
	check.TimeZone(&fields, "time_zone", c.TimeZone)
	c.Billing.check(&fields, "billing_address")
	c.Shipping.check(&fields, "shipping_address")
	fields.Check(c.KeepTaxID || c.TaxID.IsZero() == (c.SealedTaxID == nil), "tax_id", "is not sealed")
	return fields.Err()
}

func (a *Address) check(fields *fault.Fields, path string) {
	if a == nil {
		return
	}
	check.Text(fields, path+".line1", a.Line1)
	check.Line(fields, path+".line2", a.Line2)
	check.Text(fields, path+".city", a.City)
	check.Line(fields, path+".region", a.Region)
	check.Line(fields, path+".postal_code", a.PostalCode)
	check.Country(fields, path+".country", a.Country)
}

const (
	findProfile = `
select name, company, phone, locale, time_zone, tax_exempt, tax_id is not null,
    (select to_jsonb(a) from customer_address a where a.customer_id = c.id and a.kind = 'billing'),
    (select to_jsonb(a) from customer_address a where a.customer_id = c.id and a.kind = 'shipping')
from customer c where id = $1 for update of c`

	setProfile = `
update customer set name = $2, company = $3, phone = $4, locale = $5, time_zone = $6, tax_exempt = coalesce($7, tax_exempt),
    tax_id = case when $8 then tax_id else $9 end
where id = $1`

	putAddress = `
insert into customer_address (customer_id, kind, line1, line2, city, region, postal_code, country) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (customer_id, kind) do update set line1 = excluded.line1, line2 = excluded.line2, city = excluded.city,
    region = excluded.region, postal_code = excluded.postal_code, country = excluded.country`

	deleteAddress = `delete from customer_address where customer_id = $1 and kind = $2`
)

// profileFields are what can change of an account, for the audit row.
type profileFields struct {
	Profile
	TaxID int `json:"tax_id" audit:"redact"` // 0: none; 1: the one from before; 2: another
}

// Handle changes the account.
func (c ChangeProfile) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Account, []events.Event, error) {
	was, err := c.before(ctx, tx)
	if err != nil {
		return Account{}, nil, err
	}
	_, err = tx.Exec(ctx, setProfile, c.CustomerID, c.CustomerName, c.Company, c.Phone, c.Locale, c.TimeZone, c.TaxExempt, c.KeepTaxID, c.SealedTaxID)
	if err != nil {
		return Account{}, nil, fmt.Errorf("update customer %s: %w", c.CustomerID, err)
	}
	for kind, address := range map[string]*Address{"billing": c.Billing, "shipping": c.Shipping} {
		if err := c.put(ctx, tx, kind, address); err != nil {
			return Account{}, nil, err
		}
	}
	is := profileFields{Profile: c.Profile, TaxID: was.TaxID}
	if !c.KeepTaxID {
		is.TaxID = 0
		if c.SealedTaxID != nil {
			is.TaxID = 2
		}
	}
	if is.TaxExempt == nil {
		is.TaxExempt = was.TaxExempt
	}
	change := command.Change{Before: was, After: is}
	return Account{CustomerID: c.CustomerID, Change: change}, []events.Event{events.CustomerChanged{CustomerID: c.CustomerID}}, nil
}

func (c ChangeProfile) before(ctx context.Context, tx pgx.Tx) (profileFields, error) {
	var was profileFields
	var taxed bool
	var billing, shipping []byte
	err := tx.QueryRow(ctx, findProfile, c.CustomerID).
		Scan(&was.CustomerName, &was.Company, &was.Phone, &was.Locale, &was.TimeZone, &was.TaxExempt, &taxed, &billing, &shipping)
	if errors.Is(err, pgx.ErrNoRows) {
		return was, noSuchCustomer(c.CustomerID)
	}
	if err != nil {
		return was, fmt.Errorf("find customer %s: %w", c.CustomerID, err)
	}
	if taxed {
		was.TaxID = 1
	}
	for text, address := range map[*[]byte]**Address{&billing: &was.Billing, &shipping: &was.Shipping} {
		if *text == nil {
			continue
		}
		if err := json.Unmarshal(*text, address); err != nil {
			return was, fmt.Errorf("read an address of customer %s: %w", c.CustomerID, err)
		}
	}
	return was, nil
}

func (c ChangeProfile) put(ctx context.Context, tx pgx.Tx, kind string, a *Address) (err error) {
	if a == nil {
		_, err = tx.Exec(ctx, deleteAddress, c.CustomerID, kind)
	} else {
		_, err = tx.Exec(ctx, putAddress, c.CustomerID, kind, a.Line1, a.Line2, a.City, a.Region, a.PostalCode, a.Country)
	}
	if err != nil {
		return fmt.Errorf("set the %s address of %s: %w", kind, c.CustomerID, err)
	}
	return nil
}

func noSuchCustomer(id uuid.UUID) error {
	return fault.New(fault.NotFound, "customer_not_found", "there is no customer %s", id)
}
