package identity

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
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// What a link proves, by purpose.
const (
	PurposeVerify     = "verify_email"
	PurposeReset      = "reset_password"
	PurposeInvitation = "invitation"
	PurposeEnrolment  = "enrolment"
)

// How long links work, by the machine's clock: a mail lies in a mailbox, where no business clock leaps. A reset opens an account, so it is short; who is invited may be away for a few days.
const (
	verifyLifetime     = 24 * time.Hour
	resetLifetime      = time.Hour
	invitationLifetime = 7 * 24 * time.Hour
)

// Requested is the answer of commands that ask for a link. To whom it goes, and whether it goes at all, it does not
// tell: it is the same for an address that nobody here has.
type Requested struct {
	LinkID uuid.UUID `json:"link_id"`
	command.Change
}

// Proof is a link that somebody followed: what the door found of it, and the hash of the token that came with it. The
// command asks for all of it again, so that of many uses at once one counts.
type Proof struct {
	LinkID uuid.UUID   `json:"link_id"`
	Hash   secret.Hash `json:"hash" audit:"redact"`
	Site   string      `json:"site"`
	At     time.Time   `json:"at"` // by the machine's clock, as links live; sessions that it ends, end then
}

// InvalidLink is the one answer to a link that is unknown, used, revoked, too old, or of another site or purpose.
func InvalidLink() *fault.Error {
	return fault.New(fault.NotFound, "link_not_valid", "this link does not work, or no longer: ask for a new one")
}

// useLink is one statement: who comes second waits for the row, and finds it used. What is older than its token, or not
// mailed yet, has no hash that fits.
const useLink = `
update link set used_at = $5
where id = $1 and token_hash = $2 and site = $3 and purpose = $4 and used_at is null and revoked_at is null and expires_at > $5
returning person_id, customer_id, coalesce(rights, ''), email`

// usedLink is what a link said.
type usedLink struct {
	person, customer *uuid.UUID
	rights, email    string
}

func (p Proof) use(ctx context.Context, tx pgx.Tx, purpose string) (usedLink, error) {
	var l usedLink
	err := tx.QueryRow(ctx, useLink, p.LinkID, p.Hash[:], p.Site, purpose, p.At).Scan(&l.person, &l.customer, &l.rights, &l.email)
	if errors.Is(err, pgx.ErrNoRows) {
		return usedLink{}, InvalidLink()
	}
	if err != nil {
		return usedLink{}, fmt.Errorf("use link %s: %w", p.LinkID, err)
	}
	return l, nil
}

// newLink is a link to be asked for.
type newLink struct {
	id             uuid.UUID
	purpose, site  string
	person         *uuid.UUID
	customer       *uuid.UUID
	rights, email  string
	at             time.Time // by the machine's clock
	lifetime       time.Duration
	replacesOthers bool // of the person: the last one asked for works, so that one mail is open at a time
}

const (
	revokeLinks = `update link set revoked_at = $3 where person_id = $1 and purpose = $2 and used_at is null and revoked_at is null`

	insertLink = `
insert into link (id, purpose, site, person_id, customer_id, rights, email, created_by, created_at, expires_at)
values ($1, $2, $3, $4, $5, nullif($6, ''), lower($7), $8, $9, $10)`
)

// request writes the link, whose token is drawn when its mail is sent.
func (l newLink) request(ctx context.Context, tx pgx.Tx, meta command.Meta) (events.Event, error) {
	if l.replacesOthers {
		if _, err := tx.Exec(ctx, revokeLinks, l.person, l.purpose, l.at); err != nil {
			return nil, fmt.Errorf("revoke links of %s: %w", l.person, err)
		}
	}
	_, err := tx.Exec(ctx, insertLink, l.id, l.purpose, l.site, l.person, l.customer, l.rights, l.email, meta.Actor, l.at, l.at.Add(l.lifetime))
	if err != nil {
		return nil, fmt.Errorf("insert link: %w", err)
	}
	return events.LinkRequested{LinkID: l.id, Purpose: l.purpose}, nil
}

// answer is request, for an order that does nothing else.
func (l newLink) answer(ctx context.Context, tx pgx.Tx, meta command.Meta) (Requested, []events.Event, error) {
	requested, err := l.request(ctx, tx, meta)
	return Requested{LinkID: l.id}, []events.Event{requested}, err
}

// check checks the fields of a proof.
func (p Proof) check(fields *fault.Fields) {
	fields.Check(p.LinkID != uuid.Nil, "link_id", "is missing")
	fields.Check(p.Hash != secret.Hash{}, "hash", "is missing")
	check.At(fields, p.At)
}
