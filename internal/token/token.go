// Package token makes and reads opaque tokens: API tokens with a prefix, session ids without.
//
//	ezs_2kXf…43 signs…Zq9w0A…6 signs
//
// The signs are of base62, so that a double click takes the whole token and no URL, header or shell changes it. 43 of
// them drawn evenly are 256.03 bits. The last six are a CRC-32 over all before it, prefix included: a typo, a token cut
// in a mail, or a random string that a secret scanner has found is told from a token without asking the database. The
// checksum is no protection, since anybody can compute it: what protects is that the database knows the hash or does not.
//
// Stored is the SHA-256 of the whole text. With 256 bits there is nothing to guess, so a slow hash or a salt would add
// nothing, and a token is found by its hash through an index. The token itself is shown once and kept nowhere.
//
// The package knows no database, no clock and no scopes.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"

	"github.com/ezscale/platform/internal/secret"
)

const (
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	randomSigns   = 43 // of 62: 256.03 bits
	checksumSigns = 6  // 62^6 is more than 2^32
	maxPrefix     = 20 // bytes
)

// Prefixes that are in use. A new kind of token gets one of its own, so that one kind is never taken for another.
const (
	API     Prefix = "ezs_" // what programs of customers and staff present
	Link    Prefix = "ezl_" // what stands behind the # of a mailed link
	Session Prefix = ""     // what lies in a cookie: the cookie's name says what it is

	ClientSecret  Prefix = "ezs_client_"  // what an OAuth client proves itself with
	OAuthCode     Prefix = "ezs_code_"    // what a browser carries to an OAuth client, for a minute
	OAuthAccess   Prefix = "ezs_access_"  // what an OAuth client presents
	OAuthRefresh  Prefix = "ezs_refresh_" // what it gets new ones for
	Impersonation Prefix = "ezi_"         // the way of staff from their site to the customers'
)

var (
	// ErrPrefix is of a text that is a token of another kind, or none.
	ErrPrefix = errors.New("a token of this kind begins otherwise")
	// ErrShape is of a text that has another length than a token or other signs.
	ErrShape = errors.New("a token has another shape")
	// ErrChecksum is of a text that looks like a token and is none: mistyped, cut or invented.
	ErrChecksum = errors.New("the token is mistyped: its checksum does not fit")
)

var prefixPattern = regexp.MustCompile(`^([a-z][a-z0-9]*_)*$`)

// Prefix says in front of a token what kind it is: lower-case words, each with an underscore after it. It is a constant
// of the program.
type Prefix string

// Validate is for the test of whoever defines a prefix.
func (p Prefix) Validate() error {
	if len(p) > maxPrefix || !prefixPattern.MatchString(string(p)) {
		return fmt.Errorf("prefix %q: it is made of words like ezs_, at most %d bytes", string(p), maxPrefix)
	}
	return nil
}

// Token is a whole token. It never prints; Reveal gives the text for the one time that it is shown.
type Token struct{ text secret.Text }

// New draws a token.
func New(prefix Prefix) Token {
	body := string(prefix) + random(randomSigns)
	return Token{secret.New(body + checksum(body))}
}

// random draws signs evenly: bytes of six bits, those that stand for no sign drawn again.
func random(signs int) string {
	text := make([]byte, 0, signs)
	var pool [64]byte
	for {
		_, _ = rand.Read(pool[:]) // never fails: crypto/rand ends the program instead
		for _, b := range pool {
			if b &= 63; int(b) < len(alphabet) {
				if text = append(text, alphabet[b]); len(text) == signs {
					return string(text)
				}
			}
		}
	}
}

func checksum(body string) string {
	var signs [checksumSigns]byte
	sum := crc32.ChecksumIEEE([]byte(body))
	for i := checksumSigns - 1; i >= 0; i-- {
		signs[i] = alphabet[sum%uint32(len(alphabet))]
		sum /= uint32(len(alphabet))
	}
	return string(signs[:])
}

// Parse reads a token of a kind. Nothing is trimmed or mended: what differs in a single sign is no token. Its errors
// are ErrPrefix, ErrShape and ErrChecksum, and show nothing of the text; to a client all are the same refusal.
func Parse(prefix Prefix, text string) (Token, error) {
	rest, ok := strings.CutPrefix(text, string(prefix))
	if !ok {
		return Token{}, ErrPrefix
	}
	if len(rest) != randomSigns+checksumSigns || !isBase62(rest) {
		return Token{}, ErrShape
	}
	body, sum := text[:len(text)-checksumSigns], text[len(text)-checksumSigns:]
	if checksum(body) != sum {
		return Token{}, ErrChecksum
	}
	return Token{secret.New(text)}, nil
}

func isBase62(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Text is the token as a secret.
func (t Token) Text() secret.Text { return t.text }

// Reveal is the token's text.
func (t Token) Reveal() string { return t.text.Reveal() }

// String hides the token.
func (Token) String() string { return secret.Redacted }

// Hash is the stored form of the token.
func (t Token) Hash() secret.Hash { return sha256.Sum256([]byte(t.text.Reveal())) }
