// Package stack brings up the embedded servers for the commands that need them: where their parts are kept, which
// registry they come from, and what a person sees while they are fetched.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/embedded/parts"
)

const (
	startBound    = 20 * time.Minute // the first start downloads 200 MB
	registryBound = 20 * time.Second
)

// PartsDir is where fetched parts are kept on this machine: EZSCALE_PARTS, or the default.
func PartsDir() (string, error) {
	if dir := os.Getenv("EZSCALE_PARTS"); dir != "" {
		return dir, nil
	}
	return parts.DefaultDir()
}

// Options of the embedded servers.
type Options struct {
	Data           string // directory
	Throwaway      bool   // need not survive a power cut
	PostgresMemory int64  // bytes of page cache; 0: the default
}

// New prepares the embedded servers below a data directory, with progress of downloads on out.
func New(ctx context.Context, o Options, out *os.File, log *slog.Logger) (*embedded.Stack, error) {
	dir, err := PartsDir()
	if err != nil {
		return nil, err
	}
	return embedded.New(embedded.Config{
		Data: o.Data, Parts: dir, Registry: registry(ctx), Progress: downloads(out), Throwaway: o.Throwaway,
		PostgresMemoryBytes: o.PostgresMemory, Log: log,
	}), nil
}

// registry is where packages come from on this machine: as npm is configured, mirrors included.
func registry(ctx context.Context) string {
	if url := os.Getenv("NPM_CONFIG_REGISTRY"); url != "" {
		return url
	}
	ctx, cancel := context.WithTimeout(ctx, registryBound)
	defer cancel()
	answer, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
	if err != nil {
		return "" // parts that are there already need none; a fetch says what is missing
	}
	return strings.TrimSpace(string(answer))
}

// downloads draws a bar per part on a terminal, and a line at each quarter elsewhere.
func downloads(out *os.File) parts.Progress {
	watched := terminal.Is(out)
	var mu sync.Mutex
	bars := map[string]*progressbar.ProgressBar{}
	quarters := map[string]int64{}
	return func(name string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case watched:
			bar := bars[name]
			if bar == nil {
				bar = terminal.Bar(out, total, "fetching "+name, true)
				bars[name] = bar
			}
			_ = bar.Set64(done) // a bar that cannot be drawn is no failure
		case total > 0:
			if quarter := done * 4 / total; quarter > quarters[name] {
				quarters[name] = quarter
				fmt.Fprintf(out, "fetching %s: %d%% of %d MB\n", name, 25*quarter, total/1_000_000)
			}
		}
	}
}

// Start starts the servers; an interrupt ends the start.
func Start(ctx context.Context, servers *embedded.Stack) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	err := servers.Start(ctx)
	if errors.Is(err, embedded.ErrInUse) {
		return fmt.Errorf("%w: another `ezscale up` runs there; stop it, or name another --data", err)
	}
	return err
}
