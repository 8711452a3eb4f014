// Package postgres runs a PostgreSQL server of our own below a data directory: initialised once, on a
// loopback port, with a password made on the first day, durable (fsync, synchronous commit) and small.
//
// PostgreSQL refuses to run as root. Started by root, it runs as "postgres" or else "nobody", who then owns
// its files. Where that user can't enter a directory above the data (a checkout below root's home), the
// process gets the one capability to pass through it, and where even that is not to be had, Start says so.
//
// After a kill -9 of everything, a backend may live on for a moment. A new postmaster must not start beside
// it: before each start, whatever Postgres process still works in the data directory is ended, and only then
// is a lock file of the dead removed.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/embedded/secret"
	"github.com/ezscale/platform/internal/embedded/supervise"
)

const (
	superuser         = "ezscale" // of the server, and the name of the platform's database
	defaultMaxConns   = 200
	defaultMemory     = 64 << 20
	leastWAL          = 1 << 30 // bytes between two checkpoints; with more memory eight times that, which dirties more
	maxSocketDirBytes = 80      // a Unix socket's path has 107 bytes at most, file name included
	initTimeout       = 2 * time.Minute
	setupTimeout      = 30 * time.Second
)

// Config of one server.
type Config struct {
	Dir      string // everything of it: data, password, socket
	Part     string // the unpacked Postgres part
	Port     int    // on 127.0.0.1
	MaxConns int    // default 200
	// Memory is its page cache in bytes; default 64 MiB. What many services write to should fit in.
	Memory int64
	// Throwaway leaves out the syncs to the disk: the data survives a kill, not a crash of the machine. For tests,
	// whose databases come and go by the hundred.
	Throwaway bool
	Log       *slog.Logger
}

// Server is one embedded PostgreSQL.
type Server struct {
	cfg      Config
	runner   *runner
	password string
	process  *supervise.Process
}

// New prepares a server; nothing runs yet.
func New(cfg Config) *Server {
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = defaultMaxConns
	}
	if cfg.Memory <= 0 {
		cfg.Memory = defaultMemory
	}
	s := &Server{cfg: cfg}
	s.process = supervise.New(supervise.Spec{
		Name: "postgres", Command: s.command, Probe: s.probe, Log: cfg.Log,
		StopSignal:  syscall.SIGINT,  // fast shutdown: clients are cut off, a checkpoint is written
		DeathSignal: syscall.SIGQUIT, // immediate shutdown, which takes the backends along
	})
	return s
}

// Start initialises the data directory when it is new, runs the server until it answers and makes the
// platform's database. On an error nothing is left running.
func (s *Server) Start(ctx context.Context) (err error) {
	if err := os.MkdirAll(s.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("make the Postgres directory: %w", err)
	}
	if s.runner, err = newRunner(s.cfg.Dir, s.cfg.Part); err != nil {
		return err
	}
	if s.password, err = secret.Ensure(s.passwordFile(), s.runner.own); err != nil {
		return err
	}
	if err := s.initialise(ctx); err != nil {
		return err
	}
	if err := s.process.Start(ctx); err != nil {
		return err
	}
	if err := s.ensureDatabase(ctx); err != nil {
		return errors.Join(err, s.process.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// Stop shuts the server down.
func (s *Server) Stop(ctx context.Context) error { return s.process.Stop(ctx) }

// Health tells how the server's process is.
func (s *Server) Health() supervise.Health { return s.process.Health() }

// DSN is the URL of the platform's database, with its password: not for logs.
func (s *Server) DSN() string { return s.dsn(superuser) }

func (s *Server) dsn(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (s *Server) data() string { return filepath.Join(s.cfg.Dir, "data") }

func (s *Server) passwordFile() string { return filepath.Join(s.cfg.Dir, "password") }

// initialise makes the data directory beside its place and moves it there when it is complete. The built-in
// C.UTF-8 locale sorts alike on every machine and needs no library of the system's.
func (s *Server) initialise(ctx context.Context) error {
	if _, err := os.Stat(s.data()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	work := filepath.Join(s.cfg.Dir, "data.new")
	if err := s.makeEmpty(work); err != nil {
		return fmt.Errorf("make the Postgres data directory: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.cfg.Part, "native/bin/initdb"), "--pgdata", work, "--username", superuser,
		"--pwfile", s.passwordFile(), "--auth", "scram-sha-256", "--encoding", "UTF8",
		"--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
	s.runner.prepare(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // of the thread, which therefore waits with us
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initialise Postgres: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return os.Rename(work, s.data())
}

// makeEmpty makes the directory in the place of what an interrupted initialisation left.
func (s *Server) makeEmpty(work string) error {
	if _, err := os.Stat(work); err == nil {
		if err := endLeftovers(work, s.cfg.Log); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700), s.runner.own(work))
}

func (s *Server) command() (*exec.Cmd, error) {
	if err := endLeftovers(s.data(), s.cfg.Log); err != nil {
		return nil, err
	}
	args := []string{"-D", s.data()}
	for _, setting := range s.settings() {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(s.cfg.Part, "native/bin/postgres"), args...)
	s.runner.prepare(cmd)
	return cmd, nil
}

// settings suit a small machine. Statements and values stay out of the log: they may hold personal data.
func (s *Server) settings() []string {
	socket := s.cfg.Dir
	if len(socket) > maxSocketDirBytes || s.runner.drops() {
		socket = "" // too long, or not the server's own directory: loopback only
	}
	sync := "fsync=on"
	if s.cfg.Throwaway {
		sync = "fsync=off"
	}
	return []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.cfg.Port),
		"unix_socket_directories=" + socket, "unix_socket_permissions=0700",
		"max_connections=" + strconv.Itoa(s.cfg.MaxConns), "superuser_reserved_connections=3",
		sync, "synchronous_commit=on", "full_page_writes=on", "recovery_init_sync_method=syncfs", "password_encryption=scram-sha-256",
		"shared_buffers=" + kilobytes(s.cfg.Memory), "work_mem=8MB", "maintenance_work_mem=64MB", "effective_cache_size=512MB",
		"wal_level=replica", "max_wal_senders=0", "wal_buffers=4MB", "max_wal_size=" + kilobytes(max(leastWAL, 8*s.cfg.Memory)), "min_wal_size=80MB",
		"checkpoint_timeout=5min", "io_workers=1", "max_worker_processes=4", "max_parallel_workers=2", "jit=off",
		"autovacuum_max_workers=2", "autovacuum_naptime=30s", "timezone=UTC", "log_timezone=UTC",
		"logging_collector=off", "log_destination=stderr", "log_min_messages=fatal", "log_min_error_statement=panic",
		"log_error_verbosity=terse", "cluster_name=ezscale",
	}
}

func kilobytes(n int64) string { return strconv.FormatInt(n>>10, 10) + "kB" }

// probe asks for a session. A server that has none left is busy, not dead.
func (s *Server) probe(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.dsn("postgres"))
	if isTooManyConnections(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Server) ensureDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return fmt.Errorf("reach the embedded Postgres: %w", err)
	}
	defer conn.Close(ctx)
	var found bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", superuser).Scan(&found); err != nil {
		return fmt.Errorf("look for the platform's database: %w", err)
	}
	if found {
		return nil
	}
	if _, err := conn.Exec(ctx, "create database "+superuser); err != nil {
		return fmt.Errorf("make the platform's database: %w", err)
	}
	return nil
}
