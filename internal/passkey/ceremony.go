package passkey

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	registration = "registration" // a person makes a passkey
	login        = "login"        // somebody says who they are
	assertion    = "assertion"    // a person who is known proves it again

	challengeSize = 32      // bytes
	maxCeremony   = 1 << 16 // bytes: MaxCredentials of the longest ids
)

// ceremony is what is remembered between options and answer. It is bound to the kind, the relying party, whose hosts of
// origin are all its ID, and the person, where one is known.
type ceremony struct {
	Kind      string    `json:"kind"`
	RPID      string    `json:"rp"`
	Challenge []byte    `json:"challenge"`
	Handle    []byte    `json:"handle,omitempty"`
	Allowed   [][]byte  `json:"allowed,omitempty"` // of an assertion: the ids that may answer
	Expires   time.Time `json:"expires"`
}

// begun writes a ceremony down, and the options beside it.
func (p *RelyingParty) begun(c ceremony, options any) (json.RawMessage, []byte, error) {
	c.RPID, c.Expires = p.id, p.now().Add(Lifetime).UTC()
	kept, err := json.Marshal(c)
	if err != nil {
		return nil, nil, fmt.Errorf("write a passkey ceremony: %w", err)
	}
	sent, err := json.Marshal(options)
	if err != nil {
		return nil, nil, fmt.Errorf("write passkey options: %w", err)
	}
	return sent, kept, nil
}

// open reads a ceremony that must be of the kind, ours, and not over.
func (p *RelyingParty) open(kept []byte, kind string) (ceremony, error) {
	c, err := parseCeremony(kept)
	switch {
	case err != nil:
		return ceremony{}, fmt.Errorf("%w: %w", ErrCeremony, err)
	case c.Kind != kind:
		return ceremony{}, fmt.Errorf("%w: begun as %s, not %s", ErrCeremony, c.Kind, kind)
	case c.RPID != p.id:
		return ceremony{}, fmt.Errorf("%w: begun at %s, not %s", ErrCeremony, c.RPID, p.id)
	case !p.now().Before(c.Expires):
		return ceremony{}, fmt.Errorf("%w: expired at %s", ErrCeremony, c.Expires.Format(time.RFC3339))
	}
	return c, nil
}

func parseCeremony(kept []byte) (ceremony, error) {
	if len(kept) > maxCeremony {
		return ceremony{}, errors.New("too long")
	}
	var c ceremony
	decoder := json.NewDecoder(bytes.NewReader(kept))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return ceremony{}, fmt.Errorf("not a ceremony: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return ceremony{}, errors.New("more than a ceremony")
	}
	return c, c.check()
}

// check holds a ceremony to the shape that it was begun in.
func (c ceremony) check() error {
	known, asked := len(c.Handle) == handleSize, len(c.Allowed) > 0 && len(c.Allowed) <= MaxCredentials
	ok := false
	switch c.Kind {
	case registration:
		ok = known && c.Allowed == nil
	case login:
		ok = c.Handle == nil && c.Allowed == nil
	case assertion:
		ok = known && asked
	}
	if !ok || len(c.Challenge) != challengeSize || c.Expires.IsZero() {
		return errors.New("a ceremony of no kind")
	}
	return nil
}

// challenge is as the browser writes it into its client data.
func (c ceremony) challenge() string { return base64.RawURLEncoding.EncodeToString(c.Challenge) }

// session is the ceremony as the library wants it, for a person. It has no Expires: the library would read its own clock.
// It has no allowed ids either: they were looked at, and it would want the keys of all.
func (c ceremony) session(handle Handle) webauthn.SessionData {
	return webauthn.SessionData{
		Challenge: c.challenge(), RelyingPartyID: c.RPID, UserID: handle[:],
		UserVerification: protocol.VerificationRequired, CredParams: algorithms(),
	}
}
