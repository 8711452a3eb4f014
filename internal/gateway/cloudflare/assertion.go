package cloudflare

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses duplicate names, and names in another case are other names
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	maxAssertion = 16 << 10 // bytes
	maxHeader    = 2 << 10  // bytes, of its base64
	maxKeyID     = 256      // bytes; Cloudflare's have 64
	maxName      = 320      // bytes of an email, a sub or a common_name
	maxDate      = 1 << 36  // seconds: the year 4147

	leeway = time.Minute // between Cloudflare's clock and ours
)

// Reason says why an assertion was refused: for the log and the metrics, never for the sender.
type Reason string

func (r Reason) Error() string { return "access assertion refused: " + string(r) }

const (
	Missing      Reason = "missing"     // there is none
	TooLarge     Reason = "too_large"   // over 16 KiB
	Malformed    Reason = "malformed"   // not three parts of base64url, not JSON, a name twice, a claim of another type
	Algorithm    Reason = "algorithm"   // anything but RS256
	BadHeader    Reason = "header"      // critical, or brings a key along
	TokenType    Reason = "typ"         // another kind of token
	NoKeyID      Reason = "no_kid"      // or one that is no id
	UnknownKey   Reason = "unknown_kid" // not the team's
	BadSignature Reason = "signature"   // not by that key
	Issuer       Reason = "issuer"      // not the team
	Audience     Reason = "audience"    // for none of our applications
	NoTimes      Reason = "no_times"    // without exp or iat, or the two in the wrong order
	Expired      Reason = "expired"     // a minute ago or earlier
	NotYet       Reason = "not_yet"     // nbf or iat lies ahead
	NotApp       Reason = "not_app"     // another token of the team's, such as its global session's
	NoIdentity   Reason = "no_identity" // neither a person nor a program, or both
)

// Kind says what has passed Access.
type Kind string

const (
	User         Kind = "user"          // a person, whom an identity provider knows
	ServiceToken Kind = "service_token" // a program; it is never anybody of the staff
)

// Identity is who has passed Access, as Cloudflare says.
type Identity struct {
	Kind  Kind
	Email string // of a User, verified by the identity provider; as written there
	// Subject is Cloudflare's id of a User. It changes when the user is removed from the team and added again.
	Subject string
	// CommonName is the Client ID of a ServiceToken, which is also what Access gives for a client certificate without a
	// login: who lets programs in compares it with a list. Of a User it is the client certificate's name, mostly "".
	CommonName string
	Country    string // where the login came from, two letters; or ""
	Audience   string // which of ours it is for
	IssuedAt   time.Time
	ExpiresAt  time.Time
}

type header struct {
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Type      *string         `json:"typ"`
	Critical  json.RawMessage `json:"crit"`
	Base64    json.RawMessage `json:"b64"`
	JWK       json.RawMessage `json:"jwk"`
	JWKSet    json.RawMessage `json:"jku"`
	Chain     json.RawMessage `json:"x5c"`
	ChainURL  json.RawMessage `json:"x5u"`
}

// readHeader judges what can be judged without a key, and names the key.
func readHeader(assertion string) (kid string, err error) {
	if assertion == "" {
		return "", Missing
	}
	if len(assertion) > maxAssertion {
		return "", TooLarge
	}
	parts := strings.SplitN(assertion, ".", 4)
	if len(parts) != 3 || len(parts[0]) > maxHeader {
		return "", Malformed
	}
	text, err := decode(parts[0])
	if err != nil {
		return "", err
	}
	for _, part := range parts[1:] { // the library is given nothing that can be written in two ways
		if _, err := decode(part); err != nil {
			return "", err
		}
	}
	var h header
	if json.Unmarshal(text, &h) != nil {
		return "", Malformed
	}
	return h.judge()
}

func (h header) judge() (kid string, err error) {
	switch {
	case h.Algorithm != string(jose.RS256):
		return "", Algorithm
	case h.Critical != nil || h.Base64 != nil || h.JWK != nil || h.JWKSet != nil || h.Chain != nil || h.ChainURL != nil:
		return "", BadHeader
	case h.Type != nil && !strings.EqualFold(*h.Type, "JWT"):
		return "", TokenType
	case !plain(h.KeyID, maxKeyID):
		return "", NoKeyID
	}
	return h.KeyID, nil
}

// decode is strict: base64url without padding, line breaks or stray bits.
func decode(part string) ([]byte, error) {
	if part == "" || strings.ContainsAny(part, "\r\n") {
		return nil, Malformed
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, Malformed
	}
	return text, nil
}

// open checks the signature and gives what is signed.
func open(assertion string, k key) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, Malformed
	}
	payload, err := signed.Verify(k)
	if err != nil {
		return nil, BadSignature
	}
	return payload, nil
}

type claims struct {
	Issuer     string           `json:"iss"`
	Audience   jwt.Audience     `json:"aud"` // a string or an array of them
	Expiry     *jwt.NumericDate `json:"exp"`
	NotBefore  *jwt.NumericDate `json:"nbf"`
	IssuedAt   *jwt.NumericDate `json:"iat"`
	Type       string           `json:"type"`
	Email      string           `json:"email"`
	Subject    string           `json:"sub"`
	CommonName string           `json:"common_name"`
	Country    string           `json:"country"`
}

// judge reads claims whose signature holds.
func judge(payload []byte, team string, audience []string, now time.Time) (Identity, error) {
	var c claims
	if !utf8.Valid(payload) || json.Unmarshal(payload, &c) != nil {
		return Identity{}, Malformed
	}
	if c.Issuer != team {
		return Identity{}, Issuer
	}
	ours := slices.IndexFunc(c.Audience, func(a string) bool { return slices.Contains(audience, a) })
	if ours < 0 {
		return Identity{}, Audience
	}
	if err := c.judgeTimes(now); err != nil {
		return Identity{}, err
	}
	if c.Type != "app" {
		return Identity{}, NotApp
	}
	kind, err := c.kind()
	if err != nil {
		return Identity{}, err
	}
	if !plain(c.Country, 2) { // nobody is kept out for what is only shown
		c.Country = ""
	}
	return Identity{Kind: kind, Email: c.Email, Subject: c.Subject, CommonName: c.CommonName, Country: c.Country, Audience: c.Audience[ours],
		IssuedAt: c.IssuedAt.Time().UTC(), ExpiresAt: c.Expiry.Time().UTC()}, nil
}

func (c claims) judgeTimes(now time.Time) error {
	for _, date := range []*jwt.NumericDate{c.Expiry, c.NotBefore, c.IssuedAt} {
		if date != nil && (*date < 0 || *date > maxDate) {
			return Malformed
		}
	}
	switch {
	case c.Expiry == nil || c.IssuedAt == nil || *c.Expiry <= *c.IssuedAt:
		return NoTimes
	case !now.Before(c.Expiry.Time().Add(leeway)):
		return Expired
	case now.Add(leeway).Before(c.IssuedAt.Time()), c.NotBefore != nil && now.Add(leeway).Before(c.NotBefore.Time()):
		return NotYet
	}
	return nil
}

// kind tells persons from programs: Access gives a person an email and a sub, a program a common_name and an empty sub.
func (c claims) kind() (Kind, error) {
	if c.CommonName != "" && !plain(c.CommonName, maxName) {
		return "", NoIdentity
	}
	switch {
	case c.Email != "" && strings.Contains(c.Email, "@") && plain(c.Email, maxName) && plain(c.Subject, maxName):
		return User, nil
	case c.Email == "" && c.Subject == "" && c.CommonName != "":
		return ServiceToken, nil
	}
	return "", NoIdentity
}

// plain tells a name that can be compared and logged: not empty, bounded, without spaces and what does not print.
func plain(s string, most int) bool {
	return s != "" && len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) })
}
