package token_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
)

func TestTokensComeBack(t *testing.T) {
	t.Parallel()
	for _, prefix := range []token.Prefix{token.API, token.Session, token.Link, token.Impersonation, token.ClientSecret, token.OAuthCode, token.OAuthAccess, token.OAuthRefresh} {
		if err := prefix.Validate(); err != nil {
			t.Error(err)
		}
		seen := map[string]bool{}
		for range 1000 {
			made := token.New(prefix)
			text := made.Reveal()
			if seen[text] || !strings.HasPrefix(text, string(prefix)) || len(text) != len(prefix)+49 {
				t.Fatalf("%d signs, seen %v", len(text), seen[text])
			}
			seen[text] = true
			read, err := token.Parse(prefix, text)
			if err != nil || !read.Hash().Equal(made.Hash()) || !read.Text().Equal(made.Text()) {
				t.Fatalf("read: %v", err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const good = "ezs_0000000000000000000000000000000000000000000" // and its checksum
	api := token.New(token.API).Reveal()
	session := token.New(token.Session).Reveal()
	cases := map[string]struct {
		prefix token.Prefix
		text   string
		want   error
	}{
		"nothing":                    {token.API, "", token.ErrPrefix},
		"no session":                 {token.Session, "", token.ErrShape},
		"a session as an API token":  {token.API, session, token.ErrPrefix},
		"an API token as a session":  {token.Session, api, token.ErrShape},
		"a session with a prefix":    {token.API, "ezs_" + session, token.ErrChecksum},
		"a token without its prefix": {token.Session, api[4:], token.ErrChecksum},
		"another case of prefix":     {token.API, "EZS_" + api[4:], token.ErrPrefix},
		"a blank before":             {token.API, " " + api, token.ErrPrefix},
		"a line's end after":         {token.API, api + "\n", token.ErrShape},
		"one sign short":             {token.API, api[:len(api)-1], token.ErrShape},
		"one sign long":              {token.API, api + "0", token.ErrShape},
		"a dash":                     {token.API, api[:20] + "-" + api[21:], token.ErrShape},
		"not ASCII":                  {token.API, api[:20] + "é" + api[22:], token.ErrShape},
		"zeros without their sum":    {token.API, good + "000000", token.ErrChecksum},
		"very long":                  {token.API, strings.Repeat(api, 1000), token.ErrShape},
	}
	for name, c := range cases {
		got, err := token.Parse(c.prefix, c.text)
		if !errors.Is(err, c.want) || got.Reveal() != "" {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err != nil && len(c.text) > 20 && strings.Contains(err.Error(), c.text[4:20]) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

// What is stored and shown by others is held by a vector: a change of shape would log everybody out.
func TestVector(t *testing.T) {
	t.Parallel()
	const text = "ezs_00000000000000000000000000000000000000000003fjjDu"
	got, err := token.Parse(token.API, text)
	if err != nil {
		t.Fatal(err)
	}
	if hash := got.Hash(); fmt.Sprintf("%x", hash[:]) != "b889521b1229f7d8e98cc197173520fd548273d4d9d51ea4a7a9c36c128b9af6" {
		t.Errorf("hash %x", hash[:])
	}
}

// Each mistyped sign and each pair of neighbours swapped is found: CRC-32 finds every burst of up to 32 bits. (Swapped
// over the seam of body and checksum, one in four thousand million is not.)
func TestTyposAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(token.New(token.API).Reveal())
		at := rapid.IntRange(4, len(text)-2).Draw(t, "place")
		if rapid.Bool().Draw(t, "swap") {
			text[at], text[at+1] = text[at+1], text[at]
			if text[at] == text[at+1] {
				t.Skip("the same sign twice")
			}
		} else {
			other := rapid.SampledFrom([]byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")).Draw(t, "sign")
			if other == text[at] {
				t.Skip("the same sign")
			}
			text[at] = other
		}
		if _, err := token.Parse(token.API, string(text)); !errors.Is(err, token.ErrChecksum) {
			t.Fatalf("a typo at %d: %v", at, err)
		}
	})
}

// Signs are drawn evenly: over 43,000 of them each of the 62 comes about 694 times, give or take six deviations.
func TestSignsAreEven(t *testing.T) {
	t.Parallel()
	counts := map[rune]int{}
	for range 1000 {
		for _, c := range token.New(token.Session).Reveal()[:43] {
			counts[c]++
		}
	}
	if len(counts) != 62 {
		t.Errorf("%d signs are in use", len(counts))
	}
	for c, n := range counts {
		if n < 694-158 || n > 694+158 {
			t.Errorf("%c comes %d times", c, n)
		}
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	cases := map[token.Prefix]bool{"": true, "ezs_": true, "ezs_staff_": true, "ezs": false, "Ezs_": false, "_": false, "ezs-": false, "1_": false, "a_very_long_prefix_of_tokens_": false}
	for prefix, want := range cases {
		if err := prefix.Validate(); (err == nil) != want {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func TestTokensDoNotPrint(t *testing.T) {
	t.Parallel()
	made := token.New(token.API)
	for _, value := range []any{made, &made, struct{ T token.Token }{made}, struct{ t token.Token }{made}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, made.Reveal()[4:]) {
				t.Errorf("%s of %T shows the token", verb, value)
			}
		}
	}
	if got := made.Hash().String(); len(got) != 8 {
		t.Errorf("a hash prints as %s", got)
	}
}

func TestHashOf(t *testing.T) {
	t.Parallel()
	hash := token.New(token.Session).Hash()
	if got, err := secret.HashOf(hash[:]); err != nil || !got.Equal(hash) {
		t.Errorf("got %v", err)
	}
	if _, err := secret.HashOf(hash[:31]); err == nil {
		t.Error("31 bytes are no hash")
	}
}

// Whatever Parse takes is a token to the last sign.
func FuzzParse(f *testing.F) {
	f.Add("ezs_00000000000000000000000000000000000000000003fjjDu")
	f.Add("ezs_")
	f.Add("")
	for _, prefix := range []token.Prefix{token.API, token.Session, token.Link, token.Impersonation, token.ClientSecret, token.OAuthCode, token.OAuthAccess, token.OAuthRefresh} {
		f.Add(token.New(prefix).Reveal())
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, prefix := range []token.Prefix{token.API, token.Session, token.Link, token.Impersonation, token.ClientSecret, token.OAuthCode, token.OAuthAccess, token.OAuthRefresh} {
			got, err := token.Parse(prefix, text)
			if err == nil && (got.Reveal() != text || len(text) != len(prefix)+49) {
				t.Fatalf("%q is read as %q", text, got.Reveal())
			}
			if err != nil && !errors.Is(err, token.ErrPrefix) && !errors.Is(err, token.ErrShape) && !errors.Is(err, token.ErrChecksum) {
				t.Fatalf("another error: %v", err)
			}
		}
	})
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		token.New(token.API)
	}
}

func BenchmarkParseAndHash(b *testing.B) {
	text := token.New(token.API).Reveal()
	for b.Loop() {
		read, err := token.Parse(token.API, text)
		if err != nil {
			b.Fatal(err)
		}
		_ = read.Hash()
	}
}
