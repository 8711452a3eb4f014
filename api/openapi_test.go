package api

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
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
	for _, bare := range bareArrays(t, answer.Body.Bytes()) {
		t.Errorf("%s answers a bare array, which can never have a cursor beside it: use query.List", bare)
	}
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), served); diff != "" {
		t.Errorf("api/openapi.json is not what is served; go test ./api -run OpenAPI -update (-committed +served):\n%s", diff)
	}
}

// bareArrays are the operations whose answer is an array.
func bareArrays(t *testing.T, document []byte) (found []string) {
	t.Helper()
	type schema struct {
		Ref  string `json:"$ref"`
		Type any    `json:"type"` // a name, or several
	}
	var d struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	for path, operations := range d.Paths {
		for method, operation := range operations {
			for status, response := range operation.Responses {
				for _, content := range response.Content {
					s := content.Schema
					if s.Ref != "" {
						s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
					}
					if strings.Contains(fmt.Sprint(s.Type), "array") {
						found = append(found, method+" "+path+" "+status)
					}
				}
			}
		}
	}
	return found
}
