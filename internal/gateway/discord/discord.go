// Package discord posts to one Discord webhook, as documented at discord.com/developers (Execute Webhook). The
// webhook's URL is a secret: whoever knows it can post, so it appears in no error and no log line.
//
// Errors say what the caller can do. RateLimited: come again after a while. ErrRefused: this will never be taken
// (the webhook is gone, or the message is malformed). Anything else (no connection, time-out, 5xx) may pass.
// No post can mention anyone, whatever names a customer has chosen.
package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// ErrRefused is wrapped when Discord refuses a post for good.
var ErrRefused = errors.New("discord refused the post")

// RateLimited says that posts are not taken for a while.
type RateLimited struct{ After time.Duration }

func (r RateLimited) Error() string { return fmt.Sprintf("discord takes no posts for %s", r.After) }

// Discord's limits, in characters, and ours.
const (
	maxContent     = 2000
	maxTitle       = 256
	maxDescription = 4096
	maxFields      = 25
	maxFieldName   = 256
	maxFieldValue  = 1024
	maxAnswer      = 64 << 10 // bytes
	maxWait        = time.Hour
	defaultWait    = 5 * time.Second
	defaultTimeout = 10 * time.Second
)

// Config names the webhook.
type Config struct {
	URL      string        // a secret
	Username string        // shown as the sender; empty: the webhook's own
	Timeout  time.Duration // of one post; default 10 s
}

// Message is one post. What is longer than Discord takes is cut.
type Message struct {
	Content     string // plain line, also what a phone's notification shows
	Title       string
	Description string
	URL         string // of the title
	Colour      int    // 0xRRGGBB of the bar
	Fields      []Field
	At          time.Time
}

// Field is a name and a value in the post's table.
type Field struct{ Name, Value string }

// Client posts to the webhook. It is safe for concurrent use.
type Client struct {
	cfg    Config
	target string
	http   *http.Client
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Client, error) {
	target, err := url.Parse(cfg.URL)
	if err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http" {
		return nil, errors.New("the discord webhook is not an http(s) URL")
	}
	query := target.Query()
	query.Set("wait", "true") // answer when the post is stored, not when it is queued
	target.RawQuery = query.Encode()
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	client := &http.Client{Timeout: cfg.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Client{cfg: cfg, target: target.String(), http: client}, nil
}

// Post sends a message.
func (c *Client) Post(ctx context.Context, m Message) error {
	body, err := json.Marshal(c.payload(m))
	if err != nil {
		return fmt.Errorf("%w: write it as JSON: %w", ErrRefused, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.target, bytes.NewReader(body))
	if err != nil {
		return withoutURL("prepare the post to discord", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return withoutURL("post to discord", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return withoutURL("read discord's answer", err)
	}
	return judge(response, answer)
}

// withoutURL keeps the cause and drops the URL that net/http puts around it.
func withoutURL(doing string, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func judge(response *http.Response, answer []byte) error {
	status := response.StatusCode
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests:
		return RateLimited{After: retryAfter(response.Header.Get("Retry-After"), answer)}
	case status < 500:
		return fmt.Errorf("%w: %s: %s", ErrRefused, response.Status, reason(answer))
	default:
		return fmt.Errorf("post to discord: %s", response.Status)
	}
}

// reason is Discord's own sentence.
func reason(answer []byte) string {
	var said struct{ Message string }
	if json.Unmarshal(answer, &said) != nil || said.Message == "" {
		return "no reason given"
	}
	return cut(said.Message, maxTitle)
}

// retryAfter reads the seconds, possibly with a fraction, of the answer or else of the header.
func retryAfter(header string, answer []byte) time.Duration {
	var said struct {
		RetryAfter json.Number `json:"retry_after"`
	}
	if json.Unmarshal(answer, &said) != nil || said.RetryAfter == "" {
		said.RetryAfter = json.Number(header)
	}
	wait, err := time.ParseDuration(said.RetryAfter.String() + "s")
	if err != nil || wait <= 0 {
		return defaultWait
	}
	return min(wait, maxWait)
}

type payload struct {
	Username        string   `json:"username,omitempty"`
	Content         string   `json:"content"`
	Embeds          []embed  `json:"embeds,omitempty"`
	AllowedMentions mentions `json:"allowed_mentions"`
}

type mentions struct {
	Parse []string `json:"parse"`
}

type embed struct {
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	URL         string  `json:"url,omitempty"`
	Color       int     `json:"color,omitempty"`
	Timestamp   string  `json:"timestamp,omitempty"`
	Fields      []field `json:"fields,omitempty"`
}

type field struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline"`
}

func (c *Client) payload(m Message) payload {
	p := payload{Username: c.cfg.Username, Content: cut(m.Content, maxContent), AllowedMentions: mentions{Parse: []string{}}}
	if m.Title == "" && m.Description == "" && len(m.Fields) == 0 {
		return p
	}
	e := embed{Title: cut(m.Title, maxTitle), Description: cut(m.Description, maxDescription), URL: m.URL, Color: m.Colour}
	if !m.At.IsZero() {
		e.Timestamp = m.At.UTC().Format(time.RFC3339)
	}
	for _, f := range m.Fields[:min(len(m.Fields), maxFields)] {
		e.Fields = append(e.Fields, field{Name: cut(f.Name, maxFieldName), Value: cut(f.Value, maxFieldValue), Inline: true})
	}
	p.Embeds = []embed{e}
	return p
}

// cut shortens a text to a number of characters.
func cut(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
