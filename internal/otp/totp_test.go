package otp_test

import (
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/secret"
)

// rfcSeed is the seed of the vectors in RFC 4226 and RFC 6238.
func rfcSeed() secret.Text {
	return secret.New(base32.StdEncoding.EncodeToString([]byte("12345678901234567890")))
}

func mustCode(t testing.TB, seed secret.Text, step int64) string {
	t.Helper()
	code, err := otp.Code(seed, step)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// RFC 6238, appendix B, SHA-1: the last six of its eight digits.
func TestVectorsOfRFC6238(t *testing.T) {
	t.Parallel()
	cases := map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"}
	for seconds, want := range cases {
		at := time.Unix(seconds, 0)
		if got := mustCode(t, rfcSeed(), otp.Step(at)); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
		if step, ok, err := otp.Match(rfcSeed(), want, at); err != nil || !ok || step != seconds/30 {
			t.Errorf("at %d: step %d, %v, %v", seconds, step, ok, err)
		}
	}
}

// RFC 4226, appendix D.
func TestVectorsOfRFC4226(t *testing.T) {
	t.Parallel()
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := mustCode(t, rfcSeed(), int64(step)); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 15, 0, time.UTC)
	now := otp.Step(at)
	code := func(offset int64) string { return mustCode(t, rfcSeed(), now+offset) }
	cases := map[string]struct {
		given string
		step  int64
		ok    bool
	}{
		"now":              {code(0), now, true},
		"before":           {code(-1), now - 1, true},
		"after":            {code(1), now + 1, true},
		"long before":      {code(-2), 0, false},
		"long after":       {code(2), 0, false},
		"in two groups":    {code(0)[:3] + " " + code(0)[3:], now, true},
		"a blank after":    {code(0) + " ", now, true},
		"nothing":          {"", 0, false},
		"five digits":      {code(0)[:5], 0, false},
		"seven digits":     {code(0) + "0", 0, false},
		"a sign before":    {"+" + code(0)[1:], 0, false},
		"Arabic digits":    {"٠٠٠", 0, false},
		"a very long text": {strings.Repeat(code(0), 10_000), 0, false},
	}
	for name, c := range cases {
		step, ok, err := otp.Match(rfcSeed(), c.given, at)
		if err != nil || ok != c.ok || step != c.step {
			t.Errorf("%s: step %d, %v, %v; want %d, %v", name, step, ok, err, c.step, c.ok)
		}
	}
}

func TestTheFirstStep(t *testing.T) {
	t.Parallel()
	if step, ok, err := otp.Match(rfcSeed(), "755224", time.Unix(0, 0)); err != nil || !ok || step != 0 {
		t.Errorf("step %d, %v, %v", step, ok, err)
	}
	if _, ok, err := otp.Match(rfcSeed(), "755224", time.Unix(-30, 0)); err != nil || !ok {
		t.Errorf("half a minute before 1970: %v, %v", ok, err)
	}
	if _, ok, err := otp.Match(rfcSeed(), "755224", time.Unix(-31, 0)); err != nil || ok {
		t.Errorf("more than half a minute before 1970: %v, %v", ok, err)
	}
}

// Two neighbouring steps with one code are the later step, so that the code does not work again for it.
func TestOfTwoStepsTheLater(t *testing.T) {
	t.Parallel()
	seed, step := rfcSeed(), int64(910738) // the first whose code is that of the step before
	if mustCode(t, seed, step-1) != mustCode(t, seed, step) {
		t.Fatal("they are no twins")
	}
	for _, now := range []int64{step - 1, step} {
		got, ok, err := otp.Match(seed, mustCode(t, seed, step), time.Unix(now*30, 0))
		if err != nil || !ok || got != step {
			t.Errorf("at step %d: %d, %v, %v, want %d", now, got, ok, err, step)
		}
	}
}

// Whatever the seed and the time, the code of a step is taken within a step of it and gives that step or a later twin.
func TestCodesAreTakenAroundTheirStep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := secret.New(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(rapid.SliceOfN(rapid.Byte(), 20, 64).Draw(t, "seed")))
		step := rapid.Int64Range(0, 1<<40).Draw(t, "step")
		away := rapid.Int64Range(-5, 5).Draw(t, "away")
		code, err := otp.Code(seed, step)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix((step+away)*30+rapid.Int64Range(0, 29).Draw(t, "second"), 0)
		got, ok, err := otp.Match(seed, code, at)
		if near := away >= -1 && away <= 1; err != nil || near && (!ok || got < step) {
			t.Fatalf("%d steps away: step %d, %v, %v", away, got-step, ok, err)
		}
		if ok {
			if twin, err := otp.Code(seed, got); err != nil || twin != code {
				t.Fatalf("step %d has code %s, not %s", got, twin, code)
			}
		}
	})
}

func TestNewSeed(t *testing.T) {
	t.Parallel()
	seed := otp.NewSeed()
	key, err := base32.StdEncoding.DecodeString(seed.Reveal())
	if err != nil || len(key) != 20 || seed.Equal(otp.NewSeed()) {
		t.Errorf("%d bytes, %v", len(key), err)
	}
}

func TestSeedsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "JBSWY3DPEHPK3PXP", strings.Repeat("A", 8*14), "1" + otp.NewSeed().Reveal()[1:], strings.ToLower(otp.NewSeed().Reveal())} {
		seed := secret.New(text)
		if _, err := otp.Code(seed, 1); !errors.Is(err, otp.ErrSeed) {
			t.Errorf("code: %v", err)
		}
		if _, _, err := otp.Match(seed, "123456", time.Unix(0, 0)); !errors.Is(err, otp.ErrSeed) {
			t.Errorf("match: %v", err)
		}
		if _, err := otp.URI("a", "b", seed); !errors.Is(err, otp.ErrSeed) {
			t.Errorf("URI: %v", err)
		}
	}
}

func TestURI(t *testing.T) {
	t.Parallel()
	cases := []struct{ issuer, account, label, query string }{
		{"ezscale", "anna@example.com", "ezscale:anna%40example.com", "ezscale"},
		{"Müller & Söhne", "a+b@example.com", "M%C3%BCller%20%26%20S%C3%B6hne:a%2Bb%40example.com", "M%C3%BCller%20%26%20S%C3%B6hne"},
		{"a:b", "x/y?z#w%", "ab:x%2Fy%3Fz%23w%25", "ab"},
		{" a\n\u202eb ", "c\x00\xff", "ab:c", "ab"},
		{strings.Repeat("é", 100), "a", strings.Repeat("%C3%A9", 32) + ":a", strings.Repeat("%C3%A9", 32)},
	}
	for _, c := range cases {
		got, err := otp.URI(c.issuer, c.account, rfcSeed())
		want := fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s&algorithm=SHA1&digits=6&period=30", c.label, rfcSeed().Reveal(), c.query)
		if err != nil || got.Reveal() != want {
			t.Errorf("got %s, %v, want %s", got.Reveal(), err, want)
		}
		parsed, err := url.Parse(got.Reveal())
		if err != nil || parsed.Query().Get("secret") != rfcSeed().Reveal() || strings.Count(parsed.Path, ":") != 1 {
			t.Errorf("parsed as %v, %v", parsed, err)
		}
	}
	for _, c := range [][2]string{{"", "a"}, {"a", ""}, {":", "a"}, {"a", " \n"}} {
		if _, err := otp.URI(c[0], c[1], rfcSeed()); err == nil {
			t.Errorf("issuer %q and account %q make no label", c[0], c[1])
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(rfcSeed().Reveal(), "287082", int64(59))
	f.Add("", "", int64(-1))
	f.Add("A", "123 456", int64(1)<<62)
	f.Fuzz(func(t *testing.T, seed, given string, seconds int64) {
		step, ok, err := otp.Match(secret.New(seed), given, time.Unix(seconds, 0))
		if ok && (err != nil || step < 0 || len(strings.ReplaceAll(given, " ", "")) != 6) {
			t.Fatalf("%q matches step %d, %v", given, step, err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	seed, at := otp.NewSeed(), time.Unix(1234567890, 0)
	for b.Loop() {
		if _, _, err := otp.Match(seed, "123456", at); err != nil {
			b.Fatal(err)
		}
	}
}
