package report_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/query/reports"
)

// What the command line offers is what the API serves.
func TestEveryReportOfTheCatalogueIsServed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Paths map[string]any }
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for path := range document.Paths {
		if name, ok := strings.CutPrefix(path, "/api/v1/reports/"); ok {
			served[name] = true
		}
	}
	listed := map[string]bool{}
	for _, r := range reports.Catalogue() {
		listed[r.Name], listed[r.Name+"/export"] = true, true
	}
	if diff := cmp.Diff(listed, served); diff != "" {
		t.Error(diff)
	}
}
