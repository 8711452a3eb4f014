package login

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// Ceremonies that lie under a sign-in's cookie, and that of a session which proves itself again. Each kind says what its
// answer is for: one is never taken for another.
const (
	loginKind  = "login.passkey"        // somebody who has not yet said who they are
	secondKind = "login.passkey.second" // after the password
	proofKind  = "proof.passkey"        // signed in
)

// AssertionOptions are what a browser's authenticator is asked with.
type AssertionOptions struct {
	Options json.RawMessage `json:"options" doc:"PublicKeyCredentialRequestOptionsJSON, WebAuthn Level 3"`
}

type optionsOutput struct {
	SetCookie []string `header:"Set-Cookie"`
	Body      AssertionOptions
}

type beginInput struct {
	Cookie string `cookie:"__Host-login" doc:"Given by the password; absent: somebody who has not yet said who they are"`
}

// beginPasskey asks for a passkey: of the person, after the password; of anybody, without.
func (d Desk) beginPasskey(ctx context.Context, in *beginInput) (*optionsOutput, error) {
	site, err := guard.NeedSite(ctx)
	if err != nil {
		return nil, err
	}
	b, _, err := d.resume(ctx, in.Cookie)
	if err == nil {
		options, err := d.ask(ctx, secondKind, b.key, site, b.person.PersonID)
		return &optionsOutput{Body: options}, err
	}
	var gone *problem.Problem
	if !errors.As(err, &gone) {
		return nil, err
	}
	options, kept, err := d.Proofs.Passkeys(site).BeginLogin()
	if err != nil {
		return nil, err
	}
	t := token.New(token.Session)
	if err := d.Proofs.Begun.Put(ctx, loginKind, t.Hash(), kept, passkey.Lifetime); err != nil {
		return nil, err
	}
	begun := cookie(t.Reveal())
	return &optionsOutput{SetCookie: []string{begun.String()}, Body: AssertionOptions{Options: options}}, nil
}

// ask begins the ceremony of a person who is known. Another one under the key makes way.
func (d Desk) ask(ctx context.Context, kind string, key secret.Hash, site guard.Site, person uuid.UUID) (AssertionOptions, error) {
	keys, err := access.ListPasskeys(ctx, d.Door, string(site), person)
	if err != nil {
		return AssertionOptions{}, err
	}
	if len(keys) == 0 {
		return AssertionOptions{}, fault.New(fault.NotFound, "no_passkey", "no passkey is set up")
	}
	owner, err := ownerOf(keys[0])
	if err != nil {
		return AssertionOptions{}, err
	}
	asked := make([]passkey.Credential, min(len(keys), passkey.MaxCredentials))
	for i := range asked {
		asked[i] = credentialOf(keys[i])
	}
	options, kept, err := d.Proofs.Passkeys(site).BeginAssertion(owner.Handle, asked)
	if err != nil {
		return AssertionOptions{}, err
	}
	if _, err := d.Proofs.Begun.Take(ctx, kind, key); err != nil && !errors.Is(err, ephemeral.ErrGone) {
		return AssertionOptions{}, err
	}
	return AssertionOptions{Options: options}, d.Proofs.Begun.Put(ctx, kind, key, kept, passkey.Lifetime)
}

type assertion struct {
	Response json.RawMessage `json:"response" doc:"AuthenticationResponseJSON, WebAuthn Level 3"`
	Remember bool            `json:"remember,omitempty" doc:"Stay signed in for 30 days, not 12 hours; not on the admin site, nor after the password, which has said it"`
}

type passkeyInput struct {
	Cookie string `cookie:"__Host-login" doc:"Given with the options"`
	Body   assertion
}

// signInPasskey takes the ceremony and looks at its answer: after the password that of the person, else anybody's.
func (d Desk) signInPasskey(ctx context.Context, in *passkeyInput) (*Output, error) {
	site, err := guard.NeedSite(ctx)
	if err != nil {
		return nil, err
	}
	key, ok := keyOf(in.Cookie)
	if !ok {
		return nil, over(ctx)
	}
	kept, err := d.Proofs.Begun.Take(ctx, loginKind, key)
	if errors.Is(err, ephemeral.ErrGone) {
		return d.signInPasskeySecond(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	found, err := d.answered(ctx, site, func(find passkey.Find) (passkey.Result, error) {
		return d.Proofs.Passkeys(site).FinishLogin(kept, in.Body.Response, find)
	})
	if err != nil {
		return nil, err
	}
	person, err := access.FindCredentials(ctx, d.Door, string(site), found.PersonID.String())
	if err != nil {
		return nil, err
	}
	person.PasswordHash = found.PasswordHash // a reset since the proof ends what came of it
	return d.enter(ctx, person, in.Body.Remember, guard.FactorPasskey)
}

func (d Desk) signInPasskeySecond(ctx context.Context, in *passkeyInput) (*Output, error) {
	b, err := d.try(ctx, in.Cookie)
	if err != nil {
		return nil, err
	}
	if err := d.assert(ctx, secondKind, b.key, b.Site, b.person.PersonID, in.Body.Response); err != nil {
		return nil, err
	}
	return d.complete(ctx, b, guard.FactorPasskey)
}

// assert takes the ceremony of a person who is known, and looks at its answer.
func (d Desk) assert(ctx context.Context, kind string, key secret.Hash, site guard.Site, person uuid.UUID, response json.RawMessage) error {
	kept, err := d.Proofs.Begun.Take(ctx, kind, key)
	if errors.Is(err, ephemeral.ErrGone) {
		return over(ctx)
	}
	if err != nil {
		return err
	}
	keys, err := access.ListPasskeys(ctx, d.Door, string(site), person)
	if err != nil {
		return err
	}
	if len(keys) == 0 { // gone since it was asked for
		return d.refuse(ctx, site, person, guard.FactorPasskey)
	}
	owner, err := ownerOf(keys[0])
	if err != nil {
		return err
	}
	_, err = d.answered(ctx, site, func(find passkey.Find) (passkey.Result, error) {
		return d.Proofs.Passkeys(site).FinishAssertion(owner.Handle, kept, response, find)
	})
	return err
}

// answered finishes a ceremony and notes what came of it: that the passkey was used, that it was copied, or that the
// answer was refused.
func (d Desk) answered(ctx context.Context, site guard.Site, finish func(passkey.Find) (passkey.Result, error)) (access.Passkey, error) {
	var found access.Passkey
	result, err := finish(func(_ passkey.Handle, id []byte) (passkey.Owner, error) {
		k, err := access.FindPasskey(ctx, d.Door, string(site), id)
		if fault.Is(err, fault.NotFound) {
			return passkey.Owner{}, passkey.ErrUnknownCredential
		}
		if err != nil {
			return passkey.Owner{}, err
		}
		found = k
		return ownerOf(k)
	})
	var cloned *passkey.ClonedError
	switch {
	case errors.As(err, &cloned):
		flag := credential.FlagClonedPasskey{PersonID: found.PersonID, PasskeyID: found.ID, SignCount: cloned.SignCount}
		if _, err := command.Run(ctx, d.Commands, d.Sessions.Meta(ctx, guard.ActorOf(ctx)), flag); err != nil {
			return found, err
		}
		return found, d.refuse(ctx, site, found.PersonID, guard.FactorPasskey)
	case passkey.Refused(err):
		d.Log.InfoContext(ctx, "a passkey was refused", "request_id", problem.RequestID(ctx), "error", err)
		return found, d.refuse(ctx, site, found.PersonID, guard.FactorPasskey)
	case err != nil:
		return found, err
	}
	use := credential.UsePasskey{PersonID: found.PersonID, PasskeyID: found.ID, SignCount: result.Credential.SignCount, BackedUp: result.Credential.BackupState}
	ok, err := used(ctx, d, use)
	if err == nil && !ok {
		err = d.refuse(ctx, site, found.PersonID, guard.FactorPasskey)
	}
	return found, err
}

func ownerOf(k access.Passkey) (passkey.Owner, error) {
	handle, err := passkey.HandleOf(k.Handle)
	return passkey.Owner{Handle: handle, Credential: credentialOf(k)}, err
}

func credentialOf(k access.Passkey) passkey.Credential {
	c := passkey.Credential{ID: k.CredentialID, PublicKey: k.PublicKey, SignCount: uint32(k.SignCount), Transports: k.Transports,
		BackupEligible: k.BackupEligible, BackupState: k.BackedUp, AttestationFormat: k.AttestationFormat}
	copy(c.AAGUID[:], k.AAGUID)
	return c
}
