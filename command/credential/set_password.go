package credential

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// SetPassword gives a person a password, and ends all sessions but the one at which it is set: who had got in by the old
// one is out. A mailed link that was asked for, to move the address or to set another password, no longer works. With EndOthers,
// tokens and applications end too: they are no use of the password, unless somebody had it. Whether the password is good
// enough is asked before it is hashed.
type SetPassword struct {
	PersonID uuid.UUID      `json:"person_id"`
	Hash     command.Secret `json:"hash"`
	Session  *Sitting       `json:"session,omitempty"` // nil: by a mailed link, at no session
	At       time.Time      `json:"at"`                // by the machine's clock

	EndOthers bool `json:"end_others"`
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
	check.At(&fields, c.At)
	if c.Session != nil {
		c.Session.check(&fields)
	}
	return fields.Err()
}

const putPassword = `
insert into password (person_id, hash, set_at) values ($1, $2, $3)
on conflict (person_id) do update set hash = excluded.hash, set_at = excluded.set_at`

// passwordFields are what this command changes, for the audit row.
type passwordFields struct {
	heldFields
	ending.Ended
}

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
	was, is := passwordFields{heldFields: h.fields()}, passwordFields{heldFields: h.fields()}
	is.Password = "new"
	if was.Ended, err = c.end(ctx, tx, but); err != nil {
		return Managed{}, nil, err
	}
	changed := events.CredentialChanged{PersonID: c.PersonID, Kind: "password", Change: "added", SessionsEnded: was.Sessions, TokensEnded: was.Tokens, ApplicationsEnded: was.Applications}
	if h.password {
		changed.Change = "changed"
	}
	return Managed{Rotated: c.Session != nil, Change: command.Change{Before: was, After: is}}, []events.Event{changed}, nil
}

func (c SetPassword) end(ctx context.Context, tx pgx.Tx, but *uuid.UUID) (ended ending.Ended, err error) {
	if c.EndOthers {
		return ending.All(ctx, tx, c.PersonID, c.At, but)
	}
	ended.Sessions, err = ending.Sessions(ctx, tx, c.PersonID, c.At, but)
	return ended, err
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
