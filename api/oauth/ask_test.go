package oauth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ory/fosite"

	"github.com/ezscale/platform/api/oauth"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for query, sound := range map[string]bool{
		"": true, "client_id=a&scope=openid%20email": true,
		"a=1&a=1": false, "a=%zz": false, "a=%ff": false, "%ff=a": false, "a=%00": false, "a;b": false,
		"client_secret=x": false, "access_token=": false, "code_verifier=x": false, "a=" + strings.Repeat("x", 8<<10): false,
	} {
		if _, err := oauth.ParseQuery(query); (err == nil) != sound {
			t.Errorf("%.40q: %v", query, err)
		}
	}
}

// Whatever ParseQuery takes comes once, is text, and is the same again; what it does not is the protocol's error.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "client_id=a&redirect_uri=https%3A%2F%2Fa.example%2F&state=x", "a=1&a=2", "%zz", "a=%00", "client_secret=x", "a+b=c&d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := oauth.ParseQuery(text)
		if err != nil {
			if !errors.Is(err, fosite.ErrInvalidRequest) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		again, err := oauth.ParseQuery(form.Encode())
		if len(form.Encode()) <= 8<<10 && (err != nil || again.Encode() != form.Encode()) {
			t.Fatalf("%q is read again as %q: %v", text, again.Encode(), err)
		}
		for name, values := range form {
			if len(values) != 1 || name == "client_secret" || strings.ContainsRune(values[0], 0) {
				t.Fatalf("%q gives %q", text, form)
			}
		}
	})
}
