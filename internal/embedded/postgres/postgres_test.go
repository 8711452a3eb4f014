package postgres

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/embedded/parts"
)

func newServer(t *testing.T, dir string) *Server {
	t.Helper()
	cache, err := parts.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "postgres-*[0-9]"))
	if len(found) == 0 {
		const message = `the Postgres part is not there: run "make test", or "ezscale servers" once`
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return New(Config{
		Dir: dir, Part: found[len(found)-1], Port: l.Addr().(*net.TCPAddr).Port, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s := newServer(t, dir)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

// TestStartOverTheRemainsOfOthers starts where an initialisation was interrupted, and where the lock file names
// a process that is alive but no Postgres.
func TestStartOverTheRemainsOfOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(s.data(), postmasterFile)
	if _, err := os.Stat(lock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after an orderly stop: %v", err)
	}
	text := strconv.Itoa(os.Getpid()) + "\n" + s.data() + "\n0\n1\n\n127.0.0.1\n  1 1\nready\n"
	if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

func TestTheServerIsDurableAndClosedToOthers(t *testing.T) {
	t.Parallel()
	s := start(t, filepath.Join(t.TempDir(), "postgres"))
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on", "listen_addresses": "127.0.0.1",
		"max_connections": "200", "server_encoding": "UTF8", "password_encryption": "scram-sha-256", "TimeZone": "UTC",
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "select current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v)", setting, got, err)
		}
	}
	wrong := strings.Replace(s.DSN(), s.password, "wrong", 1)
	if conn, err := pgx.Connect(t.Context(), wrong); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password is let in")
	}
	for name, want := range map[string]fs.FileMode{"password": 0o600, "data": 0o700} {
		info, err := os.Stat(filepath.Join(s.cfg.Dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v (%v)", name, info.Mode(), err)
		}
	}
}

func TestFirstClosed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	closed := filepath.Join(root, "open", "closed")
	path := filepath.Join(closed, "deep")
	if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(filepath.Dir(root), 0o755)); err != nil {
		t.Fatal(err)
	}
	stranger := &syscall.Credential{Uid: 54321, Gid: 54321}
	if got, err := firstClosed(path, stranger); err != nil || strings.HasPrefix(got, root) {
		t.Errorf("nothing is closed: %q (%v)", got, err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := firstClosed(path, stranger); err != nil || got != closed {
		t.Errorf("closed: %q (%v)", got, err)
	}
	owner := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	if got, err := firstClosed(path, owner); err != nil || strings.HasPrefix(got, root) {
		t.Errorf("its owner: %q (%v)", got, err)
	}
}
