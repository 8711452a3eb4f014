// Package transit wraps rings by a key that HashiCorp Vault or OpenBao keeps, in its transit secrets engine. It is a tink
// KMS client for
//
//	hcvault://HOST:PORT/MOUNT/keys/NAME        over TLS
//	hcvault+http://HOST:PORT/MOUNT/keys/NAME   without, to this machine alone
//
// The first is the URI that tink's own Vault client takes, and what is wrapped has the same form: the ciphertext as Vault
// gives it, with the associated data as associated_data. Two POSTs are all of the API, so tink's client, with Vault's SDK
// and eighteen modules, is not used.
//
// Each call is one request: no retry, since who reads the ring does so again by itself, and no redirect, which would take
// the token elsewhere. The token is read anew at each call: an agent that renews it writes a file. Vault's answers are
// told to the operator, bounded and without anything that we sent.
//
// What is wrapped is opened again before it is given: a role that may encrypt and not decrypt, or a Vault before 1.13,
// which passes over associated data without a word, would otherwise be found out when the last other copy is gone.
package transit

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/ezscale/platform/internal/secret"
)

const (
	// Scheme is of URIs of keys that are reached over TLS.
	Scheme = "hcvault"
	// PlainScheme is of those that are not.
	PlainScheme = "hcvault+http"

	defaultTimeout = 3 * time.Second // of a call: who reads the ring has 5
	maxURI         = 1 << 10         // bytes
)

// Config says how Vault lets us in. All may be empty.
type Config struct {
	Token     secret.Text
	TokenFile string        // read instead at each call
	CA        string        // PEM file of who vouches for Vault; empty: the system's
	Namespace string        // of Vault Enterprise
	Timeout   time.Duration // of a call; default 3 s
}

// Client finds the keys behind URIs.
type Client struct{ cfg Config }

var _ registry.KMSClient = (*Client)(nil)

// New makes a client; nothing is read or asked before a key is used.
func New(cfg Config) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	return &Client{cfg}
}

// Supported tells whether a URI is of a key in Vault.
func (*Client) Supported(uri string) bool {
	return strings.HasPrefix(uri, Scheme+"://") || strings.HasPrefix(uri, PlainScheme+"://")
}

// GetAEAD gives the key, without asking Vault whether there is one.
func (c *Client) GetAEAD(uri string) (tink.AEAD, error) {
	at, err := parse(uri)
	if err != nil {
		return nil, err
	}
	client, err := c.cfg.client()
	if err != nil {
		return nil, err
	}
	return &key{cfg: c.cfg, at: at, client: client}, nil
}

// place is where a key lies.
type place struct {
	server string // https://host:port
	mount  string // may have several parts
	name   string
}

func (p place) url(do string) string { return p.server + "/v1/" + p.mount + "/" + do + "/" + p.name }

// part is what neither has to be escaped nor leads elsewhere.
var part = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// parse reads a URI. Its errors do not repeat it: somebody may have put a password there.
func parse(uri string) (place, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil || len(uri) > maxURI || u.Hostname() == "":
		return place{}, errors.New("it is not hcvault://HOST:PORT/MOUNT/keys/NAME")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(uri, "#"):
		return place{}, errors.New("a URI of a key has no user, no query and no fragment; the token has a setting of its own")
	}
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	n := len(parts)
	if n < 3 || parts[n-2] != "keys" {
		return place{}, errors.New("the path of the key is not /MOUNT/keys/NAME, as in /transit/keys/ezscale")
	}
	for _, p := range parts {
		if !part.MatchString(p) {
			return place{}, fmt.Errorf("%q in the key's path has other characters than letters, digits, _, - and .", p)
		}
	}
	at := place{server: "https://" + u.Host, mount: strings.Join(parts[:n-2], "/"), name: parts[n-1]}
	if u.Scheme == PlainScheme {
		if !loopback(u.Hostname()) {
			return place{}, fmt.Errorf("%s is not this machine, so the token and the ring's keys go over TLS: %s://", u.Hostname(), Scheme)
		}
		at.server = "http://" + u.Host
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil && port == "" {
		return place{}, errors.New("the port of the key's URI is empty")
	}
	return at, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
