// Package passkey has the rules of passkeys (WebAuthn Level 3), by github.com/go-webauthn/webauthn and where that asks
// too little by itself. Read in its source (v0.18.2), and answered here:
//
//   - It checks user verification only if the session it is given says "required". Ours always does, and the flag is
//     looked at here too: a passkey is both factors only because somebody gave a PIN or a finger.
//   - It reads time.Now, and only if asked to enforce timeouts. A ceremony has its end in it, held against Config.Now.
//   - A counter that did not grow only sets a flag. Here it is a *ClonedError and nobody is logged in. Counters that
//     stay zero are no sign of anything: synced passkeys have no other.
//   - It compares origins by scheme and host in any case, and overlooks user and path. Here they are compared by byte.
//   - It takes any attestation there is a parser for. We ask for none, so what comes is "none", or "packed" signed by
//     the passkey itself, as browsers leave it; the parsers of certificates are never reached.
//   - With attestation "none" it does not look whether the public key is one. Here it is parsed before it is stored.
//   - It refuses extension outputs nobody asked for. Password managers send some, so they are overlooked.
//
// Two relying parties are run, customers' and staff's, each a RelyingParty of its own. An authenticator signs the hash
// of the RP ID, so that a passkey of one is nothing to the other, as long as neither is a parent of the other: an RP ID
// is therefore the host of its origins, never a domain above them, and never a domain that somebody can register.
//
// # Handles
//
// What an authenticator keeps to tell whose passkey it has, the user handle, is 32 random bytes of their own for every
// person and relying party. It is not the person's id, although that is random too: whoever finds a security key may read
// the handles on it without its PIN, and an id stands in URLs, logs and mail. It is the same for all passkeys of a person
// at a relying party, and lasts as long as the person: a second registration under another handle would show one person
// twice.
//
// # What the caller does
//
// Keep a ceremony on the server, bound to the browser's session, and delete it in the statement that reads it: the
// package cannot know that an answer was given before. Keep credential ids unique per relying party, across all persons:
// they are no secret, and whoever registers an id of somebody else must be refused. Store what a Result says with
//
//	update … set sign_count = $new, backup_state = $bs where id = $id and (sign_count < $new or sign_count = 0 and $new = 0)
//
// so that of two answers with one counter one is refused. Tell clients one thing for all that Refused knows.
//
// The package knows no database, no HTTP and has no clock.
package passkey

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	// Lifetime is how long a ceremony may take, from its options to its answer.
	Lifetime = 5 * time.Minute
	// MaxCredentials is how many passkeys a person may have at a relying party.
	MaxCredentials = 20
	// MaxResponse is the size of an answer in bytes. Real ones have one to four kilobytes.
	MaxResponse = 64 << 10

	handleSize      = 32   // bytes
	maxCredentialID = 1023 // bytes, WebAuthn §4 "credential ID"
	maxPublicKey    = 600  // bytes of COSE: RSA of 4096 bits has 528
)

// Handle is the user handle of a person at one relying party: random, and used for nothing else.
type Handle [handleSize]byte

// NewHandle draws a handle.
func NewHandle() Handle {
	var h Handle
	_, _ = rand.Read(h[:]) // never fails: crypto/rand ends the program instead
	return h
}

// HandleOf takes a stored handle from the database.
func HandleOf(stored []byte) (Handle, error) {
	if len(stored) != handleSize {
		return Handle{}, fmt.Errorf("a user handle has %d bytes, not %d", handleSize, len(stored))
	}
	return Handle(stored), nil
}

// Person is who registers a passkey. Name and DisplayName are shown by authenticators where one chooses among passkeys;
// authenticators keep 64 bytes of each, so that is where they are cut.
type Person struct {
	Handle      Handle
	Name        string // what one logs in with, most often the e-mail address
	DisplayName string // empty: Name
}

// Credential is a passkey as it is stored, all of it.
type Credential struct {
	ID                []byte   // at most 1,023 bytes, unique per relying party
	PublicKey         []byte   // COSE_Key (RFC 9052), at most 600 bytes
	SignCount         uint32   // signatures so far as the authenticator counts them, or always zero
	Transports        []string // how it is reached, for the browser: "internal", "hybrid", "usb", "nfc", "ble", "smart-card"
	AAGUID            [16]byte // the authenticator's model, as it says itself; zero if it does not
	BackupEligible    bool     // BE: it may be synced; never changes
	BackupState       bool     // BS: it is synced
	AttestationFormat string   // "none" or "packed"
}

// Config is of one relying party.
type Config struct {
	RPID    string           // a host like account.example.com
	RPName  string           // the company, as authenticators show it
	Origins []string         // all that its pages are served from, like https://account.example.com
	Now     func() time.Time // the clock
}

// RelyingParty holds ceremonies. It has no state and may be used by many at once.
type RelyingParty struct {
	id      string
	origins []string
	now     func() time.Time
	library *webauthn.WebAuthn
}

// New refuses an RP ID or an origin that would weaken what passkeys promise: see validate.
func New(config Config) (*RelyingParty, error) {
	name := label(config.RPName)
	if name == "" || config.Now == nil {
		return nil, fmt.Errorf("relying party %q needs a name and a clock", config.RPID)
	}
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("relying party %q: %w", config.RPID, err)
	}
	origins := append([]string(nil), config.Origins...)
	timeout := webauthn.TimeoutConfig{Timeout: Lifetime, TimeoutUVD: Lifetime} // for the browser: we hold it ourselves
	library, err := webauthn.New(&webauthn.Config{
		RPID: config.RPID, RPDisplayName: name, RPOrigins: origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(),
			ResidentKey:        protocol.ResidentKeyRequirementRequired,
			UserVerification:   protocol.VerificationRequired,
		},
		Timeouts:                          webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("relying party %q: %w", config.RPID, err)
	}
	return &RelyingParty{id: config.RPID, origins: origins, now: config.Now, library: library}, nil
}
