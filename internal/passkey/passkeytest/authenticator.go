// Package passkeytest is a browser and an authenticator in software: from the options of a ceremony it makes the answer
// that a page would send, so that registration and login can be tested from outside. It shares no code with what it
// tests: CBOR and keys are written here by WebAuthn §6 and RFC 9052.
//
// It is as honest as it is told to be. Twists make an answer that is wrong in one thing; whether the origin may use the
// RP ID, as browsers ask, is not asked at all.
package passkeytest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrExcluded is what a browser calls InvalidStateError: the authenticator has one of the excluded passkeys.
	ErrExcluded = errors.New("the authenticator has a passkey of this person already")
	// ErrNoPasskey is of an authenticator that has none for the relying party, or none of those allowed.
	ErrNoPasskey = errors.New("the authenticator has no passkey for this")
)

// Flags of authenticator data, WebAuthn §6.1.
const (
	userPresent    = 1 << 0
	userVerified   = 1 << 2
	backupEligible = 1 << 3
	backupState    = 1 << 4
	attested       = 1 << 6
	extended       = 1 << 7
)

// Authenticator keeps passkeys. The zero value makes keys of ES256 that never leave it. It is for one goroutine.
type Authenticator struct {
	Algorithm Algorithm // of new passkeys
	Synced    bool      // new passkeys are backed up, and their counters stay zero
	AAGUID    [16]byte

	keys []*key
}

type key struct {
	id        []byte
	rpID      string
	handle    []byte
	algorithm Algorithm
	signer    crypto.Signer
	synced    bool
	counter   uint32
}

// options are both PublicKeyCredentialCreationOptionsJSON and PublicKeyCredentialRequestOptionsJSON.
type options struct {
	Challenge string `json:"challenge"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	RPID string `json:"rpId"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Parameters []struct {
		Algorithm Algorithm `json:"alg"`
	} `json:"pubKeyCredParams"`
	Excluded []descriptor `json:"excludeCredentials"`
	Allowed  []descriptor `json:"allowCredentials"`
}

type descriptor struct {
	ID string `json:"id"`
}

// Create answers the options of a registration, a PublicKeyCredentialCreationOptionsJSON, from a page of the origin. It
// gives the RegistrationResponseJSON.
func (a *Authenticator) Create(creation []byte, origin string, twists ...Twist) ([]byte, error) {
	var o options
	if err := json.Unmarshal(creation, &o); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	if a.has(o.RP.ID, o.Excluded) != nil {
		return nil, ErrExcluded
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, fmt.Errorf("user.id: %w", err)
	}
	offered := slices.ContainsFunc(o.Parameters, func(p struct {
		Algorithm Algorithm `json:"alg"`
	}) bool {
		return p.Algorithm == a.Algorithm.orDefault()
	})
	if !offered {
		return nil, fmt.Errorf("algorithm %d is not offered", a.Algorithm.orDefault())
	}
	signer, err := a.Algorithm.orDefault().generate()
	if err != nil {
		return nil, err
	}
	k := &key{id: make([]byte, 32), rpID: o.RP.ID, handle: handle, algorithm: a.Algorithm.orDefault(), signer: signer, synced: a.Synced}
	_, _ = rand.Read(k.id)
	a.keys = append(a.keys, k)
	answer := newAnswer("webauthn.create", o.Challenge, origin, k, twists)
	k.counter = answer.counter
	return a.attest(answer, k)
}

// Get answers the options of a login, a PublicKeyCredentialRequestOptionsJSON, with the passkey made last among those
// that fit. It gives the AuthenticationResponseJSON.
func (a *Authenticator) Get(request []byte, origin string, twists ...Twist) ([]byte, error) {
	var o options
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	k := a.choose(o, twists)
	if k == nil {
		return nil, ErrNoPasskey
	}
	if !k.synced {
		k.counter++
	}
	answer := newAnswer("webauthn.get", o.Challenge, origin, k, twists)
	k.counter = answer.counter
	data := answer.authenticatorData(nil)
	client := answer.clientData()
	signature, err := k.sign(data, client)
	if err != nil {
		return nil, err
	}
	if answer.badSignature {
		signature[len(signature)-1] ^= 1
	}
	response := map[string]any{"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature)}
	if answer.handle != nil {
		response["userHandle"] = encode(answer.handle)
	}
	return answer.envelope(response)
}

func (a *Authenticator) choose(o options, twists []Twist) *key {
	if with := newAnswer("", "", "", &key{}, twists).with; with != nil {
		for _, k := range a.keys {
			if bytes.Equal(k.id, with) {
				return k
			}
		}
		return nil
	}
	if len(o.Allowed) > 0 {
		return a.has(o.RPID, o.Allowed)
	}
	for _, k := range slices.Backward(a.keys) {
		if k.rpID == o.RPID {
			return k
		}
	}
	return nil
}

func (a *Authenticator) has(rpID string, ids []descriptor) *key {
	for _, k := range slices.Backward(a.keys) {
		if k.rpID == rpID && slices.Contains(ids, descriptor{encode(k.id)}) {
			return k
		}
	}
	return nil
}

func (a *Authenticator) attest(answer Answer, k *key) ([]byte, error) {
	var credential bytes.Buffer
	credential.Write(a.AAGUID[:])
	credential.Write(binary.BigEndian.AppendUint16(nil, uint16(len(k.id))))
	credential.Write(k.id)
	public, err := k.public()
	if err != nil {
		return nil, err
	}
	if answer.publicKey != nil {
		public = answer.publicKey
	}
	credential.Write(public)
	data, client := answer.authenticatorData(credential.Bytes()), answer.clientData()
	statement := cborMap()
	if answer.format == "packed" {
		signature, err := k.sign(data, client)
		if err != nil {
			return nil, err
		}
		if answer.badSignature {
			signature[len(signature)-1] ^= 1
		}
		statement = cborMap(cborText("alg"), cborInt(int64(k.algorithm)), cborText("sig"), cborBytes(signature))
		if answer.certificate {
			statement = cborMap(cborText("alg"), cborInt(int64(k.algorithm)), cborText("sig"), cborBytes(signature), cborText("x5c"), cborArray(cborBytes([]byte("certificate"))))
		}
	}
	object := cborMap(cborText("fmt"), cborText(answer.format), cborText("attStmt"), statement, cborText("authData"), cborBytes(data))
	return answer.envelope(map[string]any{"clientDataJSON": encode(client), "attestationObject": encode(object), "transports": answer.transports})
}

func (a Answer) authenticatorData(credential []byte) []byte {
	hash := sha256.Sum256([]byte(a.rpID))
	flags := a.flags
	if credential != nil {
		flags |= attested
	}
	if a.extensions != nil {
		flags |= extended
	}
	data := append(hash[:], flags)
	data = binary.BigEndian.AppendUint32(data, a.counter)
	return slices.Concat(data, credential, a.extensions)
}

func (a Answer) clientData() []byte {
	client := map[string]any{"type": a.kind, "challenge": a.challenge, "origin": a.origin, "crossOrigin": a.crossOrigin}
	if a.topOrigin != "" {
		client["topOrigin"] = a.topOrigin
	}
	text, _ := json.Marshal(client) // of strings and a bool: cannot fail
	return text
}

// envelope is what PublicKeyCredential.toJSON gives. Like some password managers it says credProps without being asked.
func (a Answer) envelope(response map[string]any) ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": encode(a.id), "rawId": encode(a.id), "type": "public-key", "response": response,
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}},
	})
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
