package discord_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/internal/gateway/discord"
)

const secret = "s3cr3t-token"

// server behaves as Discord's webhook endpoint does; answer says what it does with a post.
func server(t *testing.T, answer http.HandlerFunc) *discord.Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return client(t, s.URL)
}

func client(t *testing.T, base string) *discord.Client {
	t.Helper()
	c, err := discord.New(discord.Config{URL: base + "/api/webhooks/123/" + secret, Username: "EZSCALE", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPost(t *testing.T) {
	t.Parallel()
	var got map[string]any
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != "/api/webhooks/123/"+secret+"?wait=true" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %s as %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"1","type":0}`)
	})
	err := c.Post(context.Background(), discord.Message{Content: "svc-1 reached 75 % @everyone", Title: "Quota", Description: "d", URL: "https://panel.example/s/1",
		Colour: 0xff8800, Fields: []discord.Field{{Name: "Used", Value: "750 GB"}}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"username": "EZSCALE", "content": "svc-1 reached 75 % @everyone", "allowed_mentions": map[string]any{"parse": []any{}},
		"embeds": []any{map[string]any{"title": "Quota", "description": "d", "url": "https://panel.example/s/1", "color": float64(0xff8800),
			"timestamp": "2026-01-02T03:04:05Z", "fields": []any{map[string]any{"name": "Used", "value": "750 GB", "inline": true}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header string
		body   string
		want   error
	}{
		"stored":                 {status: 200, body: `{"id":"1"}`},
		"queued":                 {status: 204},
		"limited, by the answer": {status: 429, header: "9", body: `{"message":"You are being rate limited.","retry_after":1.25,"global":false}`, want: discord.RateLimited{After: 1250 * time.Millisecond}},
		"limited, by the header": {status: 429, header: "2", want: discord.RateLimited{After: 2 * time.Second}},
		"limited, for too long":  {status: 429, body: `{"retry_after":99999}`, want: discord.RateLimited{After: time.Hour}},
		"limited, for how long?": {status: 429, body: `<html>`, want: discord.RateLimited{After: 5 * time.Second}},
		"gone":                   {status: 404, body: `{"message":"Unknown Webhook","code":10015}`, want: discord.ErrRefused},
		"malformed":              {status: 400, body: `{"message":"Cannot send an empty message","code":50006}`, want: discord.ErrRefused},
		"elsewhere":              {status: 302, want: discord.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := server(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			err := client.Post(context.Background(), discord.Message{Content: "x"})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestTroubleMayPassAndTellsNoSecret(t *testing.T) {
	t.Parallel()
	broken := server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	silent := server(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
		<-r.Context().Done()
	})
	hangsUp := server(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	})
	for name, c := range map[string]*discord.Client{"broken": broken, "silent": silent, "hangs up": hangsUp, "nobody there": client(t, "http://127.0.0.1:1")} {
		err := c.Post(context.Background(), discord.Message{Content: "x"})
		if err == nil || errors.Is(err, discord.ErrRefused) || errors.As(err, new(discord.RateLimited)) {
			t.Errorf("%s: got %v, want an error that may pass", name, err)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
	if _, err := discord.New(discord.Config{URL: "ftp://" + secret}); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	var got struct {
		Content string
		Embeds  []struct{ Title string }
	}
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(204)
	})
	if err := c.Post(context.Background(), discord.Message{Content: strings.Repeat("ü", 3000), Title: strings.Repeat("x", 300)}); err != nil {
		t.Fatal(err)
	}
	if n, m := len([]rune(got.Content)), len(got.Embeds[0].Title); n != 2000 || m != 255+len("…") {
		t.Errorf("got %d and %d", n, m)
	}
}
