package report_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ezscale/platform/cmd/ezscale/tools/report"
)

// run runs the command against a platform that answers every export with the file, and tells what it was asked.
func run(t *testing.T, file string, args ...string) (out string, asked *http.Request, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		if file == "" {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(file))
	}))
	defer server.Close()
	cmd := report.NewCommand()
	var printed bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetErr(&printed)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(append(args, "--url", server.URL))
	err = cmd.Execute()
	return printed.String(), asked, err
}

const leaks = "address,exporters,bytes_l2,first_hour,service_id\r\n10.0.0.1,\"leaf-0, leaf-1\",1234567,2026-03-10T12:00:00Z,x\r\nothers,'-odd,,2026-03-10T12:30:05Z,\r\n"

func TestReport(t *testing.T) {
	t.Setenv("EZSCALE_TOKEN", "secret")
	out, asked, err := run(t, leaks, "unattributed", "--from", "2026-03-10", "--search", "10.0.0.0/8", "--sort", "bytes_l2")
	if err != nil {
		t.Fatal(err)
	}
	if got := asked.URL.Path + "?" + asked.URL.RawQuery; got != "/api/v1/reports/unattributed/export?format=csv&from=2026-03-10T00%3A00%3A00Z&limit=50&q=10.0.0.0%2F8&sort=bytes_l2" {
		t.Errorf("asked %s", got)
	}
	want := []string{"address exporters bytes l2 first hour", "10.0.0.1 leaf-0, leaf-1 1.23 MB 2026-03-10T12", "others -odd – 2026-03-10T12:30:05Z"}
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if got := strings.Join(strings.Fields(line), " "); i >= len(want) || got != want[i] {
			t.Errorf("line %d: %q", i, got)
		}
	}
	name := filepath.Join(t.TempDir(), "leaks.csv")
	if _, asked, err = run(t, leaks, "unattributed", "-o", name); err != nil || asked.URL.RawQuery != "format=csv" {
		t.Fatalf("%v %v", asked.URL, err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != leaks {
		t.Errorf("%q %v", text, err)
	}
	if _, _, err := run(t, "", "unattributed", "-o", name+"2"); err == nil {
		t.Error("a file that broke off passes for whole")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReportRefusesNonsense(t *testing.T) {
	t.Setenv("EZSCALE_TOKEN", "secret")
	for want, args := range map[string][]string{
		`no report "leaks"`: {"leaks"}, "--format is": {"ingest", "--format", "xlsx"}, "needs a name": {"ingest", "--format", "parquet"}, "--from": {"ingest", "--from", "soon"},
	} {
		if _, asked, err := run(t, leaks, args...); err == nil || !strings.Contains(err.Error(), want) || asked != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}
