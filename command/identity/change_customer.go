package identity

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

// ChangeCustomer gives a customer another name. Invoices that are finalised keep the name they have.
type ChangeCustomer struct {
	CustomerID   uuid.UUID `json:"customer_id"`
	CustomerName string    `json:"name" audit:"redact"`
}

// Name is the command's name.
func (ChangeCustomer) Name() string { return "identity.ChangeCustomer" }

// Aggregates is the customer.
func (c ChangeCustomer) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c ChangeCustomer) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Text(&fields, "name", c.CustomerName)
	return fields.Err()
}

const updateCustomer = `update customer set name = $2 where id = $1 returning old.name`

// customerFields are what can change of a customer, for the audit row.
type customerFields struct {
	Name string `json:"name" audit:"redact"`
}

// Handle changes the customer.
func (c ChangeCustomer) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Customer, []events.Event, error) {
	var was customerFields
	err := tx.QueryRow(ctx, updateCustomer, c.CustomerID, c.CustomerName).Scan(&was.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return Customer{}, nil, fault.New(fault.NotFound, "customer_not_found", "there is no customer %s", c.CustomerID)
	}
	if err != nil {
		return Customer{}, nil, fmt.Errorf("update customer %s: %w", c.CustomerID, err)
	}
	change := command.Change{Before: was, After: customerFields{Name: c.CustomerName}}
	return Customer{CustomerID: c.CustomerID, Change: change}, []events.Event{events.CustomerChanged{CustomerID: c.CustomerID}}, nil
}
