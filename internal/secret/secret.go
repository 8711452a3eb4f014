// Package secret has the one type for what must not be seen: passwords, seeds, tokens, keys. A Text never prints. It
// is "[redacted]" in fmt under every verb, in slog, in JSON and in the audit row, also where a struct keeps it in an
// unexported field and is printed whole: there fmt calls no methods, so the text lies behind a pointer, which fmt does
// not follow. Reveal is the only way to it, and easy to search for.
//
// What it does not do: wipe memory. Go moves and copies what it likes, and a promise that cannot be kept is none.
//
// The package is pure; what is encrypted for the database is in internal/secret/keyring.
package secret

import (
	"crypto/subtle"
	"database/sql/driver"
	"errors"
	"fmt"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// ErrNotStored is of a secret that was given to the database as it is.
var ErrNotStored = errors.New("a secret is not stored as it is: seal it, hash it, or reveal it on purpose")

// Text is a secret. The zero Text is the empty one. Texts cannot be compared with ==, which would compare where they
// lie and would tell by its time how much was right: use Equal.
type Text struct {
	_    [0]func()
	text *string
}

// New makes a secret of a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{text: &text}
}

// Reveal gives the secret.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsZero tells whether the secret is empty; `json:",omitzero"` asks it.
func (t Text) IsZero() bool { return t.text == nil }

// Equal compares in a time that depends on the lengths alone.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// String hides the secret from whoever asks for text.
func (Text) String() string { return Redacted }

// Format hides the secret from fmt under every verb: fmt asks String only for some, and shows the value under others.
func (Text) Format(state fmt.State, _ rune) { _, _ = fmt.Fprint(state, Redacted) }

// MarshalText hides the secret from JSON and slog.
func (Text) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// UnmarshalText takes a secret from input.
func (t *Text) UnmarshalText(b []byte) error { *t = New(string(b)); return nil }

// Value refuses to be a query's argument. Drivers that ask no further would store String's "[redacted]" in its place.
func (Text) Value() (driver.Value, error) { return nil, ErrNotStored }
