// Package ending takes from a person what lets anybody act as them without proving who they are: sessions, API tokens,
// what they allowed to applications, mailed links, and the proofs themselves. Several contexts do so, each in its own transaction and for its own reasons; what there
// is to end is written here once, so that none of them forgets a kind.
//
// Of an application it is the grant that ends: every token of it is refused from the next request on.
package ending

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Ended counts what worked until then.
type Ended struct {
	Sessions     int `json:"open_sessions"`
	Tokens       int `json:"tokens"`
	Applications int `json:"applications"`
}

// Proofs counts what a person proves who they are with.
type Proofs struct {
	Passwords     int64 `json:"passwords"`
	Passkeys      int64 `json:"passkeys"`
	TOTP          int64 `json:"totp"`
	RecoveryCodes int64 `json:"recovery_codes"`
}

const (
	// A session that is over, and was not ended, ends too, and is not counted. Who looks at others' accounts does so in
	// sessions of theirs.
	endSessions = `
with gone as (
    update session set ended_at = $2 where (person_id = $1 or impersonator_id = $1) and ended_at is null and id is distinct from $3
    returning expires_at > $2 and seen_at + idle > $2 as worked)
select count(*) filter (where worked) from gone`

	endAll = `
with sessions as (
    update session set ended_at = $2
    where (person_id = $1 or impersonator_id = $1) and ended_at is null and id is distinct from $3 and ($4::uuid is null or customer_id = $4)
    returning expires_at > $2 and seen_at + idle > $2 as worked
), tokens as (
    update api_token set revoked_at = $2 where person_id = $1 and revoked_at is null and ($4::uuid is null or customer_id = $4) returning expires_at > $2 as worked
), grants as (
    update oauth_grant set revoked_at = $2 where person_id = $1 and revoked_at is null and ($4::uuid is null or customer_id = $4) returning client_id, expires_at > $2 as worked)
select (select count(*) from sessions where worked), (select count(*) from tokens where worked), (select count(distinct client_id) from grants where worked)`
)

// Sessions signs a person out, everywhere or everywhere but at one session, and counts the sessions.
func Sessions(ctx context.Context, tx pgx.Tx, person uuid.UUID, at time.Time, but *uuid.UUID) (int, error) {
	var n int
	if err := tx.QueryRow(ctx, endSessions, person, at, but).Scan(&n); err != nil {
		return 0, fmt.Errorf("end the sessions of %s: %w", person, err)
	}
	return n, nil
}

const (
	revokeLinks = `update link set revoked_at = $2 where person_id = $1 and used_at is null and revoked_at is null`

	// A link to the address that the person has verifies it, and moves nothing.
	revokeMoves = `
update link l set revoked_at = $2 from person p
where p.id = $1 and l.person_id = p.id and l.purpose = 'verify_email' and l.email <> p.email and l.used_at is null and l.revoked_at is null`
)

// Links revokes a person's mailed links that are open: whoever had their session, or the mailbox, may have asked for one.
func Links(ctx context.Context, tx pgx.Tx, person uuid.UUID, at time.Time) error {
	if _, err := tx.Exec(ctx, revokeLinks, person, at); err != nil {
		return fmt.Errorf("revoke the links of %s: %w", person, err)
	}
	return nil
}

// Moves revokes the links that would change a person's address: whoever had their session may have asked for one. Those that
// go to the address they have stay.
func Moves(ctx context.Context, tx pgx.Tx, person uuid.UUID, at time.Time) error {
	if _, err := tx.Exec(ctx, revokeMoves, person, at); err != nil {
		return fmt.Errorf("revoke the changes of address of %s: %w", person, err)
	}
	return nil
}

// All ends whatever works without a mail: sessions, API tokens and applications, but one session where it is named.
func All(ctx context.Context, tx pgx.Tx, person uuid.UUID, at time.Time, but *uuid.UUID) (Ended, error) {
	return end(ctx, tx, person, at, but, nil)
}

// InAccount ends what a person has in one account, but one session where it is named.
func InAccount(ctx context.Context, tx pgx.Tx, person, customer uuid.UUID, at time.Time, but *uuid.UUID) (Ended, error) {
	return end(ctx, tx, person, at, but, &customer)
}

func end(ctx context.Context, tx pgx.Tx, person uuid.UUID, at time.Time, but, customer *uuid.UUID) (Ended, error) {
	var e Ended
	if err := tx.QueryRow(ctx, endAll, person, at, but, customer).Scan(&e.Sessions, &e.Tokens, &e.Applications); err != nil {
		return Ended{}, fmt.Errorf("end what %s has: %w", person, err)
	}
	return e, nil
}

const deleteProofs = `
with passwords as (delete from password where person_id = $1 returning 1), passkeys as (delete from passkey where person_id = $1 returning 1),
    authenticators as (delete from totp where person_id = $1 returning 1), codes as (delete from recovery_code where person_id = $1 returning 1)
select (select count(*) from passwords), (select count(*) from passkeys), (select count(*) from authenticators), (select count(*) from codes)`

// TakeProofs takes all that a person proves who they are with, and tells what there was. The password goes with the rest: who
// knows it alone could set up a second factor of their own.
func TakeProofs(ctx context.Context, tx pgx.Tx, person uuid.UUID) (Proofs, error) {
	var was Proofs
	if err := tx.QueryRow(ctx, deleteProofs, person).Scan(&was.Passwords, &was.Passkeys, &was.TOTP, &was.RecoveryCodes); err != nil {
		return Proofs{}, fmt.Errorf("take what %s signs in with: %w", person, err)
	}
	return was, nil
}
