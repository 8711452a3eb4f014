// Package access decides who is signed in, as themselves or, of the staff, as somebody else, and which tokens programs have.
// What staff may do, package staff decides.
//
// A session and a token are random; who opens one draws it, and gives the command its hash: no command, log, queue or
// stored answer ever holds what works. Sessions live by the machine's clock, whose time is a field of the commands, and
// not by the business clock, which may leap on a development machine.
//
// A person who is suspended or banned has no session that counts: whoever looks for one asks for the person's status too.
package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// Bounds of a session.
const (
	maxLifetime = 90 * 24 * time.Hour
	maxFactors  = 4
	maxSessions = 50 // of a person, that work
)

// OpenSession signs in a person who has proved who they are. Whoever sets another password meanwhile, also of a person who came
// by a passkey, ends the session with the others, or it is not opened: what was proved before a reset does not count after it.
// One more session than a person may have ends the one that was not seen for the longest time.
type OpenSession struct {
	SessionID  uuid.UUID     `json:"session_id"`
	Hash       secret.Hash   `json:"hash" audit:"redact"`
	Site       string        `json:"site"`
	PersonID   uuid.UUID     `json:"person_id"`
	CustomerID *uuid.UUID    `json:"customer_id,omitempty"`            // the account to look at; nil: the first that the person is in
	Factors    []string      `json:"factors"`                          // what the person proved their identity with
	At         time.Time     `json:"at"`                               // by the machine's clock
	Lifetime   time.Duration `json:"lifetime"`                         // nanoseconds
	Idle       time.Duration `json:"idle"`                             // it ends after so long without a request
	Replaces   *uuid.UUID    `json:"replaces,omitempty"`               // the session that the browser had, which ends
	Password   secret.Hash   `json:"password,omitzero" audit:"redact"` // SHA-256 of the stored hash that there was at the proof, of nothing where there was none; zero: it does not matter
}

// OpenedSession is the answer.
type OpenedSession struct {
	SessionID uuid.UUID `json:"session_id"`
	NewDevice bool      `json:"new_device"`
	command.Change
}

// Name is the command's name.
func (OpenSession) Name() string { return "access.OpenSession" }

// Aggregates are the new session, and the person, against whoever gives them a first password.
func (c OpenSession) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeSession, ID: c.SessionID}, {Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c OpenSession) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "session_id", c.SessionID)
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(c.Hash != secret.Hash{}, "hash", "is missing")
	fields.Check(len(c.Factors) > 0 && len(c.Factors) <= maxFactors, "factors", "name one to %d factors", maxFactors)
	fields.Check(c.Lifetime > 0 && c.Lifetime <= maxLifetime, "lifetime", "is not between nothing and %s", maxLifetime)
	fields.Check(c.Idle > 0 && c.Idle <= c.Lifetime, "idle", "is not between nothing and the lifetime")
	check.At(&fields, c.At)
	return fields.Err()
}

const (
	// Held to the end: who sets another password waits for the session, and then ends it with the others.
	lockPassword = `
with held as (select hash from password where person_id = $1 for share)
select sha256(convert_to(coalesce((select hash from held), ''), 'UTF8')) = $2`

	// The person is locked, so that of sessions that are opened at once each counts the others.
	findSignable = `
select exists (select from session s where s.person_id = p.id and s.user_agent = $3),
    coalesce($4, (select m.customer_id from membership m where m.person_id = p.id order by m.since, m.customer_id limit 1))
from person p where p.id = $1 and p.site = $2 and p.status = 'active' for no key update of p`

	insertSession = `
insert into session (id, hash, site, person_id, customer_id, factors, opened_at, proved_at, seen_at, expires_at, idle, ip, user_agent)
values ($1, $2, $3, $4, $5, $6, $7, $7, $7, $8, $9, $10, $11)`

	endSession = `update session set ended_at = $2 where id = $1 and ended_at is null`

	endUnseen = `
update session set ended_at = $2
where id in (select id from session where person_id = $1 and id <> $4 and impersonator_id is null and ended_at is null and expires_at > $2 and seen_at + idle > $2
    order by seen_at desc, id desc offset $3)`
)

// Handle opens the session.
func (c OpenSession) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (OpenedSession, []events.Event, error) {
	var known bool
	var customer *uuid.UUID
	err := tx.QueryRow(ctx, findSignable, c.PersonID, c.Site, meta.UserAgent, c.CustomerID).Scan(&known, &customer)
	if errors.Is(err, pgx.ErrNoRows) {
		return OpenedSession{}, nil, fault.New(fault.Forbidden, "person_not_active", "this person cannot sign in")
	}
	if err != nil {
		return OpenedSession{}, nil, fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	if err := c.holdPassword(ctx, tx); err != nil {
		return OpenedSession{}, nil, err
	}
	_, err = tx.Exec(ctx, insertSession, c.SessionID, c.Hash[:], c.Site, c.PersonID, customer, c.Factors, c.At, c.At.Add(c.Lifetime), c.Idle, address(meta.IP), meta.UserAgent)
	if err != nil {
		return OpenedSession{}, nil, fmt.Errorf("insert session: %w", err)
	}
	if c.Replaces != nil {
		if _, err := tx.Exec(ctx, endSession, c.Replaces, c.At); err != nil {
			return OpenedSession{}, nil, fmt.Errorf("end session %s: %w", c.Replaces, err)
		}
	}
	if _, err := tx.Exec(ctx, endUnseen, c.PersonID, c.At, maxSessions-1, c.SessionID); err != nil {
		return OpenedSession{}, nil, fmt.Errorf("end old sessions of %s: %w", c.PersonID, err)
	}
	opened := events.SessionOpened{SessionID: c.SessionID, PersonID: c.PersonID, Site: c.Site, NewDevice: !known}
	return OpenedSession{SessionID: c.SessionID, NewDevice: !known}, []events.Event{opened}, nil
}

// holdPassword sees that the password is still the one that there was, or that there still is none.
func (c OpenSession) holdPassword(ctx context.Context, tx pgx.Tx) error {
	if c.Password == (secret.Hash{}) {
		return nil
	}
	var same bool
	if err := tx.QueryRow(ctx, lockPassword, c.PersonID, c.Password[:]).Scan(&same); err != nil {
		return fmt.Errorf("hold the password of %s: %w", c.PersonID, err)
	}
	if !same {
		return fault.New(fault.Forbidden, "password_changed", "the password was changed meanwhile")
	}
	return nil
}

// address is null for a command that no request brought.
func address(ip netip.Addr) *netip.Addr {
	if !ip.IsValid() {
		return nil
	}
	return &ip
}
