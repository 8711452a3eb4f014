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

// ChangeStatus suspends or bans an account, or lets it be active again. It is a mark of the account, which its
// services do not follow by themselves. The people of a suspended account go on as before: they sign in, see what they
// owe, and mend what it was suspended for. Those of a banned one have nothing of it any more from the next request on,
// and nobody is invited into it; their sessions stay, since they may be in other accounts.
type ChangeStatus struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason"` // for the audit log
}

type statusFields struct {
	Status string `json:"status"`
}

// Name is the command's name.
func (ChangeStatus) Name() string { return "account.ChangeStatus" }

// Aggregates is the account.
func (c ChangeStatus) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c ChangeStatus) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Status(&fields, "status", c.Status)
	check.Text(&fields, "reason", c.Reason)
	return fields.Err()
}

const setCustomerStatus = `update customer set status = $2 where id = $1 returning old.status`

// Handle changes the status.
func (c ChangeStatus) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Account, []events.Event, error) {
	var was statusFields
	err := tx.QueryRow(ctx, setCustomerStatus, c.CustomerID, c.Status).Scan(&was.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, nil, noSuchCustomer(c.CustomerID)
	}
	if err != nil {
		return Account{}, nil, fmt.Errorf("change the status of customer %s: %w", c.CustomerID, err)
	}
	change := command.Change{Before: was, After: statusFields{Status: c.Status}}
	return Account{CustomerID: c.CustomerID, Change: change}, []events.Event{events.CustomerChanged{CustomerID: c.CustomerID}}, nil
}
