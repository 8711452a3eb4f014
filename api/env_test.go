package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/query"
)

const operatorToken = "test-operator-token"

// start is the business time at which every test begins.
var start = time.Date(2026, 3, 10, 12, 30, 0, 0, time.UTC)

// clock is the tests' time; it stands still unless moved.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time        { return start.Add(c.Offset()) }
func (c *clock) Offset() time.Duration { return time.Duration(c.ahead.Load()) }
func (c *clock) Advance(_ context.Context, d time.Duration) (time.Time, error) {
	c.ahead.Add(int64(d))
	return c.Now(), nil
}

type nobody struct{}

func (nobody) Wake() {}

// env is a platform's HTTP edge on a database of its own.
type env struct {
	testing.TB
	owner   *pgxpool.Pool
	clock   *clock
	machine *clock // by which sessions live
	server  *httptest.Server
	edge    *api.Server
	cfg     api.Config
	deps    api.Dependencies
	logs    *bytes.Buffer
}

func newEnv(t testing.TB, change ...func(*api.Config, *api.Dependencies)) *env {
	t.Helper()
	db := postgrestest.New(t)
	e := &env{TB: t, owner: db.Pool(postgres.RoleOwner), clock: &clock{}, machine: &clock{}, logs: &bytes.Buffer{}}
	log := slog.New(slog.NewJSONHandler(e.logs, nil))
	reg := prometheus.NewRegistry()
	commands := command.NewDB(db.Pool(postgres.RoleCommand), nobody{}, slog.New(slog.DiscardHandler), reg)
	sites, err := guard.ParseSites("https://"+accountHost, "https://"+adminHost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := api.Config{Token: operatorToken, Development: true, Sites: sites}
	deps := api.Dependencies{
		Commands: commands, Proofs: e.proofs(db, commands, sites, log, reg),
		Door: db.Pool(postgres.RoleDoor), Clock: e.clock, MachineNow: e.machine.Now, Log: log, Registry: reg,
	}
	read := db.Pool(postgres.RoleQuery)
	deps.Postgres, deps.Background = query.NewWall(read), read
	for _, c := range change {
		c(&cfg, &deps)
	}
	e.cfg, e.deps = cfg, deps
	edge, err := api.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	e.edge = edge
	e.server = httptest.NewServer(edge.Handler())
	t.Cleanup(func() {
		_ = edge.Stop(context.Background()) // ends the streams, or Close would wait for them
		e.server.Close()
	})
	return e
}

// answer is a response read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// as changes a request before it is sent.
type as func(*http.Request)

func operator(r *http.Request)  { r.Header.Set("Authorization", "Bearer "+operatorToken) }
func nobodyAtAll(*http.Request) {}

// Which site a request is sent to.
const (
	accountHost = "account.test"
	adminHost   = "admin.test"
)

func on(host string) as { return func(r *http.Request) { r.Host = host } }

func with(name, value string) as { return func(r *http.Request) { r.Header.Set(name, value) } }

func (e *env) call(method, path, body string, who ...as) answer {
	e.Helper()
	request, err := http.NewRequest(method, e.server.URL+path, strings.NewReader(body))
	if err != nil {
		e.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, w := range who {
		w(request)
	}
	response, err := e.server.Client().Do(request)
	if err != nil {
		e.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") == "text/event-stream" { // it does not end
		return answer{status: response.StatusCode, header: response.Header}
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		e.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(text)}
}

// must calls as the operator and fails the test unless the status is as said.
func (e *env) must(status int, method, path, body string) answer {
	e.Helper()
	a := e.call(method, path, body, operator)
	if a.status != status {
		e.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// customer signs in on the account site as the owner of an account.
func (e *env) customer(email string) as {
	e.Helper()
	return e.signIn(accountHost, `{"customer":"`+email+`"}`)
}

// staff signs in on the admin site.
func (e *env) staff() as {
	e.Helper()
	return e.signIn(adminHost, `{}`)
}

// signIn gives the development session of a site.
func (e *env) signIn(host, body string) as {
	e.Helper()
	a := e.call(http.MethodPost, "/api/v1/dev/session", body, on(host))
	if a.status != http.StatusOK {
		e.Fatalf("sign in: %d %s", a.status, a.body)
	}
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return func(r *http.Request) {
		r.Host = host
		r.Header.Set("Cookie", cookie)
	}
}

func (e *env) exec(sql string, args ...any) {
	e.Helper()
	if _, err := e.owner.Exec(context.Background(), sql, args...); err != nil {
		e.Fatal(err)
	}
}

func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// none is a list without a row.
const none = `{"items":[]}` + "\n"

func items[T any](t testing.TB, a answer) []T {
	t.Helper()
	return decode[query.List[T]](t, a).Items
}

// company is two customers with a service each, metered by one exporter.
func company(t *testing.T, change ...func(*api.Config, *api.Dependencies)) *env {
	t.Helper()
	e := newEnv(t, change...)
	e.must(201, "POST", "/api/v1/exporters", `{"name":"leaf-0","source":"127.1.0.1/32","agent":"127.1.0.1"}`)
	e.must(201, "POST", "/api/v1/plans", `{"name":"vps-s","price":{"amount":"5.00","currency":"USD"},"quota_bytes":1000000000,"overage":{"unit_bytes":1000000,"unit_price":"0.01"}}`)
	e.must(201, "POST", "/api/v1/customers", `{"email":"a@example.com","name":"A"}`)
	e.must(201, "POST", "/api/v1/customers", `{"email":"b@example.com","name":"B"}`)
	e.must(201, "POST", "/api/v1/services", `{"name":"svc-a","customer":"a@example.com","plan":"vps-s","since":"2026-03-01T00:00:00Z","prefixes":["10.20.0.1/32"]}`)
	e.must(201, "POST", "/api/v1/services", `{"name":"svc-b","customer":"b@example.com","plan":"vps-s","since":"2026-03-01T00:00:00Z","prefixes":["10.20.0.2/32","2001:db8::/48"]}`)
	return e
}

// meter writes usage as the meter would: bytes in and out (L2; L3 is 18 less each) of one slot of a service.
func (e *env) meter(service string, at time.Time, in, out int64) {
	e.Helper()
	const totals = `bytes_in_l2 = u.bytes_in_l2 + excluded.bytes_in_l2, bytes_out_l2 = u.bytes_out_l2 + excluded.bytes_out_l2,
		bytes_in_l3 = u.bytes_in_l3 + excluded.bytes_in_l3, bytes_out_l3 = u.bytes_out_l3 + excluded.bytes_out_l3,
		packets_in = u.packets_in + 1, packets_out = u.packets_out + 1, samples_in = u.samples_in + 1, samples_out = u.samples_out + 1`
	const columns = `bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out`
	const values = `$3::bigint, $4::bigint, $3 - 18, $4 - 18, 1, 1, 1, 1`
	e.exec(`insert into usage_hourly as u (service_id, exporter_id, hour, `+columns+`)
		select s.id, e.id, date_trunc('hour', $2::timestamptz, 'UTC'), `+values+` from service s, exporter e where s.name = $1 and e.name = 'leaf-0'
		on conflict (service_id, hour, exporter_id) do update set `+totals, service, at, in, out)
	e.exec(`insert into usage_slot as u (service_id, slot, meter, flush, `+columns+`)
		select s.id, date_bin('10 s', $2::timestamptz, '2000-01-01Z'), 0, 0, `+values+` from service s where s.name = $1
		on conflict (service_id, slot) do update set version = u.version + 1, `+totals, service, at, in, out)
	e.exec(`insert into usage_cycle as u (cycle_id, service_id, `+columns+`)
		select c.id, s.id, `+values+` from service s join cycle c on c.service_id = s.id and c.starts_at <= $2 and c.ends_at > $2 where s.name = $1
		on conflict (cycle_id) do update set `+totals, service, at, in, out)
}

// hear says that the exporter sent a datagram in a minute, and lost some.
func (e *env) hear(at time.Time, lost int64) {
	e.Helper()
	e.exec(`insert into loss_minute as m (exporter_id, minute, datagrams, datagrams_lost) select id, date_trunc('minute', $1::timestamptz), 60, $2 from exporter
		on conflict (exporter_id, minute) do update set datagrams = m.datagrams + 60, datagrams_lost = m.datagrams_lost + excluded.datagrams_lost`, at, lost)
	e.exec(`insert into loss_hourly as m (exporter_id, hour, datagrams, samples, datagrams_lost) select id, date_trunc('hour', $1::timestamptz, 'UTC'), 60, 420, $2 from exporter
		on conflict (exporter_id, hour) do update set datagrams = m.datagrams + 60, samples = m.samples + 420, datagrams_lost = m.datagrams_lost + excluded.datagrams_lost`, at, lost)
	e.exec(`insert into exporter_seen as x (exporter_id, first_at, last_at) select id, $1, $1 from exporter
		on conflict (exporter_id) do update set last_at = greatest(x.last_at, excluded.last_at)`, at)
}
