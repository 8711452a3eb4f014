package otp_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/secret"
)

func TestNewRecoveryCodes(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[secret.Hash]bool{}
	for range 100 {
		codes := otp.NewRecoveryCodes()
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		for _, code := range codes {
			hash, err := otp.HashRecoveryCode(code.Reveal())
			if err != nil || !shape.MatchString(code.Reveal()) {
				t.Errorf("%s: %v", code.Reveal(), err)
			}
			if seen[hash] {
				t.Error("a code came twice")
			}
			seen[hash] = true
		}
	}
}

func TestRecoveryCodesAreReadLeniently(t *testing.T) {
	t.Parallel()
	want, err := otp.HashRecoveryCode("0123-4567-89AB-CDEF-GHJK-1101")
	if err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{
		"0123-4567-89ab-cdef-ghjk-1101", "0123456789ABCDEFGHJK1101", "o123-4567-89ab-cdef-ghjk-IlO1",
		"O123 4567 89ab cdef ghjk Lio1", " 0123-4567-89AB-CDEF-GHJK-1101\r\n", "0123–4567‐89AB‑CDEF-GHJK-1101",
	} {
		if got, err := otp.HashRecoveryCode(typed); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for _, typed := range []string{
		"", "-", "0123-4567-89AB-CDEF-GHJK-110", "0123-4567-89AB-CDEF-GHJK-11011", "0123-4567-89AB-CDEF-GHJK-110U",
		"0123_4567_89AB_CDEF_GHJK_1101", "0123-4567-89AB-CDEF-GHJK-110é", "0123-4567-89AB-CDEF-GHJK-110\xff", "ı123-4567-89AB-CDEF-GHJK-1101",
		strings.Repeat("-", 100_000), strings.Repeat("0", 100_000),
	} {
		if got, err := otp.HashRecoveryCode(typed); !errors.Is(err, otp.ErrRecoveryCode) || got != (secret.Hash{}) {
			t.Errorf("%.40q: %v", typed, err)
		}
	}
}

// Another code has another hash, however it is typed.
func TestRecoveryHashIsOfTheSigns(t *testing.T) {
	t.Parallel()
	sign := rapid.SampledFrom([]byte("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
	code := rapid.Map(rapid.SliceOfN(sign, 24, 24), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := code.Draw(t, "a"), code.Draw(t, "b")
		hashA, errA := otp.HashRecoveryCode(strings.ToLower(a[:7] + " - " + a[7:]))
		hashB, errB := otp.HashRecoveryCode(b)
		if errA != nil || errB != nil || hashA.Equal(hashB) != (a == b) {
			t.Fatalf("%v, %v", errA, errB)
		}
		if stored, err := secret.HashOf(hashA[:]); err != nil || !stored.Equal(hashA) {
			t.Fatalf("from the database: %v", err)
		}
	})
	if _, err := secret.HashOf(nil); err == nil {
		t.Error("nothing is no hash")
	}
}

func FuzzHashRecoveryCode(f *testing.F) {
	f.Add("0123-4567-89AB-CDEF-GHJK-1101")
	f.Add("")
	f.Add("\xff\u2010")
	f.Fuzz(func(t *testing.T, typed string) {
		hash, err := otp.HashRecoveryCode(typed)
		if err != nil && (hash != secret.Hash{} || !errors.Is(err, otp.ErrRecoveryCode)) {
			t.Fatalf("%q: %v", typed, err)
		}
		if again, err2 := otp.HashRecoveryCode("- " + strings.ToLower(typed)); len(typed) < 60 && err == nil && (err2 != nil || !again.Equal(hash)) {
			t.Fatalf("%q in lower case: %v", typed, err2)
		}
	})
}
