package oauth_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/command/oauth"
)

func TestRedirects(t *testing.T) {
	t.Parallel()
	for uri, sound := range map[string]bool{
		"https://app.example.com/callback": true, "https://app.example.com": true, "https://app.example.com:8443/a?b=c": true,
		"http://127.0.0.1/callback": true, "http://127.0.0.1:7777/": true, "http://[::1]:7777/x": true,
		"http://localhost/x": false, "http://127.0.0.2/x": false, "http://app.example.com/": false, "http://[::1%25lo]/": false, "http://127.1/": false, "http://0x7f.0.0.1/": false,
		"": false, "app.example.com/x": false, "//app.example.com/x": false, "https:app.example.com": false, "https:///x": false, "https://:443/": false,
		"https://app.example.com/#": false, "https://app.example.com/#x": false, "https://u@app.example.com/": false, "https://u:p@app.example.com/": false, "https://@app.example.com/": false,
		"https://*.example.com/": false, "https://app.example.com/*": false, `https://app.example.com\@evil.example/`: false, "https://app.example.com/a b": false,
		"https://app.example.com/\n": false, "HTTPS://app.example.com/": false, "https://APP.example.com/": false, "javascript:alert(1)": false, "data:text/html,x": false,
		"com.example.app:/callback": false, "https://größe.example/": false, "https://app.example.com/" + strings.Repeat("x", 500): false,
	} {
		if wrong := oauth.CheckRedirect(uri); (wrong == "") != sound {
			t.Errorf("%q: %q", uri, wrong)
		}
	}
}

// An address matches what was registered sign for sign, or differs by the port of a loopback address alone.
func TestRedirectsMatch(t *testing.T) {
	t.Parallel()
	registered := []string{"https://app.example.com/callback?fixed=1", "http://127.0.0.1/native", "http://[::1]:99/six?a=b"}
	for uri, want := range map[string]bool{
		registered[0]: true, registered[1]: true, registered[2]: true,
		"http://127.0.0.1:7777/native": true, "http://[::1]:1/six?a=b": true, "http://[::1]/six?a=b": true,
		"http://127.0.0.1:7777/native/": false, "http://127.0.0.1:7777/native?x": false, "http://[::1]:1/six": false, "http://[::1]:1/native": false,
		"https://127.0.0.1:7777/native": false, "https://app.example.com:443/callback?fixed=1": false, "http://127.0.0.1:/native": false,
	} {
		if got := oauth.MatchRedirect(registered, uri); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(registered[0])-1).Draw(t, "place")
		sign := rapid.Byte().Draw(t, "sign")
		changed := registered[0][:at] + string([]byte{sign}) + registered[0][at+1:]
		if oauth.MatchRedirect(registered, changed) != (changed == registered[0]) {
			t.Fatalf("%q", changed)
		}
	})
}

func FuzzMatchRedirect(f *testing.F) {
	registered := []string{"https://app.example.com/callback", "http://127.0.0.1/native"}
	for _, seed := range append(registered, "http://127.0.0.1:8/native", "http://127.0.0.1:8@evil.example/native", "//x", "https://app.example.com/callback#", "http://127.0.0.1:99999/native") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !oauth.MatchRedirect(registered, text) || text == registered[0] {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() != "127.0.0.1" || u.Scheme != "http" || u.User != nil || u.Path != "/native" || u.RawQuery != "" || strings.Contains(text, "#") {
			t.Fatalf("%q matches", text)
		}
	})
}
