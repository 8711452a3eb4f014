package main

import (
	"encoding/json"
	"os"
	"testing"
)

// TestBenchCountsWhatItSends runs the benchmark in small, on the tests' servers: its figures are not looked at, but the
// counters must be what was sent, after a meter that was late, too.
func TestBenchCountsWhatItSends(t *testing.T) {
	t.Parallel()
	if os.Getenv("EZSCALE_TEST_POSTGRES") == "" || os.Getenv("EZSCALE_TEST_KAFKA") == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no servers: run under `ezscale servers -- go test`")
		}
		t.Skip("no servers: run under `ezscale servers -- go test`")
	}
	out := output(t, ezscale(t, nil, "bench", "collector", "--scenario", "steady,lag", "--for", "2s", "--rate", "1000", "--exporters", "3",
		"--services", "20", "--lag-samples", "7000", "--peers=false", "--json"))
	var report struct {
		Decode float64 `json:"decode_samples_per_second"`
		Rows   []struct {
			Scenario string  `json:"scenario"`
			Offered  int64   `json:"offered"`
			Counted  int64   `json:"counted"`
			Lost     int64   `json:"lost"`
			Pipeline float64 `json:"samples_per_cpu_second"`
			RSS      int64   `json:"rss_bytes"`
			Books    string  `json:"books"`
		} `json:"rows"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if report.Decode <= 0 || len(report.Rows) != 2 {
		t.Fatalf("%s", out)
	}
	for _, r := range report.Rows {
		if r.Offered == 0 || r.Counted != r.Offered || r.Lost != 0 || r.Pipeline <= 0 || r.RSS <= 0 || r.Books != "equal to the byte" {
			t.Errorf("%+v", r)
		}
	}
}
