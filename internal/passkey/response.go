package passkey

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// checkClient tells why an answer does not fit, in our words. The library checks the same again, and the signature.
func (p *RelyingParty) checkClient(c ceremony, kind protocol.CeremonyType, client protocol.CollectedClientData) error {
	switch {
	case client.Type != kind:
		return fmt.Errorf("%w: it is of type %.40q", ErrVerification, client.Type)
	case subtle.ConstantTimeCompare([]byte(client.Challenge), []byte(c.challenge())) != 1:
		return fmt.Errorf("%w: it answers another challenge", ErrVerification)
	case !slices.Contains(p.origins, client.Origin):
		return fmt.Errorf("%w: %.100q", ErrOrigin, client.Origin)
	case client.CrossOrigin || client.TopOrigin != "":
		return fmt.Errorf("%w: inside another page, %.100q", ErrOrigin, client.TopOrigin)
	}
	return nil
}

func (p *RelyingParty) checkAuthenticator(data protocol.AuthenticatorData) error {
	hash := sha256.Sum256([]byte(p.id))
	switch {
	case !bytes.Equal(data.RPIDHash, hash[:]):
		return fmt.Errorf("%w: the authenticator signed another RP ID", ErrOrigin)
	case !data.Flags.HasUserPresent():
		return fmt.Errorf("%w: nobody was present", ErrVerification)
	case !data.Flags.HasUserVerified():
		return ErrUserVerification
	}
	return nil
}

func checkSize(response []byte) error {
	if len(response) > MaxResponse {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(response), MaxResponse)
	}
	return nil
}
