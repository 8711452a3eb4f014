package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/collector/spool"
	"github.com/ezscale/platform/metering/envelope"
)

// numbered is a value of the given size that names itself.
func numbered(n, size int) []byte {
	b := bytes.Repeat([]byte{byte(n)}, max(size, envelope.HeaderSize))
	b[0], b[1] = byte(n), byte(n>>8)
	return b
}

func open(t testing.TB, dir string, limit int64) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, &spool.Budget{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drain takes everything out and gives the values' numbers.
func drain(t testing.TB, s *spool.Spool, limit int) []int {
	t.Helper()
	var numbers []int
	for !s.Empty() {
		values, err := s.Read(limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			numbers = append(numbers, int(v[0])|int(v[1])<<8)
			if err := s.Advance(v); err != nil {
				t.Fatal(err)
			}
		}
	}
	return numbers
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOrderOverManySegmentsAndARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, 1<<30)
	const count = 200 // of 200 KiB: five segments
	for n := range count {
		if n == count/2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, 1<<30)
		}
		if err := s.Append(numbered(n, 200<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(files(t, dir)); n < 5 {
		t.Errorf("%d segments", n)
	}
	got := drain(t, s, 800_000)
	for i, n := range got {
		if n != i {
			t.Fatalf("value %d at place %d", n, i)
		}
	}
	if len(got) != count || len(files(t, dir)) != 0 {
		t.Errorf("%d values, files left %v", len(got), files(t, dir))
	}
}

// A process may die at any byte of a write.
func TestTornTailIsCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	for n := range 3 {
		if err := s.Append(numbered(n, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(files(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, filepath.Base(files(t, dir)[0])), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, torn, 1<<20)
		if err := s.Append(numbered(9, 100)); err != nil {
			t.Fatal(err)
		}
		got := drain(t, s, 1000)
		if want := cut/108 + 1; len(got) != want || got[len(got)-1] != 9 {
			t.Fatalf("cut at %d: %v, want %d values", cut, got, want)
		}
	}
}

func TestDamageCostsTheRestOfItsSegment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	for n := range 3 {
		if err := s.Append(numbered(n, 100)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(files(t, dir)[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{'x'}, 108+20); err != nil {
		t.Fatal(err)
	}
	values, err := s.Read(1000)
	if len(values) != 1 || err != nil {
		t.Fatalf("%d values before the damage, %v", len(values), err)
	}
	if err := s.Advance(values[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(1000); !errors.Is(err, spool.ErrCorrupt) {
		t.Errorf("damage: %v", err)
	}
	if !s.Empty() {
		t.Error("the damaged segment is still there")
	}
	if err := errors.Join(s.Append(numbered(7, 100)), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, s, 1000); len(got) != 1 || got[0] != 7 {
		t.Errorf("after the damage: %v", got)
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	budget := &spool.Budget{Limit: 1000}
	a, err := spool.Open(t.TempDir(), budget)
	if err != nil {
		t.Fatal(err)
	}
	b, err := spool.Open(t.TempDir(), budget)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		if err := a.Append(numbered(n, 192)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Append(numbered(5, 200)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("over the bound: %v", err)
	}
	if got := drain(t, a, 1000); len(got) != 4 {
		t.Errorf("kept %v", got)
	}
	if err := b.Append(numbered(5, 200)); err != nil || budget.Used() != 208 {
		t.Errorf("after room was made: %v, %d used", err, budget.Used())
	}
}

// Any mix of writing, sending and restarting keeps every value that was not sent, in order.
func TestLikeAQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := open(t, dir, 1<<30)
		var model []int
		next := 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				if err := s.Append(numbered(next, rapid.IntRange(0, envelope.MaxSize).Draw(rt, "size"))); err != nil {
					rt.Fatal(err)
				}
				model = append(model, next)
				next++
			},
			"send": func(rt *rapid.T) {
				values, err := s.Read(rapid.IntRange(1, 800_000).Draw(rt, "limit"))
				if err != nil || len(values) == 0 && len(model) > 0 {
					rt.Fatalf("read %d values, %v", len(values), err)
				}
				for _, v := range values[:rapid.IntRange(0, len(values)).Draw(rt, "sent")] {
					if n := int(v[0]) | int(v[1])<<8; n != model[0] {
						rt.Fatalf("value %d, want %d", n, model[0])
					}
					model = model[1:]
					if err := s.Advance(v); err != nil {
						rt.Fatal(err)
					}
				}
			},
		})
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		rest := drain(t, open(t, dir, 1<<30), 800_000)
		if len(rest) < len(model) {
			rt.Fatalf("%d values after a restart, want at least %d", len(rest), len(model))
		}
		for i, n := range rest[len(rest)-len(model):] { // before them, repeats of the first segment
			if n != model[i] {
				rt.Fatalf("after a restart %v, want %v", rest, model)
			}
		}
	})
}

// FuzzOpen: whatever an earlier process or a bad disk left, the spool opens, gives whole values only, and ends.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir, 1<<20)
	for n := range 3 {
		if err := s.Append(numbered(n, 60)); err != nil {
			f.Fatal(err)
		}
	}
	content, err := os.ReadFile(files(f, dir)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content, content[:100])
	f.Add([]byte{0, 0, 0, 0}, []byte{255, 255, 255, 255, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"1.spool": first, "2.spool": second} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%026s", name)), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, dir, 1<<20)
		for range len(first) + len(second) + 3 {
			if s.Empty() {
				return
			}
			values, err := s.Read(1000)
			if err != nil && !errors.Is(err, spool.ErrCorrupt) {
				t.Fatal(err)
			}
			for _, v := range values {
				if len(v) < envelope.HeaderSize || len(v) > envelope.MaxSize {
					t.Fatalf("a value of %d bytes", len(v))
				}
				if err := s.Advance(v); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Fatal("no end")
	})
}
