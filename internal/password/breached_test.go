package password_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret"
)

// list is a list of passwords, each seen as often as its place in the arguments says.
func list(end string, passwords ...string) []byte {
	var lines []string
	for i, text := range passwords {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum([]byte(text)), i+1))
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, end) + end)
}

func breached(t testing.TB, content []byte) *password.Breached {
	t.Helper()
	b, err := password.NewBreached(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBreachedOnDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(path, list("\r\n", "P@ssw0rd", "hunter2", "caf\u00e9"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := password.OpenBreached(path)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]uint64{"P@ssw0rd": 1, "hunter2": 2, "cafe\u0301": 3, "hunter3": 0} {
		if got, err := b.Count(secret.New(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.Count(secret.New("hunter2")); err == nil {
		t.Error("a closed list tells nothing")
	}
	for _, none := range []string{filepath.Dir(path), path + ".gone"} {
		if _, err := password.OpenBreached(none); err == nil || !strings.Contains(err.Error(), none) {
			t.Errorf("%s: %v", none, err)
		}
	}
}

// The line format is that of haveibeenpwned; the first two hashes are as published there.
func TestPublishedLines(t *testing.T) {
	t.Parallel()
	content := "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\r\n7C4A8D09CA3762AF61E59520943DC26494F8941B:42542807"
	for _, form := range []string{content, content + "\r\n", content + "\n", strings.ReplaceAll(content, "\r", ""), strings.ToLower(content)} {
		b := breached(t, []byte(form))
		for text, want := range map[string]uint64{"password": 10434004, "123456": 42542807, "x": 0} {
			if got, err := b.Count(secret.New(text)); err != nil || got != want {
				t.Errorf("%s: %d, %v, want %d", text, got, err, want)
			}
		}
	}
}

func TestListsThatAreNone(t *testing.T) {
	t.Parallel()
	good := list("\r\n", "a", "b", "c", "d", "e", "f", "g", "h")
	lines := bytes.SplitAfter(good, []byte("\n"))
	slices.Reverse(lines)
	for name, content := range map[string][]byte{
		"empty":             nil,
		"by count":          bytes.Join(lines, nil),
		"NTLM":              []byte("0123456789ABCDEF0123456789ABCDEF:5\r\n0223456789ABCDEF0123456789ABCDEF:5\r\n"),
		"no count":          []byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8\n"),
		"a count that is":   []byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:-1\n"),
		"not hex":           []byte("XBAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1\n"),
		"one endless line":  bytes.Repeat([]byte("A"), 10_000),
		"empty lines":       []byte("\n\n\n"),
		"an empty last one": append(bytes.Clone(good), "\r\n\r\n"...),
		"cut":               good[:len(good)-4],
		"zeros":             make([]byte, 1000),
	} {
		if _, err := password.NewBreached(bytes.NewReader(content), int64(len(content))); !errors.Is(err, password.ErrBreachList) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := password.NewBreached(bytes.NewReader(good), int64(len(good))+1000)
	if !errors.Is(err, password.ErrBreachList) {
		t.Errorf("shorter than it should be: %v, %v", b, err)
	}
}

// Found is what is in the list, and nothing else, wherever it stands.
func TestCountIsThatOfTheList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfNDistinct(rapid.StringN(1, 10, -1), 1, 200, rapid.ID).Draw(t, "texts")
		known := rapid.IntRange(1, len(texts)).Draw(t, "known")
		content := list(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"), texts[:known]...)
		b, err := password.NewBreached(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			want := uint64(0)
			for j, listed := range texts[:known] {
				if bytes.Equal(normal(listed), normal(text)) && bytes.Equal([]byte(listed), normal(listed)) {
					want = uint64(j + 1)
				}
			}
			if got, err := b.Count(secret.New(text)); err != nil || got != want {
				t.Fatalf("%q, number %d: %d, %v, want %d", text, i, got, err, want)
			}
		}
	})
}

// No file makes the search go on for ever, panic or find what is not there.
func FuzzBreached(f *testing.F) {
	f.Add(list("\r\n", "a", "b", "hunter2"), "hunter2")
	f.Add([]byte("\n"), "a")
	f.Add(bytes.Repeat([]byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1\n"), 100), "password")
	f.Fuzz(func(t *testing.T, content []byte, text string) {
		b, err := password.NewBreached(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		got, err := b.Count(secret.New(text))
		if err == nil && got > 0 && !bytes.Contains(bytes.ToUpper(content), fmt.Appendf(nil, "%X:", sha1.Sum(normal(text)))) {
			t.Fatalf("%q is found %d times", text, got)
		}
	})
}

func BenchmarkCount(b *testing.B) {
	var texts []string
	for i := range 100_000 {
		texts = append(texts, fmt.Sprint(i))
	}
	list := breached(b, list("\r\n", texts...))
	for b.Loop() {
		if _, err := list.Count(secret.New("correct horse battery staple")); err != nil {
			b.Fatal(err)
		}
	}
}
