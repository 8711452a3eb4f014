package access

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// RecordRefusal notes that a sign-in was refused. Of a name that nobody has there is an audit row and no event, under an
// id that is nobody's: so that the refusal takes the time that another takes, and is not forgotten either.
type RecordRefusal struct {
	PersonID uuid.UUID `json:"person_id"`
	Unknown  bool      `json:"unknown,omitempty"` // there is no such person
	Site     string    `json:"site"`
	Factor   string    `json:"factor"` // password, passkey, totp, recovery_code
}

// Recorded is the answer.
type Recorded struct{}

// Name is the command's name.
func (RecordRefusal) Name() string { return "access.RecordRefusal" }

// Aggregates is the person.
func (c RecordRefusal) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RecordRefusal) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(c.Site == "account" || c.Site == "admin", "site", "%q is neither account nor admin", c.Site)
	fields.Check(c.Factor != "", "factor", "is missing")
	return fields.Err()
}

// Handle writes nothing but what the kernel does.
func (c RecordRefusal) Handle(context.Context, pgx.Tx, command.Meta) (Recorded, []events.Event, error) {
	if c.Unknown {
		return Recorded{}, nil, nil
	}
	return Recorded{}, []events.Event{events.SignInRefused{PersonID: c.PersonID, Site: c.Site, Factor: c.Factor}}, nil
}
