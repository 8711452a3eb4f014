package transit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
)

const (
	maxAnswer  = 256 << 10 // bytes: a wrapped ring has at most 64 KiB
	maxHeaders = 64 << 10  // bytes, of the answer
	maxCA      = 1 << 20   // bytes
	maxToken   = 4 << 10   // bytes
	maxSaid    = 200       // bytes of what Vault says
)

// ErrNotOpened says that Vault's key does not open what it was given: another key wrapped it, or it was altered.
var ErrNotOpened = errors.New("the key in Vault does not open it")

var (
	// ciphertext is what Vault gives: the key's version is in it, so that what older versions wrapped opens, too.
	ciphertext = regexp.MustCompile(`^vault:v[1-9][0-9]{0,8}:[A-Za-z0-9+/]+={0,2}$`)
	// foreign are Vault's words for what its key does not open; it has no codes.
	foreign = regexp.MustCompile(`message authentication failed|^invalid ciphertext`)
)

// key is a key that Vault keeps.
type key struct {
	cfg    Config
	at     place
	client *http.Client
}

var _ tink.AEAD = (*key)(nil)

type request struct {
	Plaintext  string `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Associated string `json:"associated_data,omitempty"`
}

type answer struct {
	Data struct {
		Plaintext  string `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
	} `json:"data"`
	Errors []string `json:"errors"`
}

// Encrypt wraps by the key's newest version and sees that it opens, bound to what it belongs to.
func (k *key) Encrypt(plaintext, associated []byte) ([]byte, error) {
	got, err := k.post("encrypt", request{Plaintext: encode(plaintext), Associated: encode(associated)})
	if err != nil {
		return nil, err
	}
	if !ciphertext.MatchString(got.Data.Ciphertext) {
		return nil, fmt.Errorf("%w: Vault's answer has no ciphertext", keyring.ErrKMS)
	}
	wrapped := []byte(got.Data.Ciphertext)
	again, err := k.Decrypt(wrapped, associated)
	if err != nil {
		return nil, fmt.Errorf("open what was just wrapped: %w", err)
	}
	if !bytes.Equal(again, plaintext) {
		return nil, fmt.Errorf("%w: Vault opens what it has just wrapped as something else", keyring.ErrKMS)
	}
	_, err = k.Decrypt(wrapped, append([]byte("not "), associated...))
	switch {
	case err == nil:
		return nil, fmt.Errorf("%w: this Vault does not heed associated_data: it is older than 1.13, or the key is not of an AEAD type such as aes256-gcm96", keyring.ErrKMS)
	case !errors.Is(err, ErrNotOpened):
		return nil, fmt.Errorf("open what was just wrapped: %w", err)
	}
	return wrapped, nil
}

// Decrypt opens. What Vault has not wrapped it is not asked about.
func (k *key) Decrypt(wrapped, associated []byte) ([]byte, error) {
	if !ciphertext.Match(wrapped) {
		return nil, fmt.Errorf("%w: Vault has not wrapped it", ErrNotOpened)
	}
	got, err := k.post("decrypt", request{Ciphertext: string(wrapped), Associated: encode(associated)})
	if err != nil {
		return nil, err
	}
	plaintext, err := base64.StdEncoding.Strict().DecodeString(got.Data.Plaintext)
	if err != nil || len(plaintext) == 0 { // the decoder's error would show a part of it
		return nil, fmt.Errorf("%w: Vault's answer has no plaintext", keyring.ErrKMS)
	}
	return plaintext, nil
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func (k *key) post(do string, what request) (answer, error) {
	token, err := k.cfg.token()
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", keyring.ErrKMS, err)
	}
	body, err := json.Marshal(what)
	if err != nil {
		return answer{}, fmt.Errorf("write a request to Vault: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), k.cfg.Timeout) // tink's interface has none
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.at.url(do), bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("prepare a request to Vault: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Vault-Request", "true") // without it a Vault agent may refuse
	r.Header.Set("X-Vault-Token", token.Reveal())
	if k.cfg.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", k.cfg.Namespace)
	}
	response, err := k.client.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", keyring.ErrKMS, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("%w: read Vault's answer: %w", keyring.ErrKMS, err)
	}
	return read(response.StatusCode, text, token.Reveal(), what.Plaintext, what.Ciphertext)
}

// read judges an answer. The secrets are what must not be told on.
func read(status int, text []byte, secrets ...string) (a answer, err error) {
	if len(text) > maxAnswer {
		return answer{}, fmt.Errorf("%w: Vault's answer has more than %d bytes", keyring.ErrKMS, maxAnswer)
	}
	err = json.Unmarshal(text, &a)
	if status == http.StatusOK {
		if err != nil { // json's error may show a part
			return answer{}, fmt.Errorf("%w: Vault's answer is not JSON of an answer", keyring.ErrKMS)
		}
		return a, nil
	}
	words := said(a.Errors, secrets)
	if status == http.StatusBadRequest && foreign.MatchString(words) {
		return answer{}, fmt.Errorf("%w: Vault says %q", ErrNotOpened, words)
	}
	return answer{}, fmt.Errorf("%w: Vault answers %d, %s%s", keyring.ErrKMS, status, meaning(status), quoted(words))
}

func quoted(words string) string {
	if words == "" {
		return ""
	}
	return fmt.Sprintf(": %q", words)
}

// meaning is what an operator has to look at.
func meaning(status int) string {
	switch {
	case status/100 == 3:
		return "a redirect, which is not followed: name the active node, or what stands before all"
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return "the token is wrong or has ended, or its policy does not allow update of MOUNT/encrypt/NAME and MOUNT/decrypt/NAME"
	case status == http.StatusNotFound:
		return "there is no transit engine at that mount"
	case status == http.StatusTooManyRequests:
		return "too many requests"
	case status == http.StatusServiceUnavailable:
		return "it is sealed, or down for maintenance"
	case status/100 == 5:
		return "a fault of its own"
	default:
		return "which is a refusal"
	}
}

// said joins what Vault says into one short line.
func said(lines, secrets []string) string {
	all := strings.Join(lines, "; ")
	for _, s := range secrets {
		if s != "" && strings.Contains(all, s) {
			return "" // whoever answers repeats what was sent
		}
	}
	all = strings.Join(strings.FieldsFunc(all, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	return strings.ToValidUTF8(all[:min(len(all), maxSaid)], "")
}

func (c Config) token() (secret.Text, error) {
	token := c.Token.Reveal()
	if c.TokenFile != "" {
		text, err := keyring.ReadFile(c.TokenFile, maxToken)
		if err != nil {
			return secret.Text{}, fmt.Errorf("the token for Vault: %w", err)
		}
		token = text
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return secret.Text{}, errors.New("there is no token for Vault")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return secret.Text{}, errors.New("the token for Vault has spaces or other characters that no token has")
	}
	return secret.New(token), nil
}

func (c Config) client() (*http.Client, error) {
	var roots *x509.CertPool // nil: the system's
	if c.CA != "" {
		info, err := os.Stat(c.CA)
		if err != nil {
			return nil, fmt.Errorf("who vouches for Vault: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxCA {
			return nil, fmt.Errorf("who vouches for Vault: %s is not a file of at most %d bytes", c.CA, maxCA)
		}
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("who vouches for Vault: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("who vouches for Vault: %s has no certificate in PEM", c.CA)
		}
	}
	// A ring is opened once in a process's life: no connection is worth keeping.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeaders,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}
