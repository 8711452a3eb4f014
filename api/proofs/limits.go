package proofs

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/internal/limiter"
)

// PasswordGuesses counts guesses at the password of a person, or of a mail address that nobody has. Its refusal leaves
// passkeys alone, so that nobody can be locked out by it. Whoever sets a new password may reset it.
func PasswordGuesses(site guard.Site, person uuid.UUID, email string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "login.password", Burst: 10, Per: 15 * time.Minute}, Of: whose(site, person, email)}
}

// CodeGuesses counts guesses at a second factor of a person, by those who know the password. Each factor has its own, so
// that who guesses at the authenticator does not use up the recovery codes' too.
func CodeGuesses(person uuid.UUID, factor string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "login." + factor, Burst: 10, Per: 15 * time.Minute}, Of: person.String()}
}

// ProofAttempts counts how often somebody who is signed in as a person proves it again, or tries to. They have a bucket of
// their own: a stolen session does not use up the guesses of the login, nor strangers those of who is signed in.
func ProofAttempts(person uuid.UUID) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "login.proof", Burst: 10, Per: 15 * time.Minute}, Of: person.String()}
}

// whose goes by the person where there is one: two spellings of an address can be the same one to the database.
func whose(site guard.Site, person uuid.UUID, email string) string {
	if person != uuid.Nil {
		return person.String()
	}
	return string(site) + ":" + strings.ToLower(email)
}

// Attempt takes a token for an attempt, or gives the problem that refuses it.
func (t Tools) Attempt(ctx context.Context, key limiter.Key) error {
	verdict, err := t.Limiter.Take(ctx, key)
	if err == nil && !verdict.Allowed {
		err = problem.TooMany(ctx, verdict.RetryAfter)
	}
	return err
}
