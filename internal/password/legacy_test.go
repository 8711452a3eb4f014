package password_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret"
)

// The hashes come from libxcrypt, md5sum and openssl.
func legacyHashes() map[string]struct{ stored, password string } {
	const marks = `Tom & "Jerry"'s`
	return map[string]struct{ stored, password string }{
		"bcrypt 2y":                   {"$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq", "rasmuslerdorf"},
		"bcrypt 2a":                   {"$2a$05$abcdefghijklmnopqrstuuH5COp/tHaMWctmoGheJHeiqx6.v7mP6", "secret-Pass1"},
		"bcrypt of more than it sees": {"$2y$05$abcdefghijklmnopqrstuu9CyuiEyTnupb4rnoYIlshaDzoYa6ZaS", strings.Repeat("é", 40) + "-the end that bcrypt never sees"},
		"bcrypt of entities":          {"$2y$05$abcdefghijklmnopqrstuuJ2ok5dnesLOMzKKpJASBQcLweNRBmdW", marks},
		"salted md5":                  {"47f108bdde5e75abde4b7b1bff93197b:e93h2", "secret-Pass1"},
		"salted md5 of entities":      {"3f0fd1d51c7af9982c5470a30811c8ae:e93h2", marks},
		"md5":                         {"b7ae72f96edddd2b6948e4e21f639f83", "secret-Pass1"},
		"md5 in upper case":           {"B7AE72F96EDDDD2B6948E4E21F639F83", "secret-Pass1"},
		"HMAC-SHA256":                 {"6ec89d79b0bbe03072cc745befe30a9b0334026131feaffc034c788b40ccb8fb:s3cr3t", "secret-Pass1"},
	}
}

func TestLegacyHashesVerifyOnce(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 4)
	for name, c := range legacyHashes() {
		if got := verify(t, h, c.stored, c.password); got != (password.Result{Match: true, Replace: true}) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, wrong := range []string{"", "wrong", strings.ToUpper(c.password), "x" + c.password} {
			if got := verify(t, h, c.stored, wrong); got.Match || got.Replace {
				t.Errorf("%s matches %q", name, wrong)
			}
		}
		if !h.NeedsReplacing(c.stored) {
			t.Errorf("%s needs replacing", name)
		}
		// The login stores it anew, after which it is a hash like any other.
		if fresh := hash(t, h, c.password); verify(t, h, fresh, c.password) != (password.Result{Match: true}) {
			t.Errorf("%s: hashed anew", name)
		}
	}
}

func TestWrappedHashesVerifyOnce(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 4)
	for name, c := range legacyHashes() {
		wrapped, err := h.Wrap(t.Context(), c.stored)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.HasPrefix(c.stored, "$2") != (wrapped == c.stored) || !strings.HasPrefix(wrapped, "$") {
			t.Errorf("%s is wrapped as %s", name, wrapped)
		}
		if got := verify(t, h, wrapped, c.password); got != (password.Result{Match: true, Replace: true}) {
			t.Errorf("%s: %+v", name, got)
		}
		if got := verify(t, h, wrapped, c.password[1:]); got.Match {
			t.Errorf("%s matches another password", name)
		}
		// Whoever steals the database must not log in with what a digest was.
		if digest, _, _ := strings.Cut(c.stored, ":"); verify(t, h, wrapped, digest).Match {
			t.Errorf("%s matches its digest", name)
		}
		if again, err := h.Wrap(t.Context(), wrapped); err != nil || again != wrapped {
			t.Errorf("%s is wrapped twice: %s, %v", name, again, err)
		}
	}
	stored := hash(t, h, "a password")
	if same, err := h.Wrap(t.Context(), stored); err != nil || same != stored {
		t.Errorf("argon2id is wrapped: %s, %v", same, err)
	}
}

func TestUnknownForms(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap(), 4)
	for _, stored := range []string{
		"plain text", "$1$abc$def", "$2x$05$abcdefghijklmnopqrstuuH5COp/tHaMWctmoGheJHeiqx6.v7mP6", "$2y$15$abcdefghijklmnopqrstuuH5COp/tHaMWctmoGheJHeiqx6.v7mP6",
		"$2y$31$abcdefghijklmnopqrstuuH5COp/tHaMWctmoGheJHeiqx6.v7mP6", "$2y$05$short", "$2y$05$abcdefghijklmnopqrstuuH5COp/tHaMWctmoGheJHeiqx6.v7mP6\n",
		"47f108bdde5e75abde4b7b1bff93197b:", "47f108bdde5e75abde4b7b1bff93197b:" + strings.Repeat("a", 129), "47f108bdde5e75abde4b7b1bff9319", "x7f108bdde5e75abde4b7b1bff93197b",
		"6ec89d79b0bbe03072cc745befe30a9b0334026131feaffc034c788b40ccb8fb", "$whmcs-md5$", "$whmcs-md5$!$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$whmcs-md5$AAAA$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", strings.Repeat("$", 1<<20),
	} {
		got, err := h.Verify(t.Context(), stored, secret.New("a password"))
		if !errors.Is(err, password.ErrUnknownForm) || got.Match || got.Replace {
			t.Errorf("%.80s: %+v, %v", stored, got, err)
		}
		if _, err := h.Wrap(t.Context(), stored); !errors.Is(err, password.ErrUnknownForm) {
			t.Errorf("%.80s is wrapped: %v", stored, err)
		}
		if !h.NeedsReplacing(stored) {
			t.Errorf("%.80s needs replacing", stored)
		}
		if err != nil && strings.Contains(err.Error(), stored) {
			t.Errorf("the error shows %.80s", stored)
		}
	}
}
