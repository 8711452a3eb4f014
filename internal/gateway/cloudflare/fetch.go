package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	certsPath  = "/cdn-cgi/access/certs"
	maxAnswer  = 256 << 10 // bytes
	maxHeaders = 64 << 10  // bytes, of the answer
	minModulus = 2048      // bits; go-jose takes at most 4096
)

var (
	errStatus   = errors.New("cloudflare access did not answer with its keys")
	errRedirect = errors.New("cloudflare access points elsewhere for its keys, which is not followed")
	errTooLarge = errors.New("cloudflare access answered with too much")
	errContent  = errors.New("cloudflare access answered with something else than keys")
	errUnusable = errors.New("cloudflare access shows no key that can be used")
)

type fetcher struct {
	url     string
	client  *http.Client
	timeout time.Duration
}

func newFetcher(cfg Config) fetcher {
	// One request an hour: no connection is worth keeping.
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeaders}}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	return fetcher{url: cfg.Team + certsPath, client: &client, timeout: cfg.Timeout}
}

// set is what a team shows.
type set struct {
	keys     map[string]key
	unusable int
}

func (f fetcher) fetch(ctx context.Context) (set, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return set{}, fmt.Errorf("prepare to fetch keys: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return set{}, fmt.Errorf("fetch keys: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 3 {
		return set{}, fmt.Errorf("%w: %d", errRedirect, response.StatusCode)
	}
	if response.StatusCode != http.StatusOK {
		return set{}, fmt.Errorf("%w: %d", errStatus, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return set{}, fmt.Errorf("fetch keys: read the answer: %w", err)
	}
	return readSet(text)
}

// readSet reads a JWK set (RFC 7517). A key that is not for us is passed over; a key id that is there twice with two
// keys, or more keys than a team has, make the whole set doubtful.
func readSet(text []byte) (set, error) {
	if len(text) > maxAnswer {
		return set{}, errTooLarge
	}
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return set{}, fmt.Errorf("%w: %w", errContent, err)
	}
	if len(document.Keys) > maxKeys {
		return set{}, fmt.Errorf("%w: %d keys, at most %d", errContent, len(document.Keys), maxKeys)
	}
	s := set{keys: map[string]key{}}
	for _, raw := range document.Keys {
		kid, k := readKey(raw)
		if k == nil {
			s.unusable++
			continue
		}
		if twin, ok := s.keys[kid]; ok && !twin.Equal(k) {
			return set{}, fmt.Errorf("%w: two keys with one id", errContent)
		}
		s.keys[kid] = k
	}
	if len(s.keys) == 0 {
		return set{}, errUnusable
	}
	return s, nil
}

// readKey gives nil for what is not a public RSA key for RS256 with an id and at least 2048 bits.
func readKey(raw []byte) (string, key) {
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(raw) != nil {
		return "", nil
	}
	public, ok := jwk.Key.(key)
	fits := ok && (jwk.Use == "" || jwk.Use == "sig") && (jwk.Algorithm == "" || jwk.Algorithm == string(jose.RS256))
	if !fits || public.N.BitLen() < minModulus || !plain(jwk.KeyID, maxKeyID) {
		return "", nil
	}
	return jwk.KeyID, public
}
