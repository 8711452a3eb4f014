package membership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/schemas/events"
)

// Leave takes a person out of an account by their own will, whatever their rights there. The session that says so goes on,
// and looks at no account if it looked at this one; the account's owners are told. The last owner who can sign in stays.
type Leave struct {
	CustomerID uuid.UUID `json:"customer_id"`
	PersonID   uuid.UUID `json:"person_id"`
	SessionID  uuid.UUID `json:"session_id"`
	At         time.Time `json:"at"` // by the machine's clock
}

// Name is the command's name.
func (Leave) Name() string { return "membership.Leave" }

// Aggregates are those of Change.
func (c Leave) Aggregates() []events.Aggregate { return both(c.CustomerID, c.PersonID) }

// Validate checks the fields.
func (c Leave) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "customer_id", c.CustomerID)
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "session_id", c.SessionID)
	check.At(&fields, c.At)
	return fields.Err()
}

const lookAway = `update session set customer_id = null where id = $1 and person_id = $2 and customer_id = $3`

// Handle takes the person out.
func (c Leave) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Member, []events.Event, error) {
	var was memberFields
	var otherOwner bool
	err := tx.QueryRow(ctx, findRights, c.CustomerID, c.PersonID).Scan(&was.Rights)
	if err == nil {
		err = tx.QueryRow(ctx, otherOwners, c.CustomerID, c.PersonID).Scan(&otherOwner)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Member{}, nil, fault.New(fault.NotFound, "account_not_found", "you are in no such account")
	case err != nil:
		return Member{}, nil, fmt.Errorf("find the rights of %s: %w", c.PersonID, err)
	case was.Rights == permission.Owner && !otherOwner:
		return Member{}, nil, fault.New(fault.Conflict, "last_owner", "you are the last owner of this account: make somebody else one first, or ask us to close it")
	}
	if _, err := tx.Exec(ctx, lookAway, c.SessionID, c.PersonID, c.CustomerID); err != nil {
		return Member{}, nil, fmt.Errorf("take the account from session %s: %w", c.SessionID, err)
	}
	if was.Ended, err = remove(ctx, tx, c.CustomerID, c.PersonID, c.At, &c.SessionID); err != nil {
		return Member{}, nil, err
	}
	return Member{CustomerID: c.CustomerID, PersonID: c.PersonID, Change: command.Change{Before: was, After: memberFields{}}},
		[]events.Event{events.MembershipChanged{CustomerID: c.CustomerID, PersonID: c.PersonID, Left: true}}, nil
}
