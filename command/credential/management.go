package credential

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
)

// Sitting is the session at which somebody changes what they prove their identity with. It has to be open still when the person
// is locked: what was begun before a password was changed does not end after it. Its token is exchanged where the change is
// one of what the session may do, in the same transaction: who had read the old one has nothing.
type Sitting struct {
	SessionID  uuid.UUID   `json:"session_id"`
	Was        secret.Hash `json:"was" audit:"redact"`  // of its token, as who asks has it
	Hash       secret.Hash `json:"hash" audit:"redact"` // of the token that takes the old one's place
	TwoFactors bool        `json:"two_factors"`         // it was opened with more than a password
}

// Managed is the answer of a change at a session.
type Managed struct {
	Rotated bool `json:"rotated"` // the session's token is the one that was given
	command.Change
}

// heldFields are what can change of what people prove their identity with, for the audit row. Password and TOTP stand for a
// hash and a seed, which nobody is shown: empty where there is none, and another word where it is another one.
type heldFields struct {
	Password      string    `json:"password,omitempty" audit:"redact"`
	TOTP          string    `json:"totp,omitempty" audit:"redact"`
	Passkeys      int       `json:"passkeys"`
	RecoveryCodes int       `json:"recovery_codes"`
	CodesIssuedAt time.Time `json:"recovery_codes_issued_at,omitzero"`
}

func (h held) fields() heldFields {
	f := heldFields{Passkeys: h.passkeys, RecoveryCodes: h.recoveryCodes}
	if h.password {
		f.Password = "old"
	}
	if h.totp {
		f.TOTP = "old"
	}
	return f
}

func (s Sitting) check(fields *fault.Fields) {
	check.ID(fields, "session.session_id", s.SessionID)
	fields.Check(s.Was != secret.Hash{}, "session.was", "is missing")
	fields.Check(s.Hash != secret.Hash{}, "session.hash", "is missing")
}

const (
	isOpen = `select exists (select from session where id = $1 and person_id = $2 and hash = $3 and ended_at is null)`

	rotateSession = `
update session set hash = $4, factors = case when $5 = '' or $5 = any (factors) then factors else array_append(factors, $5) end
where id = $1 and person_id = $2 and hash = $3 and ended_at is null`
)

func sessionOver() error {
	return fault.New(fault.Forbidden, "session_over", "this session is over: sign in again")
}

// rotate exchanges the session's token; factor, when not empty, is one that it has from now on.
func (s Sitting) rotate(ctx context.Context, tx pgx.Tx, person uuid.UUID, factor string) error {
	tag, err := tx.Exec(ctx, rotateSession, s.SessionID, person, s.Was[:], s.Hash[:], factor)
	if err != nil {
		return fmt.Errorf("rotate session %s: %w", s.SessionID, err)
	}
	if tag.RowsAffected() == 0 {
		return sessionOver()
	}
	return nil
}

// allows refuses a session that was opened by a password alone when there is a second factor: who knows the password, and
// had signed in with it before there was one, does not get past it by setting up another.
func (s Sitting) allows(h held) error {
	if h.secondFactors() > 0 && !s.TwoFactors {
		return fault.New(fault.Forbidden, "proof_required", "prove who you are with your second factor, then repeat this")
	}
	return nil
}

// strengthen lets the session in at which the first second factor was set up.
func (s Sitting) strengthen(ctx context.Context, tx pgx.Tx, before held, factor string) (Managed, error) {
	if before.secondFactors() > 0 {
		return Managed{}, nil
	}
	return Managed{Rotated: true}, s.rotate(ctx, tx, before.person, factor)
}

// held is what a person can prove their identity with. Passkeys that may have been copied do not count.
type held struct {
	person        uuid.UUID
	site          string
	password      bool
	passkeys      int
	totp          bool
	recoveryCodes int // used ones too
}

func (h held) secondFactors() int {
	if h.totp {
		return h.passkeys + 1
	}
	return h.passkeys
}

const findHeld = `
select p.site, exists (select from password w where w.person_id = p.id),
    (select count(*) from passkey k where k.person_id = p.id and k.cloned_at is null)::int,
    exists (select from totp t where t.person_id = p.id and t.confirmed_at is not null),
    (select count(*) from recovery_code r where r.person_id = p.id)::int
from person p where p.id = $1`

// find reads what a person has. Who asks has the person's lock, so that it stays true.
func find(ctx context.Context, tx pgx.Tx, person uuid.UUID) (held, error) {
	h := held{person: person}
	err := tx.QueryRow(ctx, findHeld, person).Scan(&h.site, &h.password, &h.passkeys, &h.totp, &h.recoveryCodes)
	if errors.Is(err, pgx.ErrNoRows) {
		return held{}, fault.New(fault.NotFound, "person_not_found", "there is no such person")
	}
	if err != nil {
		return held{}, fmt.Errorf("find what %s has: %w", person, err)
	}
	return h, nil
}

// findAllowed is find for a change at a session.
func (s Sitting) findAllowed(ctx context.Context, tx pgx.Tx, person uuid.UUID) (held, error) {
	var open bool
	if err := tx.QueryRow(ctx, isOpen, s.SessionID, person, s.Was[:]).Scan(&open); err != nil {
		return held{}, fmt.Errorf("find session %s: %w", s.SessionID, err)
	}
	if !open {
		return held{}, sessionOver()
	}
	h, err := find(ctx, tx, person)
	if err != nil {
		return held{}, err
	}
	return h, s.allows(h)
}

// removable says whether a person may be left with these.
func (h held) removable(left held) error {
	switch {
	case h.site == "admin" && h.secondFactors() > 0 && left.secondFactors() == 0:
		return fault.New(fault.Conflict, "last_second_factor", "staff keep a second factor: set another one up first")
	case !left.password && h.passkeys > 0 && left.passkeys == 0:
		return fault.New(fault.Conflict, "last_way_in", "nothing would be left to sign in with: set a password or another passkey up first")
	}
	return nil
}

const deleteRecoveryCodes = `delete from recovery_code where person_id = $1`

// tidy takes the recovery codes when there is nothing left that they stand in for: they shall not open what is set up later.
func (h *held) tidy(ctx context.Context, tx pgx.Tx) error {
	if h.secondFactors() > 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, deleteRecoveryCodes, h.person); err != nil {
		return fmt.Errorf("delete recovery codes: %w", err)
	}
	h.recoveryCodes = 0
	return nil
}
