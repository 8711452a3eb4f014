package passkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
)

// BeginRegistration gives the PublicKeyCredentialCreationOptionsJSON that a page hands to parseCreationOptionsFromJSON,
// and the ceremony to keep. Authenticators that have one of the existing passkeys are kept from making another.
func (p *RelyingParty) BeginRegistration(person Person, existing []Credential) (options json.RawMessage, kept []byte, err error) {
	if len(existing) >= MaxCredentials {
		return nil, nil, ErrTooMany
	}
	u := user{handle: person.Handle, name: label(person.Name), displayName: label(person.DisplayName)}
	if u.name == "" || u.handle == (Handle{}) {
		return nil, nil, errors.New("a passkey needs a person with a name and a handle")
	}
	creation, _, err := p.library.BeginRegistration(u,
		webauthn.WithExclusions(allToLibrary(existing).CredentialDescriptors()), webauthn.WithCredentialParameters(algorithms()))
	if err != nil {
		return nil, nil, fmt.Errorf("begin a passkey registration: %w", err)
	}
	return p.begun(ceremony{Kind: registration, Challenge: creation.Response.Challenge, Handle: person.Handle[:]}, creation.Response)
}

// FinishRegistration reads the answer, a RegistrationResponseJSON, of the person that the ceremony was begun for.
func (p *RelyingParty) FinishRegistration(handle Handle, kept, response []byte) (Credential, error) {
	c, err := p.open(kept, registration)
	if err != nil {
		return Credential{}, err
	}
	if !bytes.Equal(c.Handle, handle[:]) {
		return Credential{}, fmt.Errorf("%w: begun for another person", ErrCeremony)
	}
	if err := checkSize(response); err != nil {
		return Credential{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Credential{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := p.checkClient(c, protocol.CreateCeremony, parsed.Response.CollectedClientData); err != nil {
		return Credential{}, err
	}
	if err := p.checkAuthenticator(parsed.Response.AttestationObject.AuthData); err != nil {
		return Credential{}, err
	}
	if err := checkAttestation(parsed.Response.AttestationObject); err != nil {
		return Credential{}, fmt.Errorf("%w: %w", ErrVerification, err)
	}
	made, err := p.library.CreateCredential(user{handle: handle}, c.session(handle), parsed)
	if err != nil {
		return Credential{}, fmt.Errorf("%w: %w", ErrVerification, err)
	}
	return fromLibrary(made), nil
}

// checkAttestation looks at what the library leaves open: which format, and whether the key is one, of a size to store.
func checkAttestation(object protocol.AttestationObject) error {
	switch protocol.AttestationFormat(object.Format) {
	case protocol.AttestationFormatNone:
	case protocol.AttestationFormatPacked:
		if _, certified := object.AttStatement["x5c"]; certified {
			return errors.New("it has an attestation certificate, which nobody asked for")
		}
	default:
		return fmt.Errorf("it has an attestation %.20q, which nobody asked for", object.Format)
	}
	public := object.AuthData.AttData.CredentialPublicKey
	if len(public) > maxPublicKey {
		return fmt.Errorf("its public key has %d bytes", len(public))
	}
	if _, err := webauthncose.ParsePublicKey(public); err != nil {
		return fmt.Errorf("its public key is none: %w", err)
	}
	return nil
}

// algorithms are those that authenticators have, the most common first: telephones and keys ES256, some keys EdDSA,
// Windows Hello RS256.
func algorithms() []protocol.CredentialParameter {
	var all []protocol.CredentialParameter
	for _, algorithm := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		all = append(all, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algorithm})
	}
	return all
}

// user is a person as the library asks for one.
type user struct {
	handle            Handle
	name, displayName string
	credentials       []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { return u.handle[:] }
func (u user) WebAuthnName() string                       { return u.name }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }
func (u user) WebAuthnDisplayName() string {
	if u.displayName == "" {
		return u.name
	}
	return u.displayName
}

func fromLibrary(made *webauthn.Credential) Credential {
	c := Credential{
		ID: bytes.Clone(made.ID), PublicKey: bytes.Clone(made.PublicKey), SignCount: made.Authenticator.SignCount,
		BackupEligible: made.Flags.BackupEligible, BackupState: made.Flags.BackupState,
		AttestationFormat: made.AttestationFormat,
	}
	copy(c.AAGUID[:], made.Authenticator.AAGUID)
	for _, transport := range made.Transport { // the browser says them unsigned: what is not known is left out
		if text := string(transport); isTransport(text) && !slices.Contains(c.Transports, text) {
			c.Transports = append(c.Transports, text)
		}
	}
	return c
}

func isTransport(text string) bool {
	switch protocol.AuthenticatorTransport(text) {
	case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
		return true
	}
	return false
}

func (c Credential) toLibrary() webauthn.Credential {
	made := webauthn.Credential{
		ID: c.ID, PublicKey: c.PublicKey, AttestationFormat: c.AttestationFormat,
		Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: c.BackupEligible, BackupState: c.BackupState},
		Authenticator: webauthn.Authenticator{AAGUID: c.AAGUID[:], SignCount: c.SignCount},
	}
	for _, transport := range c.Transports {
		made.Transport = append(made.Transport, protocol.AuthenticatorTransport(transport))
	}
	return made
}

func allToLibrary(credentials []Credential) webauthn.Credentials {
	all := make(webauthn.Credentials, len(credentials))
	for i, c := range credentials {
		all[i] = c.toLibrary()
	}
	return all
}
