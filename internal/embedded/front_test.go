package embedded_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TestTheFrontSpeaksClickHouse asks over plain HTTP what a client library does not show.
func TestTheFrontSpeaksClickHouse(t *testing.T) {
	t.Parallel()
	base, err := url.Parse(started(t).ClickHouseDSN())
	if err != nil {
		t.Fatal(err)
	}
	base.Path = "/"
	wrong := *base
	wrong.User = url.UserPassword("ezscale", "wrong")
	tests := []struct {
		name, method, query, body string
		at                        *url.URL
		status                    int
		code, want                string // of the header; in the body
	}{
		{name: "ping", method: "GET", at: wrong.JoinPath("ping"), status: 200, want: "Ok."},
		{name: "wrong password", method: "POST", at: &wrong, body: "select 1", status: 403, code: "516"},
		{name: "another path", method: "POST", at: base.JoinPath("play"), status: 501, code: "48"},
		{name: "rows", method: "POST", body: "select number from numbers(2) format JSONEachRow", status: 200, want: `{"number":0}`},
		{name: "text before and after", method: "POST", query: "query=select", body: "41 + 1", status: 200, want: "42\n"},
		{name: "parameters", method: "POST", query: "param_s=a%27b%5Ct", body: "select {s:String} format TabSeparatedRaw", status: 200, want: "a'b\t"},
		{name: "settings", method: "POST", query: "max_threads=1", body: "select getSetting('max_threads')", status: 200, want: "1\n"},
		{name: "settings of another are gone", method: "POST", body: "select getSetting('max_threads') = 1", status: 200, want: "0\n"},
		{name: "unknown setting", method: "POST", query: "no_such=1", body: "select 1", status: 400, code: "115"},
		{name: "writing by GET", method: "GET", query: "query=create+table+g+(a+Int8)+engine=Memory", status: 500, code: "164"},
		{name: "make", method: "POST", body: "create table f (a Int64, b String) engine = MergeTree order by a", status: 200},
		{name: "insert in the text", method: "POST", body: "insert into f values (1, 'x;y'), (2, '')", status: 200},
		{name: "insert from the body", method: "POST", query: "query=insert+into+f+format+JSONEachRow", body: `{"a":3,"b":"z"}`, status: 200},
		{name: "broken insert", method: "POST", query: "query=insert+into+f+format+JSONEachRow", body: `{"a":"x"}`, status: 400, code: "27"},
		{name: "what came", method: "POST", body: "select count(), sum(a), groupArray(b) from f", status: 200, want: "3\t6\t"},
		{name: "another database", method: "POST", query: "database=nowhere", body: "select 1", status: 404, code: "81"},
		{name: "too slow", method: "POST", query: "max_execution_time=1", body: "select sleepEachRow(1) from numbers(10) settings max_block_size = 1", status: 408, code: "159"},
		{name: "too much memory", method: "POST", body: "select groupArray(number) from numbers(1000000000)", status: 500, code: "241"},
		{name: "too large a result", method: "POST", body: "select repeat('x', 100000) from numbers(400)", status: 500, code: "396"},
		{name: "durable inserts", method: "POST", body: "select value from system.merge_tree_settings where name in ('fsync_after_insert', 'fsync_part_directory')", status: 200, want: "1\n1\n"},
		{name: "session", method: "POST", query: "session_id=1", body: "select 1", status: 501, code: "48"},
	}
	for _, tt := range tests { // in order: some look at what others left
		at := *base
		if tt.at != nil {
			at = *tt.at
		}
		at.RawQuery = tt.query
		status, code, body := ask(t, tt.method, &at, tt.body)
		if status != tt.status || code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d, code %q, %.300q", tt.name, status, code, body)
		}
	}
}

func ask(t *testing.T, method string, at *url.URL, body string) (status int, code, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, at.String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("X-ClickHouse-Exception-Code"), string(answer)
}

func TestCompressionOfTheClient(t *testing.T) {
	t.Parallel()
	dsn := started(t).ClickHouseDSN()
	for i, how := range []string{"", "lz4", "zstd", "gzip"} {
		options, err := clickhouse.ParseDSN(dsn + "?compress=" + how)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		table := fmt.Sprintf("c%d", i)
		if err := conn.Exec(t.Context(), "create table "+table+" (a String) engine = MergeTree order by a"); err != nil {
			t.Fatalf("%q: %v", how, err)
		}
		batch, err := conn.PrepareBatch(t.Context(), "insert into "+table)
		if err != nil {
			t.Fatalf("%q: %v", how, err)
		}
		want := string(bytes.Repeat([]byte("compress me\x00"), 50_000))
		if err := batch.Append(want); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatalf("%q: %v", how, err)
		}
		var got string
		if err := conn.QueryRow(t.Context(), "select a from "+table).Scan(&got); err != nil || got != want {
			t.Errorf("%q: %d bytes of %d (%v)", how, len(got), len(want), err)
		}
	}
}
