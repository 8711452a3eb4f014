// Package identity decides who is a customer, and which people are whose: a customer is an account, a person signs in,
// and is a member of as many accounts as have taken them in. Staff are people of another site. Personal data (name, mail address) is written to Postgres alone;
// events say that something about a customer changed, never what, so that erasing a person is one command.
package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RegisterCustomer takes in a customer. Mail addresses are unique without regard to case.
type RegisterCustomer struct {
	CustomerID   uuid.UUID `json:"customer_id"`
	Email        string    `json:"email" audit:"redact"`
	CustomerName string    `json:"name" audit:"redact"`
}

// Customer is the answer of this context's commands.
type Customer struct {
	CustomerID uuid.UUID `json:"customer_id"`
	command.Change
}

// Name is the command's name.
func (RegisterCustomer) Name() string { return "identity.RegisterCustomer" }

// Aggregates is the new customer.
func (c RegisterCustomer) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c RegisterCustomer) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Email(&fields, "email", c.Email)
	check.Text(&fields, "name", c.CustomerName)
	return fields.Err()
}

// Constraints says what a second customer of the address means.
func (c RegisterCustomer) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"customer_email": fault.New(fault.Conflict, "customer_exists", "a customer with the mail address %s exists already", strings.ToLower(c.Email)),
		"customer_pkey":  fault.New(fault.Conflict, "customer_exists", "customer %s exists already", c.CustomerID),
	}
}

const insertCustomer = `insert into customer (id, email, name, created_at) values ($1, lower($2), $3, $4)`

// Handle writes the customer.
func (c RegisterCustomer) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Customer, []events.Event, error) {
	if _, err := tx.Exec(ctx, insertCustomer, c.CustomerID, c.Email, c.CustomerName, meta.Now); err != nil {
		return Customer{}, nil, fmt.Errorf("insert customer: %w", err)
	}
	return Customer{CustomerID: c.CustomerID}, []events.Event{events.CustomerRegistered{CustomerID: c.CustomerID}}, nil
}
