package transit_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/ezscale/platform/internal/gateway/transit"
	"github.com/ezscale/platform/internal/gateway/transit/transittest"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
)

var label = []byte("ezscale keyring 1")

func config(v *transittest.Vault) transit.Config {
	return transit.Config{Token: secret.New(transittest.Token), CA: v.CA(), Timeout: 20 * time.Second}
}

func aead(t testing.TB, cfg transit.Config, uri string) tink.AEAD {
	t.Helper()
	key, err := transit.New(cfg).GetAEAD(uri)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func must(t testing.TB) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// What is wrapped opens, is bound to its associated data, and goes on opening when the key is rotated.
func TestWrapping(t *testing.T) {
	t.Parallel()
	v := transittest.New(t)
	key := aead(t, config(v), v.Key("ezscale"))
	text := make([]byte, 64<<10-200)
	_, _ = rand.Read(text)
	first := must(t)(key.Encrypt(text, label))
	if got := v.Requests(); !slices.Equal(got, []string{"/v1/transit/encrypt/ezscale", "/v1/transit/decrypt/ezscale", "/v1/transit/decrypt/ezscale"}) {
		t.Errorf("asked for %q", got)
	}
	v.Rotate("ezscale")
	second := must(t)(key.Encrypt([]byte("short"), label))
	if !bytes.HasPrefix(first, []byte("vault:v1:")) || !bytes.HasPrefix(second, []byte("vault:v2:")) {
		t.Errorf("wrapped as %.9s and %.9s", first, second)
	}
	if got := must(t)(key.Decrypt(first, label)); !bytes.Equal(got, text) {
		t.Error("the first version opens as something else")
	}
	if got := must(t)(key.Decrypt(second, label)); string(got) != "short" {
		t.Errorf("opened as %q", got)
	}
	altered := bytes.Clone(second)
	altered[20] ^= 1
	for name, c := range map[string]struct {
		key         tink.AEAD
		wrapped, of []byte
	}{
		"other data": {key, second, []byte("another")}, "no data": {key, second, nil}, "altered": {key, altered, label},
		"another key": {aead(t, config(v), v.Key("other")), first, label}, "of a later version": {key, append([]byte("vault:v9:"), second[9:]...), label},
		"not Vault's": {key, []byte{1, 2, 3}, label}, "empty": {key, nil, label}, "a line more": {key, append(bytes.Clone(second), '\n'), label},
	} {
		if _, err := c.key.Decrypt(c.wrapped, c.of); !errors.Is(err, transit.ErrNotOpened) || errors.Is(err, keyring.ErrKMS) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v.Least("ezscale", 2)
	if _, err := key.Decrypt(first, label); !errors.Is(err, keyring.ErrKMS) || !strings.Contains(err.Error(), "too old") {
		t.Errorf("a version that is no longer allowed: %v", err)
	}
}

// A Vault that does not bind what it wraps, or lets a role wrap what it cannot open, is found out at once.
func TestUnboundOrOneWay(t *testing.T) {
	t.Parallel()
	v := transittest.New(t)
	uri := v.Key("ezscale")
	v.Ignorant()
	if _, err := aead(t, config(v), uri).Encrypt([]byte("x"), label); !errors.Is(err, keyring.ErrKMS) || !strings.Contains(err.Error(), "1.13") {
		t.Errorf("unbound: %v", err)
	}
	v.Answer(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/decrypt/") {
			transittest.Fail(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"ciphertext":"vault:v1:AAAA"}}`)
	})
	if _, err := aead(t, config(v), uri).Encrypt([]byte("x"), label); !errors.Is(err, keyring.ErrKMS) || !strings.Contains(err.Error(), `"1 error occurred: * permission denied"`) {
		t.Errorf("one way: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func text(status int, s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, s)
	}
}

// Whatever Vault answers, the error says what it is, nothing that was sent is in it, and there was one request.
func TestAnswers(t *testing.T) {
	t.Parallel()
	v := transittest.New(t)
	uri := v.Key("ezscale")
	wrapped := must(t)(aead(t, config(v), uri).Encrypt([]byte("x"), label))
	v.Requests()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"sealed":    {transittest.Fail(503, "Vault is sealed"), `503, it is sealed, or down for maintenance: "Vault is sealed"`},
		"forbidden": {transittest.Fail(403, "permission denied"), `403, the token is wrong or has ended`},
		"limited":   {transittest.Fail(429, "request path \"transit/decrypt/ezscale\": rate limit quota exceeded"), "429, too many requests"},
		"no mount":  {transittest.Fail(404), "404, there is no transit engine"},
		"no key":    {transittest.Fail(400, "encryption key not found"), `"encryption key not found"`},
		"broken":    {transittest.Fail(500, "internal error"), "500, a fault of its own"},
		"a proxy":   {text(502, "<html>Bad Gateway</html>"), "502, a fault of its own"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, "307, a redirect, which is not followed"},
		"no content": {text(204, ""), "204, which is a refusal"},
		"nothing":    {text(200, ""), "not JSON"},
		"HTML":       {text(200, "<!doctype html>"), "not JSON"},
		"a list":     {text(200, "[]"), "not JSON"},
		"a number":   {text(200, `{"data":{"plaintext":7}}`), "not JSON"},
		"no data":    {text(200, `{"data":null}`), "no plaintext"},
		"not base64": {text(200, `{"data":{"plaintext":"canary!"}}`), "no plaintext"},
		"endless":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, zeros{}) }, "more than 262144 bytes"},
		"hangs up":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"echo": {func(w http.ResponseWriter, r *http.Request) {
			transittest.Fail(400, "you sent "+r.Header.Get("X-Vault-Token"))(w, r)
		}, "400, which is a refusal"},
		"long speech": {transittest.Fail(500, strings.Repeat("ü\x00\x1b[31m", 1000)), "500"},
	} {
		v.Answer(c.answer)
		_, err := aead(t, config(v), uri).Decrypt(wrapped, label)
		if !errors.Is(err, keyring.ErrKMS) || errors.Is(err, transit.ErrNotOpened) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s := err.Error(); len(s) > 600 || strings.Contains(s, "canary") || strings.ContainsAny(s, "\x00\x1b\n") || strings.Contains(s, string(wrapped)) {
			t.Errorf("%s: says %q", name, s)
		}
		if n := len(v.Requests()); n != 1 && name != "hangs up" {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

// Who does not answer is left after the timeout.
func TestSlowVault(t *testing.T) {
	t.Parallel()
	v := transittest.New(t)
	uri := v.Key("ezscale")
	v.Answer(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
		<-r.Context().Done()
	})
	cfg := config(v)
	cfg.Timeout = 300 * time.Millisecond
	if _, err := aead(t, cfg, uri).Encrypt([]byte("x"), label); !errors.Is(err, keyring.ErrKMS) || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("got %v", err)
	}
}

// The token is read at each call, and certificates are checked.
func TestBeingLetIn(t *testing.T) {
	t.Parallel()
	v := transittest.New(t)
	uri := v.Key("ezscale")
	path := filepath.Join(t.TempDir(), "token")
	cfg := config(v)
	cfg.Token, cfg.TokenFile = secret.Text{}, path
	key := aead(t, cfg, uri)
	refused := func(want string) {
		t.Helper()
		if _, err := key.Encrypt([]byte("x"), label); !errors.Is(err, keyring.ErrKMS) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	refused("no such file")
	put := func(token string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(token), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	put("", 0o600)
	refused("there is no token")
	put("two canary\nlines", 0o600)
	refused("spaces")
	put(transittest.Token, 0o644)
	refused("chmod o=")
	put("hvs.another", 0o600)
	refused("403")
	put(transittest.Token+"\n", 0o640)
	must(t)(key.Encrypt([]byte("x"), label))
	v.Admit("hvs.renewed")
	refused("403")
	put("hvs.renewed", 0o600)
	must(t)(key.Encrypt([]byte("x"), label))

	cfg.CA = ""
	key = aead(t, cfg, uri)
	refused("certificate")
	for _, wrong := range []string{path, filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		cfg.CA = wrong
		if _, err := transit.New(cfg).GetAEAD(uri); err == nil || !strings.Contains(err.Error(), "who vouches for Vault") {
			t.Errorf("CA %s: %v", wrong, err)
		}
	}
}

// On this machine a Vault or its agent may be reached without TLS.
func TestPlain(t *testing.T) {
	t.Parallel()
	v := transittest.NewPlain(t)
	key := aead(t, transit.Config{Token: secret.New(transittest.Token)}, v.Key("ezscale"))
	if got := must(t)(key.Decrypt(must(t)(key.Encrypt([]byte("x"), label)), label)); string(got) != "x" {
		t.Errorf("opened as %q", got)
	}
}

func TestURIs(t *testing.T) {
	t.Parallel()
	client := transit.New(transit.Config{})
	for uri, want := range map[string]string{
		"hcvault://vault:8200/transit/keys/ezscale":              "",
		"hcvault://vault/teams/billing/transit/keys/ez_scale-1.": "",
		"hcvault://[2001:db8::1]:8200/transit/keys/ezscale":      "",
		"hcvault+http://127.0.0.1:8200/transit/keys/ezscale":     "",
		"hcvault+http://[::1]:8200/transit/keys/ezscale":         "",
		"hcvault+http://localhost/transit/keys/ezscale":          "",
		"hcvault+http://vault:8200/transit/keys/ezscale":         "is not this machine",
		"hcvault+http://localhost.evil/transit/keys/ezscale":     "is not this machine",
		"hcvault+http://10.0.0.1/transit/keys/ezscale":           "is not this machine",
		"hcvault://":                                                "it is not hcvault://",
		"hcvault:///transit/keys/ezscale":                           "it is not hcvault://",
		"hcvault://:8200/transit/keys/ezscale":                      "it is not hcvault://",
		"hcvault://vault:/transit/keys/ezscale":                     "port",
		"hcvault://vault:x/transit/keys/ezscale":                    "it is not hcvault://",
		"hcvault://a:canary@vault/transit/keys/ezscale":             "no user",
		"hcvault://vault/transit/keys/ezscale?t=canary":             "no user, no query",
		"hcvault://vault/transit/keys/ezscale?":                     "no query",
		"hcvault://vault/transit/keys/ezscale#canary":               "no fragment",
		"hcvault://vault/transit/keys/ezscale/":                     "is not /MOUNT/keys/NAME",
		"hcvault://vault/transit/key/ezscale":                       "is not /MOUNT/keys/NAME",
		"hcvault://vault/keys/ezscale":                              "is not /MOUNT/keys/NAME",
		"hcvault://vault":                                           "is not /MOUNT/keys/NAME",
		"hcvault://vault/transit/keys/":                             "other characters",
		"hcvault://vault//keys/ezscale":                             "other characters",
		"hcvault://vault/../sys/keys/ezscale":                       "other characters",
		"hcvault://vault/a%2Fb/keys/ezscale":                        "other characters",
		"hcvault://vault/transit/keys/ez%20scale":                   "other characters",
		"hcvault://vault/transit/keys/" + strings.Repeat("a", 2000): "it is not hcvault://",
	} {
		_, err := client.GetAEAD(uri)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", uri, err)
		}
		if !client.Supported(uri) {
			t.Errorf("%s is not supported", uri)
		}
	}
	for _, uri := range []string{"", "file:/a", "hcvault:", "aws-kms://arn:aws:kms:eu-west-1:1:key/a", "HCVAULT://vault/transit/keys/a"} {
		if client.Supported(uri) {
			t.Errorf("%s is supported", uri)
		}
	}
}
