package staff

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RenewEnrolment gives one of the staff a new link; older ones no longer work. With ResetFactors they lose all that
// proves who they are, the password too, for who knows a password alone could set up the second factor anew; and they
// are signed out; nor does a link work that would set a password, or move their address.
type RenewEnrolment struct {
	PersonID     uuid.UUID  `json:"person_id"`
	Link         Link       `json:"link"`
	ResetFactors bool       `json:"reset_factors"`
	By           *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (RenewEnrolment) Name() string { return "staff.RenewEnrolment" }

// Aggregates are the person and the link.
func (c RenewEnrolment) Aggregates() []events.Aggregate { return withLink(c.PersonID, c.Link) }

// Validate checks the fields.
func (c RenewEnrolment) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	c.Link.check(&fields)
	return fields.Err()
}

// Handle makes the link.
func (c RenewEnrolment) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Enrolled, []events.Event, error) {
	var evs []events.Event
	var lost ending.Proofs
	err := order(ctx, tx, c.By, func(own reach) error {
		email, err := c.enrollable(ctx, tx, own)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, revokeEnrolments, c.PersonID, c.Link.At); err != nil {
			return fmt.Errorf("revoke the enrolments of %s: %w", c.PersonID, err)
		}
		if c.ResetFactors {
			if err := ending.Links(ctx, tx, c.PersonID, c.Link.At); err != nil {
				return err
			}
			if lost, evs, err = resetFactors(ctx, tx, c.PersonID, c.Link.At); err != nil {
				return err
			}
		}
		asked, err := c.Link.insert(ctx, tx, meta, c.PersonID, email)
		evs = append(evs, asked...)
		return err
	})
	answer := c.Link.answer(c.PersonID)
	answer.Change = command.Change{Before: lost, After: ending.Proofs{}}
	return answer, evs, err
}

// enrollable finds the address of somebody who is in the orderer's reach and not suspended.
func (c RenewEnrolment) enrollable(ctx context.Context, tx pgx.Tx, own reach) (email string, err error) {
	var status string
	err = tx.QueryRow(ctx, selectEnrollable, c.PersonID).Scan(&email, &status)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", noSuchStaff(c.PersonID)
	}
	if err != nil {
		return "", fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	if status != "active" {
		return "", fault.New(fault.Conflict, "person_not_active", "this person is %s", status)
	}
	has, err := granted(ctx, tx, c.PersonID)
	if err != nil {
		return "", err
	}
	return email, own.demand(has)
}
