package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/invopop/jsonschema"

	"github.com/ezscale/platform/schemas/events"
)

// The exported schemas are the contract with everybody who reads our topics. After a compatible change:
// go test ./schemas/events -update
var update = flag.Bool("update", false, "rewrite schema/*.json")

type exported struct {
	name  string
	value any
}

func contracts() []exported {
	all := []exported{{"usage.UsageWindow.v1", events.UsageWindow{}}}
	for _, e := range events.All() {
		all = append(all, exported{fmt.Sprintf("%s.v%d", e.Type(), e.SchemaVersion()), e})
	}
	return all
}

func export(t *testing.T, e exported) []byte {
	t.Helper()
	reflector := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, AllowAdditionalProperties: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[uuid.UUID]() {
				return &jsonschema.Schema{Type: "string", Format: "uuid"}
			}
			return nil
		},
	}
	schema := reflector.Reflect(e.value)
	schema.Title = e.name
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestSchemasAreExportedAndCompatible(t *testing.T) {
	for _, e := range contracts() {
		t.Run(e.name, func(t *testing.T) {
			path := filepath.Join("schema", e.name+".json")
			now := export(t, e)
			landed, err := os.ReadFile(path)
			if err == nil {
				for _, breach := range breaches(t, landed, now) {
					t.Errorf("%s: %s: a landed schema only gains optional fields; make version %s+1 beside it", path, breach, e.name)
				}
			}
			switch {
			case t.Failed() || err == nil && bytes.Equal(landed, now):
			case *update:
				write(t, path, now)
			default:
				t.Errorf("%s is not as the struct says; run go test ./schemas/events -update:\n%s", path, cmp.Diff(string(landed), string(now)))
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A schema whose event has gone is a breach as well: its messages are kept for ever.
func TestNoSchemaLostItsEvent(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("schema", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if !slices.ContainsFunc(contracts(), func(e exported) bool { return e.name+".json" == name }) {
			t.Errorf("%s: no struct of that name and version is in events.All", file)
		}
	}
}

// node is the part of JSON Schema that our structs give.
type node struct {
	Type       string           `json:"type"`
	Format     string           `json:"format"`
	Properties map[string]*node `json:"properties"`
	Items      *node            `json:"items"`
	Required   []string         `json:"required"`
}

func breaches(t *testing.T, landed, now []byte) []string {
	t.Helper()
	var before, after node
	if err := json.Unmarshal(landed, &before); err != nil {
		t.Fatalf("the landed schema: %v", err)
	}
	if err := json.Unmarshal(now, &after); err != nil {
		t.Fatal(err)
	}
	return compare("", &before, &after)
}

// compare lists what a reader or a writer of the landed schema could not live with.
func compare(path string, before, after *node) (found []string) {
	if before.Type != after.Type || before.Format != after.Format {
		found = append(found, fmt.Sprintf("%s was %s %s, is %s %s", orRoot(path), before.Type, before.Format, after.Type, after.Format))
	}
	for name, property := range before.Properties {
		now := after.Properties[name]
		if now == nil {
			found = append(found, path+"/"+name+" is gone")
			continue
		}
		found = append(found, compare(path+"/"+name, property, now)...)
	}
	for _, name := range after.Required {
		if !slices.Contains(before.Required, name) {
			found = append(found, path+"/"+name+" is now required")
		}
	}
	for _, name := range before.Required {
		if !slices.Contains(after.Required, name) && after.Properties[name] != nil {
			found = append(found, path+"/"+name+" was required and may now be missing")
		}
	}
	switch {
	case before.Items != nil && after.Items != nil:
		found = append(found, compare(path+"/items", before.Items, after.Items)...)
	case (before.Items == nil) != (after.Items == nil):
		found = append(found, orRoot(path)+" has other items")
	}
	slices.Sort(found)
	return found
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func TestCompare(t *testing.T) {
	t.Parallel()
	const landed = `{"type":"object","required":["id","list"],"properties":{"id":{"type":"string","format":"uuid"},
		"n":{"type":"integer"},"list":{"type":"array","items":{"type":"object","required":["x"],"properties":{"x":{"type":"integer"}}}}}}`
	cases := []struct {
		name, now string
		want      []string
	}{
		{"the same", landed, nil},
		{"a new optional field", replace(landed, `"n":{"type":"integer"}`, `"n":{"type":"integer"},"m":{"type":"string"}`), nil},
		{"removed", replace(landed, `"n":{"type":"integer"},`, ``), []string{"/n is gone"}},
		{"renamed", replace(landed, `"n":`, `"count":`), []string{"/n is gone"}},
		{"retyped", replace(landed, `"n":{"type":"integer"}`, `"n":{"type":"string"}`), []string{"/n was integer , is string "}},
		{"another format", replace(landed, `"format":"uuid"`, `"format":"date-time"`), []string{"/id was string uuid, is string date-time"}},
		{"now required", replace(landed, `["id","list"]`, `["id","list","n"]`), []string{"/n is now required"}},
		{"no longer required", replace(landed, `["id","list"]`, `["list"]`), []string{"/id was required and may now be missing"}},
		{"inside a list", replace(landed, `"x":{"type":"integer"}`, `"x":{"type":"number"}`), []string{"/list/items/x was integer , is number "}},
		{"a list of something else", replace(landed, `"items":{"type":"object","required":["x"],"properties":{"x":{"type":"integer"}}}`, `"maxItems":3`), []string{"/list has other items"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, breaches(t, []byte(landed), []byte(c.now))); diff != "" {
				t.Errorf("breaches (-want +got):\n%s", diff)
			}
		})
	}
}

func replace(s, old, with string) string {
	return string(bytes.Replace([]byte(s), []byte(old), []byte(with), 1))
}
