package login

import (
	"context"
	"errors"
	"strings"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query/access"
)

const active = "active"

type signInInput struct {
	Body struct {
		Email    string      `json:"email" maxLength:"254"`
		Password secret.Text `json:"password" maxLength:"1024"`
		Remember bool        `json:"remember,omitempty" doc:"Stay signed in for 30 days, not 12 hours; not on the admin site"`
	}
}

// signIn is the password's part. The token of the guess comes before the hash.
func (d Desk) signIn(ctx context.Context, in *signInInput) (*Output, error) {
	site, err := guard.NeedSite(ctx)
	if err != nil {
		return nil, err
	}
	person, err := d.byEmail(ctx, site, in.Body.Email)
	if err != nil {
		return nil, err
	}
	guesses := proofs.PasswordGuesses(site, person.PersonID, in.Body.Email)
	if err := d.Proofs.Attempt(ctx, guesses); err != nil {
		return nil, err
	}
	right, err := d.verify(ctx, &person, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, d.refuse(ctx, site, person.PersonID, guard.FactorPassword)
	}
	d.giveBack(ctx, guesses)
	if person.EmailVerifiedAt != nil && person.HasSecondFactor() {
		return d.wantSecondFactor(ctx, person, in.Body.Remember)
	}
	return d.enter(ctx, person, in.Body.Remember, guard.FactorPassword)
}

// byEmail finds somebody by mail address; the zero value for nobody. An id is no mail address.
func (d Desk) byEmail(ctx context.Context, site guard.Site, email string) (access.Credentials, error) {
	if !strings.Contains(email, "@") {
		email = "@" // nobody's; it is looked up all the same
	}
	person, err := access.FindCredentials(ctx, d.Door, string(site), email)
	if fault.Is(err, fault.NotFound) {
		return access.Credentials{}, nil
	}
	return person, err
}

// verify compares a password with a person's. Nobody, and somebody without a password, takes as long and is wrong. A hash
// that is weaker than today's is replaced: this is the only time that the password is there.
func (d Desk) verify(ctx context.Context, person *access.Credentials, given secret.Text) (bool, error) {
	result, err := d.Proofs.Hasher.Verify(ctx, person.PasswordHash, given)
	if errors.Is(err, password.ErrUnknownForm) {
		d.Log.ErrorContext(ctx, "a stored password cannot be compared with any", "person", person.PersonID, "error", err)
		return false, nil
	}
	if err != nil || !result.Match || person.Status != active {
		return false, err
	}
	if result.Replace {
		return d.rehash(ctx, person, given)
	}
	return true, nil
}

// rehash stores a new hash of a password that was right. Where somebody was faster, it is compared once more: with what
// another login has stored of the same password, or with a new one.
func (d Desk) rehash(ctx context.Context, person *access.Credentials, given secret.Text) (bool, error) {
	hash, err := d.Proofs.Hasher.Hash(ctx, given)
	if err != nil {
		return false, err
	}
	replace := credential.ReplacePasswordHash{PersonID: person.PersonID, Was: person.PasswordHash, Hash: hash}
	_, err = command.Run(ctx, d.Commands, d.Sessions.Meta(ctx, guard.ActorOf(ctx)), replace)
	if err == nil {
		person.PasswordHash = hash
		return true, nil
	}
	if !fault.Is(err, fault.Forbidden) {
		return false, err
	}
	if *person, err = access.FindCredentials(ctx, d.Door, person.Site, person.PersonID.String()); err != nil {
		return false, err
	}
	result, err := d.Proofs.Hasher.Verify(ctx, person.PasswordHash, given)
	return err == nil && result.Match && person.Status == active, err
}
