package supervise

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

const (
	tailLines    = 8
	maxLineBytes = 4 << 10
)

// tail takes a child's output, hands it line by line to the log and remembers the last lines.
type tail struct {
	log *slog.Logger

	mu      sync.Mutex
	partial []byte
	lines   []string
}

func newTail(log *slog.Logger) *tail { return &tail{log: log} }

// Write never fails: a child must not die of what it says.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := b; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		if room := maxLineBytes - len(t.partial); room > 0 {
			t.partial = append(t.partial, line[:min(room, len(line))]...)
		}
		if ended {
			t.take(strings.TrimSpace(string(t.partial)))
			t.partial = t.partial[:0]
		}
		rest = after
	}
	return len(b), nil
}

func (t *tail) take(line string) {
	if line == "" {
		return
	}
	if t.lines = append(t.lines, line); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
	t.log.Log(context.Background(), levelOf(line), "a child says", "line", line)
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}

func levelOf(line string) slog.Level {
	switch {
	case strings.Contains(line, "FATAL:  the database system is"), // starting up, shutting down: as it should
		// We are the administrator: at a stop, sessions are cut off that are about to end by themselves.
		strings.Contains(line, "FATAL:  terminating connection due to administrator command"):
		return slog.LevelDebug
	case strings.Contains(line, "PANIC:"), strings.Contains(line, "panic:"), strings.Contains(line, `"level":"ERROR"`):
		return slog.LevelError
	case strings.Contains(line, "FATAL:"), strings.Contains(line, `"level":"WARN"`):
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}
