package events_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/schemas/events"
)

func TestAllHasEveryEvent(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "SchemaVersion" {
				declared[f.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	for _, e := range events.All() {
		name := reflect.TypeOf(e).Name()
		if !declared[name] {
			t.Errorf("%s is in All, but not found in the source", name)
		}
		delete(declared, name)
	}
	for name := range declared {
		t.Errorf("%s is not in All", name)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, e := range events.All() {
		payload, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := events.Decode(e.Type(), e.SchemaVersion(), payload)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: got %#v, %v", e.Type(), got, err)
		}
	}
	if _, err := events.Decode("catalog.PlanCreated", 99, []byte("{}")); !errors.Is(err, events.ErrUnknown) {
		t.Errorf("another version: %v", err)
	}
	if _, err := events.Decode("catalog.PlanCreated", 1, []byte("{")); err == nil || errors.Is(err, events.ErrUnknown) {
		t.Errorf("broken JSON: %v", err)
	}
	if _, err := events.Decode("catalog.PlanCreated", 1, []byte(`{"from_the_future":1}`)); err != nil {
		t.Errorf("a field from a newer writer: %v", err)
	}
}

func TestHeaderSurvives(t *testing.T) {
	t.Parallel()
	want := events.Header{
		ID: uuid.New(), Type: "billing.CycleClosed", SchemaVersion: 1, Aggregate: events.Aggregate{Type: "cycle", ID: uuid.New()}, AggregateVersion: 7,
		Time: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), Producer: "outbox/0", Epoch: 3, Sequence: 41,
	}
	headers := map[string][]byte{}
	want.Each(func(name, value string) { headers[name] = []byte(value) })
	get := func(name string) ([]byte, bool) { v, ok := headers[name]; return v, ok }
	got, err := events.ParseHeader(get)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	for name := range headers {
		if name == events.HeaderSpec || name == events.HeaderSource {
			continue // constants
		}
		kept := headers[name]
		for _, bad := range [][]byte{nil, {}, []byte("-")} {
			headers[name] = bad
			if bad == nil {
				delete(headers, name)
			}
			if _, err := events.ParseHeader(get); err == nil && !(string(bad) == "-" && (name == events.HeaderType || name == events.HeaderProducer)) {
				t.Errorf("header %s as %q went through", name, bad)
			}
		}
		headers[name] = kept
	}
}
