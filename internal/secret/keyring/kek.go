package keyring

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/ezscale/platform/internal/secret"
)

const (
	kekSize    = 32      // bytes
	maxKEKFile = 4 << 10 // bytes

	vaultPrefix = "vault:v" // of what Vault's transit engine wraps
)

var (
	// ErrWrongKEK is of a ring that another key-encryption key has wrapped.
	ErrWrongKEK = errors.New("the ring is wrapped by another key-encryption key")
	// ErrDamagedRing is of a ring that this key-encryption key has wrapped, but that has been altered or cut since.
	ErrDamagedRing = errors.New("the wrapped ring has been altered or cut")
	// ErrKMS is of a key management service that did not answer, or not let us in. It says nothing about the ring.
	ErrKMS = errors.New("the key management service did not do it")
	// ErrUnsupportedKEK is of a URI that no client takes.
	ErrUnsupportedKEK = errors.New("no such kind of key-encryption key")
)

// KEK is a key-encryption key: it wraps rings and nothing else.
type KEK struct {
	uri   string
	aead  tink.AEAD
	local *localKey // nil where a KMS keeps the key
}

// String is the URI, which is no secret.
func (k *KEK) String() string { return k.uri }

// ID is taken from the key's bits: the same key has it wherever it lies. ok is false where a KMS keeps the key.
func (k *KEK) ID() (id uint32, ok bool) {
	if k.local == nil {
		return 0, false
	}
	return k.local.id, true
}

// GenerateKEK makes what a file or an environment variable for a KEK must hold: 256 random bits in base64.
func GenerateKEK() secret.Text {
	key := make([]byte, kekSize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	return secret.New(base64.StdEncoding.EncodeToString(key))
}

// OpenKEK finds the key-encryption key behind a URI by the first client that takes it: Files and Env are ours, and any
// tink KMS client fits beside them. Of its errors those are ErrKMS that say nothing about what it was to open.
func OpenKEK(uri string, clients ...registry.KMSClient) (*KEK, error) {
	for _, client := range clients {
		if !client.Supported(uri) {
			continue
		}
		found, err := client.GetAEAD(uri)
		if err != nil {
			return nil, fmt.Errorf("key-encryption key %s: %w", uri, err)
		}
		kek := &KEK{uri: uri, aead: found}
		kek.local, _ = found.(*localKey)
		return kek, nil
	}
	return nil, fmt.Errorf("key-encryption key %q: %w: it is file:PATH, env:NAME or hcvault://HOST/MOUNT/keys/NAME", scheme(uri), ErrUnsupportedKEK)
}

// scheme is what may be shown of a URI that is not one of ours: somebody may have put the key itself there.
func scheme(uri string) string {
	name, _, found := strings.Cut(uri, ":")
	if !found || len(name) > 20 {
		return "…"
	}
	return name + ":…"
}

// why tells why the KEK does not open a wrapped ring. cause is what it said itself.
func (k *KEK) why(wrapped []byte, cause error) error {
	switch {
	case errors.Is(cause, ErrKMS):
		return fmt.Errorf("%s: %w", k, cause)
	case k.local == nil:
		return fmt.Errorf("%s: %w, or %w: %w", k, ErrWrongKEK, ErrDamagedRing, cause)
	case bytes.HasPrefix(wrapped, []byte(vaultPrefix)):
		return fmt.Errorf("%s: %w, which Vault keeps", k, ErrWrongKEK)
	}
	ours, theirs, ok := k.local.ids(wrapped)
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", k, ErrDamagedRing)
	case ours != theirs:
		return fmt.Errorf("%s is key %08x: %w, %08x", k, ours, ErrWrongKEK, theirs)
	default:
		return fmt.Errorf("%s: %w", k, ErrDamagedRing)
	}
}

// hearing keeps the AEAD's own error: tink gives on its text alone.
type hearing struct {
	tink.AEAD
	said error
}

func (h *hearing) Encrypt(plaintext, associated []byte) (wrapped []byte, err error) {
	wrapped, h.said = h.AEAD.Encrypt(plaintext, associated)
	return wrapped, h.said
}

func (h *hearing) Decrypt(wrapped, associated []byte) (plaintext []byte, err error) {
	plaintext, h.said = h.AEAD.Decrypt(wrapped, associated)
	return plaintext, h.said
}

// or is what the AEAD said, or else what tink says.
func (h *hearing) or(err error) error {
	if h.said != nil {
		return h.said
	}
	return err
}

// localKey is a KEK whose bits we hold. Its id is taken from its bits, so that what it wrapped names it.
type localKey struct {
	tink.AEAD
	id uint32
}

func newLocalKey(text string) (*localKey, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != kekSize { // the decoder's error would show a part of the key's text
		return nil, fmt.Errorf("it must hold %d bytes in base64, as `openssl rand -base64 %d` prints", kekSize, kekSize)
	}
	if isUniform(key) {
		return nil, errors.New("its bytes are all the same: that is a placeholder, not a key")
	}
	sum := sha256.Sum256(append([]byte("ezscale key-encryption key id 1\n"), key...))
	id := binary.BigEndian.Uint32(sum[:4])
	parameters, err := gcm()
	if err != nil {
		return nil, err
	}
	made, err := aesgcm.NewKey(secretdata.NewBytesFromData(key, insecuresecretdataaccess.Token{}), id, parameters)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	wrapper, err := aesgcm.NewAEAD(made)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &localKey{AEAD: wrapper, id: id}, nil
}

func isUniform(key []byte) bool {
	for _, b := range key {
		if b != key[0] {
			return false
		}
	}
	return true
}

func (l *localKey) ids(wrapped []byte) (ours, theirs uint32, ok bool) {
	if len(wrapped) < overhead || wrapped[0] != tinkPrefix {
		return 0, 0, false
	}
	return l.id, binary.BigEndian.Uint32(wrapped[1:prefixSize]), true
}

// source is a KMS client of one scheme that fetches the key's text from somewhere.
type source struct {
	scheme string
	fetch  func(name string) (string, error)
}

var _ registry.KMSClient = source{}

func (s source) Supported(uri string) bool { return strings.HasPrefix(uri, s.scheme) }

func (s source) GetAEAD(uri string) (tink.AEAD, error) {
	name := strings.TrimPrefix(uri, s.scheme)
	if name == "" {
		return nil, fmt.Errorf("nothing is named after %s", s.scheme)
	}
	text, err := s.fetch(name)
	if err != nil {
		return nil, err
	}
	return newLocalKey(text)
}

// Files takes file:PATH and file:///PATH. Nobody but the file's owner and group may have rights to it.
func Files() registry.KMSClient {
	return source{scheme: "file:", fetch: func(name string) (string, error) { return readKey(strings.TrimPrefix(name, "//")) }}
}

// Env takes env:NAME, looked up by what is given, os.LookupEnv in a program.
func Env(lookup func(string) (string, bool)) registry.KMSClient {
	return source{scheme: "env:", fetch: func(name string) (string, error) {
		text, ok := lookup(name)
		if !ok {
			return "", fmt.Errorf("the environment has no %s", name)
		}
		return text, nil
	}}
}

func readKey(path string) (string, error) { return ReadFile(path, maxKEKFile) }

// ReadFile reads a secret of at most limit bytes. Nobody but the file's owner and group may have rights to it.
func ReadFile(path string, limit int64) (string, error) {
	info, err := os.Stat(path) // before it is opened: to open a pipe is to wait for its writer
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a file")
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("everybody on the machine has rights to the file (mode %04o): chmod o= it", info.Mode().Perm())
	case info.Size() > limit:
		return "", fmt.Errorf("longer than %d bytes", limit)
	}
	content, err := os.ReadFile(path)
	return string(content), err
}
