package password

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/ezscale/platform/internal/secret"
)

// The forms that WHMCS has stored over the years. It rehashes at a login only, so that all of them are found.
//
//	$2y$10$…       bcrypt            since 5.3.9 (staff) and 6.3 (customers)
//	64 hex:secret  HMAC-SHA256       5.3.9 and later, on an old PHP
//	32 hex:salt    md5(salt+password) 4.2.1 to 6.2
//	32 hex         md5               older, and by API
const (
	wrappedMD5  = "$whmcs-md5$"
	wrappedHMAC = "$whmcs-hmac$"

	maxLegacySalt = 128 // bytes
)

// Costs over 14 take seconds; under 4 there are none. 2x is a broken variant that x/crypto does not have.
var bcryptPattern = regexp.MustCompile(`^\$2[aby]?\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$`)

// legacy is a fast hash of WHMCS. As it stands it is as good as a plain password to whoever gets hold of it.
type legacy struct {
	wrapper string // wrappedMD5 or wrappedHMAC
	salt    string
	digest  string // hex
}

func parseLegacy(stored string) (legacy, bool) {
	digest, salt, salted := strings.Cut(stored, ":")
	digest = strings.ToLower(digest)
	if _, err := hex.DecodeString(digest); err != nil || len(salt) > maxLegacySalt || salted && salt == "" {
		return legacy{}, false
	}
	switch {
	case len(digest) == 2*md5.Size:
		return legacy{wrappedMD5, salt, digest}, true
	case len(digest) == 2*sha256.Size && salted:
		return legacy{wrappedHMAC, salt, digest}, true
	}
	return legacy{}, false
}

// of is the digest of a password.
func (l legacy) of(password string) string {
	if l.wrapper == wrappedHMAC {
		mac := hmac.New(sha256.New, []byte(l.salt))
		mac.Write([]byte(password))
		return hex.EncodeToString(mac.Sum(nil))
	}
	sum := md5.Sum([]byte(l.salt + password))
	return hex.EncodeToString(sum[:])
}

// Wrap makes of a legacy hash what may rest in our database: argon2id over the digest. An import wraps what it reads,
// so that nobody waits for its owner's next login with an MD5. bcrypt is given back as it is, and so is what is wrapped
// or argon2id already. Anything else is ErrUnknownForm: its owner sets a new password.
func (h *Hasher) Wrap(ctx context.Context, stored string) (string, error) {
	if _, err := parsePHC(stored); err == nil || bcryptPattern.MatchString(stored) {
		return stored, nil
	}
	if _, _, err := parseWrapped(stored); err == nil {
		return stored, nil
	}
	old, ok := parseLegacy(stored)
	if !ok {
		return "", ErrUnknownForm
	}
	hash, err := h.hash(ctx, []byte(old.digest))
	if err != nil {
		return "", err
	}
	return old.wrapper + base64.RawStdEncoding.EncodeToString([]byte(old.salt)) + hash, nil
}

// parseWrapped reads $whmcs-md5$salt$argon2id$…, without the digest, which nobody knows any more.
func parseWrapped(stored string) (legacy, phc, error) {
	for _, wrapper := range []string{wrappedMD5, wrappedHMAC} {
		rest, ok := strings.CutPrefix(stored, wrapper)
		if !ok {
			continue
		}
		encoded, _, _ := strings.Cut(rest, "$")
		salt, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
		if err != nil || len(salt) > maxLegacySalt || strings.ContainsAny(encoded, "\r\n") {
			return legacy{}, phc{}, ErrUnknownForm
		}
		made, err := parsePHC(rest[len(encoded):])
		if err != nil {
			return legacy{}, phc{}, fmt.Errorf("%w: %w", ErrUnknownForm, err)
		}
		return legacy{wrapper: wrapper, salt: string(salt)}, made, nil
	}
	return legacy{}, phc{}, ErrUnknownForm
}

// matchesLegacy compares with every form but argon2id. Whatever the old system may have made of the password before
// it hashed it is tried.
func (h *Hasher) matchesLegacy(ctx context.Context, stored string, password secret.Text, prepared []byte) (bool, error) {
	matches, err := h.matcher(stored)
	if err != nil {
		return false, err
	}
	for _, candidate := range candidates(password.Reveal(), string(prepared)) {
		if match, err := matches(ctx, candidate); match || err != nil {
			return match, err
		}
	}
	return false, nil
}

// matcher is how a stored hash is compared with a candidate.
func (h *Hasher) matcher(stored string) (func(ctx context.Context, candidate string) (bool, error), error) {
	if bcryptPattern.MatchString(stored) {
		return func(ctx context.Context, candidate string) (bool, error) {
			return h.matchesBcrypt(ctx, stored, candidate)
		}, nil
	}
	if old, made, err := parseWrapped(stored); err == nil {
		return func(ctx context.Context, candidate string) (bool, error) {
			return h.matches(ctx, made, []byte(old.of(candidate)))
		}, nil
	}
	if old, ok := parseLegacy(stored); ok {
		return func(_ context.Context, candidate string) (bool, error) {
			return subtle.ConstantTimeCompare([]byte(old.of(candidate)), []byte(old.digest)) == 1, nil
		}, nil
	}
	return nil, ErrUnknownForm
}

// matchesBcrypt compares as PHP does, that is by the first 72 bytes: for this once the old cut must be borne.
func (h *Hasher) matchesBcrypt(ctx context.Context, stored, candidate string) (bool, error) {
	leave, err := h.enter(ctx, 0)
	if err != nil {
		return false, err
	}
	defer leave()
	err = bcrypt.CompareHashAndPassword([]byte(stored), []byte(candidate))
	if err == nil || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return err == nil, nil
	}
	return false, fmt.Errorf("%w: %w", ErrUnknownForm, err)
}

// candidates are the password as typed, in form C, and each with the entities that WHMCS puts into its input.
func candidates(typed, prepared string) []string {
	entities := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;")
	var all []string
	for _, text := range []string{typed, prepared, entities.Replace(typed), entities.Replace(prepared)} {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}
