package parts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/embedded/parts"
)

const archivePath = "/@scope/thing/-/thing-1.2.3.tgz"

type entry struct {
	name, body string
	kind       byte
	mode       int64
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	packed := gzip.NewWriter(&buffer)
	files := tar.NewWriter(packed)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		header := &tar.Header{Name: e.name, Size: int64(len(e.body)), Typeflag: e.kind, Mode: e.mode, Linkname: "/etc/passwd"}
		if e.kind != tar.TypeReg {
			header.Size = 0
		}
		if err := files.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			if _, err := files.Write([]byte(e.body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(files.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func pinned(body []byte) parts.Part {
	sum := sha512.Sum512(body)
	return parts.Part{
		Name: "thing", Package: "@scope/thing", Version: "1.2.3",
		Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
	}
}

func good(t *testing.T) []byte {
	noise := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	return archive(t,
		entry{name: "package/native/lib/real.so.1", body: "library"},
		entry{name: "package/native/bin/run", body: "program", mode: 0o700},
		entry{name: "package/native/pg-symlinks.json", body: `[{"source":"native/lib/real.so.1","target":"native/lib/real.so"}]`},
		entry{name: "package/noise", body: string(noise)},
	)
}

func store(t *testing.T, dir string, handler http.HandlerFunc) *parts.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return parts.New(parts.Config{Dir: dir, Registry: server.URL + "/", Attempts: 3, Pause: time.Millisecond})
}

func serve(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != archivePath {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}

func TestEnsureUnpacksAndIsQuickTheSecondTime(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	body, dir := good(t), t.TempDir()
	s := store(t, dir, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); serve(body)(w, r) })
	var all errgroup.Group
	for range 4 {
		all.Go(func() error { _, err := s.Ensure(t.Context(), pinned(body)); return err })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	at, err := s.Ensure(t.Context(), pinned(body))
	if err != nil || asked.Load() != 1 {
		t.Fatalf("asked %d times (%v)", asked.Load(), err)
	}
	library, err := os.ReadFile(filepath.Join(at, "native/lib/real.so"))
	if err != nil || string(library) != "library" {
		t.Errorf("through the link: %q (%v)", library, err)
	}
	for name, want := range map[string]os.FileMode{".": 0o755, "native/bin/run": 0o755, "native/lib/real.so.1": 0o644} {
		info, err := os.Stat(filepath.Join(at, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v (%v)", name, info.Mode(), err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if diff := cmp.Diff([]string{at, at + ".lock"}, left); diff != "" {
		t.Errorf("the cache (-want +got):\n%s", diff)
	}
}

func TestEnsureContinuesWhatWasInterrupted(t *testing.T) {
	t.Parallel()
	body, dir := good(t), t.TempDir()
	var ranges []string
	cut := func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) > 3 {
			serve(body)(w, r)
			return
		}
		w.Header().Set("Content-Length", "1048576000")
		if from := r.Header.Get("Range"); from != "" {
			http.Error(w, "not now", http.StatusBadGateway)
			return
		}
		_, _ = w.Write(body[:len(body)/2])
	}
	s := store(t, dir, cut)
	if _, err := s.Ensure(t.Context(), pinned(body)); err == nil { // half, then two refusals
		t.Fatal("no error")
	}
	if _, err := s.Ensure(t.Context(), pinned(body)); err != nil { // a later process
		t.Fatal(err)
	}
	if ranges[0] != "" || ranges[len(ranges)-1] == "" {
		t.Errorf("ranges asked for: %q", ranges)
	}
}

func TestEnsureBeginsAnewWhereTheServerCannotContinue(t *testing.T) {
	t.Parallel()
	body, asked := good(t), 0
	s := store(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.Header().Set("Content-Length", "1048576000")
			_, _ = w.Write([]byte("something else"))
			return
		}
		_, _ = w.Write(body) // 200, whatever was asked
	})
	if _, err := s.Ensure(t.Context(), pinned(body)); err != nil {
		t.Fatal(err)
	}
}

func TestEnsureRefuses(t *testing.T) {
	t.Parallel()
	escape := archive(t, entry{name: "package/../../outside", body: "x"})
	link := archive(t, entry{name: "package/link", kind: tar.TypeSymlink})
	listed := archive(t, entry{name: "package/native/pg-symlinks.json", body: `[{"source":"../../x","target":"y"}]`})
	twice := archive(t, entry{name: "package/a", body: "1"}, entry{name: "package/a", body: "2"})
	other := good(t)
	tests := map[string]struct {
		body []byte
		part parts.Part
		want error
	}{
		"wrong checksum":            {body: []byte("evil"), part: pinned(other), want: parts.ErrChecksum},
		"a name that leads out":     {body: escape, part: pinned(escape), want: parts.ErrArchive},
		"a link in the archive":     {body: link, part: pinned(link), want: parts.ErrArchive},
		"a listed link leading out": {body: listed, part: pinned(listed), want: parts.ErrArchive},
		"a file twice":              {body: twice, part: pinned(twice), want: os.ErrExist},
		"not an archive":            {body: []byte("x"), part: pinned([]byte("x")), want: parts.ErrArchive},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := store(t, dir, serve(tt.body)).Ensure(t.Context(), tt.part)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "thing 1.2.3") {
				t.Errorf("got %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".unpack*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := os.Stat(filepath.Join(dir, "thing-1.2.3")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the part is there: %v", err)
			}
		})
	}
}

func TestEnsureAsksOnceForWhatIsNotThere(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := store(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) { asked.Add(1); http.NotFound(w, r) })
	_, err := s.Ensure(t.Context(), pinned([]byte("x")))
	if err == nil || asked.Load() != 1 || !strings.Contains(err.Error(), "404") {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

func TestEnsureWithoutANetwork(t *testing.T) {
	t.Parallel()
	s := parts.New(parts.Config{Dir: t.TempDir(), Registry: "http://127.0.0.1:1", Attempts: 2, Pause: time.Millisecond})
	if _, err := s.Ensure(t.Context(), pinned([]byte("x"))); err == nil || !strings.Contains(err.Error(), "is there a network?") {
		t.Errorf("got %v", err)
	}
}

func TestEnsureWithoutARegistry(t *testing.T) {
	t.Parallel()
	s := parts.New(parts.Config{Dir: t.TempDir()})
	if _, err := s.Ensure(t.Context(), pinned([]byte("x"))); err == nil || !strings.Contains(err.Error(), "no npm registry is named") {
		t.Errorf("got %v", err)
	}
}

func TestPinnedParts(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		p, err := parts.Postgres("linux", arch)
		if raw, b64 := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.Integrity, "sha512-")); err != nil || b64 != nil || len(raw) != sha512.Size {
			t.Errorf("postgres for %s: %v, %v, %d bytes", arch, err, b64, len(raw))
		}
	}
	if _, err := parts.ClickHouse("plan9", "mips"); !errors.Is(err, parts.ErrNoPart) {
		t.Errorf("got %v", err)
	}
}
