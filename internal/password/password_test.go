package password_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret"
)

// cheap is for tests; nothing in them depends on the cost.
func cheap() password.Params { return password.Params{Memory: 64, Time: 1, Threads: 1} }

func newHasher(t testing.TB, params password.Params, atOnce int) *password.Hasher {
	t.Helper()
	h, err := password.NewHasher(params, atOnce)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hash(t testing.TB, h *password.Hasher, text string) string {
	t.Helper()
	stored, err := h.Hash(context.Background(), secret.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func verify(t testing.TB, h *password.Hasher, stored, text string) password.Result {
	t.Helper()
	got, err := h.Verify(context.Background(), stored, secret.New(text))
	if err != nil {
		t.Errorf("%s: %v", stored, err)
	}
	return got
}

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 2)
	long := strings.Repeat("a", 255)
	for _, text := range []string{"correct horse", " blanks around ", strings.Repeat("🙂", 64), long + "b", "\x00\x01", "e"} {
		stored := hash(t, h, text)
		if got := verify(t, h, stored, text); got != (password.Result{Match: true}) {
			t.Errorf("%q: %+v", text, got)
		}
		if stored == hash(t, h, text) {
			t.Error("the same password twice must not look the same")
		}
		if len(stored) > 128 || h.NeedsReplacing(stored) {
			t.Errorf("stored as %s", stored)
		}
	}
	for _, pair := range [][2]string{
		{long + "b", long + "c"}, // the last character counts
		{long + "b", long},
		{strings.Repeat("🙂", 64), strings.Repeat("🙂", 63) + "🙃"},
		{"blank", "blank "}, {"case", "Case"}, {"a\x00b", "a\x00c"}, {"ﬁ²", "fi2"},
	} {
		if got := verify(t, h, hash(t, h, pair[0]), pair[1]); got.Match || got.Replace {
			t.Errorf("%q matches %q", pair[1], pair[0])
		}
	}
}

// An é is one character from one keyboard and two from another.
func TestBothFormsOfACharacterAreOne(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 1)
	for _, pair := range [][2]string{{"caf\u00e9-au-lait", "cafe\u0301-au-lait"}, {"\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"}} {
		if !verify(t, h, hash(t, h, pair[0]), pair[1]).Match || !verify(t, h, hash(t, h, pair[1]), pair[0]).Match {
			t.Errorf("%q and %q are two passwords", pair[0], pair[1])
		}
	}
}

func TestWhatIsNoPassword(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 1)
	stored := hash(t, h, "a password")
	cases := map[string]error{
		"":                            password.ErrNotText,
		"a\xff":                       password.ErrNotText,
		strings.Repeat("a", 257):      password.ErrTooLong,
		strings.Repeat("🙂", 257):      password.ErrTooLong,
		strings.Repeat("\u0958", 256): password.ErrTooLong, // 768 bytes that form C makes twice as many
		strings.Repeat("a", 1<<20):    password.ErrTooLong,
	}
	for text, want := range cases {
		if _, err := h.Hash(t.Context(), secret.New(text)); !errors.Is(err, want) {
			t.Errorf("%.20q: got %v, want %v", text, err, want)
		}
		if got := verify(t, h, stored, text); got.Match {
			t.Errorf("%.20q matches", text)
		}
	}
	for _, text := range []string{strings.Repeat("🙂", 256), strings.Repeat("e\u0301", 256)} {
		hash(t, h, text)
	}
}

// The vector of the reference implementation (phc-winner-argon2, test.c).
func TestVectorOfArgon2(t *testing.T) {
	t.Parallel()
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := newHasher(t, password.Recommended(), 1)
	if got := verify(t, h, stored, "password"); !got.Match || !got.Replace {
		t.Errorf("got %+v", got)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	now := password.Params{Memory: 128, Time: 2, Threads: 1}
	h := newHasher(t, now, 1)
	cases := map[password.Params]bool{
		now:                                false,
		{Memory: 64, Time: 2, Threads: 1}:  true,
		{Memory: 128, Time: 1, Threads: 1}: true,
		{Memory: 256, Time: 1, Threads: 1}: true,
		{Memory: 256, Time: 3, Threads: 1}: false,
		{Memory: 128, Time: 2, Threads: 2}: false,
	}
	for params, want := range cases {
		stored := hash(t, newHasher(t, params, 1), "a password")
		if got := verify(t, h, stored, "a password"); got != (password.Result{Match: true, Replace: want}) || h.NeedsReplacing(stored) != want {
			t.Errorf("%+v: %+v, want %v", params, got, want)
		}
		if got := verify(t, h, stored, "another"); got.Match || got.Replace {
			t.Errorf("%+v: a wrong password must not be stored: %+v", params, got)
		}
	}
	if h.NeedsReplacing("") {
		t.Error("no password needs no other")
	}
}

func TestNobodyHasAPassword(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 1)
	for _, text := range []string{"", "a", "a password"} {
		if got := verify(t, h, "", text); got.Match {
			t.Errorf("%q matches nobody", text)
		}
		if err := h.VerifyNobody(t.Context(), secret.New(text)); err != nil {
			t.Error(err)
		}
	}
}

func TestNewHasherBounds(t *testing.T) {
	t.Parallel()
	for _, params := range []password.Params{{}, {Memory: 64, Time: 1}, {Memory: 64, Threads: 1}, {Memory: 7, Time: 1, Threads: 1},
		{Memory: 1 << 20, Time: 1, Threads: 1}, {Memory: 64, Time: 17, Threads: 1}, {Memory: 64, Time: 1, Threads: 5}} {
		if _, err := password.NewHasher(params, 1); err == nil {
			t.Errorf("%+v", params)
		}
	}
	for _, atOnce := range []int{-1, 0, 1025} {
		if _, err := password.NewHasher(cheap(), atOnce); err == nil {
			t.Errorf("%d at once", atOnce)
		}
	}
}

// 200 logins at once take the memory of a few: without a bound these would take 400 MiB.
func TestMemoryIsBounded(t *testing.T) { // not parallel: it watches the heap
	const memory, atOnce, logins = 2 << 20, 4, 200
	h := newHasher(t, password.Params{Memory: memory >> 10, Time: 1, Threads: 1}, atOnce)
	stored := hash(t, h, "a password")
	done := make(chan struct{})
	var peak uint64
	var watcher, group sync.WaitGroup
	watcher.Go(func() {
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	for range logins {
		group.Go(func() {
			if got, err := h.Verify(t.Context(), stored, secret.New("a password")); err != nil || !got.Match {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	group.Wait()
	close(done)
	watcher.Wait()
	t.Logf("%d logins took at most %d MiB", logins, peak>>20)
	if bound := uint64(3*atOnce*memory + 64<<20); peak > bound {
		t.Errorf("the heap had %d MiB, at most %d", peak>>20, bound>>20)
	}
}

// Whatever a password is, it and nothing else matches its hash.
func TestOnlyThePasswordMatches(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Params{Memory: 8, Time: 1, Threads: 1}, 4)
	text := rapid.StringN(1, 80, 1024)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		stored, err := h.Hash(context.Background(), secret.New(a))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Verify(context.Background(), stored, secret.New(a)); err != nil || !got.Match {
			t.Fatalf("%+v, %v", got, err)
		}
		if got, err := h.Verify(context.Background(), stored, secret.New(a+b)); err != nil || got.Match {
			t.Fatalf("longer: %+v, %v", got, err)
		}
	})
}

func benchmark(b *testing.B, f func(h *password.Hasher, stored string) error) {
	h := newHasher(b, password.Recommended(), 1)
	stored := hash(b, h, "a password")
	for b.Loop() {
		if err := f(h, stored); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	benchmark(b, func(h *password.Hasher, stored string) error {
		_, err := h.Verify(context.Background(), stored, secret.New("another password"))
		return err
	})
}

func BenchmarkVerifyNobody(b *testing.B) {
	benchmark(b, func(h *password.Hasher, _ string) error {
		return h.VerifyNobody(context.Background(), secret.New("another password"))
	})
}
