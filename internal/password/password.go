// Package password stores passwords so that they cannot be read back, and refuses those that are guessed first.
//
// # Storing
//
// argon2id with 64 MiB, three passes and one lane, in the PHC string format, so that each hash names its parameters and
// they can be raised: Verify says when a hash should be replaced, which only a login can do, since only then the
// password is there. A hash takes its 64 MiB whoever asks, so a Hasher does only so many at once; the others wait until
// there is room or their context ends.
//
// Nothing is cut off: bcrypt's 72 bytes are 18 emoji. Up to 256 characters or 1 KiB are taken, more is refused. Length is
// counted in characters, as people count. Before hashing a password is brought to Unicode's form C (as RFC 8265 has it
// for passwords), since an é is one character from one keyboard and two from another; not to form KC, which would make
// different characters the same. Nothing else is changed, and nothing trimmed.
//
// For a name that nobody has, VerifyNobody costs what a wrong password costs. Accounts with bcrypt or with older
// parameters can be told by their time until their next login, and so can wrapped ones when what is tried has an & or
// the like in it, which is tried twice. The limits on tries must bear that; who waits for room is for them to bound, too.
//
// # Refusing
//
// See Policy: at least 12 characters, in no list of breached passwords, and more to it than common words. There are no
// rules about kinds of characters and no expiry: both make passwords worse (NIST SP 800-63B).
//
// The package knows no database and has no clock.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"

	"github.com/ezscale/platform/internal/secret"
)

const (
	maxCharacters = 256
	maxBytes      = 1 << 10
	maxAtOnce     = 1024
)

var (
	// ErrTooLong is of a password of more than 256 characters or 1 KiB.
	ErrTooLong = errors.New("a password has at most 256 characters and 1 KiB")
	// ErrNotText is of a password that is not UTF-8, or empty.
	ErrNotText = errors.New("a password is a text")
	// ErrUnknownForm is of a stored hash that is none this package knows.
	ErrUnknownForm = errors.New("a stored password hash has an unknown form")
)

// Params is what a hash costs. Memory is in KiB, Time in passes over it.
type Params struct {
	Memory  uint32
	Time    uint32
	Threads uint8
}

// Recommended is 64 MiB, three passes, one lane: RFC 9106's second choice but for the lanes, which on a busy server
// only take the cores from the next login.
func Recommended() Params { return Params{Memory: 64 << 10, Time: 3, Threads: 1} }

// weaker tells whether something hashed by p should be hashed anew by other. More lanes are neither better nor worse.
func (p Params) weaker(other Params) bool { return p.Memory < other.Memory || p.Time < other.Time }

// Hasher hashes and verifies, a limited number at once. Any number of goroutines may use one.
type Hasher struct {
	params Params
	size   int64 // KiB of all together
	room   *semaphore.Weighted
	count  atomic.Uint64
	derive func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

// NewHasher makes a hasher that does atOnce hashes at a time. As many as there are cores are enough: more take memory
// and make each slower. Reckon with two and a half times the memory of those at work, since what the finished ones had
// waits for the collector: two at once of 64 MiB have been seen to take 330 MiB.
func NewHasher(params Params, atOnce int) (*Hasher, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	if atOnce < 1 || atOnce > maxAtOnce {
		return nil, fmt.Errorf("%d password hashes at once: it is 1 to %d", atOnce, maxAtOnce)
	}
	size := int64(params.Memory) * int64(atOnce)
	return &Hasher{params: params, size: size, room: semaphore.NewWeighted(size), derive: argon2.IDKey}, nil
}

// Result is what a verification found. Replace tells that a matching password should be hashed and stored anew.
type Result struct{ Match, Replace bool }

// Hash makes what is stored of a new password. Whether the password is good enough, Policy says before.
func (h *Hasher) Hash(ctx context.Context, password secret.Text) (string, error) {
	text, err := prepare(password)
	if err != nil {
		return "", err
	}
	return h.hash(ctx, text)
}

func (h *Hasher) hash(ctx context.Context, text []byte) (string, error) {
	made := phc{params: h.params, salt: make([]byte, saltSize)}
	_, _ = rand.Read(made.salt) // never fails: crypto/rand ends the program instead
	var err error
	if made.key, err = h.key(ctx, made, keySize, text); err != nil {
		return "", err
	}
	return made.String(), nil
}

// key derives a key when there is room for it.
func (h *Hasher) key(ctx context.Context, p phc, size int, text []byte) ([]byte, error) {
	leave, err := h.enter(ctx, p.params.Memory)
	if err != nil {
		return nil, err
	}
	defer leave()
	h.count.Add(1)
	return h.derive(text, p.salt, p.params.Time, p.params.Memory, p.params.Threads, uint32(size)), nil
}

// Derived is how many keys were derived so far: what all of this costs, and that it costs the same for everybody.
func (h *Hasher) Derived() uint64 { return h.count.Load() }

// enter waits for room. What takes less than a hash of today takes as much room: it takes a core all the same.
func (h *Hasher) enter(ctx context.Context, memory uint32) (leave func(), err error) {
	weight := min(max(int64(memory), int64(h.params.Memory)), h.size)
	if err := h.room.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait to hash a password: %w", err)
	}
	return func() { h.room.Release(weight) }, nil
}

// Verify compares a password with what is stored: argon2id, bcrypt, a legacy hash of WHMCS, or one of those wrapped. An
// account that has no password (stored is empty) matches none. A password that is too long or no text matches none. An
// error is the context's or ErrUnknownForm, which must look to the client like a wrong password.
func (h *Hasher) Verify(ctx context.Context, stored string, password secret.Text) (Result, error) {
	text, err := prepare(password)
	if err != nil {
		return Result{}, nil // what cannot be a password is a wrong one, for every account alike
	}
	if stored == "" {
		return Result{}, h.nobody(ctx, text)
	}
	if made, err := parsePHC(stored); err == nil {
		match, err := h.matches(ctx, made, text)
		return Result{Match: match, Replace: match && made.outdated(h.params)}, err
	}
	match, err := h.matchesLegacy(ctx, stored, password, text)
	if _, fast := parseLegacy(stored); fast && !match || errors.Is(err, ErrUnknownForm) {
		return Result{}, errors.Join(err, h.nobody(ctx, text)) // what took no time takes as long as for a name nobody has
	}
	return Result{Match: match, Replace: match}, err
}

func (h *Hasher) matches(ctx context.Context, made phc, text []byte) (bool, error) {
	key, err := h.key(ctx, made, len(made.key), text)
	return err == nil && subtle.ConstantTimeCompare(key, made.key) == 1, err
}

// VerifyNobody takes the time of a wrong password, for a name that nobody has.
func (h *Hasher) VerifyNobody(ctx context.Context, password secret.Text) error {
	_, err := h.Verify(ctx, "", password)
	return err
}

func (h *Hasher) nobody(ctx context.Context, text []byte) error {
	_, err := h.matches(ctx, phc{params: h.params, salt: make([]byte, saltSize), key: make([]byte, keySize)}, text)
	return err
}

// NeedsReplacing tells of a stored hash, without a password, whether the next login should replace it.
func (h *Hasher) NeedsReplacing(stored string) bool {
	made, err := parsePHC(stored)
	return stored != "" && (err != nil || made.outdated(h.params))
}

// prepare is the password in the form that is hashed.
func prepare(password secret.Text) ([]byte, error) {
	text := password.Reveal()
	switch {
	case len(text) > maxBytes: // before it is worked on: form C can be longer or shorter
		return nil, ErrTooLong
	case text == "" || !utf8.ValidString(text):
		return nil, ErrNotText
	}
	prepared := norm.NFC.Bytes([]byte(text))
	if len(prepared) > maxBytes || utf8.RuneCount(prepared) > maxCharacters {
		return nil, ErrTooLong
	}
	return prepared, nil
}
