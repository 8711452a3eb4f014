package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/client"
)

// answering serves the answers in turn and keeps the requests' idempotency keys.
func answering(t *testing.T, answers ...func(http.ResponseWriter)) (*client.Client, *[]string) {
	t.Helper()
	keys := &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(*keys)
		*keys = append(*keys, r.Header.Get("Idempotency-Key"))
		answers[min(n, len(answers)-1)](w)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL + "/", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	return c, keys
}

func status(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func lost(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func TestWhatMayPassIsRepeatedUnderTheSameKey(t *testing.T) {
	t.Parallel()
	c, keys := answering(t, lost, status(503, ""), status(409, `{"code":"busy"}`), status(201, `{"id":"x"}`))
	var out struct{ ID string }
	if err := c.Write(context.Background(), "POST", "/things", "", map[string]string{}, &out); err != nil || out.ID != "x" {
		t.Fatalf("%+v %v", out, err)
	}
	if len(*keys) != 4 {
		t.Fatalf("%d requests", len(*keys))
	}
	for _, key := range *keys {
		if key == "" || key != (*keys)[0] {
			t.Errorf("keys %q", *keys)
		}
	}
}

func TestRefusalsAreReadable(t *testing.T) {
	t.Parallel()
	c, keys := answering(t, status(422, `{"code":"invalid_input","detail":"the input is not valid","request_id":"r-1","errors":[{"location":"body.email","message":"is missing"}]}`))
	err := c.Write(context.Background(), "POST", "/customers", "k", nil, nil)
	if want := "the input is not valid; email is missing (invalid_input, request r-1)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if len(*keys) != 1 {
		t.Errorf("a refusal was repeated: %d requests", len(*keys))
	}
	c, _ = answering(t, status(418, "<html>a proxy's page</html>"))
	if err := c.Get(context.Background(), "/x", nil, nil); err == nil || !strings.Contains(err.Error(), "418") || strings.Contains(err.Error(), "html") {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := client.Find(dir); err == nil || !strings.Contains(err.Error(), "ezscale up") {
		t.Errorf("nothing runs: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run", "api.json"), []byte(`{"url":"http://127.0.0.1:1","token":"secret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := client.Find(dir); err != nil || cfg.URL != "http://127.0.0.1:1" || cfg.Token != "secret" {
		t.Errorf("%+v %v", cfg, err)
	}
	for _, bad := range []string{"", "127.0.0.1:8080", "ftp://x", "http://"} {
		if _, err := client.New(client.Config{URL: bad}); err == nil {
			t.Errorf("%q is no address", bad)
		}
	}
}
