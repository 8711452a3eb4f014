package otp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"

	"github.com/ezscale/platform/internal/secret"
)

const (
	recoveryCodes = 10
	recoverySize  = 15 // bytes: 120 bits, 24 signs without a rest
	recoverySigns = recoverySize * 8 / 5
	recoveryGroup = 4  // signs between dashes
	maxRecovery   = 64 // bytes of what is typed

	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// ErrRecoveryCode is of a text that cannot be a recovery code. To whoever types it, it is the same as a wrong one.
var ErrRecoveryCode = errors.New("not a recovery code")

// NewRecoveryCodes draws ten codes like 7K3Q-ZB0M-…: 120 bits each in Crockford's base32, which has no I, L, O and U.
// They are shown once; stored are their hashes.
func NewRecoveryCodes() []secret.Text {
	codes := make([]secret.Text, recoveryCodes)
	for i := range codes {
		var bits [recoverySize]byte
		_, _ = rand.Read(bits[:]) // never fails: crypto/rand ends the program instead
		codes[i] = secret.New(grouped(base32.NewEncoding(crockford).EncodeToString(bits[:])))
	}
	return codes
}

func grouped(signs string) string {
	var text strings.Builder
	for i := range len(signs) {
		if i > 0 && i%recoveryGroup == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(signs[i])
	}
	return text.String()
}

// HashRecoveryCode reads what somebody has typed off paper: in any case, with or without dashes and blanks, with O for
// 0 and I or L for 1. What is stored is the hash of its 24 signs: by it a code is found, and each works once, so its row goes
// in the statement that finds it.
func HashRecoveryCode(typed string) (secret.Hash, error) {
	signs, err := canonical(typed)
	if err != nil {
		return secret.Hash{}, err
	}
	return sha256.Sum256([]byte(signs)), nil
}

func canonical(typed string) (string, error) {
	if len(typed) > maxRecovery {
		return "", ErrRecoveryCode
	}
	signs := make([]byte, 0, recoverySigns)
	for _, r := range typed {
		if r >= 'a' && r <= 'z' {
			r += 'A' - 'a'
		}
		switch r {
		case '-', ' ', '\t', '\r', '\n', '\u2010', '\u2011', '\u2013', '\u00a0': // dashes and blanks as mail and paper have them
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(crockford, r) || len(signs) == recoverySigns {
			return "", ErrRecoveryCode
		}
		signs = append(signs, byte(r))
	}
	if len(signs) != recoverySigns {
		return "", ErrRecoveryCode
	}
	return string(signs), nil
}
