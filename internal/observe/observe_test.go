package observe_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/observe"
)

func TestReadyNamesThePartThatFails(t *testing.T) {
	t.Parallel()
	var health observe.Health
	broken := errors.New("no lease for 12 s")
	health.Add(
		observe.Check{Name: "postgres", Run: func(context.Context) error { return nil }},
		observe.Check{Name: "relay", Mend: "start a relay", Run: func(context.Context) error { return broken }},
	)
	server := observe.NewServer("127.0.0.1:0", observe.NewRegistry(), &health, slog.New(slog.DiscardHandler))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })

	status, body := get(t, "http://"+server.Addr()+"/health/ready")
	var answer struct {
		OK    bool
		Parts []observe.Part
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	want := observe.Part{Name: "relay", Reason: "no lease for 12 s", Mend: "start a relay"}
	if status != http.StatusServiceUnavailable || answer.OK || len(answer.Parts) != 2 || answer.Parts[1] != want {
		t.Errorf("got %d %s", status, body)
	}
	broken = nil
	if status, body := get(t, "http://"+server.Addr()+"/health/ready"); status != http.StatusOK {
		t.Errorf("mended, yet %d %s", status, body)
	}
	if _, body := get(t, "http://"+server.Addr()+"/metrics"); !strings.Contains(body, "process_resident_memory_bytes") {
		t.Error("no process metrics")
	}
}

func TestNewLoggerRefusesUnknownSettings(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"loud", "json"}, {"info", "xml"}} {
		if _, err := observe.NewLogger(io.Discard, c[0], c[1]); err == nil {
			t.Errorf("%v accepted", c)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
