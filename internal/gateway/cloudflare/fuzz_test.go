package cloudflare

import (
	"crypto/rsa"
	"errors"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/gateway/cloudflare/cloudflaretest"
)

// FuzzVerify: nothing passes but what the team has signed, sign for sign, and nothing panics.
func FuzzVerify(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	team, audience := cloudflaretest.New(f, "acme"), strings.Repeat("a1", 32)
	v, err := New(Config{Team: team.URL(), Audience: []string{audience}, Now: func() time.Time { return now }}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	k := team.Current()
	v.keys.open() // claims are made, but no goroutine fetches: the keys are these
	v.keys.due(now)
	v.keys.take(map[string]key{k.ID: &k.Private.PublicKey})
	v.keys.close()

	user := team.User(audience, "ada@example.com", now)
	good := []string{team.Sign(user), team.Sign(team.Service(audience, "0123.access", now))}
	for _, g := range good {
		f.Add(g)
		f.Add(g + ".")
		f.Add(g[:len(g)-1])
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"RS256","kid":"` + k.ID + `","crit":["b64"],"b64":false}`, `{"alg":"HS256","kid":"` + k.ID + `"}`, `null`, `[[[`} {
		f.Add(cloudflaretest.Encode(header, `{}`, k.RS256))
	}
	f.Add(team.Sign(user.With(cloudflaretest.Claims{"aud": "x"})))
	f.Add("..")
	f.Fuzz(func(t *testing.T, assertion string) {
		id, err := v.Verify(t.Context(), assertion)
		if (err == nil) != slices.Contains(good, assertion) {
			t.Fatalf("got %v", err)
		}
		if err != nil && (id != (Identity{}) || !fault.Is(err, fault.Forbidden) || !errors.As(err, new(Reason))) {
			t.Fatalf("got %+v, %v", id, err)
		}
	})
}

// FuzzJudge reads claims as if their signature held: whatever they are, who passes is somebody, for us, and now.
func FuzzJudge(f *testing.F) {
	const team = "https://acme.cloudflareaccess.com"
	now := time.Unix(1772366400, 0)
	good := `"iss":"` + team + `","aud":["tag"],"exp":1772370000,"iat":1772366400,"type":"app"`
	for _, payload := range []string{`{` + good + `,"email":"ada@example.com","sub":"s"}`, `{` + good + `,"common_name":"0123.access","sub":""}`, `{` + good + `,"nbf":1e3,"email":null,"sub":"s"}`,
		`{` + good + `,"iss":"x"}`, `{"aud":"tag"}`, `[]`, `null`, `{"exp":1e999}`, strings.Repeat(`{"aud":[`, 500)} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > maxAssertion {
			return
		}
		id, err := judge(payload, team, []string{"tag"}, now)
		if err != nil {
			if !errors.As(err, new(Reason)) || id != (Identity{}) {
				t.Fatalf("got %+v, %v", id, err)
			}
			return
		}
		if id.Audience != "tag" || !id.ExpiresAt.After(now.Add(-leeway)) || id.IssuedAt.After(now.Add(leeway)) || !id.ExpiresAt.After(id.IssuedAt) || id.ExpiresAt.Year() > 9999 {
			t.Fatalf("passed with %+v", id)
		}
		person := id.Kind == User && strings.Contains(id.Email, "@") && id.Subject != ""
		program := id.Kind == ServiceToken && id.Email == "" && id.Subject == "" && id.CommonName != ""
		if !person && !program || strings.ContainsAny(id.Email+id.Subject+id.CommonName+id.Country, "\r\n\x00 ") {
			t.Fatalf("passed: %+v", id)
		}
	})
}

// FuzzReadSet: whatever a team shows, what is used is strong and has an id.
func FuzzReadSet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","alg":"RS256","use":"sig","e":"AQAB","n":"` + strings.Repeat("w", 342) + `"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","e":"AQAB","n":"AQAB"},{"kty":"oct","k":"AA"},{"kty":"EC"},null]}`))
	f.Add([]byte(`{"keys":{}}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := readSet(text)
		if (err == nil) != (len(s.keys) > 0) || len(s.keys)+s.unusable > maxKeys {
			t.Fatalf("got %d keys, %v", len(s.keys), err)
		}
		for kid, k := range s.keys {
			if kid == "" || k.N.BitLen() < minModulus || k.E < 2 {
				t.Fatalf("key %q of %d bits, exponent %d", kid, k.N.BitLen(), k.E)
			}
		}
	})
}

// More keys than a team has are not kept: those that are gone for longest go.
func TestKeptKeysAreBounded(t *testing.T) {
	t.Parallel()
	k, now := newKeys(), time.Unix(1772366400, 0)
	k.open()
	for n := range 3 * maxKeys {
		now = now.Add(askEvery)
		if !k.due(now) && k.ask(now) == nil {
			t.Fatal("no fetch after a minute")
		}
		select {
		case <-k.asked:
		default:
		}
		name := string(rune('A' + n))
		if added := k.take(map[string]key{name: {N: big.NewInt(int64(n)), E: 3}}); !slices.Equal(added, []string{name}) {
			t.Fatalf("added %v", added)
		}
		k.finish()
	}
	if len(k.known) != maxKeys {
		t.Errorf("%d keys are kept", len(k.known))
	}
	for n := range 3 * maxKeys {
		_, err := k.find(string(rune('A'+n)), now)
		if kept := n >= 2*maxKeys; (err == nil) != kept {
			t.Errorf("key %d: %v", n, err)
		}
	}
	if added := k.take(map[string]key{string(rune('A' + 3*maxKeys - 1)): &rsa.PublicKey{N: big.NewInt(3*maxKeys - 1), E: 3}}); added != nil {
		t.Errorf("a known key counts as new: %v", added)
	}
}
