package api_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"

	"github.com/ezscale/platform/api"
)

type service struct {
	Service  string  `json:"service"  parquet:"service"`
	Customer string  `json:"customer" parquet:"customer"`
	BytesL2  int64   `json:"bytes_l2" parquet:"bytes_l2"`
	Share    float64 `json:"share_percent" parquet:"share_percent"`
}

const march = "from=2026-03-10T00:00:00Z&to=2026-03-11T00:00:00Z"

func TestAReportInPages(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.meter("svc-a", start, 700, 50)
	e.meter("svc-b", start, 200, 50)
	type page struct {
		From, To time.Time
		Items    []service
		Next     string `json:"next_cursor"`
	}
	first := decode[page](t, e.must(200, "GET", "/api/v1/reports/top-services?limit=1&"+march, ""))
	want := page{From: time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC), Next: first.Next, Items: []service{{"svc-a", "A", 750, 75}}}
	if diff := cmp.Diff(want, first); diff != "" || first.Next == "" {
		t.Error(diff)
	}
	second := decode[page](t, e.must(200, "GET", "/api/v1/reports/top-services?limit=1&"+march+"&cursor="+first.Next, ""))
	if diff := cmp.Diff([]service{{"svc-b", "B", 250, 25}}, second.Items); diff != "" || second.Next != "" {
		t.Error(diff)
	}
	for query, want := range map[string]string{
		"from=2026-03-10T00:30:00Z": "query.from", "sort=nothing": "query.sort", "service=svc-a": "query.service", "exporter=none": "query.exporter", "state=x": "query.state",
		"cursor=" + first.Next + "&order=asc": "query.cursor", "limit=501": "query.limit", "offset=5": "query.offset", "order=up": "query.order",
	} {
		if a := e.call("GET", "/api/v1/reports/top-services?"+query, "", operator); a.status != 422 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := e.call("GET", "/api/v1/exporters/leaf-0/ports/9", "", operator); a.status != 404 || !strings.Contains(a.body, "port_not_found") {
		t.Errorf("a port that is not there: %d %s", a.status, a.body)
	}
}

func TestAReportAsAFile(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.exec(`update customer set name = '=1+2' where name = 'A'`)
	e.meter("svc-a", start, 700, 50)
	e.meter("svc-b", start, 200, 50)
	a := e.must(200, "GET", "/api/v1/reports/top-services/export?"+march, "")
	for name, want := range map[string]string{"Content-Type": "text/csv; charset=utf-8; header=present", "Content-Disposition": `attachment; filename="ezscale-top-services-20260310T00-20260311T00.csv"`,
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	cells, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(cells) != 3 || cells[0][1] != "service" || cells[1][1] != "svc-a" || cells[1][2] != "'=1+2" || cells[2][1] != "svc-b" {
		t.Errorf("%v %v", cells, err)
	}
	if cells, _ := csv.NewReader(strings.NewReader(e.must(200, "GET", "/api/v1/reports/top-services/export?limit=1&order=asc&"+march, "").body)).ReadAll(); len(cells) != 2 || cells[1][1] != "svc-b" {
		t.Errorf("the last one: %v", cells)
	}
	file := e.must(200, "GET", "/api/v1/reports/top-services/export?format=parquet&"+march, "")
	if got := file.header.Get("Content-Type"); got != "application/vnd.apache.parquet" {
		t.Errorf("content type %q", got)
	}
	rows, err := parquet.Read[service](bytes.NewReader([]byte(file.body)), int64(len(file.body)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]service{{"svc-a", "=1+2", 750, 75}, {"svc-b", "B", 250, 25}}, rows); diff != "" {
		t.Error(diff)
	}
	if a := e.call("GET", "/api/v1/reports/top-services/export?format=xlsx", "", operator); a.status != 422 {
		t.Errorf("another format: %d", a.status)
	}
	if a := e.call("GET", "/api/v1/reports/top-services/export?from=2026-03-10T00:30:00Z", "", operator); a.status != 422 || !strings.Contains(a.header.Get("Content-Type"), "problem") {
		t.Errorf("half an hour: %d %s", a.status, a.body)
	}
}

// slow is a pool whose transactions wait: exports that never get their first row.
type slow struct {
	pool
	begun chan struct{}
}

type pool interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (s slow) BeginTx(ctx context.Context, _ pgx.TxOptions) (pgx.Tx, error) {
	s.begun <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestExportsAreBounded(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	e := newEnv(t, func(_ *api.Config, d *api.Dependencies) { d.Postgres = slow{pool: d.Postgres, begun: begun} })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	for range 4 {
		go func() {
			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, e.server.URL+"/api/v1/reports/ingest/export", nil)
			operator(request)
			if response, err := e.server.Client().Do(request); err == nil {
				response.Body.Close()
			}
			ended <- struct{}{}
		}()
		<-begun
	}
	if a := e.call("GET", "/api/v1/reports/ingest/export", "", operator); a.status != 503 || !strings.Contains(a.body, "busy") {
		t.Errorf("the fifth: %d %s", a.status, a.body)
	}
	cancel()
	for range 4 {
		<-ended
	}
}

// A reader that goes away in the middle leaves nothing behind: its place is free, its transaction over.
func TestAnExportEndsWithItsReader(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.exec(`insert into unattributed_hourly (exporter_id, hour, address, bytes_l2, bytes_l3, packets, samples)
		select id, '2026-03-10T00:00:00Z', '10.0.0.0'::inet + n, 1, 1, 1, 1 from exporter, generate_series(1, 200000) n`)
	for range 6 { // more often than exports may be under way
		connection, err := net.Dial("tcp", strings.TrimPrefix(e.server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connection.Write([]byte("GET /api/v1/reports/unattributed/export?" + march + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + operatorToken + "\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 15)
		if _, err := connection.Read(line); err != nil || string(line) != "HTTP/1.1 200 OK" {
			t.Fatalf("%q %v", line, err)
		}
		connection.Close()
		waitFor(t, func() bool {
			var open int
			if err := e.owner.QueryRow(context.Background(), `select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null and usename = current_user and query ilike '%unattributed_hourly%' and pid <> pg_backend_pid()`).Scan(&open); err != nil {
				t.Fatal(err)
			}
			return open == 0
		})
	}
	if got := strings.Count(e.must(200, "GET", "/api/v1/reports/unattributed/export?"+march, "").body, "\r\n"); got != 200001 {
		t.Errorf("%d lines", got)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
