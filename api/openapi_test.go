package api

import (
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/clock"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// The committed document is what a development installation serves; a production one lacks the paths below
// /dev and the login.
func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	sites, err := guard.ParseSites("http://account.localhost", "http://admin.localhost")
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Config{Development: true, Sites: sites}, Dependencies{Clock: clock.Real(), Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	server.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	served := answer.Body.String() + "\n"
	if *update {
		if err := os.WriteFile("openapi.json", []byte(served), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), served); diff != "" {
		t.Errorf("api/openapi.json is not what is served; go test ./api -run OpenAPI -update (-committed +served):\n%s", diff)
	}
}
