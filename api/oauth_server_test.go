package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"
)

// itself is a client that acts by itself, on the account site for one account.
func (e *env) itself(host string, scopes string) *application {
	e.Helper()
	more := `"redirect_uris":[],"grants":["client_credentials"],"scopes":[` + scopes + `]`
	if host == accountHost {
		more += `,"customer_id":"` + e.account("a@example.com").String() + `"`
	}
	return e.application(host, "Robot", more)
}

func TestClientsByThemselves(t *testing.T) {
	t.Parallel()
	e := company(t)
	app := e.itself(accountHost, `"openid","services.read","members.read"`)
	got := decode[issued](t, app.post("/oauth/token", "grant_type", "client_credentials"))
	if got.Access == "" || got.Refresh != "" || got.ID != "" || got.Scope != "services.read members.read" {
		t.Fatalf("%+v", got)
	}
	seen := e.call("GET", "/api/v1/services", "", by(accountHost, got.Access))
	if seen.status != 200 || !strings.Contains(seen.body, "svc-a") || strings.Contains(seen.body, "svc-b") {
		t.Errorf("services: %d %s", seen.status, seen.body)
	}
	if got := e.call("GET", "/api/v1/services/svc-b", "", by(accountHost, got.Access)); got.status != 404 {
		t.Errorf("another's service: %d", got.status)
	}
	for path, want := range map[string]int{"/api/v1/invoices": 403, "/api/v1/session": 200, "/oauth/userinfo": 403, "/api/v1/me/applications": 403} {
		if got := e.call("GET", path, "", by(accountHost, got.Access)); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := decode[issued](t, app.post("/oauth/token", "grant_type", "client_credentials", "scope", "services.read")); got.Scope != "services.read" {
		t.Errorf("less: %+v", got)
	}
	for _, scope := range []string{"openid", "invoices.read", "customers.write", "services.read openid"} {
		if got := decode[issued](t, app.post("/oauth/token", "grant_type", "client_credentials", "scope", scope)); got.Error != "invalid_scope" || got.Access != "" {
			t.Errorf("%s: %+v", scope, got)
		}
	}
	staff := e.itself(adminHost, `"customers.read","customers.write"`)
	token := decode[issued](t, staff.post("/oauth/token", "grant_type", "client_credentials")).Access
	if got := e.call("GET", "/api/v1/customers", "", by(adminHost, token)); got.status != 200 {
		t.Errorf("staff's: %d %s", got.status, got.body)
	}
	if got := e.call("PUT", "/api/v1/customers/a@example.com", `{"name":"A"}`, by(adminHost, token)); got.status != 200 {
		t.Errorf("an order: %d %s", got.status, got.body)
	}
	if n := e.scalar(`select count(*) from audit where actor = 'client:' || $1 and command = 'identity.ChangeCustomer'`, staff.ID); n != 1 {
		t.Error("the order is not the client's in the audit log")
	}
	if got := e.call("GET", "/api/v1/services", "", by(adminHost, token)); got.status != 403 {
		t.Errorf("more than its scopes: %d", got.status)
	}
	app.post("/oauth/revoke", "token", got.Access)
	if app.works(got.Access) {
		t.Error("a revoked token works")
	}
	again := decode[issued](t, app.post("/oauth/token", "grant_type", "client_credentials"))
	e.exec(`update customer set status = 'banned'`)
	if app.works(again.Access) {
		t.Error("it works for an account that is banned")
	}
}

// What the protocol's addresses do not do.
func TestOAuthTakesNoShortcuts(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	public := app.application(accountHost, "Public", `"public":true,`+anything)
	robot := app.itself(accountHost, `"services.read"`)
	app.exec(`update person set email_verified_at = now()`)
	token := app.tokens(person)
	for name, c := range map[string]struct {
		by   *application
		form []string
		want string
	}{
		"by password":                    {app, []string{"grant_type", "password", "username", "a@example.com", "password", "x"}, "unsupported_grant_type"},
		"implicit":                       {app, []string{"grant_type", "implicit"}, "unsupported_grant_type"},
		"a JWT":                          {app, []string{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", "x"}, "unsupported_grant_type"},
		"two grants":                     {app, []string{"grant_type", "authorization_code client_credentials"}, "unsupported_grant_type"},
		"no grant":                       {app, []string{"scope", "openid"}, "invalid_request"},
		"a grant twice":                  {app, []string{"grant_type", "client_credentials", "grant_type", "refresh_token"}, "invalid_request"},
		"a grant that it has not":        {app, []string{"grant_type", "client_credentials", "scope", "services.read"}, "unauthorized_client"},
		"a public client by itself":      {public, []string{"grant_type", "client_credentials", "scope", "services.read"}, "invalid_grant"},
		"a robot with a code":            {robot, []string{"grant_type", "authorization_code", "code", "x"}, "unauthorized_client"},
		"a robot with a refresh token":   {robot, []string{"grant_type", "refresh_token", "refresh_token", token.Refresh}, "unauthorized_client"},
		"an access token as the refresh": {app, []string{"grant_type", "refresh_token", "refresh_token", token.Access}, "invalid_grant"},
		"a client's assertion":           {app, []string{"grant_type", "client_credentials", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "x"}, "invalid_client"},
	} {
		got := c.by.post("/oauth/token", c.form...)
		if e := decode[issued](t, got); e.Error != c.want || e.Access != "" || got.status < 400 || got.status >= 500 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %s", name, got.status, got.body, c.want)
		}
	}
	if got := app.call("GET", "/oauth/userinfo", "", person); got.status != 401 {
		t.Errorf("userinfo with a session: %d", got.status)
	}
	if got := app.call("POST", "/oauth/userinfo", "", by(accountHost, app.tokens(person, "scope", "services.read").Access)); got.status != 403 || !strings.Contains(got.header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("userinfo without openid: %d", got.status)
	}
}

// What a request must not look like, whatever it asks.
func TestOAuthTakesForms(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	token := app.tokens(person)
	wrong := *app
	wrong.Secret = token.Access
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/introspect"} {
		got := wrong.post(path, "grant_type", "refresh_token", "refresh_token", token.Refresh, "token", token.Refresh)
		if got.status != 401 || got.header.Get("WWW-Authenticate") == "" || !strings.Contains(got.body, "invalid_client") {
			t.Errorf("%s with a wrong secret: %d %s", path, got.status, got.body)
		}
		send := func(change func(*http.Request)) answer {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.Refresh}, "token": {token.Refresh}, "client_id": {app.ID}, "client_secret": {app.Secret}}
			r, err := http.NewRequest("POST", app.server.URL+path, strings.NewReader(form.Encode()))
			app.must0(err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Host = accountHost
			change(r)
			return app.raw(r)
		}
		for name, change := range map[string]func(*http.Request){
			"in the address":    func(r *http.Request) { r.URL.RawQuery = "client_secret=" + app.Secret },
			"as JSON":           func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
			"as parts":          func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") },
			"from another page": func(r *http.Request) { r.Header.Set("Origin", "https://app.example.com") },
			"by another name":   func(r *http.Request) { r.Host = "127.0.0.1" },
			"of the other site": func(r *http.Request) { r.Host = adminHost },
			"by GET":            func(r *http.Request) { r.Method = "GET" },
			"too long":          func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 },
		} {
			if got := send(change); got.status < 400 || strings.Contains(got.body, "access_token") || got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d %s", path, name, got.status, got.body)
			}
		}
	}
	if !app.works(token.Access) {
		t.Error("one of these ended the tokens")
	}
	if _, status := app.refresh(token.Refresh); status != 200 {
		t.Error("one of these used the refresh token up")
	}
	for _, path := range []string{"/oauth/userinfo?access_token=" + token.Access, "/oauth/userinfo?x=1"} {
		if got := app.call("GET", path, "", by(accountHost, token.Access)); got.status != 400 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func TestPublicClients(t *testing.T) {
	t.Parallel()
	e := company(t)
	app := e.application(accountHost, "Phone", `"public":true,`+anything)
	if app.Secret != "" {
		t.Error("a public client has a secret")
	}
	person := e.member("a@example.com", "owner")
	token := app.tokens(person)
	next, status := app.refresh(token.Refresh)
	if status != 200 || !app.works(next.Access) {
		t.Errorf("%d %+v", status, next)
	}
	if got := app.post("/oauth/introspect", "token", next.Access); got.status != 401 {
		t.Errorf("introspection: %d %s", got.status, got.body)
	}
	if got := app.post("/oauth/revoke", "token", next.Refresh); got.status != 200 || app.works(next.Access) {
		t.Errorf("revocation: %d", got.status)
	}
}

func TestIntrospectionIsOfOnesOwn(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	second := app.application(accountHost, "Second", anything)
	token := app.tokens(person)
	type about struct {
		Active   bool
		Scope    string
		ClientID string `json:"client_id"`
		Sub, Iss string
		Exp, Iat int64
	}
	for text, lifetime := range map[string]time.Duration{token.Access: 15 * time.Minute, token.Refresh: 30 * 24 * time.Hour} {
		got := decode[about](t, app.post("/oauth/introspect", "token", text))
		if !got.Active || got.Sub != id.String() || got.ClientID != app.ID || got.Iss != "https://"+accountHost || got.Exp-got.Iat != int64(lifetime.Seconds()) {
			t.Errorf("%+v", got)
		}
		if got := second.post("/oauth/introspect", "token", text); strings.TrimSpace(got.body) != `{"active":false}` {
			t.Errorf("another client learns %s", got.body)
		}
		if got := second.post("/oauth/revoke", "token", text); got.status != 200 || !app.works(token.Access) {
			t.Errorf("another client revokes: %d", got.status)
		}
	}
	for _, text := range []string{"", "x", app.Secret, token.Access + "x", strings.ToUpper(token.Access)} {
		if got := app.post("/oauth/introspect", "token", text); strings.TrimSpace(got.body) != `{"active":false}` {
			t.Errorf("of no token: %s", got.body)
		}
	}
	app.post("/oauth/revoke", "token", token.Refresh)
	if got := app.post("/oauth/introspect", "token", token.Access); strings.TrimSpace(got.body) != `{"active":false}` {
		t.Errorf("of a revoked one: %s", got.body)
	}
}

// A key is read a week before it signs, and a week after; ID tokens stay valid over each change.
func TestKeysTurn(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	day := func(n int) { app.machine.ahead.Store(int64(time.Duration(n) * 24 * time.Hour)) }
	signIn := func() as { return app.member("a@example.com", "owner") }
	kids := func() []string {
		got := app.call("GET", "/oauth/jwks", "", on(accountHost))
		set := decode[struct{ Keys []map[string]string }](t, got)
		var kids []string
		for _, key := range set.Keys {
			if key["d"] != "" || key["alg"] != "ES256" || key["use"] != "sig" {
				t.Errorf("a key has %v", key)
			}
			kids = append(kids, key["kid"])
		}
		if got.header.Get("Cache-Control") != "public, max-age=3600" {
			t.Errorf("keys are kept %s", got.header.Get("Cache-Control"))
		}
		return kids
	}
	first := app.tokens(person).ID
	signer := func(token string) string {
		head, _, _ := strings.Cut(token, ".")
		var header struct{ KID, Alg string }
		text, err := decodeSegment(head)
		app.must0(err)
		app.must0(json.Unmarshal(text, &header))
		return header.KID
	}
	if got := kids(); len(got) != 1 || got[0] != signer(first) {
		t.Fatalf("keys %v", got)
	}
	if day(22); len(kids()) != 1 {
		t.Error("the next key is there too early")
	}
	day(23)
	two := kids()
	if len(two) != 2 || signer(app.tokens(signIn()).ID) != two[0] {
		t.Fatalf("keys %v: the new one must be read before it signs", two)
	}
	day(30)
	if signer(app.tokens(signIn()).ID) != two[1] || len(kids()) != 2 {
		t.Error("the new key does not sign after 30 days, or the old one cannot be read")
	}
	verifier := oidc.NewVerifier("https://"+accountHost, oidc.NewRemoteKeySet(oidc.ClientContext(t.Context(), &http.Client{Transport: inward{app.env}}), "https://"+accountHost+"/oauth/jwks"),
		&oidc.Config{ClientID: app.ID, SupportedSigningAlgs: []string{"ES256"}, Now: func() time.Time { return start }})
	if _, err := verifier.Verify(t.Context(), first); err != nil {
		t.Errorf("an ID token by the old key: %v", err)
	}
	tampered := []byte(first)
	tampered[len(tampered)/2] ^= 1
	if _, err := verifier.Verify(t.Context(), string(tampered)); err == nil {
		t.Error("a tampered ID token is valid")
	}
	if day(38); len(kids()) != 1 || kids()[0] != two[1] {
		t.Error("the old key is still read")
	}
	day(90) // nobody looked for weeks: the key signs on until the next could be read for a week
	late := kids()
	if len(late) != 2 || signer(app.tokens(signIn()).ID) != late[0] {
		t.Errorf("keys %v", late)
	}
	if n := app.scalar(`select count(*) from oauth_key where site = 'admin'`); n != 0 {
		t.Error("the other site has keys of this one")
	}
	if admin := app.call("GET", "/oauth/jwks", "", on(adminHost)); strings.Contains(admin.body, late[0]) {
		t.Error("the sites share a key")
	}
}

// Who may not answer for a person, or not yet, is not asked.
func TestConsentIsAPersons(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	staff := app.application(adminHost, "Staff's", anything)
	for name, c := range map[string]struct {
		who  as
		of   *application
		want string
	}{
		"nobody":                        {on(accountHost), app, "not_signed_in"},
		"an impersonator":               {app.impersonator("a@example.com", true), app, "not_while_impersonating"},
		"a token":                       {app.tokenOf("a@example.com", "owner", "services.read"), app, "not_for_tokens"},
		"an application":                {by(accountHost, app.tokens(person).Access), app, "not_for_tokens"},
		"a person of no account":        {app.member("a@example.com", ""), app, "no_account"},
		"staff without a second factor": {app.weakWorker("admin"), staff, "second_factor_required"},
		"staff on the other site":       {app.worker("admin"), app, "authorization_request_invalid"},
		"the operator":                  {both(on(adminHost), operator), staff, "not_for_tokens"},
	} {
		if got := c.of.reply(c.who, c.of.query(), true); got.status < 400 || !strings.Contains(got.body, c.want) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	app.exec(`update session set proved_at = proved_at - interval '20 minutes' where person_id = $1`, id)
	for more, want := range map[string]string{"prompt login": "proof_required", "max_age 600": "proof_required", "max_age 3600": "redirect_to", "prompt consent": "redirect_to", "max_age x": "authorization_request_invalid", "max_age -1": "authorization_request_invalid"} {
		name, value, _ := strings.Cut(more, " ")
		if got := app.reply(person, app.query(name, value, "scope", "openid services.read"), true); !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", more, got.status, got.body)
		}
	}
}

// Every address of the protocol asks the limiter before anything else.
func TestOAuthIsLimited(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	routes := e.edge.Handler().(*gin.Engine).Routes()
	limited := 0
	ask := func(r gin.RouteInfo) answer {
		request, err := http.NewRequest(r.Method, e.server.URL+r.Path, nil)
		e.must0(err)
		request.Host = accountHost
		return e.raw(request)
	}
	for _, r := range routes {
		if !strings.HasPrefix(r.Path, "/oauth") && !strings.HasPrefix(r.Path, "/.well-known") {
			continue
		}
		limited++
		e.exec(`delete from limiter_bucket`)
		if got := ask(r); got.status == 429 {
			t.Errorf("%s %s is refused at once", r.Method, r.Path)
		}
		e.exec(`update limiter_bucket set debt = 86400000000`)
		if got := ask(r); got.status != 429 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s is not limited: %d", r.Method, r.Path, got.status)
		}
	}
	if limited != 8 {
		t.Errorf("%d addresses", limited)
	}
}

// Nothing that works is in a table, an event, the audit log or a log.
func TestOAuthKeepsNoSecret(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	rotated := app.application(accountHost, "Second", anything)
	next := decode[application](t, app.call("POST", "/api/v1/clients/"+rotated.ID+"/secret", "{}", app.worker("admin")))
	code := app.code(person)
	a, _ := app.exchange(code)
	b, _ := app.refresh(a.Refresh)
	app.works(b.Access)
	app.post("/oauth/introspect", "token", b.Access)
	app.refresh(a.Refresh)
	app.exchange(code, "code_verifier", "another-verifier-another-verifier-another-1")
	app.authorize(app.query("client_secret", app.Secret))
	rows, err := app.owner.Query(t.Context(), `select quote_ident(relname) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`)
	app.must0(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	app.must0(err)
	var dump bytes.Buffer
	for _, table := range tables {
		rows, err := app.owner.Query(t.Context(), `select to_json(x)::text from `+table+` x`)
		app.must0(err)
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		app.must0(err)
		dump.WriteString(strings.Join(texts, "\n"))
	}
	if !strings.Contains(dump.String(), "oauth.GrantConsent") || !strings.Contains(app.logs.String(), "/oauth/token") {
		t.Fatal("the dump holds nothing")
	}
	for what, secret := range map[string]string{"the secret": app.Secret, "a rotated secret": next.Secret, "the old secret": rotated.Secret, "the code": code, "the access token": a.Access,
		"the refresh token": a.Refresh, "the next one": b.Refresh, "the verifier": verifier, "a wrong verifier": "another-verifier", "the ID token": a.ID, "a private key": `"d":"`} {
		for where, text := range map[string]string{"the database": dump.String(), "the log": app.logs.String()} {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("%s is in %s", what, where)
			}
		}
	}
}

func TestStaffManageClients(t *testing.T) {
	t.Parallel()
	e := company(t)
	admin := e.worker("admin")
	app := e.application(accountHost, "App", anything)
	if !strings.HasPrefix(app.Secret, "ezs_client_") {
		t.Error("no secret")
	}
	list := e.call("GET", "/api/v1/clients", "", admin)
	if list.status != 200 || !strings.Contains(list.body, app.ID) || strings.Contains(list.body, "secret") {
		t.Errorf("list: %d %s", list.status, list.body)
	}
	for field, more := range map[string]string{
		"body.name":          `"name":"","site":"account","redirect_uris":["https://a.example/"],"grants":["authorization_code"],"scopes":["openid"]`,
		"body.redirect_uris": `"name":"x","site":"account","redirect_uris":["http://a.example/"],"grants":["authorization_code"],"scopes":["openid"]`,
		"body.grants":        `"name":"x","site":"account","redirect_uris":["https://a.example/"],"grants":["password"],"scopes":["openid"]`,
		"body.scopes":        `"name":"x","site":"account","redirect_uris":["https://a.example/"],"grants":["authorization_code"],"scopes":["customers.read"]`,
		"body.customer_id":   `"name":"x","site":"account","redirect_uris":[],"grants":["client_credentials"],"scopes":["services.read"]`,
		"body.site":          `"name":"x","site":"elsewhere","redirect_uris":[],"grants":["client_credentials"],"scopes":["services.read"]`,
	} {
		if got := e.call("POST", "/api/v1/clients", "{"+more+"}", admin); got.status != 422 || !strings.Contains(got.body, field) {
			t.Errorf("%s: %d %s", field, got.status, got.body)
		}
	}
	if got := e.call("POST", "/api/v1/clients", `{"public":true,"name":"x","site":"admin","redirect_uris":[],"grants":["client_credentials"],"scopes":["audit.read"]}`, admin); got.status != 422 {
		t.Errorf("a public client by itself: %d", got.status)
	}
	changed := e.call("PUT", "/api/v1/clients/"+app.ID, `{"name":"New","redirect_uris":["https://new.example/"],"grants":["authorization_code"],"scopes":["openid"]}`, admin)
	if changed.status != 200 || !strings.Contains(changed.body, "https://new.example/") || strings.Contains(changed.body, "secret") {
		t.Errorf("change: %d %s", changed.status, changed.body)
	}
	const again = `{"name":"Newer","redirect_uris":["https://new.example/"],"grants":["authorization_code"],"scopes":["openid"]%s}`
	if !strings.Contains(changed.body, `"version":1`) {
		t.Errorf("the first change makes version 1: %s", changed.body)
	}
	for _, stale := range []answer{e.call("PUT", "/api/v1/clients/"+app.ID, fmt.Sprintf(again, `,"version":0`), admin), e.call("PUT", "/api/v1/clients/"+app.ID, fmt.Sprintf(again, ""), both(admin, with("If-Match", `"0"`)))} {
		if stale.status != 409 || !strings.Contains(stale.body, "version_mismatch") {
			t.Errorf("a change of what somebody else has changed: %d %s", stale.status, stale.body)
		}
	}
	if got := e.call("PUT", "/api/v1/clients/"+app.ID, fmt.Sprintf(again, ""), both(admin, with("If-Match", `"1"`))); got.status != 200 || !strings.Contains(got.body, `"version":2`) {
		t.Errorf("a change of what was seen: %d %s", got.status, got.body)
	}
	next := *app
	next.Secret = decode[application](t, e.call("POST", "/api/v1/clients/"+app.ID+"/secret", "{}", admin)).Secret
	if old, now := app.post("/oauth/introspect", "token", "x"), next.post("/oauth/introspect", "token", "x"); old.status != 401 || now.status != 200 {
		t.Errorf("after another secret: old %d, new %d", old.status, now.status)
	}
	if got := e.call("DELETE", "/api/v1/clients/"+app.ID, "", admin); got.status != 204 {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
	for _, r := range [][3]string{{"DELETE", "", ""}, {"POST", "/secret", "{}"}, {"PUT", "", `{"name":"New","redirect_uris":["https://new.example/"],"grants":["authorization_code"],"scopes":["openid"]}`}} {
		if got := e.call(r[0], "/api/v1/clients/"+app.ID+r[1], r[2], admin); got.status != 404 {
			t.Errorf("%s of a deleted one: %d %s", r[0], got.status, got.body)
		}
	}
	public := e.application(accountHost, "Public", `"public":true,`+anything)
	if got := e.call("POST", "/api/v1/clients/"+public.ID+"/secret", "{}", admin); got.status != 409 {
		t.Errorf("a public client's secret: %d", got.status)
	}
	document, err := os.ReadFile("openapi.json")
	e.must0(err)
	if !strings.Contains(string(document), `"client_secret"`) {
		t.Error("the document does not know the secret that is shown once")
	}
}
