package keyring_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/ezscale/platform/internal/secret/keyring"
)

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := pairs[name]; return value, ok }
}

func kekOf(t testing.TB, text string) *keyring.KEK {
	t.Helper()
	kek, err := keyring.OpenKEK("env:KEK", keyring.Files(), keyring.Env(environment(map[string]string{"KEK": text})))
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func wrap(t testing.TB, ring *keyring.Ring, kek *keyring.KEK) []byte {
	t.Helper()
	wrapped, err := ring.Wrap(kek)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func TestRingSurvivesWrapping(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	larger, _, err := ring.Add()
	if err != nil {
		t.Fatal(err)
	}
	text := keyring.GenerateKEK().Reveal()
	kek := kekOf(t, text)
	wrapped := wrap(t, larger, kek)
	again, by, err := keyring.Unwrap(wrapped, kekOf(t, text+"\n"))
	if err != nil || by.String() != "env:KEK" || again.Primary() != ring.Primary() || len(again.Keys()) != 2 {
		t.Fatalf("unwrapped %v: %v", again, err)
	}
	if got, err := again.Open(seal(t, ring, canary, seed), seed); err != nil || got.Reveal() != canary {
		t.Errorf("opened: %v", err)
	}
	// The KEK is exchanged: with both at hand the ring opens, whichever wrapped it, and the caller hears which.
	next := kekOf(t, keyring.GenerateKEK().Reveal())
	for _, wrapper := range []*keyring.KEK{kek, next} {
		if _, by, err := keyring.Unwrap(wrap(t, larger, wrapper), next, kek); err != nil || by != wrapper {
			t.Errorf("with both: by %v, %v", by, err)
		}
	}
}

func TestUnwrapTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	kek, other := kekOf(t, keyring.GenerateKEK().Reveal()), kekOf(t, keyring.GenerateKEK().Reveal())
	wrapped := wrap(t, newRing(t), kek)
	altered := bytes.Clone(wrapped)
	altered[40] ^= 1
	cases := map[string]struct {
		wrapped []byte
		keks    []*keyring.KEK
		want    error
	}{
		"another KEK": {wrapped, []*keyring.KEK{other}, keyring.ErrWrongKEK},
		"altered":     {altered, []*keyring.KEK{kek}, keyring.ErrDamagedRing},
		"nothing":     {nil, []*keyring.KEK{kek}, keyring.ErrNotSealed},
		"cut":         {wrapped[:20], []*keyring.KEK{kek}, keyring.ErrNotSealed},
		"too long":    {make([]byte, 1<<20), []*keyring.KEK{kek}, keyring.ErrNotSealed},
	}
	for name, c := range cases {
		if _, _, err := keyring.Unwrap(c.wrapped, c.keks...); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, _, err := keyring.Unwrap(wrapped); err == nil {
		t.Error("without a KEK nothing opens")
	}
}

func TestOpenKEK(t *testing.T) {
	t.Parallel()
	key := keyring.GenerateKEK().Reveal()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	env := environment(map[string]string{"KEK": key, "SHORT": "c2hvcnQ=", "ZERO": base64.StdEncoding.EncodeToString(make([]byte, 32)), "NOISE": "!" + key[1:]})
	cases := map[string]string{ // URI: what the error says
		"env:KEK":                             "",
		"file:" + file("good", key, 0o600):    "",
		"file://" + file("group", key, 0o440): "",
		"env:":                                "nothing is named",
		"env:NONE":                            "the environment has no NONE",
		"env:SHORT":                           "32 bytes in base64",
		"env:ZERO":                            "a placeholder",
		"env:NOISE":                           "32 bytes in base64",
		"file:":                               "nothing is named",
		"file:" + dir:                         "not a file",
		"file:" + pipe:                        "not a file",
		"file:" + dir + "/none":               "no such file",
		"file:" + file("open", key, 0o644):    "chmod o=",
		"file:" + file("long", key+strings.Repeat(" ", 5000), 0o600): "longer than",
		"aws-kms://arn:aws:kms:eu-west-1:1:key/1":                    "it is file:PATH, env:NAME or hcvault://",
		"":  "it is file:PATH, env:NAME or hcvault://",
		key: "it is file:PATH, env:NAME or hcvault://",
	}
	for uri, want := range cases {
		kek, err := keyring.OpenKEK(uri, keyring.Files(), keyring.Env(env))
		switch {
		case want == "" && (err != nil || kek.String() != uri):
			t.Errorf("%s: %v", uri, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", uri, err, want)
		case err != nil && strings.Contains(err.Error(), key[1:]):
			t.Errorf("%s: the error shows the key", uri)
		}
	}
	if _, err := keyring.OpenKEK("gcp-kms://a", keyring.Files()); !errors.Is(err, keyring.ErrUnsupportedKEK) {
		t.Errorf("got %v", err)
	}
}

// kms stands for a tink client of a real KMS.
type kms struct{ key tink.AEAD }

func (kms) Supported(uri string) bool           { return strings.HasPrefix(uri, "test-kms://") }
func (k kms) GetAEAD(string) (tink.AEAD, error) { return k.key, nil }
func newKMS(t *testing.T) kms {
	t.Helper()
	handle, err := keyset.NewHandle(aead.XChaCha20Poly1305KeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	key, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	return kms{key}
}

func TestAnyTinkClientFits(t *testing.T) {
	t.Parallel()
	kek, err := keyring.OpenKEK("test-kms://a", keyring.Files(), newKMS(t))
	if err != nil {
		t.Fatal(err)
	}
	ring := newRing(t)
	wrapped := wrap(t, ring, kek)
	if again, _, err := keyring.Unwrap(wrapped, kek); err != nil || again.Primary() != ring.Primary() {
		t.Errorf("unwrapped: %v", err)
	}
	other, err := keyring.OpenKEK("test-kms://b", newKMS(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := keyring.Unwrap(wrapped, other); !errors.Is(err, keyring.ErrWrongKEK) {
		t.Errorf("another key: %v", err)
	}
}

// No bytes make Unwrap panic or take a ring from nowhere.
func FuzzUnwrap(f *testing.F) {
	kek := kekOf(f, keyring.GenerateKEK().Reveal())
	ring := newRing(f)
	wrapped := wrap(f, ring, kek)
	f.Add(wrapped)
	f.Add(wrapped[:50])
	f.Add([]byte("\x12\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, _, err := keyring.Unwrap(b, kek); err == nil && got.Primary() != ring.Primary() {
			t.Fatalf("a ring from %x", b)
		}
	})
}

// The same key has the same id wherever it lies, and what it wrapped names it.
func TestKEKsHaveIDs(t *testing.T) {
	t.Parallel()
	text := keyring.GenerateKEK().Reveal()
	a, ok := kekOf(t, text).ID()
	b, _ := kekOf(t, text+"\n").ID()
	other, _ := kekOf(t, keyring.GenerateKEK().Reveal()).ID()
	if !ok || a != b || a == other {
		t.Errorf("%08x, %08x, and another %08x", a, b, other)
	}
}
