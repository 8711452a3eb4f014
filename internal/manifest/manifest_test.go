package manifest_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/manifest"
	"github.com/ezscale/platform/internal/manifest/faults"
)

var update = flag.Bool("update", false, "write the wanted parts of testdata anew")

// A scenario is sections that begin with "-- name --": the manifest, what the platform has, and what is wanted.
type scenario map[string]string

func read(t *testing.T, path string) scenario {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, name := scenario{}, ""
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(title, " --") {
			name = strings.TrimSuffix(title, " --")
			continue
		}
		s[name] += line
	}
	return s
}

func (s scenario) write(t *testing.T, path, want string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(s[""])
	for _, name := range []string{"manifest.yaml", "platform.json"} {
		if s[name] != "" {
			b.WriteString("-- " + name + " --\n" + s[name])
		}
	}
	b.WriteString("-- want --\n" + want)
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, text string) manifest.State {
	t.Helper()
	var has struct {
		Exporters []client.Exporter
		Plans     []client.Plan
		Customers []client.Customer
		Services  []client.Service
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &has); err != nil {
			t.Fatal(err)
		}
	}
	s := manifest.State{Exporters: map[string]client.Exporter{}, Plans: map[string]client.Plan{}, Customers: map[string]client.Customer{}, Services: map[string]client.Service{}}
	for _, e := range has.Exporters {
		s.Exporters[e.Name] = e
	}
	for _, p := range has.Plans {
		s.Plans[p.Name] = p
	}
	for _, c := range has.Customers {
		s.Customers[c.Email] = c
	}
	for _, v := range has.Services {
		s.Services[v.Name] = v
	}
	return s
}

func outcome(t *testing.T, s scenario) string {
	t.Helper()
	file, err := manifest.Parse("m.yaml", []byte(s["manifest.yaml"]))
	if err != nil {
		return err.Error() + "\n"
	}
	steps, unchanged, err := manifest.Diff(file, state(t, s["platform.json"]))
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, step := range steps {
		for _, line := range step.Lines() {
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("= unchanged " + string(rune('0'+unchanged)) + "\n")
	return b.String()
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			s := read(t, path)
			got := outcome(t, s)
			if *update {
				s.write(t, path, got)
				return
			}
			if diff := cmp.Diff(s["want"], got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txt")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "-- manifest.yaml --\n")
		body, _, _ := strings.Cut(after, "\n-- ")
		f.Add([]byte(body))
	}
	f.Add([]byte("a: &a [*a, *a]\nservices: *a"))
	f.Add([]byte("{[{[{["))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := manifest.Parse("fuzz.yaml", text)
		var told faults.Errors
		if err != nil && !errors.As(err, &told) {
			t.Fatalf("%T is no Errors: %v", err, err)
		}
		for _, e := range told {
			if e.Message == "" || e.Line < 0 || e.File != "fuzz.yaml" {
				t.Fatalf("a fault without message or place: %+v", e)
			}
			_ = e.Error()
		}
		if err != nil {
			return
		}
		if _, _, err := manifest.Diff(file, manifest.State{}); err != nil && !errors.As(err, &told) {
			t.Fatalf("%T is no Errors: %v", err, err)
		}
	})
}
