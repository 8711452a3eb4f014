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

// RegisterPerson takes in a person who can prove who they are later: by a password, a passkey, or a mailed link.
type RegisterPerson struct {
	PersonID   uuid.UUID `json:"person_id"`
	Site       string    `json:"site"` // account, admin
	Email      string    `json:"email" audit:"redact"`
	PersonName string    `json:"name" audit:"redact"`
	Verified   bool      `json:"verified"` // that the person reads the address is known
	Roles      []string  `json:"roles,omitempty"`
}

// Person is the answer of commands about a person.
type Person struct {
	PersonID uuid.UUID `json:"person_id"`
	command.Change
}

// Name is the command's name.
func (RegisterPerson) Name() string { return "identity.RegisterPerson" }

// Aggregates is the new person.
func (c RegisterPerson) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c RegisterPerson) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.Email(&fields, "email", c.Email)
	check.Text(&fields, "name", c.PersonName)
	fields.Check(c.Site == "account" || c.Site == "admin", "site", "%q is neither account nor admin", c.Site)
	fields.Check(c.Site == "admin" || len(c.Roles) == 0, "roles", "only staff have roles")
	return fields.Err()
}

// Constraints says what a second person of the address means.
func (c RegisterPerson) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"person_site_email_key": fault.New(fault.Conflict, "person_exists", "somebody with the mail address %s is here already", strings.ToLower(c.Email)),
		"person_pkey":           fault.New(fault.Conflict, "person_exists", "person %s exists already", c.PersonID),
	}
}

const (
	insertPerson = `
insert into person (id, site, email, email_verified_at, name, created_at)
values ($1, $2, lower($3), case when $4 then $6::timestamptz end, $5, $6)`

	insertRoles = `insert into person_role (person_id, role_id) select $1, id from role where name = any ($2)`
)

// Handle writes the person.
func (c RegisterPerson) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Person, []events.Event, error) {
	if _, err := tx.Exec(ctx, insertPerson, c.PersonID, c.Site, c.Email, c.Verified, c.PersonName, meta.Now); err != nil {
		return Person{}, nil, fmt.Errorf("insert person: %w", err)
	}
	if len(c.Roles) > 0 {
		tag, err := tx.Exec(ctx, insertRoles, c.PersonID, c.Roles)
		if err != nil {
			return Person{}, nil, fmt.Errorf("give roles: %w", err)
		}
		if tag.RowsAffected() != int64(len(c.Roles)) {
			var fields fault.Fields
			fields.Add("roles", "not every one of %s is a role", strings.Join(c.Roles, ", "))
			return Person{}, nil, fields.Err()
		}
	}
	return Person{PersonID: c.PersonID}, []events.Event{events.PersonRegistered{PersonID: c.PersonID, Site: c.Site}}, nil
}
