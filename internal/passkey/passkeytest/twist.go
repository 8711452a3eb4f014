package passkeytest

import "encoding/base64"

// Twist makes one thing of an answer different from what an honest browser and authenticator would say. Except for
// BadSignature, what is twisted is signed.
type Twist func(*Answer)

// Answer is all that an answer is made from, for a Twist to change.
type Answer struct {
	kind, challenge, origin string
	crossOrigin             bool
	topOrigin               string
	rpID                    string
	flags                   byte
	counter                 uint32
	handle                  []byte
	id                      []byte
	with                    []byte
	format                  string
	certificate             bool
	badSignature            bool
	publicKey               []byte
	extensions              []byte
	transports              []string
}

func newAnswer(kind, challenge, origin string, k *key, twists []Twist) Answer {
	a := Answer{
		kind: kind, challenge: challenge, origin: origin, rpID: k.rpID, id: k.id, handle: k.handle, counter: k.counter,
		flags: userPresent | userVerified, format: "none", transports: []string{"internal", "hybrid"},
	}
	if k.synced {
		a.flags |= backupEligible | backupState
	}
	for _, twist := range twists {
		twist(&a)
	}
	return a
}

func (a *Answer) flag(flag byte, on bool) {
	a.flags &^= flag
	if on {
		a.flags |= flag
	}
}

// Unverified has nobody give a PIN or a finger: UV is 0.
func Unverified() Twist { return func(a *Answer) { a.flag(userVerified, false) } }

// Absent has nobody touch it: UP is 0.
func Absent() Twist { return func(a *Answer) { a.flag(userPresent, false) } }

// Backup sets BE and BS.
func Backup(eligible, state bool) Twist {
	return func(a *Answer) { a.flag(backupEligible, eligible); a.flag(backupState, state) }
}

// Counter sets the signature counter, in this answer and from it on.
func Counter(count uint32) Twist { return func(a *Answer) { a.counter = count } }

// RPID has the authenticator sign another relying party.
func RPID(id string) Twist { return func(a *Answer) { a.rpID = id } }

// Challenge answers another challenge than that of the options.
func Challenge(challenge []byte) Twist {
	return func(a *Answer) { a.challenge = base64.RawURLEncoding.EncodeToString(challenge) }
}

// Handle says another user handle; nil says none.
func Handle(handle []byte) Twist { return func(a *Answer) { a.handle = handle } }

// ID says another credential id outside of what is signed.
func ID(id []byte) Twist { return func(a *Answer) { a.id = id } }

// With answers with the passkey of the id, whether it was asked for and is of the relying party or not.
func With(id []byte) Twist { return func(a *Answer) { a.with = id } }

// CrossOrigin answers from a frame inside a page of the top origin, which may be empty.
func CrossOrigin(top string) Twist {
	return func(a *Answer) { a.crossOrigin, a.topOrigin = true, top }
}

// Type says another ceremony type than webauthn.create and webauthn.get.
func Type(kind string) Twist { return func(a *Answer) { a.kind = kind } }

// BadSignature spoils the signature. Without attestation a registration has none.
func BadSignature() Twist { return func(a *Answer) { a.badSignature = true } }

// Transports are what the browser says of a new passkey.
func Transports(transports ...string) Twist { return func(a *Answer) { a.transports = transports } }

// Packed has a registration signed by the new key itself, as some authenticators do unasked.
func Packed() Twist { return func(a *Answer) { a.format = "packed" } }

// Certified is Packed with a certificate, which is none.
func Certified() Twist { return func(a *Answer) { a.format, a.certificate = "packed", true } }

// Format names an attestation format and sends an empty statement.
func Format(format string) Twist { return func(a *Answer) { a.format = format } }

// PublicKey sends these bytes in place of the COSE key.
func PublicKey(cose []byte) Twist { return func(a *Answer) { a.publicKey = cose } }

// Protected has the authenticator say credProtect, which browsers ask for by themselves when a passkey is required.
func Protected() Twist {
	return func(a *Answer) { a.extensions = cborMap(cborText("credProtect"), cborInt(2)) }
}
