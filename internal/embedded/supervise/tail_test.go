package supervise

import (
	"log/slog"
	"testing"
)

// TestAnOrderlyStopWarnsOfNothing holds the words of Postgres that come with every start and stop below a warning.
func TestAnOrderlyStopWarnsOfNothing(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]slog.Level{
		"2026-01-01 00:00:00.000 UTC [1] FATAL:  the database system is starting up":                          slog.LevelDebug,
		"2026-01-01 00:00:00.000 UTC [1] FATAL:  the database system is shutting down":                        slog.LevelDebug,
		"2026-01-01 00:00:00.000 UTC [1] FATAL:  terminating connection due to administrator command":         slog.LevelDebug,
		`2026-01-01 00:00:00.000 UTC [1] FATAL:  could not write to file "base/1/1": No space left on device`: slog.LevelWarn,
		"2026-01-01 00:00:00.000 UTC [1] PANIC:  could not locate a valid checkpoint record":                  slog.LevelError,
		"2026-01-01 00:00:00.000 UTC [1] LOG:  database system is ready to accept connections":                slog.LevelDebug,
		"panic: runtime error: invalid memory address or nil pointer dereference":                             slog.LevelError,
		`{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"a log directory is nearly full"}`:               slog.LevelWarn,
	} {
		if got := levelOf(line); got != want {
			t.Errorf("%s\nis logged as %s, want %s", line, got, want)
		}
	}
}
