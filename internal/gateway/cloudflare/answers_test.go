package cloudflare_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/gateway/cloudflare"
	"github.com/ezscale/platform/internal/gateway/cloudflare/cloudflaretest"
)

// wrongAnswer is what comes instead of keys, and the outcome it is counted as.
type wrongAnswer struct {
	answer http.HandlerFunc
	want   string
}

func asText(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, s) // the client may have had enough
	}
}

func asKeys(t *testing.T, keys ...map[string]any) http.HandlerFunc {
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return asText(string(text))
}

func status(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) }
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func wrongAnswers(elsewhere string) map[string]wrongAnswer {
	return map[string]wrongAnswer{
		"redirect to another team": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, http.StatusFound)
		}, "redirect"},
		"redirect to itself": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusPermanentRedirect)
		}, "redirect"},
		"not found":       {status(404), "status"},
		"too many":        {status(429), "status"},
		"no content":      {status(204), "status"},
		"HTML":            {asText("<!doctype html><title>Sign in</title>"), "content"},
		"nothing":         {asText(""), "content"},
		"cut":             {asText(`{"keys":[{"kid":"x"`), "content"},
		"a list":          {asText(`[]`), "content"},
		"keys twice":      {asText(`{"keys":[],"keys":[]}`), "content"},
		"deep":            {asText(`{"keys":` + strings.Repeat("[", 200_000)), "content"},
		"no keys":         {asText(`{}`), "unusable"},
		"empty":           {asText(`{"keys":[]}`), "unusable"},
		"null keys":       {asText(`{"keys":null}`), "unusable"},
		"keys of nothing": {asText(`{"keys":[null,1,"x",{}]}`), "unusable"},
		"too large":       {asText(`{"keys":[],"x":"` + strings.Repeat("a", 300<<10) + `"}`), "too_large"},
		"endless":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, zeros{}) }, "too_large"},
		"too many keys":   {asText(`{"keys":[` + strings.Repeat("{},", 16) + `{}]}`), "content"},
		"hangs up":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable"},
		"hangs up in the midst": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":`)
			panic(http.ErrAbortHandler)
		}, "unreachable"},
	}
}

// wrongKeys are sets in which no key can be used, or one is doubtful.
func wrongKeys(t *testing.T, stranger, other cloudflaretest.Key) map[string]wrongAnswer {
	with := func(name string, value any) http.HandlerFunc {
		changed := cloudflaretest.JWK(stranger)
		changed[name] = value
		return asKeys(t, changed)
	}
	twin := cloudflaretest.JWK(cloudflaretest.Key{ID: stranger.ID, Private: other.Private})
	return map[string]wrongAnswer{
		"two with one id":  {asKeys(t, cloudflaretest.JWK(stranger), twin), "content"},
		"1024 bits":        {asKeys(t, cloudflaretest.JWK(cloudflaretest.NewKey(t, 1024))), "unusable"},
		"for encryption":   {with("use", "enc"), "unusable"},
		"for RS512":        {with("alg", "RS512"), "unusable"},
		"for HS256":        {with("alg", "HS256"), "unusable"},
		"without id":       {with("kid", ""), "unusable"},
		"id with a line":   {with("kid", "a\nb"), "unusable"},
		"exponent of zero": {with("e", "AA"), "unusable"},
		"symmetric":        {asText(`{"keys":[{"kty":"oct","kid":"x","k":"AAAA","alg":"HS256"}]}`), "unusable"},
		"elliptic":         {asText(`{"keys":[{"kty":"EC","kid":"x","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`), "unusable"},
	}
}

// Whatever comes instead of keys, it is asked for once, and the keys that are known stay.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	w, stranger := start(t, cloudflaretest.New(t, "acme")), cloudflaretest.NewKey(t, 2048)
	w.passes(w.user())
	all := wrongAnswers("https://evil.cloudflareaccess.com/cdn-cgi/access/certs")
	maps.Copy(all, wrongKeys(t, stranger, w.team.Current()))
	for name, c := range all {
		requests, counted := w.team.Requests(), w.count("fetches_total", c.want)
		w.team.Answer(c.answer)
		w.clock.pass(time.Minute)
		w.refuses(name, w.team.SignWith(stranger, w.team.User(ours, email, noon)), cloudflare.UnknownKey)
		if n := w.count("fetches_total", c.want) - counted; n != 1 {
			t.Errorf("%s: counted %v times as %s", name, n, c.want)
		}
		if n := w.team.Requests() - requests; n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
		w.passes(w.user())
	}
	if n := w.count("fetches_total", ""); n != float64(1+len(all)) {
		t.Errorf("%v fetches are counted, and %d answers were wrong", n, len(all))
	}
	w.team.Rotate()
	w.team.Answer(nil)
	w.clock.pass(time.Minute)
	w.passes(w.user())
}

// Among good keys one that cannot be used is passed over, and nothing signed by it passes.
func TestWeakKeyAmongGoodOnes(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	good, weak := team.Current(), cloudflaretest.NewKey(t, 1024)
	team.Show(good, weak)
	w := start(t, team)
	w.passes(w.user())
	w.refuses("a weak key", team.SignWith(weak, team.User(ours, email, noon)), cloudflare.UnknownKey)
	if !strings.Contains(w.logs.String(), "keys=1") {
		t.Errorf("logged %s", w.logs)
	}
}

// TLS is checked: a team whose certificate nobody vouches for is not heard.
func TestCertificateOfNobody(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	w := build(t, team, func(c *cloudflare.Config) {
		transport, ok := c.Client.Transport.(*http.Transport)
		if !ok {
			t.Fatal("another transport")
		}
		transport.TLSClientConfig.RootCAs = nil
	})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.unsure(w.user())
	if w.count("fetches_total", "unreachable") != 1 || !strings.Contains(w.logs.String(), "certificate") {
		t.Errorf("logged %s", w.logs)
	}
}
