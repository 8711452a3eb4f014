package credential

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

// SetPassword gives a person a password, and ends all sessions but the one at which it is set: who had got in by the old
// one is out. A mailed link that he had asked for, to move the address or to set another password, works no more. Whether the password is good enough is asked before it is hashed.
type SetPassword struct {
	PersonID uuid.UUID      `json:"person_id"`
	Hash     command.Secret `json:"hash"`
	Session  *Sitting       `json:"session,omitempty"` // nil: by a mailed link, at no session
	At       time.Time      `json:"at"`                // by the machine's clock
}

// Name is the command's name.
func (SetPassword) Name() string { return "credential.SetPassword" }

// Aggregates is the person.
func (c SetPassword) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c SetPassword) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(!c.Hash.IsZero(), "hash", "is missing")
	fields.Check(!c.At.IsZero(), "at", "is missing")
	if c.Session != nil {
		c.Session.check(&fields)
	}
	return fields.Err()
}

const (
	putPassword = `
insert into password (person_id, hash, set_at) values ($1, $2, $3)
on conflict (person_id) do update set hash = excluded.hash, set_at = excluded.set_at`

	endOtherSessions = `update session set ended_at = $2 where person_id = $1 and ended_at is null and id is distinct from $3`
)

// Handle sets the password.
func (c SetPassword) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Managed, []events.Event, error) {
	h, err := c.findAllowed(ctx, tx)
	if err != nil {
		return Managed{}, nil, err
	}
	if _, err := tx.Exec(ctx, putPassword, c.PersonID, c.Hash.Reveal(), meta.Now); err != nil {
		return Managed{}, nil, fmt.Errorf("set the password of %s: %w", c.PersonID, err)
	}
	if _, err := tx.Exec(ctx, revokeMailed, c.PersonID, c.At); err != nil {
		return Managed{}, nil, fmt.Errorf("revoke links of %s: %w", c.PersonID, err)
	}
	var but *uuid.UUID
	if c.Session != nil {
		but = &c.Session.SessionID
		if err := c.Session.rotate(ctx, tx, c.PersonID, ""); err != nil {
			return Managed{}, nil, err
		}
	}
	if _, err := tx.Exec(ctx, endOtherSessions, c.PersonID, c.At, but); err != nil {
		return Managed{}, nil, fmt.Errorf("end the sessions of %s: %w", c.PersonID, err)
	}
	is := h.fields()
	is.Password = "new"
	change := "added"
	if h.password {
		change = "changed"
	}
	return Managed{Rotated: c.Session != nil, Change: command.Change{Before: h.fields(), After: is}}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "password", Change: change}}, nil
}

// revokeMailed takes back what a thief may have asked for: the mail that tells of a change of address advises a new password.
const revokeMailed = `
update link set revoked_at = $2 where person_id = $1 and purpose in ('verify_email', 'reset_password') and used_at is null and revoked_at is null`

func (c SetPassword) findAllowed(ctx context.Context, tx pgx.Tx) (held, error) {
	if c.Session == nil {
		return find(ctx, tx, c.PersonID)
	}
	return c.Session.findAllowed(ctx, tx, c.PersonID)
}
