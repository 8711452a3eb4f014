package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/internal/observe"
)

type told struct {
	Type, Title, Code, Detail string
	Status                    int
	RequestID                 string `json:"request_id"`
	Errors                    []struct{ Location, Message string }
}

func TestEveryRefusalIsAProblem(t *testing.T) {
	t.Parallel()
	e := company(t)
	cases := []struct {
		name, method, path, body string
		status                   int
		code, location           string
	}{
		{"no such address", "GET", "/api/v1/nothing", "", 404, "no_such_address", ""},
		{"another method", "DELETE", "/api/v1/services", "", 405, "method_not_allowed", ""},
		{"no such service", "GET", "/api/v1/services/none", "", 404, "service_not_found", ""},
		{"no JSON", "POST", "/api/v1/customers", "{", 400, "invalid_request", "body"},
		{"unknown field", "POST", "/api/v1/customers", `{"email":"c@example.com","name":"C","is_admin":true}`, 422, "invalid_input", "body.is_admin"},
		{"missing field", "POST", "/api/v1/customers", `{"email":"c@example.com"}`, 422, "invalid_input", "body"},
		{"unknown parameter", "GET", "/api/v1/services?custmer=a", "", 422, "invalid_input", "query.custmer"},
		{"no time", "GET", "/api/v1/services/svc-a/usage?from=yesterday", "", 422, "invalid_input", "query.from"},
		{"the command's fault", "POST", "/api/v1/customers", `{"email":"nothing","name":"C"}`, 422, "invalid_input", "body.email"},
		{"the command's fault, renamed", "POST", "/api/v1/services", `{"name":"s","customer":"a@example.com","plan":"vps-s","prefixes":["10.0.0.1/24"]}`, 422, "invalid_input", "body.prefixes[0]"},
		{"a name that is nothing's", "POST", "/api/v1/services", `{"name":"s","customer":"nobody","plan":"vps-s"}`, 422, "invalid_input", "body.customer"},
		{"a fraction too fine", "POST", "/api/v1/plans", `{"name":"p","price":{"amount":"5.001","currency":"USD"}}`, 422, "invalid_input", "body.price.amount"},
		{"there already", "POST", "/api/v1/customers", `{"email":"A@example.com","name":"C"}`, 409, "customer_exists", ""},
		{"no version", "PUT", "/api/v1/customers/a@example.com", `{"name":"AA"}`, 422, "invalid_input", "header.If-Match"},
		{"a zero byte", "GET", "/api/v1/services/a%00b", "", 400, "invalid_request", ""},
		{"a zero byte in a query", "GET", "/api/v1/services?q=%00", "", 400, "invalid_request", ""},
		{"no text", "GET", "/api/v1/services/a%ffb", "", 400, "invalid_request", ""},
		{"no text in a query", "GET", "/api/v1/services?q=%ff", "", 400, "invalid_request", ""},
		{"no text in a list's query", "GET", "/api/v1/usage?service=a&service=%c3%28", "", 400, "invalid_request", ""},
		{"no text for a key", "POST", "/api/v1/customers", `{"email":"c@example.com","name":"C"}`, 422, "invalid_input", "header.Idempotency-Key"},
		{"too large", "POST", "/api/v1/customers", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "invalid_request", ""},
	}
	for _, c := range cases {
		match := nobodyAtAll
		if c.name == "no version" {
			match = with("If-Match", "seven")
		}
		if c.name == "no text for a key" {
			match = with("Idempotency-Key", "\xff")
		}
		got := e.call(c.method, c.path, c.body, operator, match)
		if got.status != c.status || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s", c.name, got.status, got.header.Get("Content-Type"), got.body)
			continue
		}
		p := decode[told](t, got)
		if p.Code != c.code || p.Status != c.status || p.Title == "" || p.Detail == "" || p.RequestID != got.header.Get("X-Request-Id") {
			t.Errorf("%s: %+v", c.name, p)
		}
		if c.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != c.location || p.Errors[0].Message == "") {
			t.Errorf("%s: location %+v, want %s", c.name, p.Errors, c.location)
		}
	}
}

func TestWritesAreDoneOncePerKey(t *testing.T) {
	t.Parallel()
	e := company(t)
	key := with("Idempotency-Key", "one")
	body := `{"name":"svc-c","customer":"a@example.com","plan":"vps-s","prefixes":["10.30.0.1/32"]}`
	first := e.call("POST", "/api/v1/services", body, operator, key)
	again := e.call("POST", "/api/v1/services", body, operator, key)
	if first.status != 201 || again.status != 201 || first.body != again.body {
		t.Errorf("first %d %s, again %d %s", first.status, first.body, again.status, again.body)
	}
	other := e.call("POST", "/api/v1/services", strings.Replace(body, "svc-c", "svc-d", 1), operator, key)
	if p := decode[told](t, other); other.status != 409 || p.Code != "idempotency_key_reused" {
		t.Errorf("another input: %d %s", other.status, other.body)
	}
	version := decode[struct{ Version int64 }](t, e.must(200, "GET", "/api/v1/services/svc-c", "")).Version
	e.must(201, "POST", "/api/v1/plans", `{"name":"vps-m","price":{"amount":"9.00","currency":"USD"}}`)
	fresh, stale := with("If-Match", fmt.Sprintf(`"%d"`, version)), with("If-Match", fmt.Sprint(version))
	if got := e.call("PUT", "/api/v1/services/svc-c", `{"plan":"vps-m"}`, operator, fresh); got.status != 200 {
		t.Errorf("with the version seen: %d %s", got.status, got.body)
	}
	if got := e.call("PUT", "/api/v1/services/svc-c", `{"plan":"vps-s"}`, operator, stale); got.status != 409 {
		t.Errorf("with a version that has passed: %d %s", got.status, got.body)
	}
}

func TestPrefixesMoveInTime(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.must(201, "POST", "/api/v1/services/svc-a/prefixes", `{"prefix":"10.40.0.0/24"}`)
	e.must(201, "POST", "/api/v1/prefix-moves", `{"prefix":"10.40.0.0/24","from_service":"svc-a","to_service":"svc-b","at":"2026-03-10T13:00:00Z"}`)
	e.must(200, "POST", "/api/v1/services/svc-b/prefixes/release", `{"prefix":"10.40.0.0/24","at":"2026-03-11T00:00:00Z"}`)
	got := decode[struct {
		Prefixes []struct{ Prefix, From, To string }
	}](t, e.must(200, "GET", "/api/v1/services/svc-b", ""))
	found := false
	for _, p := range got.Prefixes {
		found = found || p.Prefix == "10.40.0.0/24" && p.From == "2026-03-10T13:00:00Z" && p.To == "2026-03-11T00:00:00Z"
	}
	if !found {
		t.Errorf("prefixes %+v", got.Prefixes)
	}
	if p := e.call("POST", "/api/v1/services/svc-a/prefixes", `{"prefix":"10.20.0.2/32"}`, operator); p.status != 409 {
		t.Errorf("a prefix that another has: %d %s", p.status, p.body)
	}
}

func TestOtherOriginsMayNotWrite(t *testing.T) {
	t.Parallel()
	e := company(t)
	staff := e.staff()
	for _, r := range routes(t) {
		for _, site := range []string{"cross-site", "same-site"} {
			if r.method == "GET" {
				continue
			}
			if got := e.call(r.method, r.on("svc-a", "x"), r.body(), staff, with("Sec-Fetch-Site", site)); got.status != http.StatusForbidden {
				t.Errorf("%s %s from %s: %d", r.method, r.path, site, got.status)
			}
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, path := range []string{"/api/v1/services", "/openapi.json", "/health/live", "/nothing", "/api/v1/nothing"} {
		h := e.call("GET", path, "", on(accountHost)).header
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if strings.HasPrefix(path, "/api/") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached", path)
		}
	}
}

// broken is a database that panics, or fails with words that nobody outside may see.
type broken struct{ panics bool }

func (b broken) Query(context.Context, string, ...any) (pgx.Rows, error) {
	if b.panics {
		panic("canary in a panic")
	}
	return nil, fmt.Errorf("canary in an error")
}
func (b broken) QueryRow(context.Context, string, ...any) pgx.Row { return nil }

func TestInternalsStayInside(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		e := newEnv(t, func(_ *api.Config, deps *api.Dependencies) { deps.Postgres = broken{panics} })
		got := e.call("GET", "/api/v1/services", "", operator)
		if p := decode[told](t, got); got.status != 500 || p.Code != "internal" || strings.Contains(got.body, "canary") {
			t.Errorf("%d %s", got.status, got.body)
		}
		e.server.Close() // waits for the log line
		if logs := e.logs.String(); !strings.Contains(logs, "canary") || strings.Contains(logs, operatorToken) {
			t.Errorf("the log must know the cause, and not the token: %s", logs)
		}
	}
}

func TestReadyOnlyWhenEveryPartServes(t *testing.T) {
	t.Parallel()
	parts := []observe.Part{{Name: "postgres", OK: true}}
	e := newEnv(t, func(_ *api.Config, deps *api.Dependencies) {
		deps.Health = func(context.Context) []observe.Part { return parts }
	})
	if got := e.call("GET", "/health/ready", ""); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	parts = append(parts, observe.Part{Name: "meter", Reason: "stands still"})
	if got := e.call("GET", "/health/ready", ""); got.status != 503 || !strings.Contains(got.body, "stands still") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// The port is open to customers and strangers: what the platform says of its inside is for those who run it.
func TestStrangersDoNotLookInside(t *testing.T) {
	t.Parallel()
	e := company(t, func(_ *api.Config, deps *api.Dependencies) {
		deps.Health = func(context.Context) []observe.Part {
			return []observe.Part{{Name: "postgres", Reason: "no answer from db-1.internal", Mend: "start it"}}
		}
		deps.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("exporter_leaf_0 1")) })
	})
	away := with("X-Forwarded-For", "192.0.2.7")
	for name, c := range map[string]struct {
		who   as
		looks bool
	}{
		"this machine":                {nobodyAtAll, true},
		"a stranger":                  {both(on(accountHost), away), false},
		"a stranger by another name":  {both(on("10.0.0.1"), away), false},
		"a customer":                  {both(e.member("a@example.com", "owner"), away), false},
		"a network operator":          {both(e.worker("network"), away), true},
		"staff without a role":        {both(e.worker(""), away), false},
		"staff with a password alone": {both(e.weakWorker("admin"), away), false},
		"the operator":                {both(operator, away), true},
	} {
		metrics, ready := e.call("GET", "/metrics", "", c.who), e.call("GET", "/health/ready", "", c.who)
		if (metrics.status == 200) != c.looks || strings.Contains(metrics.body, "leaf") != c.looks {
			t.Errorf("metrics by %s: %d %s", name, metrics.status, metrics.body)
		}
		if ready.status != 503 || !strings.Contains(ready.body, `"postgres"`) || strings.Contains(ready.body, "db-1") != c.looks {
			t.Errorf("readiness by %s: %d %s", name, ready.status, ready.body)
		}
	}
}

// Whoever sends words for methods must not fill the memory with series of metrics.
func TestMethodsThatAreNoneAreCountedTogether(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for i := range 5 {
		e.call(fmt.Sprintf("WORD%d", i), "/api/v1/services", "")
	}
	e.server.Close() // waits for the requests to be counted
	families, err := e.deps.Registry.(*prometheus.Registry).Gather()
	e.must0(err)
	others := 0.0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if strings.HasPrefix(label.GetValue(), "WORD") {
					t.Errorf("%s has a series for %s", family.GetName(), label.GetValue())
				} else if family.GetName() == "ezscale_api_requests_total" && label.GetValue() == "other" {
					others += metric.GetCounter().GetValue()
				}
			}
		}
	}
	if others != 5 {
		t.Errorf("%v requests were counted as other", others)
	}
}

func TestTheClockIsAdvanced(t *testing.T) {
	t.Parallel()
	swept := make(chan time.Time, 10)
	var e *env
	e = company(t, func(_ *api.Config, deps *api.Dependencies) {
		deps.Sweep = func(context.Context) error { swept <- e.clock.Now(); return nil }
	})
	for text, status := range map[string]int{"31d": 200, "1d12h": 200, "": 422, "d": 422, "-1d": 422, "1w": 422, "99999999999999d": 422} {
		for range 2 { // the second one is the first one's repetition
			if got := e.call("POST", "/api/v1/dev/clock", fmt.Sprintf(`{"advance":%q}`, text), operator, with("Idempotency-Key", "advance "+text)); got.status != status {
				t.Errorf("%q: %d %s", text, got.status, got.body)
			}
		}
	}
	if got := e.call("POST", "/api/v1/dev/clock", `{"advance":"2d"}`, operator, with("Idempotency-Key", "advance 31d")); got.status != 409 {
		t.Errorf("another span under the same key: %d", got.status)
	}
	got := decode[map[string]any](t, e.must(200, "GET", "/api/v1/dev/clock", ""))
	if got["due_cycles"] != 2.0 || got["offset_seconds"] != 32.5*86400 {
		t.Errorf("%v", got)
	}
	for at := range swept { // a sweep begins after the last advance; the test's time limit bounds the wait
		if at.Equal(start.Add(780 * time.Hour)) {
			break
		}
	}
}

// Text that Postgres cannot hold names nothing, wherever a body refers to something by name.
func TestAZeroByteNamesNothing(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, r := range [][3]string{
		{"PUT", "/api/v1/services/svc-a", `{"plan":"a\u0000b"}`},
		{"POST", "/api/v1/services", `{"name":"svc-z","customer":"a\u0000b","plan":"vps-s","since":"2026-03-01T00:00:00Z"}`},
		{"POST", "/api/v1/prefix-moves", `{"prefix":"10.20.0.1/32","from_service":"a\u0000b","to_service":"svc-b"}`},
		{"POST", "/api/v1/customers", `{"email":"c@example.com","name":"a\u0000b"}`},
	} {
		e.must(422, r[0], r[1], r[2])
	}
	if got := e.call("POST", "/api/v1/staff", `{"email":"c@example.com","name":"C","roles":["a\u0000b"]}`, e.worker("admin")); got.status != 422 || !strings.Contains(got.body, "body.roles[0]") {
		t.Errorf("a role: %d %s", got.status, got.body)
	}
}
