// Package elasticsearch is the platform's whole knowledge of Elasticsearch: which cluster it is, which fields its
// indices have, and pages of documents of one point in time. It only reads. It wraps esapi of the official client and
// leaves out the rest of it: its root package would link every request there is, and checks for a vendor, not for what
// we need, which is a point in time with a tiebreaker (Elasticsearch 7.12).
//
// Numbers stay as they came: a sort value of a date_nanos field has 19 digits, and a float64 would lose the last.
// No retries here: callers know what may be asked again. Errors are of few kinds (errors.go), and none holds a
// password: it is taken out of the URL before anything else happens.
package elasticsearch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
)

const (
	defaultRequestTime = 60 * time.Second
	dialTime           = 10 * time.Second
	maxConns           = 4
	maxAnswer          = 128 << 20 // bytes of one answer
	maxFault           = 64 << 10  // bytes of an answer that tells of a failure
	minMajor, minMinor = 7, 12
	notFormed          = "_na_" // the id of a cluster that has not elected a master
)

// Config names a cluster and how to speak to it.
type Config struct {
	URL            string // http:// or https://, may hold user and password
	User, Password string // instead of those in the URL; empty: none
	CA             []byte // PEM; empty: the system's
	Insecure       bool   // any certificate will do
	RequestTime    time.Duration
}

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	cfg       Config
	host      string
	http      *http.Transport
	transport esapi.Transport
}

// New makes a client; nothing is connected before the first call.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%w: want http://HOST:PORT or https://HOST:PORT", ErrURL) // the value may hold a password
	}
	if u.User != nil && cfg.User == "" {
		cfg.User = u.User.Username()
		cfg.Password, _ = u.User.Password()
	}
	u.User = nil
	if cfg.RequestTime <= 0 {
		cfg.RequestTime = defaultRequestTime
	}
	c := &Client{cfg: cfg, host: u.Host}
	if c.http, err = cfg.transport(); err != nil {
		return nil, err
	}
	options := []elastictransport.Option{elastictransport.WithURLs(u), elastictransport.WithTransport(c.http), elastictransport.WithDisableRetry()}
	if cfg.User != "" {
		options = append(options, elastictransport.WithBasicAuth(cfg.User, cfg.Password))
	}
	c.transport, err = elastictransport.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("make an Elasticsearch client: %w", err)
	}
	return c, nil
}

func (c Config) transport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: time.Minute,
		DialContext:     (&net.Dialer{Timeout: dialTime}).DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: c.Insecure, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: dialTime,
	}
	if len(c.CA) > 0 {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("the CA file holds no certificate in PEM")
		}
	}
	return t, nil
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Host is the cluster's host and port, without anything secret.
func (c *Client) Host() string { return c.host }

// Cluster is what a cluster says about itself.
type Cluster struct {
	UUID    string
	Version string
}

// Cluster asks which cluster this is. One that cannot give a point in time with a tiebreaker is ErrVersion.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	var answer struct {
		ClusterUUID string `json:"cluster_uuid"`
		Version     struct {
			Number       string
			Distribution string
		}
	}
	if err := c.do(ctx, "reach Elasticsearch", esapi.InfoRequest{}, &answer); err != nil {
		return Cluster{}, err
	}
	if answer.ClusterUUID == notFormed {
		return Cluster{}, fmt.Errorf("reach Elasticsearch: %s is not part of a cluster yet: %w", c.host, ErrUnavailable)
	}
	if answer.ClusterUUID == "" || !recent(answer.Version.Number) || answer.Version.Distribution != "" {
		return Cluster{}, fmt.Errorf("%s is version %q %s: %w", c.host, answer.Version.Number, answer.Version.Distribution, ErrVersion)
	}
	return Cluster{UUID: answer.ClusterUUID, Version: answer.Version.Number}, nil
}

func recent(version string) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, minorErr := strconv.Atoi(second)
	return err == nil && minorErr == nil && (major > minMajor || major == minMajor && minor >= minMinor)
}

// request is any of esapi.
type request interface {
	Do(ctx context.Context, transport esapi.Transport) (*esapi.Response, error)
}

// do sends a request and reads its answer into answer.
func (c *Client) do(ctx context.Context, what string, r request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTime)
	defer cancel()
	response, err := r.Do(ctx, c.transport)
	if err != nil {
		return failure(what, err)
	}
	defer response.Body.Close()
	if response.IsError() {
		return refused(what, response.StatusCode, response.Body)
	}
	body := &io.LimitedReader{R: response.Body, N: maxAnswer}
	if err := json.NewDecoder(body).Decode(answer); err != nil {
		if body.N <= 0 {
			return fmt.Errorf("%s: %w", what, ErrTooLarge)
		}
		return failure(what, err)
	}
	return nil
}
