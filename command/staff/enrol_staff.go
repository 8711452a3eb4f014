package staff

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

// EnrolStaff takes somebody in among the staff, with roles, and lets them come by a link.
type EnrolStaff struct {
	PersonID   uuid.UUID  `json:"person_id"`
	Email      string     `json:"email" audit:"redact"`
	PersonName string     `json:"name" audit:"redact"`
	Roles      []string   `json:"roles"`
	Link       Link       `json:"link"`
	By         *uuid.UUID `json:"by,omitempty"`
}

// Name is the command's name.
func (EnrolStaff) Name() string { return "staff.EnrolStaff" }

// Aggregates are the new person and the link.
func (c EnrolStaff) Aggregates() []events.Aggregate { return withLink(c.PersonID, c.Link) }

// Validate checks the fields.
func (c EnrolStaff) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.Email(&fields, "email", c.Email)
	check.Text(&fields, "name", c.PersonName)
	checkRoles(&fields, c.Roles)
	c.Link.check(&fields)
	return fields.Err()
}

// Constraints says what a second person of the address means.
func (c EnrolStaff) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"person_site_email_key": fault.New(fault.Conflict, "person_exists", "somebody with the mail address %s is among the staff already", strings.ToLower(c.Email)),
		"person_pkey":           fault.New(fault.Conflict, "person_exists", "person %s exists already", c.PersonID),
	}
}

// Handle takes the person in.
func (c EnrolStaff) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Enrolled, []events.Event, error) {
	evs := []events.Event{events.PersonRegistered{PersonID: c.PersonID, Site: "admin"}}
	err := order(ctx, tx, c.By, func(own reach) error {
		if _, err := tx.Exec(ctx, insertStaff, c.PersonID, c.Email, c.PersonName, meta.Now); err != nil {
			return fmt.Errorf("insert person: %w", err)
		}
		if err := give(ctx, tx, own, c.PersonID, c.Roles); err != nil {
			return err
		}
		asked, err := c.Link.insert(ctx, tx, meta, c.PersonID, c.Email)
		evs = append(evs, asked...)
		return err
	})
	return c.Link.answer(c.PersonID), evs, err
}
