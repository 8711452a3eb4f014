// Package transittest is a Vault with a transit engine for tests, over HTTP, with or without TLS. It answers as Vault's
// API documentation and its sources say: base64 in, vault:vN: out, errors as a list of texts, 400 for what its key does
// not open, 403 for a token it does not know, 503 while it is sealed. Its keys are real AES-256-GCM keys with versions.
// It shares no code with the client.
package transittest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Token is one that Vault takes.
const Token = "hvs.CAESIK-canary-token-of-a-test"

// Vault is the server, with transit mounted at transit/.
type Vault struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	token    string
	keys     map[string]*key
	answer   http.HandlerFunc
	ignorant bool
	requests []string
}

type key struct {
	versions []cipher.AEAD
	least    int // min_decryption_version
}

// New starts a Vault with TLS; it ends with the test.
func New(t testing.TB) *Vault { return start(t, (*httptest.Server).StartTLS) }

// NewPlain starts one without.
func NewPlain(t testing.TB) *Vault { return start(t, (*httptest.Server).Start) }

func start(t testing.TB, start func(*httptest.Server)) *Vault {
	t.Helper()
	v := &Vault{t: t, token: Token, keys: map[string]*key{}}
	v.server = httptest.NewUnstartedServer(http.HandlerFunc(v.serve))
	v.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that lose patience
	start(v.server)
	t.Cleanup(v.server.Close)
	return v
}

// Key makes a key and gives its URI.
func (v *Vault) Key(name string) string {
	v.t.Helper()
	v.mu.Lock()
	v.keys[name] = &key{least: 1}
	v.mu.Unlock()
	v.Rotate(name)
	scheme := "hcvault"
	if v.server.TLS == nil {
		scheme = "hcvault+http"
	}
	return scheme + "://" + v.server.Listener.Addr().String() + "/transit/keys/" + name
}

// Rotate gives a key a new version.
func (v *Vault) Rotate(name string) {
	v.t.Helper()
	bits := make([]byte, 32)
	_, _ = rand.Read(bits)
	block, err := aes.NewCipher(bits)
	if err != nil {
		v.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		v.t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].versions = append(v.keys[name].versions, gcm)
}

// Least sets a key's min_decryption_version.
func (v *Vault) Least(name string, version int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].least = version
}

// Admit changes the one token that is taken.
func (v *Vault) Admit(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token = token
}

// Ignorant makes it a Vault before 1.13, which passes over associated data.
func (v *Vault) Ignorant() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ignorant = true
}

// Answer has everything answered by a handler; nil ends that.
func (v *Vault) Answer(h http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answer = h
}

// Seal answers as a sealed Vault does; Answer(nil) unseals it.
func (v *Vault) Seal() { v.Answer(Fail(http.StatusServiceUnavailable, "Vault is sealed")) }

// Requests are the paths that were asked for since the last call.
func (v *Vault) Requests() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := v.requests
	v.requests = nil
	return asked
}

// CA writes the certificate that vouches for the server and names the file.
func (v *Vault) CA() string {
	v.t.Helper()
	path := filepath.Join(v.t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.server.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// Fail answers an error in Vault's form.
func Fail(status int, texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		write(w, status, map[string]any{"errors": append([]string{}, texts...)})
	}
}

func write(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what) // the client may have had enough
}

func (v *Vault) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.requests = append(v.requests, r.URL.Path)
	answer := v.answer
	v.mu.Unlock()
	if answer == nil {
		answer = v.transit
	}
	answer(w, r)
}

type input struct {
	Plaintext  *string `json:"plaintext"`
	Ciphertext *string `json:"ciphertext"`
	Associated string  `json:"associated_data"`
}

func (v *Vault) transit(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Header.Get("X-Vault-Token") != v.token {
		Fail(http.StatusForbidden, "permission denied")(w, r)
		return
	}
	do, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/transit/"), "/")
	if !strings.HasPrefix(r.URL.Path, "/v1/transit/") || do != "encrypt" && do != "decrypt" {
		Fail(http.StatusNotFound, "no handler for route \""+strings.TrimPrefix(r.URL.Path, "/v1/")+"\". route entry not found.")(w, r)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		Fail(http.StatusMethodNotAllowed)(w, r)
		return
	}
	var in input
	associated, ok := in.read(r)
	k := v.keys[name]
	if !ok || k == nil {
		Fail(http.StatusBadRequest, "encryption key not found")(w, r)
		return
	}
	if v.ignorant {
		associated = nil
	}
	data, fault := k.work(do, in, associated)
	if fault != "" {
		Fail(http.StatusBadRequest, fault)(w, r)
		return
	}
	write(w, http.StatusOK, map[string]any{"request_id": "8375227a-4a9f-a108-0b89-84c448419e80", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data, "wrap_info": nil, "warnings": nil, "auth": nil})
}

func (in *input) read(r *http.Request) (associated []byte, ok bool) {
	if json.NewDecoder(io.LimitReader(r.Body, 32<<20)).Decode(in) != nil {
		return nil, false
	}
	associated, err := base64.StdEncoding.DecodeString(in.Associated)
	return associated, err == nil
}

func (k *key) work(do string, in input, associated []byte) (data map[string]any, fault string) {
	if do == "encrypt" {
		return k.encrypt(in, associated)
	}
	return k.decrypt(in, associated)
}

func (k *key) encrypt(in input, associated []byte) (map[string]any, string) {
	if in.Plaintext == nil {
		return nil, "missing plaintext to encrypt"
	}
	plaintext, err := base64.StdEncoding.DecodeString(*in.Plaintext)
	if err != nil {
		return nil, "failed to base64-decode plaintext"
	}
	newest := len(k.versions)
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	sealed := k.versions[newest-1].Seal(nonce, nonce, plaintext, associated)
	return map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", newest, base64.StdEncoding.EncodeToString(sealed)), "key_version": newest}, ""
}

func (k *key) decrypt(in input, associated []byte) (map[string]any, string) {
	if in.Ciphertext == nil {
		return nil, "missing ciphertext to decrypt"
	}
	rest, found := strings.CutPrefix(*in.Ciphertext, "vault:v")
	if !found {
		return nil, "invalid ciphertext: no prefix"
	}
	digits, text, found := strings.Cut(rest, ":")
	version, err := strconv.Atoi(digits)
	switch {
	case !found:
		return nil, "invalid ciphertext: wrong number of fields"
	case err != nil || version < 1:
		return nil, "invalid ciphertext: version number could not be decoded"
	case version > len(k.versions):
		return nil, "invalid ciphertext: version is too new"
	case version < k.least:
		return nil, "ciphertext or signature version is disallowed by policy (too old)"
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) < 12 {
		return nil, "invalid ciphertext: could not decode base64"
	}
	plaintext, err := k.versions[version-1].Open(nil, sealed[:12], sealed[12:], associated)
	if err != nil {
		return nil, "cipher: message authentication failed"
	}
	return map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plaintext)}, ""
}
