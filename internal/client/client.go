// Package client speaks to the platform's HTTP API for the command line: it finds address and token, repeats what
// is safe to repeat, and turns problem documents into sentences.
//
// Every write carries an idempotency key, so a write whose answer was lost is sent again under the same key and
// done once. Repeats are few, spaced with jitter, and only for what may pass: no connection, a busy or starting
// server. What the server refuses is never repeated.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ezscale/platform/internal/background"
)

const (
	attempts       = 6
	firstPause     = 100 * time.Millisecond
	longestPause   = 2 * time.Second
	requestTimeout = 60 * time.Second
	maxAnswerBytes = 64 << 20
	prefix         = "/api/v1"
	runFile        = "run/api.json"
	userAgent      = "ezscale" // in the audit log
)

// Config says where the API is.
type Config struct {
	URL   string `json:"url"`   // http://host:port
	Token string `json:"token"` // the operator's bearer token
}

// Find reads the address and token that a running platform left in its data directory.
func Find(dataDir string) (Config, error) {
	path := filepath.Join(dataDir, filepath.FromSlash(runFile))
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("no platform runs on %s (%s is not there); start it with \"ezscale up --data %s\", or give --url and EZSCALE_TOKEN: %w",
			dataDir, path, dataDir, err)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read the platform's address: %w", err)
	}
	var cfg Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		return Config{}, fmt.Errorf("read the platform's address from %s: %w", path, err)
	}
	return cfg, nil
}

// Client sends requests. It may be used by many goroutines.
type Client struct {
	base  string
	token string
	http  *http.Client
	sleep func(context.Context, time.Duration) error
}

// New makes a client. Errors: a URL that is not http or https.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an address such as http://127.0.0.1:8080", cfg.URL)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &Client{
		base: strings.TrimSuffix(cfg.URL, "/") + prefix, token: cfg.Token, sleep: background.Pause,
		http: &http.Client{Timeout: requestTimeout, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Get reads a path below /api/v1 into out.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// Write sends a write under an idempotency key (empty: a fresh one) and reads its answer into out, unless nil.
func (c *Client) Write(ctx context.Context, method, path, key string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	if key == "" {
		key = rand.Text()
	}
	return c.do(ctx, method, path, key, body, out)
}

// do repeats one request until it is answered for good.
func (c *Client) do(ctx context.Context, method, path, key string, body []byte, out any) error {
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, method, path, key, body, out)
		if err == nil || attempt == attempts || ctx.Err() != nil || !isPassing(err) {
			return err
		}
		if c.sleep(ctx, pause(attempt)) != nil {
			return err
		}
	}
}

func (c *Client) once(ctx context.Context, method, path, key string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", userAgent)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return &unreachable{fmt.Errorf("reach the platform: %w", err)}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return &unreachable{fmt.Errorf("read the platform's answer: %w", err)}
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return problemOf(response.StatusCode, text)
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the platform's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// unreachable is a failure on the way: the write may have been done, so it must be repeated under the same key.
type unreachable struct{ error }

func (u *unreachable) Unwrap() error { return u.error }

func isPassing(err error) bool {
	var away *unreachable
	if errors.As(err, &away) {
		return !errors.Is(err, context.Canceled)
	}
	var p *Problem
	if !errors.As(err, &p) {
		return false
	}
	return p.Status == http.StatusBadGateway || p.Status == http.StatusServiceUnavailable || p.Status == http.StatusGatewayTimeout || p.Code == "busy"
}

// pause is between half and all of a doubling, capped span.
func pause(attempt int) time.Duration {
	span := min(firstPause<<(attempt-1), longestPause)
	part, err := rand.Int(rand.Reader, big.NewInt(int64(span/2)+1))
	if err != nil {
		return span
	}
	return span/2 + time.Duration(part.Int64())
}

// List is a page of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"`
}

// All reads every page of a list.
func All[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var items []T
	query := url.Values{"limit": {"500"}}
	for {
		var page List[T]
		if err := c.Get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items, nil
		}
		query.Set("cursor", page.Next)
	}
}
