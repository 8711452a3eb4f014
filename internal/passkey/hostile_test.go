package passkey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
)

// exchange is a ceremony with its right answer, and how it is finished.
type exchange struct {
	ceremony, response []byte
	finish             func(ceremony, response []byte) error
}

// exchanges has one of each kind, on a site that stores nothing of what they bring.
func exchanges(t testing.TB, algorithm passkeytest.Algorithm, twists ...passkeytest.Twist) map[string]exchange {
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	a := &passkeytest.Authenticator{Algorithm: algorithm}
	all := map[string]exchange{}

	options, ceremony, err := s.BeginRegistration(ada, nil)
	must(options, err)(t)
	all["registration"] = exchange{ceremony, must(a.Create(options, s.origin, twists...))(t), func(ceremony, response []byte) error {
		_, err := s.FinishRegistration(ada.Handle, ceremony, response)
		return err
	}}
	s.register(t, ada, a)
	options, ceremony, err = s.BeginLogin()
	must(options, err)(t)
	all["login"] = exchange{ceremony, must(a.Get(options, s.origin))(t), func(ceremony, response []byte) error {
		_, err := s.FinishLogin(ceremony, response, s.find)
		return err
	}}
	options, ceremony, err = s.BeginAssertion(ada.Handle, s.of(ada.Handle))
	must(options, err)(t)
	all["assertion"] = exchange{ceremony, must(a.Get(options, s.origin))(t), func(ceremony, response []byte) error {
		_, err := s.FinishAssertion(ada.Handle, ceremony, response, s.find)
		return err
	}}
	for kind, x := range all {
		if err := x.finish(x.ceremony, x.response); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	return all
}

func TestTruncatedResponses(t *testing.T) {
	t.Parallel()
	for kind, x := range exchanges(t, passkeytest.ES256, passkeytest.Packed()) {
		for n := range x.response {
			refused(t, kind, x.finish(x.ceremony, x.response[:n]), passkey.ErrMalformed)
		}
		refused(t, kind, x.finish(x.ceremony, append(bytes.Clone(x.response), '{')), passkey.ErrMalformed)
		for n := range x.ceremony {
			refused(t, kind+"'s ceremony", x.finish(x.ceremony[:n], x.response), passkey.ErrCeremony)
		}
		refused(t, kind+"'s ceremony", x.finish(append(bytes.Clone(x.ceremony), '1'), x.response), passkey.ErrCeremony)
		refused(t, kind+"'s ceremony", x.finish(append(bytes.Clone(x.ceremony), bytes.Repeat([]byte{' '}, 1<<16)...), x.response), passkey.ErrCeremony)
	}
}

// The members of a response that count: what is signed, and by whom. A flip anywhere in their bytes is refused, but for
// the case of the three names in the object around a registration's authenticator data, which the library overlooks.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	for kind, x := range exchanges(t, passkeytest.ES256, passkeytest.Packed()) {
		var response map[string]any
		if err := json.Unmarshal(x.response, &response); err != nil {
			t.Fatal(err)
		}
		inner := response["response"].(map[string]any)
		for _, member := range []string{"clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"} {
			text, ok := inner[member].(string)
			if !ok {
				continue
			}
			decoded := must(base64.RawURLEncoding.DecodeString(text))(t)
			for i := range len(decoded) * 8 {
				flipped := bytes.Clone(decoded)
				flipped[i/8] ^= 1 << (i % 8)
				inner[member] = base64.RawURLEncoding.EncodeToString(flipped)
				if err := x.finish(x.ceremony, must(json.Marshal(response))(t)); !passkey.Refused(err) && !(err == nil && sameButNames(flipped, decoded)) {
					t.Errorf("%s: bit %d of %s: %v", kind, i, member, err)
				}
			}
			for n := range decoded {
				inner[member] = base64.RawURLEncoding.EncodeToString(decoded[:n])
				err := x.finish(x.ceremony, must(json.Marshal(response))(t))
				if left := kind == "assertion" && member == "userHandle" && n == 0; left != (err == nil) || !left && !passkey.Refused(err) {
					t.Errorf("%s: %d bytes of %s: %v", kind, n, member, err)
				}
			}
			inner[member] = text
		}
	}
}

func sameButNames(a, b []byte) bool {
	names := regexp.MustCompile("(?i)fmt|attStmt|authData")
	return bytes.Equal(names.ReplaceAllFunc(a, bytes.ToLower), names.ReplaceAllFunc(b, bytes.ToLower))
}

// Flips of the JSON itself may leave it as it was (blanks, what nobody reads), but never anything but an answer or a refusal.
func TestFlippedText(t *testing.T) {
	t.Parallel()
	for kind, x := range exchanges(t, passkeytest.EdDSA) {
		for i := range len(x.response) * 8 {
			flipped := bytes.Clone(x.response)
			flipped[i/8] ^= 1 << (i % 8)
			if err := x.finish(x.ceremony, flipped); err != nil && !passkey.Refused(err) {
				t.Errorf("%s: bit %d: %v", kind, i, err)
			}
		}
		for i := range len(x.ceremony) * 8 {
			flipped := bytes.Clone(x.ceremony)
			flipped[i/8] ^= 1 << (i % 8)
			if err := x.finish(flipped, x.response); err != nil && !passkey.Refused(err) {
				t.Errorf("%s: bit %d of the ceremony: %v", kind, i, err)
			}
		}
	}
}

// A ceremony that was stored wrongly must not become a weaker one.
func TestTamperedCeremonies(t *testing.T) {
	t.Parallel()
	for kind, x := range exchanges(t, passkeytest.EdDSA) {
		for name, change := range map[string]func(map[string]any){
			"no kind":            func(c map[string]any) { delete(c, "kind") },
			"another kind":       func(c map[string]any) { c["kind"] = "other" },
			"no relying party":   func(c map[string]any) { delete(c, "rp") },
			"another one":        func(c map[string]any) { c["rp"] = staff },
			"no challenge":       func(c map[string]any) { delete(c, "challenge") },
			"a short challenge":  func(c map[string]any) { c["challenge"] = "AAAA" },
			"no end":             func(c map[string]any) { delete(c, "expires") },
			"an end that is 0":   func(c map[string]any) { c["expires"] = "0001-01-01T00:00:00Z" },
			"an end in words":    func(c map[string]any) { c["expires"] = "never" },
			"a short handle":     func(c map[string]any) { c["handle"] = "AAAA" },
			"an empty handle":    func(c map[string]any) { c["handle"] = "" },
			"none allowed":       func(c map[string]any) { c["allowed"] = []any{} },
			"too many allowed":   func(c map[string]any) { c["allowed"] = make([]string, passkey.MaxCredentials+1) },
			"something more":     func(c map[string]any) { c["userVerification"] = "discouraged" },
			"two kinds at once":  func(c map[string]any) { c["allowed"], c["handle"] = []string{"AAAA"}, strings.Repeat("A", 42)+"==" },
			"all of it the same": func(map[string]any) {},
		} {
			var c map[string]any
			if err := json.Unmarshal(x.ceremony, &c); err != nil {
				t.Fatal(err)
			}
			change(c)
			err := x.finish(must(json.Marshal(c))(t), x.response)
			if name == "all of it the same" {
				must(0, err)(t)
			} else if !errors.Is(err, passkey.ErrCeremony) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
		for _, text := range []string{"", "null", "[]", "{}", "0", `""`, "{}{}", strings.Repeat("[", 1<<16), "\x00"} {
			refused(t, kind+" "+text[:min(len(text), 5)], x.finish([]byte(text), x.response), passkey.ErrCeremony)
		}
	}
}

func TestMalformedResponses(t *testing.T) {
	t.Parallel()
	for kind, x := range exchanges(t, passkeytest.EdDSA) {
		for _, text := range []string{"", "null", "[]", "{}", "0", `""`, `{"id":"AA","rawId":"AA","type":"public-key"}`, `{"id":"\n","rawId":"","type":"public-key"}`,
			`{"response":null}`, strings.Repeat("[", passkey.MaxResponse), strings.Repeat(`{"response":`, 5000), "\xff\xfe"} {
			refused(t, kind+" "+text[:min(len(text), 20)], x.finish(x.ceremony, []byte(text)), passkey.ErrMalformed)
		}
	}
}

// parts are the bytes inside an answer, which a fuzzer would hardly reach through base64.
type parts struct {
	ID       string `json:"id"`
	RawID    string `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		Client    raw `json:"clientDataJSON"`
		Object    raw `json:"attestationObject,omitempty"`
		Data      raw `json:"authenticatorData,omitempty"`
		Signature raw `json:"signature,omitempty"`
		Handle    raw `json:"userHandle,omitempty"`
	} `json:"response"`
}

type raw []byte

func (r raw) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, r), nil
}

func (r *raw) UnmarshalText(text []byte) (err error) {
	*r, err = base64.RawURLEncoding.AppendDecode(nil, text)
	return err
}

func taken(t testing.TB, response []byte) (p parts) {
	if err := json.Unmarshal(response, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Whatever comes, it is an answer or a refusal.
func FuzzFinishRegistration(f *testing.F) {
	x := exchanges(f, passkeytest.ES256, passkeytest.Packed())["registration"]
	for _, algorithm := range []passkeytest.Algorithm{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
		for _, twist := range []passkeytest.Twist{passkeytest.Packed(), passkeytest.Protected(), passkeytest.Certified()} {
			options, ceremony, err := newSite(f, customers, customerOrigin).BeginRegistration(someone("Ada"), nil)
			must(options, err)(f)
			response := must((&passkeytest.Authenticator{Algorithm: algorithm}).Create(options, customerOrigin, twist))(f)
			f.Add(ceremony, response, []byte(taken(f, x.response).Response.Client), []byte(taken(f, response).Response.Object))
		}
	}
	f.Add(x.ceremony, x.response, []byte("{}"), []byte{0xa0})
	f.Fuzz(func(t *testing.T, ceremony, response, client, object []byte) {
		inside := taken(t, x.response)
		inside.Response.Client, inside.Response.Object = client, object
		for _, err := range []error{x.finish(ceremony, response), x.finish(x.ceremony, response), x.finish(ceremony, x.response),
			x.finish(x.ceremony, must(json.Marshal(inside))(t))} {
			if err != nil && !passkey.Refused(err) {
				t.Error(err)
			}
		}
	})
}

// And who is let in has signed just what was asked.
func FuzzFinishLogin(f *testing.F) {
	all := exchanges(f, passkeytest.EdDSA)
	for _, kind := range []string{"login", "assertion"} {
		x := all[kind]
		inside := taken(f, x.response).Response
		f.Add(x.ceremony, x.response, []byte(inside.Client), []byte(inside.Data), []byte(inside.Signature), []byte(inside.Handle))
	}
	f.Add([]byte("{}"), []byte("{}"), []byte("{}"), make([]byte, 37), make([]byte, 64), make([]byte, 32))
	f.Fuzz(func(t *testing.T, ceremony, response, client, data, signature, handle []byte) {
		for _, kind := range []string{"login", "assertion"} {
			x := all[kind]
			right := taken(t, x.response).Response
			inside := taken(t, x.response)
			inside.Response.Client, inside.Response.Data, inside.Response.Signature, inside.Response.Handle = client, data, signature, handle
			err := x.finish(x.ceremony, must(json.Marshal(inside))(t))
			if same := bytes.Equal(client, right.Client) && bytes.Equal(data, right.Data) && bytes.Equal(signature, right.Signature); err == nil && !same {
				t.Errorf("%s: let in what was not signed", kind)
			}
			for _, err := range []error{err, x.finish(ceremony, response), x.finish(x.ceremony, response), x.finish(ceremony, x.response)} {
				if err != nil && !passkey.Refused(err) {
					t.Error(err)
				}
			}
		}
	})
}
