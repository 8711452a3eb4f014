// Package otp is the second factor of those who have no passkey: time-based one-time codes by RFC 6238 as every
// authenticator app knows them (SHA-1, 30 seconds, 6 digits), and recovery codes for the day the telephone is gone.
//
// A code works once. Match therefore gives the step of time a code belongs to, and the caller compares and sets it in
// the database: `update … set last_step = $step where id = $id and last_step < $step`, one row or the code was used.
// That is why the thirty lines of HMAC are ours: the known libraries answer yes or no, which lets a code be used twice
// within its window. SHA-1 is no weakness here: HMAC needs no collision resistance, and many apps ignore other choices.
//
// One step before and one after are taken too, for clocks that disagree by half a minute. With three codes of a million
// valid at any time, how often one may be tried is limited by the caller.
//
// The package knows no database and has no clock.
package otp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ezscale/platform/internal/secret"
)

const (
	digits      = 6
	modulus     = 1_000_000
	stepSeconds = 30
	skew        = 1  // steps before and after
	seedSize    = 20 // bytes: what RFC 4226 recommends, the size of SHA-1
	maxSeed     = 64 // bytes, of seeds that come from elsewhere
	maxLabel    = 64 // bytes of issuer and of account in a URI
)

// ErrSeed is of a seed that is not base32 or is too short.
var ErrSeed = errors.New("not a seed")

// NewSeed draws a seed of 160 bits, in base32 as apps take it. It is stored sealed.
func NewSeed() secret.Text {
	var seed [seedSize]byte
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	return secret.New(encoding().EncodeToString(seed[:]))
}

func encoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

func decodeSeed(seed secret.Text) ([]byte, error) {
	key, err := encoding().DecodeString(seed.Reveal())
	if err != nil || len(key) < seedSize || len(key) > maxSeed { // the decoder's error would show where the seed differs
		return nil, ErrSeed
	}
	return key, nil
}

// Step is the number of the 30 seconds that a time lies in, below zero before 1970.
func Step(at time.Time) int64 {
	seconds := at.Unix()
	step := seconds / stepSeconds
	if seconds%stepSeconds < 0 {
		step--
	}
	return step
}

// Code is the code of a step. It is for tests and for showing that an app is set up right.
func Code(seed secret.Text, step int64) (string, error) {
	key, err := decodeSeed(seed)
	if err != nil {
		return "", err
	}
	return code(key, step), nil
}

// code is RFC 4226: four bytes of the HMAC, from where its last half byte says.
func code(key []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	value := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, value%modulus)
}

// Match finds the step whose code was given, among the one of the time, the one before and the one after. Of two that
// have the same code, as happens once in a million, it is the later: were it the earlier, the code would work again for
// the later. ok is false for a wrong code and for anything that is none; blanks are overlooked. All steps are always
// compared, in constant time.
func Match(seed secret.Text, given string, at time.Time) (step int64, ok bool, err error) {
	key, err := decodeSeed(seed)
	if err != nil {
		return 0, false, err
	}
	given = strings.ReplaceAll(given, " ", "")
	if len(given) != digits {
		return 0, false, nil
	}
	now := Step(at)
	for candidate := now - skew; candidate <= now+skew; candidate++ {
		if candidate >= 0 && subtle.ConstantTimeCompare([]byte(code(key, candidate)), []byte(given)) == 1 {
			step, ok = candidate, true
		}
	}
	return step, ok, nil
}

// URI is what the QR code for an app holds; it has the seed in it. Issuer is the company, account the e-mail address:
// the colon between them is the only one, so those inside are taken out, and so is what would not show.
func URI(issuer, account string, seed secret.Text) (secret.Text, error) {
	if _, err := decodeSeed(seed); err != nil {
		return secret.Text{}, err
	}
	issuer, account = label(issuer), label(account)
	if issuer == "" || account == "" {
		return secret.Text{}, errors.New("a second factor needs an issuer and an account")
	}
	return secret.New(fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		escape(issuer), escape(account), seed.Reveal(), escape(issuer), digits, stepSeconds)), nil
}

// escape leaves nothing but letters, digits and -._~ as it is, and blanks become %20: apps disagree about +.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func label(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == ':' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	for len(text) > maxLabel {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimSpace(text)
}
