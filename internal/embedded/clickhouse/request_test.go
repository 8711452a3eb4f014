package clickhouse

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	u := &url.URL{RawQuery: "query=SELECT+1&database=db&default_format=Native&client_protocol_version=54460&max_threads=2" +
		"&param_x=a%27b&compress=1&decompress=1&query_id=q&async_insert=0"}
	got, err := parse(u, http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	want := ask{
		query: "SELECT 1", protocol: "54460", compressAnswer: true, compressedBody: true,
		statement: statement{
			format: "Native", database: "db", values: map[string]string{"x": "a'b"},
			settings: map[string]string{"max_threads": "2", "async_insert": "0"},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ask{}, statement{})); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	many := make(url.Values)
	for i := range maxSettings + 1 {
		many.Set("a"+strings.Repeat("b", i%100)+strings.Repeat("c", i/100), "1")
	}
	for name, query := range map[string]string{
		"a name that is no identifier": "a%3B+drop=1", "an empty name": "=1", "a long value": "a=" + strings.Repeat("x", maxSettingBytes+1),
		"a session": "session_id=1", "a nameless parameter": "param_=1", "bad escapes": "%zz=1", "too many settings": many.Encode(),
	} {
		if _, err := parse(&url.URL{RawQuery: query}, http.Header{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSplitInsert(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][2]string{
		"INSERT INTO t (a, b) FORMAT Native":             {"INSERT INTO t (a, b)", "Native"},
		" insert into t\n(a)\tformat  JSONEachRow ; ":    {"insert into t\n(a)", "JSONEachRow"},
		"-- why\n/* how */ INSERT INTO t VALUES":         {"-- why\n/* how */ INSERT INTO t", "Values"},
		"INSERT INTO t VALUES (1)":                       {},
		"INSERT INTO t SELECT 1":                         {},
		"SELECT 1 FORMAT Native":                         {},
		"INSERTED FORMAT Native":                         {},
		"/* INSERT INTO t FORMAT Native":                 {},
		"":                                               {},
		"INSERT":                                         {},
		"INSERT INTO t SETTINGS a = 1 FORMAT RowBinary;": {"INSERT INTO t SETTINGS a = 1", "RowBinary"},
	} {
		head, format, ok := splitInsert(sql)
		if got := [2]string{head, format}; got != want || ok != (want[1] != "") {
			t.Errorf("%q: %q, %v", sql, got, ok)
		}
	}
}

func TestPreambleQuotes(t *testing.T) {
	t.Parallel()
	e := &engine{defaults: map[string]string{"b": "1", "c": "2"}}
	got := e.preamble(statement{database: "a`b", settings: map[string]string{"c": `x', y = '\`}})
	want := []string{`SET b = '1', c = 'x\', y = \'\\'`, "USE `a\\`b`"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("preamble (-want +got):\n%s", diff)
	}
}

func TestExceptionCodes(t *testing.T) {
	t.Parallel()
	for said, want := range map[string][2]int{
		"Code: 60. DB::Exception: Unknown table": {60, http.StatusNotFound},
		"Code: 62. DB::Exception: Syntax error":  {62, http.StatusBadRequest},
		"Code: 241. DB::Exception: Memory limit": {241, http.StatusInternalServerError},
		"Code: x":                                {codeUnknown, http.StatusInternalServerError},
		"":                                       {codeUnknown, http.StatusInternalServerError},
	} {
		e := newException(said)
		if e.code != want[0] || e.status() != want[1] || e.Error() == "" {
			t.Errorf("%q: %d, %d, %q", said, e.code, e.status(), e.Error())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("query=INSERT+INTO+t+FORMAT+Native&max_threads=2&param_x=1")
	f.Add("a%00=b&database=%60;+drop")
	f.Fuzz(func(t *testing.T, query string) {
		asked, err := parse(&url.URL{RawQuery: query}, http.Header{})
		if err != nil {
			return
		}
		if len(asked.statement.settings) > maxSettings {
			t.Fatalf("%d settings", len(asked.statement.settings))
		}
		for _, name := range slices.Collect(maps.Keys(asked.statement.settings)) {
			if strings.ContainsAny(name, " ='\"`;,()\\\x00\n") || name == "" {
				t.Fatalf("setting %q goes unquoted into a statement", name)
			}
		}
	})
}

func FuzzSplitInsert(f *testing.F) {
	f.Add("INSERT INTO t FORMAT Native")
	f.Add("/*/ insert into t values;;")
	f.Fuzz(func(t *testing.T, sql string) {
		head, format, ok := splitInsert(sql)
		if ok && (!strings.Contains(sql, head) || !isSettingName(format)) {
			t.Fatalf("%q: %q, %q", sql, head, format)
		}
	})
}

func FuzzException(f *testing.F) {
	f.Add("Code: 60. DB::Exception: x")
	f.Fuzz(func(t *testing.T, said string) {
		if e := newException(said); e.status() < 400 || e.text == "" {
			t.Fatalf("%q: %d", said, e.status())
		}
	})
}
