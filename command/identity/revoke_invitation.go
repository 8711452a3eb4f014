package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RevokeInvitation takes an invitation back.
type RevokeInvitation struct {
	LinkID     uuid.UUID `json:"link_id"`
	CustomerID uuid.UUID `json:"customer_id"` // whose it has to be
	At         time.Time `json:"at"`          // by the machine's clock
}

type invitationFields struct {
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// Name is the command's name.
func (RevokeInvitation) Name() string { return "identity.RevokeInvitation" }

// Aggregates is the account.
func (c RevokeInvitation) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c RevokeInvitation) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "link_id", c.LinkID)
	check.ID(&fields, "customer_id", c.CustomerID)
	check.At(&fields, c.At)
	return fields.Err()
}

// Handle revokes the link.
func (c RevokeInvitation) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Requested, []events.Event, error) {
	tag, err := tx.Exec(ctx, revokeInvitation, c.LinkID, c.CustomerID, c.At)
	if err != nil {
		return Requested{}, nil, fmt.Errorf("revoke invitation %s: %w", c.LinkID, err)
	}
	if tag.RowsAffected() == 0 {
		return Requested{}, nil, fault.New(fault.NotFound, "invitation_not_found", "there is no such invitation, or it is over")
	}
	return Requested{LinkID: c.LinkID, Change: command.Change{Before: invitationFields{}, After: invitationFields{RevokedAt: c.At}}}, nil, nil
}
