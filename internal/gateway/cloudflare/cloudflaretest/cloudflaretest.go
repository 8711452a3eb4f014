// Package cloudflaretest is a Cloudflare Access team for tests: it shows its keys over TLS, changes them, fails in the
// ways that networks and sites do, and signs assertions, good ones and bad ones. Its client reaches it under the real
// name, so what is tested has no setting that a test alone would use. It signs with the standard library: it shares no
// code with what verifies.
package cloudflaretest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	certsPath = "/cdn-cgi/access/certs"
	keyBits   = 2048
	session   = time.Hour // what assertions are valid for
)

// Team is a team and its server.
type Team struct {
	t      testing.TB
	name   string
	server *httptest.Server

	mu       sync.Mutex
	keys     []Key // as shown: the current one first
	requests int
	answer   http.HandlerFunc
}

// Key signs assertions.
type Key struct {
	ID      string
	Private *rsa.PrivateKey
}

// New starts a team with one key; it ends with the test. Name is its label: acme of acme.cloudflareaccess.com.
func New(t testing.TB, name string) *Team {
	t.Helper()
	team := &Team{t: t, name: name, keys: []Key{NewKey(t, keyBits)}}
	team.server = httptest.NewUnstartedServer(http.HandlerFunc(team.serve))
	team.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that lose patience
	team.server.StartTLS()
	t.Cleanup(team.server.Close)
	return team
}

// NewKey makes a key that no team shows.
func NewKey(t testing.TB, bits int) Key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(private.N.Bytes())
	return Key{ID: hex.EncodeToString(id[:]), Private: private}
}

// URL is the team's, as in its assertions' issuer.
func (team *Team) URL() string { return "https://" + team.name + ".cloudflareaccess.com" }

// Client reaches the team under its name, and nobody else whatever the name.
func (team *Team) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(team.server.Certificate())
	address := team.server.Listener.Addr().String()
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}, // httptest's certificate
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
}

func (team *Team) serve(w http.ResponseWriter, r *http.Request) {
	team.mu.Lock()
	team.requests++
	answer := team.answer
	team.mu.Unlock()
	if answer == nil {
		answer = team.Certs
	}
	answer(w, r)
}

// Certs answers as the real team does.
func (team *Team) Certs(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path != certsPath || r.Host != team.name+".cloudflareaccess.com" {
		http.NotFound(w, r)
		return
	}
	team.mu.Lock()
	defer team.mu.Unlock()
	shown := []map[string]any{}
	for _, k := range team.keys {
		shown = append(shown, JWK(k))
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]any{"keys": shown, "public_cert": map[string]any{"kid": team.keys[0].ID, "cert": "PEM"}, "public_certs": []any{}}); err != nil {
		team.t.Logf("the team's answer was not taken: %v", err)
	}
}

// JWK is how a team shows a key.
func JWK(k Key) map[string]any {
	return map[string]any{"kid": k.ID, "kty": "RSA", "alg": "RS256", "use": "sig",
		"e": encode(big.NewInt(int64(k.Private.E)).Bytes()), "n": encode(k.Private.N.Bytes())}
}

// Answer puts another behaviour in the place of Certs; nil brings Certs back.
func (team *Team) Answer(answer http.HandlerFunc) {
	team.mu.Lock()
	defer team.mu.Unlock()
	team.answer = answer
}

// Hold lets requests wait until release is called, which may be called twice.
func (team *Team) Hold() (release func()) {
	gate := make(chan struct{})
	team.Answer(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
			team.Certs(w, r)
		case <-r.Context().Done():
		}
	})
	release = sync.OnceFunc(func() { close(gate) })
	team.t.Cleanup(release)
	return release
}

// Requests is how often keys were asked for.
func (team *Team) Requests() int {
	team.mu.Lock()
	defer team.mu.Unlock()
	return team.requests
}

// Rotate makes a new current key. The previous one is shown beside it, what was shown beside that no longer is.
func (team *Team) Rotate() {
	k := NewKey(team.t, keyBits)
	team.mu.Lock()
	defer team.mu.Unlock()
	team.keys = []Key{k, team.keys[0]}
}

// Show sets the keys that are shown, the current one first.
func (team *Team) Show(keys ...Key) {
	team.mu.Lock()
	defer team.mu.Unlock()
	team.keys = keys
}

// Current is the key that signs.
func (team *Team) Current() Key {
	team.mu.Lock()
	defer team.mu.Unlock()
	return team.keys[0]
}

// Claims of an assertion. They may be changed before they are signed.
type Claims map[string]any

// With is a copy with other values; nil takes a claim away.
func (c Claims) With(changes Claims) Claims {
	changed := maps.Clone(c)
	for name, value := range changes {
		if value == nil {
			delete(changed, name)
			continue
		}
		changed[name] = value
	}
	return changed
}

// User is what Access says of a person who has logged in at a time.
func (team *Team) User(audience, email string, at time.Time) Claims {
	return Claims{"aud": []string{audience}, "email": email, "exp": at.Add(session).Unix(), "iat": at.Unix(), "nbf": at.Unix(), "iss": team.URL(),
		"type": "app", "identity_nonce": "6ei69kawdKzMIAPF", "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "US"}
}

// Service is what Access says of a program with a service token.
func (team *Team) Service(audience, clientID string, at time.Time) Claims {
	return Claims{"type": "app", "aud": []string{audience}, "exp": at.Add(session).Unix(), "iss": team.URL(), "common_name": clientID, "iat": at.Unix(), "sub": ""}
}

// Sign makes an assertion with the current key.
func (team *Team) Sign(c Claims) string { return team.SignWith(team.Current(), c) }

// SignWith makes an assertion with any key.
func (team *Team) SignWith(k Key, c Claims) string {
	team.t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		team.t.Fatal(err)
	}
	return Encode(`{"alg":"RS256","kid":"`+k.ID+`","typ":"JWT"}`, string(payload), k.RS256)
}

// RS256 signs as Access does.
func (k Key) RS256(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, k.Private, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // a key of ours signs
	}
	return signature
}

// Encode makes a token of any header and payload, signed in any way.
func Encode(header, payload string, sign func(input string) []byte) string {
	input := strings.Join([]string{encode([]byte(header)), encode([]byte(payload))}, ".")
	return input + "." + encode(sign(input))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
