package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
)

// needs says what each operation needs: "open", "self", or a permission; then "fresh" and "person" where a recent proof or
// a person is wanted, and "own" or "own invoice" where the object in the path is somebody's. A new operation without a row
// fails the test.
func needs() map[string]string {
	table := map[string]string{
		"get-session": "self", "open-development-session": "open", "list-development-accounts": "open", "sign-out": "open",
		"list-services": "services.read", "get-service": "services.read own", "get-service-usage": "services.read own", "list-service-cycles": "services.read own",
		"list-service-alerts": "services.read own", "watch-service": "services.read own", "list-alerts": "services.read",
		"list-invoices": "invoices.read", "get-invoice": "invoices.read own invoice",
		"list-usage": "reports.read", "list-plans": "catalog.read", "list-customers": "customers.read",
		"list-exporters": "network.read", "get-exporter": "network.read", "list-collectors": "network.read", "get-port": "network.read", "list-unattributed": "network.read",
		"register-exporter": "network.write", "change-exporter": "network.write", "release-quarantine": "network.write", "reject-quarantine": "network.write",
		"create-plan": "catalog.write", "change-plan": "catalog.write", "register-customer": "customers.write", "change-customer": "customers.write",
		"create-service": "services.write", "change-service-plan": "services.write", "assign-prefix": "services.write", "release-prefix": "services.write",
		"move-prefix": "services.write", "change-attachment": "services.write", "bind-port": "services.write", "release-port": "services.write", "move-port": "services.write",
		"get-clock": "development", "advance-clock": "development", "list-mailbox": "development",
		"list-audit": "audit.read", "list-activity": "self",
		"look-at-consent": "self person", "answer-consent": "self person", "list-applications": "self person", "revoke-application": "self person",
		"list-clients": "clients.write", "list-scopes": "clients.write", "create-client": "clients.write fresh", "change-client": "clients.write fresh",
		"delete-client": "clients.write fresh", "rotate-client-secret": "clients.write fresh",
		"list-staff": "staff.read", "enrol-staff": "staff.write fresh", "set-staff-roles": "staff.write fresh", "set-staff-status": "staff.write fresh", "renew-enrolment": "staff.write fresh",
		"list-roles": "staff.read", "list-role-permissions": "staff.read", "create-role": "staff.write fresh", "change-role": "staff.write fresh", "delete-role": "staff.write fresh",
		"use-enrolment": "open", "impersonate": "impersonate fresh", "list-impersonations": "impersonate", "begin-impersonation": "open",
		"register": "open", "forget-password": "open", "look-at-link": "open", "verify-email": "open", "reset-password": "open", "accept-invitation": "open", "change-email": "self fresh",
		"get-account": "account.read", "change-account": "account.write", "change-contact": "account.write", "change-customer-contact": "customers.write", "list-members": "members.read", "change-member": "members.write fresh", "remove-member": "members.write fresh",
		"list-invitations": "members.read", "invite-member": "members.write fresh", "revoke-invitation": "members.write",
		"get-customer": "customers.read", "change-customer-profile": "customers.write", "change-customer-status": "customers.write", "list-customer-notes": "customers.read",
		"write-customer-note": "customers.write", "list-customer-members": "customers.read", "invite-customer-member": "customers.write fresh", "change-customer-member": "customers.write fresh", "remove-customer-member": "customers.write fresh", "list-customer-invitations": "customers.read", "revoke-customer-invitation": "customers.write", "list-people": "customers.read", "change-person-status": "customers.write", "recover-person": "people.recover fresh",
		"sign-in": "open", "sign-in-totp": "open", "sign-in-recovery-code": "open", "begin-passkey-sign-in": "open", "sign-in-passkey": "open",
		"prove-password": "self person", "prove-totp": "self person", "begin-passkey-proof": "self person", "prove-passkey": "self person",
		"choose-account": "self person", "leave-account": "self fresh", "list-own-accounts": "self person",
		"get-me": "self person", "change-me": "self person", "set-password": "self fresh", "begin-passkey": "self fresh", "add-passkey": "self person",
		"rename-passkey": "self person", "remove-passkey": "self fresh", "begin-totp": "self fresh", "confirm-totp": "self person", "remove-totp": "self fresh",
		"issue-recovery-codes": "self fresh", "list-sessions": "self person", "end-session": "self person", "end-other-sessions": "self person",
		"list-tokens": "self person", "create-token": "self fresh", "revoke-token": "self person", "list-grantable": "self person",
	}
	for _, name := range []string{"top-services", "top-exporters", "top-ports", "unattributed", "reconciliation", "port-hours", "sampling-rates", "ingest",
		"quarantine", "quarantine-groups", "quarantine-decisions", "bindings", "evidence", "corrections"} {
		table["report-"+name], table["export-"+name] = "reports.read", "reports.read"
	}
	return table
}

type route struct{ method, path, id string }

func routes(t testing.TB) []route {
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
	return strings.NewReplacer("{invitation_id}", "00000000-0000-7000-8000-0000000000ff", "{person_id}", "00000000-0000-7000-8000-0000000000ff", "{customer_id}", "00000000-0000-7000-8000-0000000000ff", "{id}", id, "{name}", "x", "{email}", "a@example.com", "{if_index}", "1").Replace(r.path)
}

func (r route) body() string {
	if r.method == "GET" || r.method == "DELETE" {
		return ""
	}
	return "{}"
}

// caller is somebody of the matrix.
type caller struct {
	name        string
	as          as
	permissions string // that the caller has, each with a space around it
	person      bool   // not a token
	customer    bool
	unknown     bool // counts as nobody
	bad         bool // refused whatever it asks for
}

// callers are everybody who can ask. What each role gives is written down here once more, on purpose.
func (e *env) callers() []caller {
	const (
		reading = " services.read invoices.read account.read members.read "
		staffed = " customers.read services.read invoices.read catalog.read "
		all     = staffed + "customers.write people.recover services.write catalog.write network.read network.write reports.read audit.read staff.read staff.write clients.write impersonate development "
	)
	member := func(rights string) as { return e.member("a@example.com", rights) }
	stale := with("Cookie", guard.CookieName+"=stale")
	return []caller{
		{name: "nobody", as: on(accountHost), unknown: true},
		{name: "nobody on the admin site", as: on(adminHost), unknown: true},
		{name: "a stale session", as: both(on(accountHost), stale), unknown: true},
		{name: "a wrong token", as: both(on(accountHost), with("Authorization", "Bearer wrong")), bad: true},
		{name: "no token", as: both(on(adminHost), with("Authorization", "Bearer ")), bad: true},
		{name: "the operator on the account site", as: both(operator, on(accountHost)), bad: true},
		{name: "a member on the admin site", as: both(member("owner"), on(adminHost)), unknown: true},
		{name: "staff on the account site", as: both(e.worker("admin"), on(accountHost)), unknown: true},
		{name: "a member by another name", as: both(member("owner"), on("127.0.0.1")), unknown: true},
		{name: "an owner", as: member("owner"), permissions: reading + "account.write members.write ", person: true, customer: true},
		{name: "a billing contact", as: member("billing"), permissions: reading + "account.write ", person: true, customer: true},
		{name: "a technical contact", as: member("technical"), permissions: " services.read account.read ", person: true, customer: true},
		{name: "a reader", as: member("read_only"), permissions: " services.read invoices.read account.read ", person: true, customer: true},
		{name: "a person of no account", as: e.member("a@example.com", ""), person: true, customer: true},
		{name: "a member's token", as: e.tokenOf("a@example.com", "owner", "invoices.read", "members.write", "network.read"), permissions: " invoices.read members.write ", customer: true},
		{name: "an application of a member", as: e.applicationOf("a@example.com", "technical", "services.read", "invoices.read", "members.write", "network.read"), permissions: " services.read ", customer: true},
		{name: "an application on the other site", as: both(e.applicationOf("a@example.com", "owner", "services.read"), on(adminHost)), bad: true},
		{name: "a client by itself", as: e.applicationOf("a@example.com", "", "invoices.read", "network.read"), permissions: " invoices.read ", customer: true},
		{name: "an impersonator", as: e.impersonator("a@example.com", false), permissions: reading, customer: true},
		{name: "an impersonator who may write", as: e.impersonator("a@example.com", true), permissions: reading + "account.write members.write ", customer: true},
		{name: "an administrator", as: e.worker("admin"), permissions: all, person: true},
		{name: "support", as: e.worker("support"), permissions: staffed + "customers.write people.recover impersonate ", person: true},
		{name: "accounting", as: e.worker("billing"), permissions: staffed + "customers.write catalog.write reports.read ", person: true},
		{name: "a network operator", as: e.worker("network"), permissions: " customers.read services.read services.write catalog.read network.read network.write reports.read ", person: true},
		{name: "staff without a role", as: e.worker(""), person: true},
		{name: "staff without a second factor", as: e.weakWorker("admin"), person: true},
		{name: "the operator", as: operator, permissions: all},
		{name: "the operator on the admin site", as: both(operator, on(adminHost)), permissions: all},
	}
}

func TestAccessOfEveryRoute(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.invoice("svc-a", "INV-A")
	e.invoice("svc-b", "INV-B")
	table, callers := needs(), e.callers()
	for _, r := range routes(t) {
		need, ok := table[r.id]
		if !ok {
			t.Errorf("%s %s (%s) has no row: who may call it?", r.method, r.path, r.id)
			continue
		}
		delete(table, r.id)
		if strings.HasPrefix(need, "open") {
			continue // what strangers may do has tests of its own
		}
		for _, c := range callers {
			e.checkAccess(r, need, c)
		}
	}
	for id := range table {
		t.Errorf("row %s is of no operation", id)
	}
}

// checkAccess calls a route about what is the caller's own, another's, and nobody's.
func (e *env) checkAccess(r route, need string, c caller) {
	e.Helper()
	permission, flags, _ := strings.Cut(need, " ")
	own := e.call(r.method, r.on("svc-a", "INV-A"), r.body(), c.as)
	want := ""
	switch {
	case c.unknown || c.bad:
		want = "401"
	case permission != "self" && !strings.Contains(c.permissions, " "+permission+" "):
		want = "403"
	case !c.person && (strings.Contains(flags, "person") || strings.Contains(flags, "fresh")):
		want = "403"
	default:
		want = "200 201 204 404 409 422"
	}
	if !strings.Contains(want, strconv.Itoa(own.status)) {
		e.Errorf("%s %s by %s: status %d, want %s: %s", r.method, r.path, c.name, own.status, want, own.body)
	}
	if !strings.Contains(flags, "own") || !c.customer || want == "403" {
		return
	}
	other, missing := e.call(r.method, r.on("svc-b", "INV-B"), r.body(), c.as), e.call(r.method, r.on("svc-c", "INV-C"), r.body(), c.as)
	if other.status != 404 || missing.status != 404 || withoutID(other.body) != withoutID(missing.body) {
		e.Errorf("%s %s by %s: another's is %d %s, nobody's is %d %s", r.method, r.path, c.name, other.status, other.body, missing.status, missing.body)
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
	a := e.customer("a@example.com")
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
	for _, r := range [][2]string{{"POST", "/api/v1/dev/session"}, {"GET", "/api/v1/dev/clock"}, {"POST", "/api/v1/dev/clock"}, {"GET", "/api/v1/dev/mailbox"}} {
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
		request := httptest.NewRequest("POST", "http://"+adminHost+"/api/v1/dev/session", strings.NewReader(`{}`))
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

// A page elsewhere may have its name point at this machine: then the browser's own rules are no wall before what asks for no
// proof.
func TestTheLoginIsByTheSitesNames(t *testing.T) {
	t.Parallel()
	e := company(t)
	for host, status := range map[string]int{accountHost: 200, "evil.example": 403, "127.0.0.1": 403, adminHost: 403} {
		if got := e.call("GET", "/api/v1/dev/accounts", "", on(host)); got.status != status || strings.Contains(got.body, "a@example.com") != (status == 200) {
			t.Errorf("%s: %d %s", host, got.status, got.body)
		}
	}
	e.is("by another name", e.call("POST", "/api/v1/dev/session", "{}", on("evil.example")), 403, "wrong_site")
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	e := company(t)
	for host, sameSite := range map[string]string{accountHost: "Lax", adminHost: "Strict"} {
		cookie := e.call("POST", "/api/v1/dev/session", `{}`, on(host)).header.Get("Set-Cookie")
		for _, attribute := range []string{"__Host-session=", "HttpOnly", "Secure", "SameSite=" + sameSite, "Path=/"} {
			if !strings.Contains(cookie, attribute) {
				t.Errorf("cookie %q lacks %s", cookie, attribute)
			}
		}
		if strings.Contains(cookie, "Domain") {
			t.Errorf("cookie %q is for more than its host", cookie)
		}
	}
	a := e.customer("")
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
