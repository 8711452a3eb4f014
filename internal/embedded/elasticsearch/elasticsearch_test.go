package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/embedded/maven"
)

const bound = 5 * time.Minute // the first time, 33 MB are fetched

func newServer(t *testing.T) *Server {
	t.Helper()
	if err := maven.Missing("elasticsearch"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := New(Config{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestKeepsWhatItTookOverAKill(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	ask(ctx, t, s, http.MethodPut, "/i/_doc/1", `{"a":1}`)
	if err := syscall.Kill(s.Health().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for s.Health().Restarts == 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	var found struct{ Found bool }
	if answer := ask(ctx, t, s, http.MethodGet, "/i/_doc/1", ""); json.Unmarshal(answer, &found) != nil || !found.Found {
		t.Errorf("after the kill: %s", answer)
	}
	if other := New(Config{Data: s.cfg.Data, Log: s.cfg.Log}); !errors.Is(other.Start(ctx), ErrInUse) {
		t.Error("two nodes on one directory")
	}
}

// ask repeats a request until it is answered well.
func ask(ctx context.Context, t *testing.T, s *Server, method, path, body string) []byte {
	t.Helper()
	for {
		request, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err == nil && response.StatusCode < 300 {
			defer response.Body.Close()
			var answer json.RawMessage
			if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
			return answer
		}
		if ctx.Err() != nil {
			t.Fatal(method, path, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
