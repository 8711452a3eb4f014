package password

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ezscale/platform/internal/secret"
)

// slow is a hasher whose hashes last until they are let go.
func slow(t *testing.T, atOnce int) (h *Hasher, running *atomic.Int64, started, finish chan struct{}) {
	t.Helper()
	h, err := NewHasher(Params{Memory: 64, Time: 1, Threads: 1}, atOnce)
	if err != nil {
		t.Fatal(err)
	}
	running, started, finish = new(atomic.Int64), make(chan struct{}, 100), make(chan struct{})
	h.derive = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
		if running.Add(1) > int64(atOnce) {
			t.Errorf("more than %d at once", atOnce)
		}
		started <- struct{}{}
		<-finish
		running.Add(-1)
		return make([]byte, keyLen)
	}
	return h, running, started, finish
}

func TestOnlySoManyAtOnceAndTheOthersMayLeave(t *testing.T) {
	t.Parallel()
	h, running, started, finish := slow(t, 3)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := h.Hash(t.Context(), secret.New("a password")); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-started
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Verify(ctx, "", secret.New("a password")); !errors.Is(err, context.Canceled) {
		t.Errorf("a login that is given up: %v", err)
	}
	if got := running.Load(); got != 3 {
		t.Errorf("%d run", got)
	}
	close(finish)
	group.Wait()
}

// A hash that takes more memory than all may together runs alone; one of bcrypt takes a place as well.
func TestOtherHashesTakeRoomToo(t *testing.T) {
	t.Parallel()
	h, _, started, finish := slow(t, 2)
	large := phc{params: Params{Memory: 1 << 16, Time: 1, Threads: 1}, salt: make([]byte, saltSize), key: make([]byte, keySize)}.String()
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := h.Verify(t.Context(), large, secret.New("a password")); err != nil {
			t.Error(err)
		}
	})
	<-started
	if h.room.TryAcquire(1) {
		t.Error("there is room beside the large one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	bcrypted := "$2y$05$" + strings.Repeat("a", 53)
	if _, err := h.Verify(ctx, bcrypted, secret.New("a password")); !errors.Is(err, context.Canceled) {
		t.Errorf("bcrypt went past: %v", err)
	}
	close(finish)
	group.Wait()
	if !h.room.TryAcquire(h.size) {
		t.Error("room was not given back")
	}
}

// Work is what an attacker can time. A wrong password costs one derivation of today's parameters, whoever it is for:
// nobody, an account without password, one with a hash of today, a legacy one wrapped or not, or a broken one.
func TestAWrongPasswordCostsTheSame(t *testing.T) {
	t.Parallel()
	now := Params{Memory: 64, Time: 1, Threads: 1}
	h, err := NewHasher(now, 1)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.Hash(t.Context(), secret.New("a password"))
	if err != nil {
		t.Fatal(err)
	}
	const md5 = "47f108bdde5e75abde4b7b1bff93197b:e93h2"
	wrapped, err := h.Wrap(t.Context(), md5)
	if err != nil {
		t.Fatal(err)
	}
	derive := h.derive
	for name, known := range map[string]string{"nobody": "", "today": stored, "md5": md5, "wrapped": wrapped, "broken": "$1$abc"} {
		var calls []Params
		h.derive = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
			calls = append(calls, Params{memory, time, threads})
			return derive(password, salt, time, memory, threads, keyLen)
		}
		if got, err := h.Verify(t.Context(), known, secret.New("another")); got.Match || err != nil && !errors.Is(err, ErrUnknownForm) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if len(calls) != 1 || calls[0] != now {
			t.Errorf("%s costs %+v", name, calls)
		}
	}
}

func TestParsePHC(t *testing.T) {
	t.Parallel()
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	good := "$argon2id$v=19$m=65536,t=3,p=1$" + salt + "$" + key
	read, err := parsePHC(good)
	if err != nil || read.params != Recommended() || len(read.salt) != 16 || len(read.key) != 32 || read.String() != good {
		t.Fatalf("%+v, %v", read, err)
	}
	replace := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	for name, text := range map[string]string{
		"nothing": "", "no fields": "$", "argon2i": replace("argon2id", "argon2i"), "argon2d": replace("argon2id", "argon2d"),
		"upper case": replace("argon2id", "Argon2id"), "an older version": replace("v=19", "v=16"), "no version": replace("v=19$", ""),
		"another order": replace("m=65536,t=3", "t=3,m=65536"), "a parameter more": replace("p=1", "p=1,x=1"), "one less": replace(",p=1", ""),
		"a zero before": replace("t=3", "t=03"), "a sign": replace("t=3", "t=+3"), "a blank": replace("t=3", "t= 3"), "hex": replace("t=3", "t=0x3"),
		"no passes": replace("t=3", "t=0"), "too many passes": replace("t=3", "t=17"), "no lane": replace("p=1", "p=0"), "too many lanes": replace("p=1", "p=5"),
		"256 more lanes": replace("p=1", "p=257"), "too little memory": replace("65536", "7"), "too much memory": replace("65536", "262145"),
		"more than 32 bits": replace("65536", "4295032832"), "padding": good + "=", "a short salt": replace(salt, "AAAAAAAAAA"),
		"no salt": replace(salt, ""), "a short key": replace(key, salt[:20]), "no key": replace(key, ""), "a field more": good + "$", "a line's end": good + "\n",
		"a line's end inside": replace(salt, "AAAA\nAAAAAAAAAAAAAAAAAA"), "bits behind the end": replace(salt, salt[:21]+"B"), "other base64": replace(salt, salt[:21]+"_"),
		"a long key": good + strings.Repeat("AAAA", 20), "very long": good + strings.Repeat("A", 1<<20), "text before": " " + good,
	} {
		if read, err := parsePHC(text); err == nil {
			t.Errorf("%s is read as %+v", name, read)
		}
	}
}

// What is read is written the same, and lies within the bounds.
func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := parsePHC(text)
		if err != nil {
			return
		}
		if read.String() != text || read.params.validate() != nil || len(read.salt) > maxSalt || len(read.key) > maxKey || len(text) > maxEncoded {
			t.Fatalf("%q is read as %+v", text, read)
		}
	})
}

// No stored text makes the readers of the other forms panic or disagree with what they wrap.
func FuzzParseLegacy(f *testing.F) {
	f.Add("47f108bdde5e75abde4b7b1bff93197b:e93h2")
	f.Add("b7ae72f96edddd2b6948e4e21f639f83")
	f.Add("6ec89d79b0bbe03072cc745befe30a9b0334026131feaffc034c788b40ccb8fb:s3cr3t")
	f.Add("$whmcs-md5$$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq")
	h, err := NewHasher(Params{Memory: 8, Time: 1, Threads: 1}, 1)
	if err != nil {
		f.Fatal(err)
	}
	h.derive = func(password, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
		return bytes.Repeat([]byte{byte(len(password))}, int(keyLen))
	}
	f.Fuzz(func(t *testing.T, stored string) {
		_, fast := parseLegacy(stored)
		wrapped, err := h.Wrap(context.Background(), stored)
		if fast && err != nil {
			t.Fatalf("%q: %v", stored, err)
		}
		if err != nil {
			return
		}
		if again, err := h.Wrap(context.Background(), wrapped); err != nil || again != wrapped {
			t.Fatalf("%q is wrapped as %q, and then as %q, %v", stored, wrapped, again, err)
		}
		if fast && strings.Contains(wrapped, stored[:32]) {
			t.Fatalf("%q still stands in %q", stored, wrapped)
		}
	})
}
