package passkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// Owner is a stored passkey and whose it is.
type Owner struct {
	Handle     Handle
	Credential Credential
}

// Find looks a passkey up by its id among those of the relying party, and gives whose it is, or ErrUnknownCredential. The
// handle is of the person who is said to own it; that this is so is checked by who asks.
type Find func(handle Handle, credentialID []byte) (Owner, error)

// Result is who answered, with which passkey. SignCount and BackupState are new, and to be stored.
type Result struct {
	Handle     Handle
	Credential Credential
}

// BeginLogin gives the PublicKeyCredentialRequestOptionsJSON for somebody who has not said who they are, for a button or
// for autofill ("conditional" mediation), and the ceremony to keep.
func (p *RelyingParty) BeginLogin() (options json.RawMessage, kept []byte, err error) {
	request, _, err := p.library.BeginDiscoverableLogin()
	if err != nil {
		return nil, nil, fmt.Errorf("begin a passkey login: %w", err)
	}
	return p.begun(ceremony{Kind: login, Challenge: request.Response.Challenge}, request.Response)
}

// BeginAssertion is for a person who is known: as second factor after the password, or once more before something grave.
func (p *RelyingParty) BeginAssertion(handle Handle, credentials []Credential) (options json.RawMessage, kept []byte, err error) {
	if len(credentials) == 0 {
		return nil, nil, ErrNone
	}
	if len(credentials) > MaxCredentials {
		return nil, nil, ErrTooMany
	}
	request, _, err := p.library.BeginLogin(user{handle: handle, credentials: allToLibrary(credentials)})
	if err != nil {
		return nil, nil, fmt.Errorf("begin a passkey assertion: %w", err)
	}
	allowed := request.Response.GetAllowedCredentialIDs()
	return p.begun(ceremony{Kind: assertion, Challenge: request.Response.Challenge, Handle: handle[:], Allowed: allowed}, request.Response)
}

// FinishLogin reads the answer, an AuthenticationResponseJSON, to BeginLogin. Who it is from is in the Result.
func (p *RelyingParty) FinishLogin(kept, response []byte, find Find) (Result, error) {
	c, err := p.open(kept, login)
	if err != nil {
		return Result{}, err
	}
	parsed, err := p.parseAssertion(c, response)
	if err != nil {
		return Result{}, err
	}
	handle, err := HandleOf(parsed.Response.UserHandle)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrHandle, err)
	}
	return p.finish(c, handle, parsed, find)
}

// FinishAssertion reads the answer to BeginAssertion, which must have been of this person. Authenticators may leave the
// handle out of it, since they were told which passkeys to use.
func (p *RelyingParty) FinishAssertion(handle Handle, kept, response []byte, find Find) (Result, error) {
	c, err := p.open(kept, assertion)
	if err != nil {
		return Result{}, err
	}
	if !bytes.Equal(c.Handle, handle[:]) {
		return Result{}, fmt.Errorf("%w: begun for another person", ErrCeremony)
	}
	parsed, err := p.parseAssertion(c, response)
	if err != nil {
		return Result{}, err
	}
	if said := parsed.Response.UserHandle; len(said) != 0 && !bytes.Equal(said, handle[:]) {
		return Result{}, ErrHandle
	}
	if !slices.ContainsFunc(c.Allowed, func(id []byte) bool { return bytes.Equal(id, parsed.RawID) }) {
		return Result{}, fmt.Errorf("%w: it is none of those asked for", ErrUnknownCredential)
	}
	return p.finish(c, handle, parsed, find)
}

func (p *RelyingParty) parseAssertion(c ceremony, response []byte) (*protocol.ParsedCredentialAssertionData, error) {
	if err := checkSize(response); err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(parsed.RawID) > maxCredentialID {
		return nil, fmt.Errorf("%w: its id has %d bytes", ErrMalformed, len(parsed.RawID))
	}
	if err := p.checkClient(c, protocol.AssertCeremony, parsed.Response.CollectedClientData); err != nil {
		return nil, err
	}
	return parsed, p.checkAuthenticator(parsed.Response.AuthenticatorData)
}

// finish finds the key and has the library verify the signature, whether BE is as it was, and the counter.
func (p *RelyingParty) finish(c ceremony, handle Handle, parsed *protocol.ParsedCredentialAssertionData, find Find) (Result, error) {
	owner, err := find(handle, bytes.Clone(parsed.RawID))
	if err != nil {
		return Result{}, fmt.Errorf("find a passkey: %w", err)
	}
	stored := owner.Credential
	if !bytes.Equal(stored.ID, parsed.RawID) {
		return Result{}, errors.New("find a passkey: another one was found")
	}
	if owner.Handle != handle {
		return Result{}, ErrHandle
	}
	u := user{handle: handle, credentials: allToLibrary([]Credential{stored})}
	verified, err := p.library.ValidateLogin(u, c.session(handle), parsed)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrVerification, err)
	}
	if verified.Authenticator.CloneWarning {
		return Result{}, &ClonedError{Handle: handle, Credential: stored, SignCount: parsed.Response.AuthenticatorData.Counter}
	}
	stored.SignCount, stored.BackupState = verified.Authenticator.SignCount, verified.Flags.BackupState
	return Result{Handle: handle, Credential: stored}, nil
}
