// Package clickhouse serves ClickHouse's HTTP protocol on loopback with ClickHouse's own engine inside the
// process: libchdb, loaded without cgo. It is meant to be a child process: a fault in the engine ends the
// child, and the supervisor starts it again.
//
// What it promises is what clickhouse-go/v2 with Protocol HTTP needs: statements with settings and param_
// values in the URL, results in any format (Native without block headers), inserts streamed from the body,
// errors with their code, basic authentication, gzip and ClickHouse's own compression. Not there: sessions,
// external tables, progress headers, and results of more than 32 MiB.
//
// An insert is acknowledged when its part and the part's directory are synced to the disk (fsync_after_insert,
// fsync_part_directory), so a kill loses nothing acknowledged. The memory of the engine is bounded.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"github.com/ezscale/platform/internal/embedded/flock"
)

const (
	defaultMemoryBytes = 384 << 20
	defaultQueryTime   = 60 * time.Second
	defaultParallel    = 8
	maxConnections     = 256
	predecessorWait    = 15 * time.Second
	headerTimeout      = 10 * time.Second
	idleTimeout        = 2 * time.Minute
	bodyTimeout        = 5 * time.Minute
	shutdownTimeout    = 10 * time.Second
	// User is the name that clients give.
	User = "ezscale"
)

// Config of the server.
type Config struct {
	Dir         string // its data; made when absent
	Library     string // libchdb.so
	Port        int    // on 127.0.0.1
	Password    string
	MemoryBytes int64         // of the engine; default 384 MiB
	QueryTime   time.Duration // longest statement unless its settings say otherwise; default 60 s
	Parallel    int           // statements at once; default 8
}

func (c Config) withDefaults() Config {
	if c.MemoryBytes <= 0 {
		c.MemoryBytes = defaultMemoryBytes
	}
	if c.QueryTime <= 0 {
		c.QueryTime = defaultQueryTime
	}
	if c.Parallel <= 0 {
		c.Parallel = defaultParallel
	}
	return c
}

func (c Config) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)) }

// Run serves until the context ends, lets running statements finish and returns.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the ClickHouse directory: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, predecessorWait)
	defer cancel()
	lock, err := flock.Wait(waiting, filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return fmt.Errorf("lock the ClickHouse directory: %w", err)
	}
	defer func() { _ = lock.Release() }()
	engine, err := openEngine(cfg)
	if err != nil {
		return err
	}
	defer engine.close()
	listener, err := net.Listen("tcp", cfg.address())
	if err != nil {
		return fmt.Errorf("listen for ClickHouse clients: %w", err)
	}
	log.Info("serving", "port", cfg.Port)
	return serve(ctx, netutil.LimitListener(listener, maxConnections), &front{
		engine: engine, user: User, password: cfg.Password, turns: make(chan struct{}, cfg.Parallel), log: log,
	})
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve ClickHouse clients: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving ClickHouse clients: %w", err)
	}
	return nil
}

// Probe asks the server for an answer of its engine.
func Probe(ctx context.Context, cfg Config) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.address()+"/?query=SELECT+1", nil)
	if err != nil {
		return fmt.Errorf("make a probe: %w", err)
	}
	request.SetBasicAuth(User, cfg.Password)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("reach the embedded ClickHouse: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the embedded ClickHouse answers %s", response.Status)
	}
	return nil
}
