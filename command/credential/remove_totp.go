package credential

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RemoveTOTP takes a person's authenticator. Staff keep a second factor.
type RemoveTOTP struct {
	PersonID uuid.UUID `json:"person_id"`
	Session  Sitting   `json:"session"`
}

// Name is the command's name.
func (RemoveTOTP) Name() string { return "credential.RemoveTOTP" }

// Aggregates is the person.
func (c RemoveTOTP) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RemoveTOTP) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	c.Session.check(&fields)
	return fields.Err()
}

const deleteTOTP = `delete from totp where person_id = $1`

// Handle removes the authenticator.
func (c RemoveTOTP) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Managed, []events.Event, error) {
	before, err := c.Session.findAllowed(ctx, tx, c.PersonID)
	if err != nil {
		return Managed{}, nil, err
	}
	if !before.totp {
		return Managed{}, nil, fault.New(fault.NotFound, "totp_not_found", "no authenticator is set up")
	}
	left := before
	left.totp = false
	if err := before.removable(left); err != nil {
		return Managed{}, nil, err
	}
	if _, err := tx.Exec(ctx, deleteTOTP, c.PersonID); err != nil {
		return Managed{}, nil, fmt.Errorf("remove the authenticator of %s: %w", c.PersonID, err)
	}
	if err := left.tidy(ctx, tx); err != nil {
		return Managed{}, nil, err
	}
	return Managed{Change: command.Change{Before: before.fields(), After: left.fields()}}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "totp", Change: "removed"}}, nil
}
