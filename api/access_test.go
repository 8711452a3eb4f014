package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/ezscale/platform/api"
)

// who may call each operation. A new operation without a row fails the test.
func rows() map[string]string {
	table := map[string]string{
		"get-session": "signed in", "sign-in": "anyone", "sign-out": "anyone",
		"list-services": "signed in", "get-service": "own", "get-service-usage": "own", "list-service-cycles": "own",
		"list-service-alerts": "own", "watch-service": "own", "list-invoices": "signed in", "get-invoice": "own invoice",
		"list-alerts": "signed in", "list-usage": "staff", "list-exporters": "staff", "get-exporter": "staff", "list-collectors": "staff",
		"list-unattributed": "staff", "list-plans": "staff", "list-customers": "staff",
		"register-exporter": "staff", "change-exporter": "staff", "create-plan": "staff", "change-plan": "staff",
		"register-customer": "staff", "change-customer": "staff", "create-service": "staff", "change-service-plan": "staff",
		"assign-prefix": "staff", "release-prefix": "staff", "move-prefix": "staff",
		"change-attachment": "staff", "bind-port": "staff", "release-port": "staff", "move-port": "staff",
		"release-quarantine": "staff", "reject-quarantine": "staff",
		"get-clock": "staff", "advance-clock": "staff", "list-mailbox": "staff", "get-port": "staff",
		"list-audit": "staff", "list-activity": "signed in",
	}
	for _, name := range []string{"top-services", "top-exporters", "top-ports", "unattributed", "reconciliation", "port-hours", "sampling-rates", "ingest",
		"quarantine", "quarantine-groups", "quarantine-decisions", "bindings", "evidence", "corrections"} {
		table["report-"+name], table["export-"+name] = "staff", "staff"
	}
	return table
}

type route struct{ method, path, id string }

func routes(t *testing.T) []route {
	t.Helper()
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var all []route
	for path, operations := range document.Paths {
		for method, operation := range operations {
			all = append(all, route{strings.ToUpper(method), path, operation.ID})
		}
	}
	return all
}

// on fills a route's parameters with one customer's things.
func (r route) on(service, invoice string) string {
	id := service
	if strings.Contains(r.path, "/invoices/") {
		id = invoice
	}
	return strings.NewReplacer("{id}", id, "{name}", "x", "{email}", "a@example.com", "{if_index}", "1").Replace(r.path)
}

func (r route) body() string {
	if r.method == "GET" || r.method == "DELETE" {
		return ""
	}
	return "{}"
}

func TestAccessOfEveryRoute(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.invoice("svc-a", "INV-A")
	e.invoice("svc-b", "INV-B")
	a := e.signIn(`{"role":"customer","customer":"a@example.com"}`)
	staff := e.signIn(`{"role":"staff"}`)
	table := rows()
	for _, r := range routes(t) {
		access, ok := table[r.id]
		if !ok {
			t.Errorf("%s %s (%s) has no row: who may call it?", r.method, r.path, r.id)
			continue
		}
		delete(table, r.id)
		check := func(who string, as as, path string, allowed ...int) {
			t.Helper()
			got := e.call(r.method, path, r.body(), as)
			for _, status := range allowed {
				if got.status == status {
					return
				}
			}
			t.Errorf("%s %s as %s: status %d, want one of %v: %s", r.method, path, who, got.status, allowed, got.body)
		}
		own, other, missing := r.on("svc-a", "INV-A"), r.on("svc-b", "INV-B"), r.on("svc-c", "INV-C")
		if access == "anyone" {
			check("nobody", nobodyAtAll, own, 204, 422)
			continue
		}
		check("nobody", nobodyAtAll, own, 401)
		check("a wrong token", with("Authorization", "Bearer wrong"), own, 401)
		check("no token", with("Authorization", "Bearer "), own, 401)
		check("a stale session", with("Cookie", "ezscale_session=stale"), own, 401)
		if access == "staff" {
			check("customer", a, own, 403)
			check("staff", staff, own, 200, 201, 404, 422)
			check("operator", operator, own, 200, 201, 404, 422)
			continue
		}
		if strings.HasPrefix(access, "own") {
			check("customer of another", a, other, 404)
			check("customer of nothing", a, missing, 404)
			x, y := e.call(r.method, other, "", a), e.call(r.method, missing, "", a)
			if withoutID(x.body) != withoutID(y.body) {
				t.Errorf("%s tells another's from nobody's: %s against %s", r.id, x.body, y.body)
			}
		}
		if r.id != "watch-service" { // does not end; see the tests of the stream
			check("customer", a, own, 200)
			check("staff", staff, other, 200)
			check("operator", operator, own, 200)
		}
	}
	for id := range table {
		t.Errorf("row %s is of no operation", id)
	}
}

// withoutID cuts what differs in each problem: the request's id.
func withoutID(problem string) string {
	before, after, _ := strings.Cut(problem, `"request_id":"`)
	_, rest, _ := strings.Cut(after, `"`)
	return before + rest
}

// invoice writes a finalised invoice of a service's first cycle.
func (e *env) invoice(service, number string) {
	e.Helper()
	e.exec(`insert into invoice (id, kind, number, customer_id, customer_name, customer_email, service_id, cycle_id, revision, currency, total_minor, status, finalised_at)
		select gen_random_uuid(), 'usage', $2, u.id, u.name, u.email, s.id, c.id, 0, 'USD', 123, 'finalised', $3
		from service s join customer u on u.id = s.customer_id join cycle c on c.service_id = s.id where s.name = $1`, service, number, start)
	e.exec(`insert into invoice_line (invoice_id, position, kind, service_id, cycle_id, revision, description, quantity, unit_bytes, unit_price, amount_minor, evidence)
		select id, 1, 'overage', service_id, cycle_id, 0, 'Traffic', 123, 1000000, 0.01, 123, '{"bytes_in": 5, "bytes_out": 6, "billable_bytes": 9007199254740993, "quota_bytes": 1, "samples": 2, "error_bound_percent": 138.592929, "datagrams_lost": 3, "basis": "l2", "direction": "sum"}'
		from invoice where number = $1`, number)
}

func TestListsHoldOnlyWhatIsOnesOwn(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.invoice("svc-a", "INV-A")
	e.invoice("svc-b", "INV-B")
	a := e.signIn(`{"role":"customer","customer":"a@example.com"}`)
	e.exec(`insert into quota_alert (cycle_id, service_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id)
		select c.id, s.id, 75, 100, 80, $1, gen_random_uuid() from service s join cycle c on c.service_id = s.id`, start)
	for _, path := range []string{"/api/v1/alerts", "/api/v1/services", "/api/v1/services?customer=b@example.com", "/api/v1/services?q=svc-b", "/api/v1/invoices", "/api/v1/invoices?customer=b@example.com", "/api/v1/invoices?service=svc-b"} {
		if got := e.call("GET", path, "", a); got.status != 200 || strings.Contains(got.body, "svc-b") || strings.Contains(got.body, "b@example.com") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	invoice := decode[struct {
		Total struct{ Amount, Currency string }
		Lines []struct {
			Quantity string
			Amount   struct{ Amount string }
			Evidence struct {
				Billable int64 `json:"billable_bytes"`
			}
		}
	}](t, e.call("GET", "/api/v1/invoices/INV-A", "", a))
	if invoice.Total.Amount != "1.23" || len(invoice.Lines) != 1 || invoice.Lines[0].Quantity != "123" || invoice.Lines[0].Amount.Amount != "1.23" ||
		invoice.Lines[0].Evidence.Billable != 9007199254740993 {
		t.Errorf("invoice %+v", invoice)
	}
}

func TestDevelopmentIsImpossibleInProduction(t *testing.T) {
	t.Parallel()
	if _, err := api.New(api.Config{Production: true, Development: true}, api.Dependencies{}); err == nil {
		t.Fatal("a development login in production must be refused")
	}
	e := newEnv(t, func(cfg *api.Config, _ *api.Dependencies) { cfg.Production, cfg.Development = true, false })
	for _, r := range [][2]string{{"POST", "/api/v1/session"}, {"GET", "/api/v1/dev/clock"}, {"POST", "/api/v1/dev/clock"}, {"GET", "/api/v1/dev/mailbox"}} {
		if got := e.call(r[0], r[1], "", operator); got.status != 404 && got.status != 405 {
			t.Errorf("%s %s: %d", r[0], r[1], got.status)
		}
	}
	if got := e.must(200, "GET", "/openapi.json", ""); strings.Contains(got.body, "/dev/") {
		t.Error("production's document speaks of development")
	}
}

// The login has no password: it is for browsers on the machine that serves it.
func TestTheLoginIsForThisMachine(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, c := range []struct {
		peer, header string
		status       int
	}{
		{peer: "127.0.0.1:4000", status: 200},
		{peer: "[::1]:4000", status: 200},
		{peer: "[::ffff:127.8.0.1]:4000", status: 200},
		{peer: "192.0.2.7:4000", status: 403},
		{peer: "[2001:db8::7]:4000", status: 403},
		{peer: "@", status: 403},
		{peer: "127.0.0.1:4000", header: "X-Forwarded-For", status: 403},
		{peer: "127.0.0.1:4000", header: "Forwarded", status: 403},
	} {
		request := httptest.NewRequest("POST", "/api/v1/session", strings.NewReader(`{"role":"staff"}`))
		request.Header.Set("Content-Type", "application/json")
		request.RemoteAddr = c.peer
		if c.header != "" {
			request.Header.Set(c.header, "for=192.0.2.7")
		}
		got := httptest.NewRecorder()
		e.edge.Handler().ServeHTTP(got, request)
		if got.Code != c.status || (c.status == 403) != strings.Contains(got.Body.String(), `"code":"not_local"`) {
			t.Errorf("%+v: status %d: %s", c, got.Code, got.Body)
		}
		if c.status == 403 && got.Header().Get("Set-Cookie") != "" {
			t.Errorf("%+v: a refused login set a cookie", c)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	e := company(t)
	opened := e.call("POST", "/api/v1/session", `{"role":"customer"}`)
	cookie := opened.header.Get("Set-Cookie")
	for _, attribute := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, attribute) {
			t.Errorf("cookie %q lacks %s", cookie, attribute)
		}
	}
	a := e.signIn(`{"role":"customer"}`)
	if got := decode[map[string]any](t, e.call("GET", "/api/v1/session", "", a)); got["role"] != "customer" || got["name"] != "A" || got["development"] != true {
		t.Errorf("session %v", got)
	}
	if got := e.call("DELETE", "/api/v1/session", "", a); got.status != 204 {
		t.Errorf("sign out: %d", got.status)
	}
	if got := e.call("GET", "/api/v1/session", "", a); got.status != 401 {
		t.Errorf("after signing out: %d", got.status)
	}
}
