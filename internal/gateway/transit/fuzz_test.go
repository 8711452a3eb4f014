package transit

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/secret/keyring"
)

// Whatever URI is read leads to the engine's two paths on the URI's own host.
func FuzzParse(f *testing.F) {
	for _, uri := range []string{"hcvault://vault:8200/transit/keys/ezscale", "hcvault+http://127.0.0.1/transit/keys/a", "hcvault://vault/a/b/keys/c?x#y", "hcvault://u:p@v/%2e%2e/keys/a"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		at, err := parse(uri)
		if err != nil {
			return
		}
		of, _ := url.Parse(uri)
		to, err := url.Parse(at.url("decrypt"))
		if err != nil || to.Host != of.Host || to.Path != "/v1/"+at.mount+"/decrypt/"+at.name || to.RawQuery != "" || to.Fragment != "" || strings.Contains(to.Path, "..") && strings.Contains(to.Path, "/..") {
			t.Errorf("%q leads to %v, %v", uri, to, err)
		}
		if to.Scheme != "https" && !loopback(to.Hostname()) {
			t.Errorf("%q leads to %v", uri, to)
		}
	})
}

// Whatever is answered, an error is one of the two kinds, short, and without what was sent.
func FuzzRead(f *testing.F) {
	f.Add(200, []byte(`{"data":{"plaintext":"eA=="}}`))
	f.Add(400, []byte(`{"errors":["cipher: message authentication failed"]}`))
	f.Add(403, []byte(`{"errors":["permission denied","canary-token"]}`))
	f.Add(503, []byte(`{"errors":null}`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		_, err := read(status, text, "canary-token", "")
		if err == nil {
			return
		}
		if errors.Is(err, keyring.ErrKMS) == errors.Is(err, ErrNotOpened) || len(err.Error()) > 1500 || strings.Contains(err.Error(), "canary-token") {
			t.Errorf("%d, %q: %v", status, text, err)
		}
	})
}
