package network_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/tools/network"
)

// run runs a command against a platform that gives one answer, and tells what it was asked.
func run(t *testing.T, cmd *cobra.Command, answer string, args ...string) (out, asked string, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + strings.ReplaceAll(string(body), "null", ""))
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	var printed bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetErr(&printed)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(append(args, "--url", server.URL))
	err = cmd.Execute()
	return printed.String(), asked, err
}

func TestCommands(t *testing.T) {
	t.Setenv("EZSCALE_TOKEN", "secret")
	cases := []struct {
		name           string
		cmd            *cobra.Command
		answer, args   string
		asked, printed string
	}{
		{"bind", network.NewPortsCommand(), `{"from":"2026-01-02T10:00:00Z"}`, "bind leaf-0 513 rack-7 --from 2026-01-02T10:00:00Z",
			`POST /api/v1/services/rack-7/ports {"exporter":"leaf-0","if_index":513,"from":"2026-01-02T10:00:00Z"}`, "port 513 of leaf-0 bills service rack-7 since 2026-01-02T10:00:00Z"},
		{"release", network.NewPortsCommand(), `{}`, "release leaf-0 513 rack-7",
			`POST /api/v1/services/rack-7/ports/release {"exporter":"leaf-0","if_index":513}`, "port 513 of leaf-0 is released from service rack-7"},
		{"ports", network.NewPortsCommand(), `{"items":[{"name":"b","ports":[{"exporter":"leaf-1","if_index":1,"from":"2026-01-02T00:00:00Z"},{"exporter":"leaf-0","if_index":9,"from":"2026-01-02T00:00:00Z","to":"2026-01-03T00:00:00Z"}]},
			{"name":"a","ports":[{"exporter":"leaf-0","if_index":2,"from":"2026-01-02T00:00:00Z"}]},{"name":"c"}]}`, "list", "GET /api/v1/services?limit=500",
			"EXPORTER PORT SERVICE SINCE UNTIL leaf-0 2 a 2026-01-02T00:00:00Z – leaf-0 9 b 2026-01-02T00:00:00Z 2026-01-03T00:00:00Z leaf-1 1 b 2026-01-02T00:00:00Z –"},
		{"no ports", network.NewPortsCommand(), `{"items":[{"name":"leaf-0","ports":[{"exporter":"leaf-1","if_index":1}]}]}`, "list --exporter leaf-0", "GET /api/v1/exporters?limit=500", "no port is bound"},
		{"quarantine", network.NewQuarantineCommand(), `{"items":[{"exporter":"leaf-0","service":"a","rate":0,"samples":3,"frame_length_in":3000,"frame_length_out":0,"first_hour":"2026-01-05T10:00:00Z","last_hour":"2026-01-05T11:00:00Z"}],"next_cursor":"x"}`,
			"list --exporter leaf-0 --rate 0 --from 2026-01-05", "GET /api/v1/reports/quarantine-groups?exporter=leaf-0&from=2026-01-05T00%3A00%3A00Z&limit=500&rate=0",
			"EXPORTER SERVICE RATE SAMPLES IN (UNSCALED) OUT (UNSCALED) FIRST HOUR LAST HOUR leaf-0 a 0 3 3 kB 0 B 2026-01-05 10:00 2026-01-05 11:00 and more; narrow the hours, or name an exporter"},
		{"empty quarantine", network.NewQuarantineCommand(), `{"items":[]}`, "list", "GET /api/v1/reports/quarantine-groups?limit=500", "nothing waits for a decision"},
		{"preview of a release", network.NewQuarantineCommand(), `{"items":[{"exporter":"leaf-0","service":"a","rate":0,"samples":3,"frame_length_in":3000,"frame_length_out":0,"first_hour":"2026-01-05T10:00:00Z","last_hour":"2026-01-05T11:00:00Z"}]}`,
			"release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason ticket",
			"GET /api/v1/reports/quarantine-groups?exporter=leaf-0&from=2026-01-05T00%3A00%3A00Z&limit=500&rate=0&to=2026-01-06T00%3A00%3A00Z",
			"EXPORTER SERVICE RATE SAMPLES IN (UNSCALED) OUT (UNSCALED) FIRST HOUR LAST HOUR leaf-0 a 0 3 3 kB 0 B 2026-01-05 10:00 2026-01-05 11:00 each byte above would count 2048 times; nothing is changed yet, --apply does it"},
		{"preview of nothing", network.NewQuarantineCommand(), `{"items":[]}`, "reject --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --reason ticket",
			"GET /api/v1/reports/quarantine-groups?exporter=leaf-0&from=2026-01-05T00%3A00%3A00Z&limit=500&to=2026-01-06T00%3A00%3A00Z", "nothing like this waits for a decision"},
		{"release quarantine", network.NewQuarantineCommand(), `{"rows":2,"samples":16,"bytes_in_l2":22500000,"bytes_out_l2":1000}`,
			"release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason ticket --apply",
			`POST /api/v1/quarantine/release {"exporter":"leaf-0","from":"2026-01-05T00:00:00Z","to":"2026-01-06T00:00:00Z","rate":0,"rate_given":2048,"reason":"ticket"}`,
			"released 16 samples of 2 rows: 22.5 MB in, 1 kB out (L2); a meter adds them within seconds"},
		{"reject quarantine", network.NewQuarantineCommand(), `{"rows":2,"samples":16}`, "reject --exporter leaf-0 --service a --from 2026-01-05 --to 2026-01-06 --reason ticket --apply",
			`POST /api/v1/quarantine/reject {"exporter":"leaf-0","from":"2026-01-05T00:00:00Z","to":"2026-01-06T00:00:00Z","service":"a","reason":"ticket"}`, "rejected 16 samples of 2 rows"},
	}
	for _, c := range cases {
		out, asked, err := run(t, c.cmd, c.answer, strings.Fields(c.args)...)
		if got := strings.Join(strings.Fields(out), " "); err != nil || asked != c.asked || got != c.printed {
			t.Errorf("%s: %v\nasked   %s\nwant    %s\nprinted %s\nwant    %s", c.name, err, asked, c.asked, got, c.printed)
		}
	}
}

func TestAnUnknownExporterIsNamed(t *testing.T) {
	t.Setenv("EZSCALE_TOKEN", "secret")
	if _, _, err := run(t, network.NewPortsCommand(), `{"items":[]}`, "list", "--exporter", "leaf-9"); err == nil || !strings.Contains(err.Error(), "no exporter of this name") {
		t.Error(err)
	}
}

func TestWrongArgumentsAreRefusedAtOnce(t *testing.T) {
	t.Setenv("EZSCALE_TOKEN", "secret")
	for args, want := range map[string]string{
		"ports bind leaf-0 ge-0/0/1 rack-7":                              "is not the number of a port",
		"ports bind leaf-0 513 rack-7 --from yesterday":                  "is not a time",
		"ports release leaf-0 513":                                       "accepts 3 arg",
		"quarantine release --exporter leaf-0 --from 2026-01-05":         `"rate-given", "reason", "to" not set`,
		"quarantine reject --exporter a --from x --to y --reason ticket": "is not a time",
	} {
		words := strings.Fields(args)
		cmd := network.NewPortsCommand()
		if words[0] == "quarantine" {
			cmd = network.NewQuarantineCommand()
		}
		if _, asked, err := run(t, cmd, `{}`, words[1:]...); err == nil || !strings.Contains(err.Error(), want) || asked != "" {
			t.Errorf("%s: asked %q, got %v, want %q", args, asked, err, want)
		}
	}
}
