package keyring_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
)

const canary = "canary-JBSWY3DPEHPK3PXP"

var seed = keyring.Place{Table: "second_factors", Column: "seed", Row: "018f0000-0000-7000-8000-000000000001"}

func newRing(t testing.TB) *keyring.Ring {
	t.Helper()
	ring, err := keyring.New()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func seal(t testing.TB, ring *keyring.Ring, text string, at keyring.Place) []byte {
	t.Helper()
	sealed, err := ring.Seal(secret.New(text), at)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedValuesOpenAtTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed := seal(t, ring, canary, seed)
	if bytes.Contains(sealed, []byte(canary)) {
		t.Fatal("the value stands in what was sealed")
	}
	if got, err := ring.Open(sealed, seed); err != nil || got.Reveal() != canary {
		t.Fatalf("opened: %v", err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	otherKey := bytes.Clone(sealed)
	otherKey[1] ^= 1
	cases := map[string]struct {
		ring   *keyring.Ring
		sealed []byte
		at     keyring.Place
		want   error
	}{
		"another row":             {ring, sealed, keyring.Place{Table: seed.Table, Column: seed.Column, Row: "2"}, keyring.ErrForeign},
		"another column":          {ring, sealed, keyring.Place{Table: seed.Table, Column: "other", Row: seed.Row}, keyring.ErrForeign},
		"another table":           {ring, sealed, keyring.Place{Table: "gateways", Column: seed.Column, Row: seed.Row}, keyring.ErrForeign},
		"altered":                 {ring, altered, seed, keyring.ErrForeign},
		"cut":                     {ring, sealed[:len(sealed)-1], seed, keyring.ErrForeign},
		"longer":                  {ring, append(bytes.Clone(sealed), 0), seed, keyring.ErrForeign},
		"cut to a stub":           {ring, sealed[:32], seed, keyring.ErrNotSealed},
		"nothing":                 {ring, nil, seed, keyring.ErrNotSealed},
		"the value itself":        {ring, []byte(strings.Repeat(canary, 3)), seed, keyring.ErrNotSealed},
		"another ring":            {newRing(t), sealed, seed, keyring.ErrUnknownKey},
		"another key's id":        {ring, otherKey, seed, keyring.ErrUnknownKey},
		"a place without a row":   {ring, sealed, keyring.Place{Table: seed.Table, Column: seed.Column}, keyring.ErrPlace},
		"a place without a table": {ring, sealed, keyring.Place{Column: seed.Column, Row: seed.Row}, keyring.ErrPlace},
	}
	for name, c := range cases {
		got, err := c.ring.Open(c.sealed, c.at)
		if !errors.Is(err, c.want) || !got.IsZero() {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error shows the value", name)
		}
	}
}

func TestSealBounds(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	if _, err := ring.Seal(secret.New(strings.Repeat("a", 64<<10+1)), seed); !errors.Is(err, keyring.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	if _, err := ring.Seal(secret.New("a"), keyring.Place{}); !errors.Is(err, keyring.ErrPlace) {
		t.Errorf("no place: %v", err)
	}
	for _, text := range []string{"", "a", strings.Repeat("a", 64<<10), "\x00\xff"} {
		if got, err := ring.Open(seal(t, ring, text, seed), seed); err != nil || got.Reveal() != text {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	if bytes.Equal(seal(t, ring, "a", seed), seal(t, ring, "a", seed)) {
		t.Error("the same value sealed twice must not look the same")
	}
}

// Old keys read, the newest writes, and a removed one is named.
func TestRotation(t *testing.T) {
	t.Parallel()
	first := newRing(t)
	old := seal(t, first, canary, seed)
	added, id, err := first.Add()
	if err != nil || added.Primary() != first.Primary() || id == first.Primary() {
		t.Fatalf("a key that was added must not seal yet: %v", err)
	}
	if !added.Current(seal(t, added, canary, seed)) || !first.Current(seal(t, added, canary, seed)) {
		t.Error("before the promotion every process must be able to read what is sealed")
	}
	second, err := added.Promote(id)
	if err != nil || second.Primary() != id {
		t.Fatalf("promote: %v", err)
	}
	fresh := seal(t, second, canary, seed)
	if got, err := keyring.KeyOf(fresh); err != nil || got != id {
		t.Errorf("sealed by %08x, %v, want %08x", got, err, id)
	}
	if got, err := added.Open(fresh, seed); err != nil || got.Reveal() != canary {
		t.Errorf("a process with the ring before the promotion: %v", err)
	}
	if _, err := first.Open(fresh, seed); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("a process with the ring before the key was added: %v", err)
	}
	if second.Current(old) || !second.Current(fresh) || second.Current(nil) {
		t.Error("only what the primary sealed is current")
	}
	renewed, did, err := second.Renew(old, seed)
	if err != nil || !did || !second.Current(renewed) {
		t.Fatalf("renew: %v, %v", did, err)
	}
	if same, did, err := second.Renew(renewed, seed); err != nil || did || !bytes.Equal(same, renewed) {
		t.Errorf("what is current stays: %v, %v", did, err)
	}
	removed(t, second, first.Primary(), renewed, old)
}

func removed(t *testing.T, ring *keyring.Ring, id uint32, renewed, old []byte) {
	t.Helper()
	last, err := ring.Remove(id)
	if err != nil || !slices.Equal(last.Keys(), []uint32{ring.Primary()}) {
		t.Fatalf("remove: %v", err)
	}
	if got, err := last.Open(renewed, seed); err != nil || got.Reveal() != canary {
		t.Errorf("what was renewed: %v", err)
	}
	if _, err := last.Open(old, seed); !errors.Is(err, keyring.ErrUnknownKey) || !strings.Contains(err.Error(), fmt.Sprintf("%08x", id)) {
		t.Errorf("what the removed key sealed: %v", err)
	}
	if _, _, err := last.Renew(old, seed); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("renew it: %v", err)
	}
	if _, err := last.Remove(last.Primary()); err == nil {
		t.Error("the primary must stay")
	}
	if _, err := last.Remove(id); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("remove twice: %v", err)
	}
	if _, err := last.Promote(id); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("promote what is gone: %v", err)
	}
}

// A value opens at its place, whatever place and value are, and at no other.
func TestEveryPlaceIsItsOwn(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	part := rapid.StringN(1, 8, -1)
	place := rapid.Custom(func(t *rapid.T) keyring.Place {
		return keyring.Place{Table: part.Draw(t, "table"), Column: part.Draw(t, "column"), Row: part.Draw(t, "row")}
	})
	rapid.Check(t, func(t *rapid.T) {
		text, at, other := rapid.String().Draw(t, "text"), place.Draw(t, "place"), place.Draw(t, "other")
		if rapid.Bool().Draw(t, "shifted") { // the same letters, cut elsewhere
			other = keyring.Place{Table: at.Table + at.Column, Column: at.Row, Row: at.Row}
		}
		sealed, err := ring.Seal(secret.New(text), at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ring.Open(sealed, at); err != nil || got.Reveal() != text {
			t.Fatalf("at its place: %v", err)
		}
		if got, err := ring.Open(sealed, other); at != other && (!errors.Is(err, keyring.ErrForeign) || !got.IsZero()) {
			t.Fatalf("at another: %v", err)
		}
	})
}

func TestRingShowsNoKey(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	want := fmt.Sprintf("ring of 1 keys, primary %08x", ring.Primary())
	if got := fmt.Sprintf("%v", ring); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// No bytes make Open panic, and none but sealed ones open.
func FuzzOpen(f *testing.F) {
	ring := newRing(f)
	sealed := seal(f, ring, canary, seed)
	f.Add(sealed)
	f.Add([]byte{1})
	f.Add(bytes.Repeat([]byte{1}, 33))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ring.Open(b, seed)
		if (err == nil) != bytes.Equal(b, sealed) {
			t.Fatalf("opened %x: %v", b, err)
		}
		if err == nil && got.Reveal() != canary {
			t.Fatal("another value")
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	ring := newRing(b)
	for b.Loop() {
		sealed, err := ring.Seal(secret.New(canary), seed)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ring.Open(sealed, seed); err != nil {
			b.Fatal(err)
		}
	}
}
