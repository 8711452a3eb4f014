package client_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/client"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("from") == "nonsense":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = w.Write([]byte(`{"status":422,"code":"invalid_input","detail":"the input is not valid"}`))
		case r.URL.Path == "/api/v1/half":
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			_, _ = w.Write([]byte("the whole file"))
		}
	}))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := c.Download(context.Background(), "/whole", nil, &file); err != nil || file.String() != "the whole file" {
		t.Errorf("%q %v", file.String(), err)
	}
	var problem *client.Problem
	if err := c.Download(context.Background(), "/whole", url.Values{"from": {"nonsense"}}, &file); !errors.As(err, &problem) || problem.Code != "invalid_input" {
		t.Errorf("a problem: %v", err)
	}
	if err := c.Download(context.Background(), "/half", nil, &file); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("half a file: %v", err)
	}
}
