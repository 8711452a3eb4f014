// Package maven fetches the jars of a Java server for tests, on a machine that has a JDK 17 and Maven.
//
// Maven resolves what a pom names into its own per-user repository, with strict checksums; the jars are copied to a
// cache of ours and trusted only when each has the SHA-256 in a list of ours and there is no other. The list is
// what is pinned: Maven's answer may change, what runs may not.
package maven

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ezscale/platform/internal/embedded/flock"
)

// copyGoal is pinned: a goal without a version would take the newest plugin there is.
const copyGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

const lastWords = 2000 // bytes of a program's output in an error

// ErrChecksum says that a jar is not the one that was pinned.
var ErrChecksum = errors.New("checksum mismatch")

// Jars are those of one server.
type Jars struct {
	Name    string // for people and for the default cache: "apache-kafka"
	Version string
	Pom     string // what Maven resolves
	Sums    string // as sha256sum writes it
	Size    string // for people: "43 MB"
	Cache   string // directory; default: one in the user's cache
	Log     *slog.Logger
}

// Missing tells which programs the machine lacks for name: an error that names them, or nil.
func Missing(name string) error {
	var missing []error
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Errorf("%s needs %s (Debian: openjdk-17-jdk-headless, maven): %w", name, program, err))
		}
	}
	return errors.Join(missing...)
}

// Ensure returns the directory with the jars. It gets its name only when all are there and right; another
// list of checksums is another directory.
func (j Jars) Ensure(ctx context.Context) (string, error) {
	cache, err := j.cache()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(j.Sums))
	dir := filepath.Join(cache, j.Version+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
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
	j.Log.Info("fetching jars with Maven, once", "of", j.Name, "version", j.Version, "size", j.Size)
	if err := j.fill(ctx, cache, dir); err != nil {
		return "", fmt.Errorf("fetch %s %s: %w", j.Name, j.Version, err)
	}
	return dir, nil
}

// cache is a per-user directory, unless another is set.
func (j Jars) cache() (string, error) {
	if j.Cache != "" {
		return j.Cache, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	return filepath.Join(base, "ezscale", j.Name), nil
}

func (j Jars) fill(ctx context.Context, cache, dir string) error {
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return fmt.Errorf("make a directory to fetch into: %w", err)
	}
	defer os.RemoveAll(work)
	lib := filepath.Join(work, "lib")
	if err := j.fetch(ctx, work, lib); err != nil {
		return err
	}
	if err := check(lib, j.Sums); err != nil {
		return err
	}
	if err := os.Rename(lib, dir); err != nil {
		return fmt.Errorf("keep the jars: %w", err)
	}
	return nil
}

func (j Jars) fetch(ctx context.Context, work, lib string) error {
	path := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(path, []byte(j.Pom), 0o600); err != nil {
		return fmt.Errorf("write the pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", path, "--strict-checksums", copyGoal,
		"-DincludeScope=runtime", "-DoutputDirectory="+lib)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run mvn: %w: %s", err, LastBytes(out))
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

// LastBytes is the end of a program's output, for an error.
func LastBytes(out []byte) string {
	return strings.TrimSpace(string(out[max(0, len(out)-lastWords):]))
}
