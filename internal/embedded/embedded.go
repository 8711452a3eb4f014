// Package embedded runs what the platform stands on, where no server is installed: Postgres, a Kafka broker
// and ClickHouse, each a supervised child process, all data below one directory.
//
// The code above sees three addresses and cannot tell the servers from real ones. The programs come from
// pinned npm packages (package parts); Kafka and ClickHouse are this very program, run again as a child that
// calls RunChild. A child that dies is started again on its port; a kill -9 of a child, or of the parent,
// loses nothing acknowledged, and leaves no process and no lock that would hinder the next start.
//
// One parent at a time works on a data directory.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/embedded/clickhouse"
	"github.com/ezscale/platform/internal/embedded/flock"
	"github.com/ezscale/platform/internal/embedded/kafka"
	"github.com/ezscale/platform/internal/embedded/parts"
	"github.com/ezscale/platform/internal/embedded/postgres"
	"github.com/ezscale/platform/internal/embedded/secret"
	"github.com/ezscale/platform/internal/embedded/supervise"
)

// ErrInUse says that another process runs on the data directory.
var ErrInUse = errors.New("the data directory is in use")

// startTimeout bounds a server's start, after its part has been fetched. Recovery after a kill is in it.
const startTimeout = 3 * time.Minute

// Config of a stack.
type Config struct {
	Data                  string         // directory; made when absent
	Parts                 string         // cache of parts; see parts.DefaultDir
	Registry              string         // base URL of an npm registry
	Progress              parts.Progress // of downloads; called by several goroutines; may be nil
	PostgresPort          int            // on 127.0.0.1; 0 takes a free one, and so for the others
	KafkaPort             int
	ClickHousePort        int
	PostgresMaxConns      int   // default 200
	PostgresMemoryBytes   int64 // its page cache; default 64 MiB
	ClickHouseMemoryBytes int64 // bound of the engine; default 384 MiB
	Throwaway             bool  // Postgres and Kafka sync nothing to the disk: for tests, see postgres.Config
	// ChildArgs make this program call RunChild; the part's name comes last. Default: "embedded".
	ChildArgs []string
	Log       *slog.Logger
}

// Stack is the three servers. The addresses are known after Start.
type Stack struct {
	cfg  Config
	lock *flock.Lock

	mu         sync.Mutex
	postgres   *postgres.Server
	kafka      *supervise.Process
	clickhouse *supervise.Process

	kafkaConfig      kafka.Config
	clickhouseConfig clickhouse.Config
}

// New prepares a stack; nothing is touched yet.
func New(cfg Config) *Stack {
	if len(cfg.ChildArgs) == 0 {
		cfg.ChildArgs = []string{"embedded"}
	}
	return &Stack{cfg: cfg}
}

// Start fetches the parts that are not there and runs the servers, side by side, until all of them serve. On
// an error nothing is left running. The context bounds the start alone.
func (s *Stack) Start(ctx context.Context) error {
	if err := s.takeData(); err != nil {
		return err
	}
	if err := s.takePorts(); err != nil {
		return errors.Join(err, s.giveData())
	}
	store := parts.New(parts.Config{Dir: s.cfg.Parts, Registry: s.cfg.Registry, Progress: s.cfg.Progress})
	servers, starting := errgroup.WithContext(ctx)
	servers.Go(func() error { return s.startPostgres(starting, store) })
	servers.Go(func() error { return s.startKafka(starting) })
	servers.Go(func() error { return s.startClickHouse(starting, store) })
	if err := servers.Wait(); err != nil {
		return errors.Join(fmt.Errorf("start the embedded servers: %w", err), s.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// Stop ends the servers side by side and gives the data directory back. Their clients should be gone.
func (s *Stack) Stop(ctx context.Context) error {
	var servers errgroup.Group
	for _, stop := range s.stops() {
		servers.Go(func() error { return stop(ctx) })
	}
	return errors.Join(servers.Wait(), s.giveData())
}

// PostgresDSN is the owner's URL of the platform's database, with its password: not for logs.
func (s *Stack) PostgresDSN() string { return s.postgres.DSN() }

// KafkaBrokers are the broker's addresses.
func (s *Stack) KafkaBrokers() []string { return s.kafkaConfig.Brokers() }

// ClickHouseDSN is the URL of ClickHouse's HTTP port, with its password: not for logs.
func (s *Stack) ClickHouseDSN() string {
	u := url.URL{
		Scheme: "http", User: url.UserPassword(clickhouse.User, s.clickhouseConfig.Password),
		Host: address(s.clickhouseConfig.Port), Path: "/default",
	}
	return u.String()
}

// Health tells how each server's process is, its process number included.
func (s *Stack) Health() []supervise.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []supervise.Health
	if s.postgres != nil {
		all = append(all, s.postgres.Health())
	}
	for _, p := range []*supervise.Process{s.kafka, s.clickhouse} {
		if p != nil {
			all = append(all, p.Health())
		}
	}
	return all
}

func (s *Stack) stops() []func(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stops []func(context.Context) error
	if s.postgres != nil {
		stops = append(stops, s.postgres.Stop)
	}
	for _, p := range []*supervise.Process{s.kafka, s.clickhouse} {
		if p != nil {
			stops = append(stops, p.Stop)
		}
	}
	return stops
}

func (s *Stack) takeData() error {
	data, err := filepath.Abs(s.cfg.Data)
	if err != nil {
		return fmt.Errorf("find the data directory: %w", err)
	}
	s.cfg.Data = data
	if err := os.MkdirAll(data, 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	s.lock, err = flock.Try(filepath.Join(data, "lock"))
	if errors.Is(err, flock.ErrHeld) {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return err
}

func (s *Stack) giveData() error {
	lock := s.lock
	s.lock = nil
	if lock == nil {
		return nil
	}
	return lock.Release()
}

func (s *Stack) startPostgres(ctx context.Context, store *parts.Store) error {
	part, err := parts.Postgres(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return err
	}
	dir, err := store.Ensure(ctx, part)
	if err != nil {
		return err
	}
	server := postgres.New(postgres.Config{
		Dir: filepath.Join(s.cfg.Data, "postgres"), Part: dir, Port: s.cfg.PostgresPort,
		MaxConns: s.cfg.PostgresMaxConns, Memory: s.cfg.PostgresMemoryBytes, Throwaway: s.cfg.Throwaway, Log: s.cfg.Log,
	})
	s.keep(func() { s.postgres = server })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return server.Start(ctx)
}

func (s *Stack) startKafka(ctx context.Context) error {
	cfg := kafka.Config{Dir: filepath.Join(s.cfg.Data, "kafka"), Port: s.cfg.KafkaPort, Throwaway: s.cfg.Throwaway}
	probe := func(ctx context.Context) error { return kafka.Probe(ctx, cfg) }
	process, err := s.child(PartKafka, cfg, probe)
	if err != nil {
		return err
	}
	s.keep(func() { s.kafka, s.kafkaConfig = process, cfg })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return process.Start(ctx)
}

func (s *Stack) startClickHouse(ctx context.Context, store *parts.Store) error {
	part, err := parts.ClickHouse(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return err
	}
	library, err := store.Ensure(ctx, part)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.cfg.Data, "clickhouse")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the ClickHouse directory: %w", err)
	}
	password, err := secret.Ensure(filepath.Join(dir, "password"), nil)
	if err != nil {
		return err
	}
	cfg := clickhouse.Config{
		Dir: dir, Library: filepath.Join(library, "libchdb.so"), Port: s.cfg.ClickHousePort,
		Password: password, MemoryBytes: s.cfg.ClickHouseMemoryBytes,
	}
	probe := func(ctx context.Context) error { return clickhouse.Probe(ctx, cfg) }
	process, err := s.child(PartClickHouse, cfg, probe)
	if err != nil {
		return err
	}
	s.keep(func() { s.clickhouse, s.clickhouseConfig = process, cfg })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return process.Start(ctx)
}

func (s *Stack) keep(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}
