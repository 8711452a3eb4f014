package staff

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
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// EnrolmentLife is how long an enrolment link works.
const EnrolmentLife = 24 * time.Hour

const purposeEnrolment = "enrolment"

// Link is a link by which one of the staff sets their first password, or another one.
type Link struct {
	LinkID uuid.UUID `json:"link_id"`
	// TokenHash is of a token that whoever orders the link hands over themselves, as the command line does. Without it the
	// link is mailed, with a token that is drawn then.
	TokenHash *secret.Hash `json:"token_hash,omitempty" audit:"redact"`
	At        time.Time    `json:"at"` // by the machine's clock
}

// Enrolled is the answer of both.
type Enrolled struct {
	PersonID  uuid.UUID `json:"person_id"`
	LinkID    uuid.UUID `json:"link_id"`
	ExpiresAt time.Time `json:"expires_at"`
	command.Change
}

func withLink(personID uuid.UUID, link Link) []events.Aggregate {
	return append(person(personID), events.Aggregate{Type: events.TypeLink, ID: link.LinkID})
}

func (l Link) check(fields *fault.Fields) {
	check.ID(fields, "link.link_id", l.LinkID)
	fields.Check(l.TokenHash == nil || *l.TokenHash != secret.Hash{}, "link.token_hash", "is missing")
	fields.Check(!l.At.IsZero(), "link.at", "is missing")
}

const (
	insertStaff = `insert into person (id, site, email, name, created_at) values ($1, 'admin', lower($2), $3, $4)`

	selectEnrollable = `select email, status from person where id = $1 and site = 'admin' for update`

	revokeEnrolments = `update link set revoked_at = $2 where person_id = $1 and purpose = 'enrolment' and used_at is null and revoked_at is null`

	insertEnrolment = `
insert into link (id, purpose, site, person_id, email, token_hash, created_by, created_at, expires_at)
values ($1, 'enrolment', 'admin', $2, lower($3), $4, $5, $6, $7)`
)

// insert writes the link, and asks for it to be mailed unless whoever orders has its token.
func (l Link) insert(ctx context.Context, tx pgx.Tx, meta command.Meta, to uuid.UUID, email string) ([]events.Event, error) {
	var hash []byte
	if l.TokenHash != nil {
		hash = l.TokenHash[:]
	}
	if _, err := tx.Exec(ctx, insertEnrolment, l.LinkID, to, email, hash, meta.Actor, l.At, l.At.Add(EnrolmentLife)); err != nil {
		return nil, fmt.Errorf("insert link: %w", err)
	}
	if l.TokenHash != nil {
		return nil, nil
	}
	return []events.Event{events.LinkRequested{LinkID: l.LinkID, Purpose: purposeEnrolment}}, nil
}

func (l Link) answer(personID uuid.UUID) Enrolled {
	return Enrolled{PersonID: personID, LinkID: l.LinkID, ExpiresAt: l.At.Add(EnrolmentLife)}
}

// resetFactors takes all that a person can prove their identity with, and ends what came of it. It tells what was there.
func resetFactors(ctx context.Context, tx pgx.Tx, personID uuid.UUID, at time.Time) (was ending.Proofs, evs []events.Event, err error) {
	if was, err = ending.TakeProofs(ctx, tx, personID); err != nil {
		return ending.Proofs{}, nil, err
	}
	for _, f := range []struct {
		kind  string
		taken int64
	}{{"password", was.Passwords}, {"passkey", was.Passkeys}, {"totp", was.TOTP}, {"recovery_codes", was.RecoveryCodes}} {
		if f.taken > 0 {
			evs = append(evs, events.CredentialChanged{PersonID: personID, Kind: f.kind, Change: "removed"})
		}
	}
	_, err = ending.All(ctx, tx, personID, at, nil)
	return was, evs, err
}
