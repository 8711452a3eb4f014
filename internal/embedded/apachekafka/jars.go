package apachekafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ezscale/platform/internal/embedded/flock"
)

//go:embed files/pom.xml
var pom string

//go:embed files/jars.sum
var sums string

//go:embed files/log4j2.properties
var logSettings string

// copyGoal is pinned: a goal without a version would take the newest plugin there is.
const copyGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

const lastWords = 2000 // bytes of a program's output in an error

// ErrChecksum says that a jar is not the one that was pinned.
var ErrChecksum = errors.New("checksum mismatch")

// DefaultCache is the per-user cache of jars.
func DefaultCache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	return filepath.Join(base, "ezscale", "apache-kafka"), nil
}

// ensureJars returns the directory with the jars. It gets its name only when all are there and right; another
// list of checksums is another directory.
func (s *Server) ensureJars(ctx context.Context) (string, error) {
	sum := sha256.Sum256([]byte(sums))
	dir := filepath.Join(s.cfg.Cache, Version+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(s.cfg.Cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	lock, err := flock.Wait(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("wait for another process that fetches: %w", err)
	}
	defer func() { _ = lock.Release() }()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	s.cfg.Log.Info("fetching Apache Kafka with Maven, once (43 MB)", "version", Version)
	work, err := os.MkdirTemp(s.cfg.Cache, "fetch-")
	if err != nil {
		return "", fmt.Errorf("make a directory to fetch into: %w", err)
	}
	defer os.RemoveAll(work)
	lib := filepath.Join(work, "lib")
	if err := fetch(ctx, work, lib); err != nil {
		return "", err
	}
	if err := check(lib, sums); err != nil {
		return "", err
	}
	if err := os.Rename(lib, dir); err != nil {
		return "", fmt.Errorf("keep the jars: %w", err)
	}
	return dir, nil
}

func fetch(ctx context.Context, work, lib string) error {
	path := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(path, []byte(pom), 0o600); err != nil {
		return fmt.Errorf("write the pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", path, "--strict-checksums", copyGoal,
		"-DincludeScope=runtime", "-DoutputDirectory="+lib)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run mvn: %w: %s", err, lastBytes(out))
	}
	return nil
}

// check compares the files of a directory with a list as sha256sum writes it: each as listed, and no other.
func check(dir, list string) error {
	left := map[string]string{}
	for line := range strings.Lines(list) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			left[name] = sum
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list the jars: %w", err)
	}
	for _, e := range entries {
		got, err := sumOf(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if want := left[e.Name()]; got != want {
			return fmt.Errorf("%s has SHA-256 %s, want %q: %w", e.Name(), got, want, ErrChecksum)
		}
		delete(left, e.Name())
	}
	for name := range left {
		return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return nil
}

func sumOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read a jar: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read a jar: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func lastBytes(out []byte) string {
	return strings.TrimSpace(string(out[max(0, len(out)-lastWords):]))
}
