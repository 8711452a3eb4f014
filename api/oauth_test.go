package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"
	"golang.org/x/oauth2"
)

// inward sends what is for the sites to the test's server.
type inward struct{ *env }

func (i inward) RoundTrip(r *http.Request) (*http.Response, error) {
	to, _ := url.Parse(i.server.URL)
	r = r.Clone(r.Context())
	r.Host, r.URL.Scheme, r.URL.Host = r.URL.Host, to.Scheme, to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// A program with the usual libraries finds everything by the issuer's name, on either site.
func TestOAuthWithARealClient(t *testing.T) {
	t.Parallel()
	e := company(t)
	worker := e.person("admin")
	e.exec(`insert into person_role (person_id, role_id) select $1, id from role where name = 'support'`, worker)
	member, account := e.join("a@example.com", "owner")
	for host, who := range map[string]struct {
		id uuid.UUID
		as as
	}{
		accountHost: {member, cookie(accountHost, e.open("account", member, &account, "password"))},
		adminHost:   {worker, cookie(adminHost, e.open("admin", worker, nil, "passkey"))},
	} {
		app := e.application(host, "Dashboard", anything)
		ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: inward{e}})
		provider, err := oidc.NewProvider(ctx, "https://"+host)
		e.must0(err)
		config := oauth2.Config{ClientID: app.ID, ClientSecret: app.Secret, Endpoint: provider.Endpoint(), RedirectURL: callback,
			Scopes: []string{"openid", "profile", "email", "offline_access", "services.read"}}
		proof := oauth2.GenerateVerifier()
		start, err := url.Parse(config.AuthCodeURL(state, oauth2.S256ChallengeOption(proof), oidc.Nonce("nonce-0123456789")))
		e.must0(err)
		if got := app.authorize(start.RawQuery); got.status != 303 || got.header.Get("Location") != "/consent?"+start.RawQuery || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("authorize: %d %s %s", got.status, got.header.Get("Location"), got.body)
		}
		answer := app.onward(who.as, start.RawQuery, true)
		if answer.Get("state") != state || answer.Get("iss") != "https://"+host || answer.Get("fixed") != "1" {
			t.Errorf("answer %v", answer)
		}
		token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(proof))
		e.must0(err)
		raw, _ := token.Extra("id_token").(string)
		identity, err := provider.Verifier(&oidc.Config{ClientID: app.ID, Now: e.machine.Now}).Verify(ctx, raw)
		e.must0(err)
		e.must0(identity.VerifyAccessToken(token.AccessToken))
		if identity.Subject != who.id.String() || identity.Nonce != "nonce-0123456789" || !identity.Expiry.Equal(e.machine.Now().Add(time.Hour)) {
			t.Errorf("identity %+v", identity)
		}
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		e.must0(err)
		var more struct{ Name, Zoneinfo string }
		e.must0(info.Claims(&more))
		if info.Subject != who.id.String() || info.Email != who.id.String()+"@example.com" || !info.EmailVerified || more.Name != "Person" || more.Zoneinfo != "UTC" {
			t.Errorf("userinfo %+v %+v", info, more)
		}
		if !app.works(token.AccessToken) {
			t.Error("the access token opens nothing")
		}
		renewed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		e.must0(err)
		if renewed.RefreshToken == token.RefreshToken || !app.works(renewed.AccessToken) || renewed.Extra("id_token") == nil {
			t.Error("the refresh token gives nothing new")
		}
	}
}

func TestConsentSaysWhatIsAsked(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	body, _ := json.Marshal(map[string]string{"query": app.query()})
	got := decode[struct {
		Client  struct{ ID, Name string }
		Person  string
		Asked   uuid.UUID `json:"person_id"`
		Account string
		Of      *uuid.UUID `json:"customer_id"`
		Scopes  []struct{ Scope, Says string }
		Host    string `json:"redirect_host"`
	}](t, app.call("POST", "/api/v1/consents/look", string(body), person))
	if got.Client.ID != app.ID || got.Client.Name != "App" || got.Person != "Person" || got.Asked != id || got.Account != "A" || got.Of == nil || *got.Of != app.account("a@example.com") || len(got.Scopes) != 3 || got.Scopes[2].Says == "" || got.Host != "app.example.com" {
		t.Errorf("question %+v", got)
	}
	if n := app.scalar(`select (select count(*) from oauth_grant) + (select count(*) from oauth_code)`); n != 0 {
		t.Errorf("looking wrote %d rows", n)
	}
	answer := app.onward(person, app.query(), false)
	if answer.Get("error") != "access_denied" || answer.Get("state") != state || answer.Get("iss") != "https://"+accountHost || answer.Has("code") {
		t.Errorf("refused: %v", answer)
	}
	if n := app.scalar(`select count(*) from oauth_grant`); n != 0 {
		t.Error("a no is written down as a yes")
	}
}

// refusal is what an authorization request is refused for, and the error told to the client; empty: a page is shown.
type refusal struct {
	changes []string
	want    string
}

func refusals(app, foreign *application) map[string]refusal {
	other := func(uri string) []string { return []string{"redirect_uri", uri} }
	return map[string]refusal{
		"no redirect_uri":      {other("-"), ""},
		"another path":         {other("https://app.example.com/callback/x?fixed=1"), ""},
		"a prefix":             {other("https://app.example.com/call"), ""},
		"a query more":         {other(callback + "&x=1"), ""},
		"no query":             {other("https://app.example.com/callback"), ""},
		"another port":         {other("https://app.example.com:8443/callback?fixed=1"), ""},
		"the default port":     {other("https://app.example.com:443/callback?fixed=1"), ""},
		"a fragment":           {other(callback + "#x"), ""},
		"an empty fragment":    {other(callback + "#"), ""},
		"another case":         {other("https://app.example.com/Callback?fixed=1"), ""},
		"the host's case":      {other("https://APP.example.com/callback?fixed=1"), ""},
		"plain http":           {other("http://app.example.com/callback?fixed=1"), ""},
		"a user":               {other("https://app.example.com@evil.example/callback?fixed=1"), ""},
		"a subdomain":          {other("https://app.example.com.evil.example/callback?fixed=1"), ""},
		"dots":                 {other("https://app.example.com/x/../callback?fixed=1"), ""},
		"a backslash":          {other(`https://app.example.com\@evil.example/callback?fixed=1`), ""},
		"a line's end":         {other(callback + "\n"), ""},
		"escaped":              {other("https://app.example.com/%63allback?fixed=1"), ""},
		"a loopback's path":    {other("http://127.0.0.1:7777/other"), ""},
		"another loopback":     {other("http://127.0.0.2:7777/native"), ""},
		"localhost":            {other("http://localhost:7777/native"), ""},
		"a loopback's user":    {other("http://x@127.0.0.1:7777/native"), ""},
		"a loopback's part":    {other("http://127.0.0.1:7777/native#x"), ""},
		"a script":             {other("javascript:alert(1)"), ""},
		"no client":            {[]string{"client_id", "-"}, ""},
		"an unknown client":    {[]string{"client_id", uuid.NewString()}, ""},
		"a client's other id":  {[]string{"client_id", strings.ToUpper(app.ID)}, ""},
		"the other site":       {[]string{"client_id", foreign.ID}, ""},
		"a secret":             {[]string{"client_secret", app.Secret}, ""},
		"a token":              {[]string{"access_token", "x"}, ""},
		"no PKCE":              {[]string{"code_challenge", "-", "code_challenge_method", "-"}, "invalid_request"},
		"plain PKCE":           {[]string{"code_challenge", verifier, "code_challenge_method", "plain"}, "invalid_request"},
		"PKCE without method":  {[]string{"code_challenge_method", "-"}, "invalid_request"},
		"a short challenge":    {[]string{"code_challenge", "short"}, "invalid_request"},
		"implicit":             {[]string{"response_type", "token"}, "unsupported_response_type"},
		"an ID token at once":  {[]string{"response_type", "id_token"}, "unsupported_response_type"},
		"hybrid":               {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"no type":              {[]string{"response_type", "-"}, "unsupported_response_type"},
		"a form":               {[]string{"response_mode", "form_post"}, "unsupported_response_mode"},
		"in the fragment":      {[]string{"response_mode", "fragment"}, "unsupported_response_mode"},
		"a scope too many":     {[]string{"scope", "openid members.write"}, "invalid_scope"},
		"a scope of staff":     {[]string{"scope", "customers.write"}, "invalid_scope"},
		"a wildcard":           {[]string{"scope", "*"}, "invalid_scope"},
		"part of a scope":      {[]string{"scope", "services"}, "invalid_scope"},
		"no scope":             {[]string{"scope", "-"}, "invalid_scope"},
		"no state":             {[]string{"state", "-"}, "invalid_state"},
		"without asking":       {[]string{"prompt", "none"}, "consent_required"},
		"no age":               {[]string{"max_age", "-1"}, "invalid_request"},
		"a request object":     {[]string{"request", "eyJ"}, "request_not_supported"},
		"a request's address":  {[]string{"request_uri", "https://app.example.com/r"}, "request_uri_not_supported"},
		"a pushed request":     {[]string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"},
		"another's audience":   {[]string{"audience", "https://other.example"}, "invalid_request"},
		"a registration in it": {[]string{"registration", "{}"}, "registration_not_supported"},
	}
}

// What is wrong with an authorization request is told on a page of ours until the address is known to be the client's, and
// to the client after that.
func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	foreign := app.application(adminHost, "Foreign", anything)
	for name, c := range refusals(app, foreign) {
		query := app.query(c.changes...)
		got := app.authorize(query, person)
		to, _ := url.Parse(got.header.Get("Location"))
		switch {
		case c.want == "" && (got.status != 400 || got.header.Get("Location") != "" || !strings.Contains(got.header.Get("Content-Type"), "text/html")):
			t.Errorf("%s: status %d to %q", name, got.status, to)
		case c.want != "" && (got.status != 303 || to.Host != "app.example.com" || to.Query().Get("error") != c.want || to.Query().Get("fixed") != "1" || to.Query().Has("code")):
			t.Errorf("%s: status %d to %q, want %s", name, got.status, to, c.want)
		}
		body, _ := json.Marshal(map[string]any{"query": query, "allow": true})
		for _, path := range []string{"/api/v1/consents/look", "/api/v1/consents"} {
			if got := app.call("POST", path, string(body), person); got.status != 422 {
				t.Errorf("%s: %s says %d %s", name, path, got.status, got.body)
			}
		}
	}
	for _, twice := range []string{"&scope=openid", "&client_id=" + app.ID, "&redirect_uri=https%3A%2F%2Fevil.example", "&state=x"} {
		if got := app.authorize(app.query()+twice, person); got.status != 400 || got.header.Get("Location") != "" {
			t.Errorf("%s: %d %s", twice, got.status, got.header)
		}
	}
	if n := app.scalar(`select (select count(*) from oauth_grant) + (select count(*) from oauth_code)`); n != 0 {
		t.Errorf("refused requests wrote %d rows", n)
	}
}

func TestLoopbackTakesAnyPort(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	const native = "http://127.0.0.1:7777/native"
	got, status := app.exchange(app.code(person, "redirect_uri", native), "redirect_uri", native)
	if status != 200 || got.Access == "" {
		t.Errorf("%d %s", status, got.Error)
	}
	if _, status := app.exchange(app.code(person, "redirect_uri", native), "redirect_uri", "http://127.0.0.1:8888/native"); status != 400 {
		t.Errorf("another port at the exchange: %d", status)
	}
}

func TestCodesWorkOnce(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	code := app.code(person)
	first, status := app.exchange(code)
	if status != 200 || first.Type != "bearer" || first.ExpiresIn != 900 || first.Scope != "openid offline_access services.read" || !app.works(first.Access) {
		t.Fatalf("%d %+v", status, first)
	}
	later, _ := app.refresh(first.Refresh)
	if again, status := app.exchange(code); status != 400 || again.Error != "invalid_grant" {
		t.Errorf("again: %d %+v", status, again)
	}
	if app.works(first.Access) || app.works(later.Access) {
		t.Error("what was issued for a code that came twice works on")
	}
	if _, status := app.refresh(later.Refresh); status != 400 {
		t.Error("so does its refresh token")
	}
}

func TestCodesOfMany(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	code := app.code(person)
	if won := winners(t, func() (issued, int) { return app.exchange(code) }); won > 1 {
		t.Errorf("%d got tokens for one code", won)
	}
}

// winners counts who gets tokens, of eight who ask at once; the others have to hear invalid_grant.
func winners(t *testing.T, ask func() (issued, int)) int {
	t.Helper()
	return together(8, func(int) int {
		got, status := ask()
		if status != 200 && (status != 400 || got.Error != "invalid_grant") {
			t.Errorf("%d %s", status, got.Error)
		}
		return status
	})[200]
}

func TestCodesNeedTheirProof(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	second := app.application(accountHost, "Second", anything)
	foreign := app.application(adminHost, "Foreign", anything)
	for name, c := range map[string]struct {
		by   *application
		form []string
	}{
		"no verifier":          {app, []string{"code_verifier", ""}},
		"another verifier":     {app, []string{"code_verifier", strings.Repeat("x", 43)}},
		"the challenge":        {app, []string{"code_verifier", challenge(verifier)}},
		"another redirect_uri": {app, []string{"redirect_uri", "https://second.example.com/"}},
		"no redirect_uri":      {app, []string{"redirect_uri", ""}},
		"another client":       {second, nil},
		"another site":         {foreign, nil},
	} {
		code := app.code(person)
		if got, status := c.by.exchange(code, c.form...); status != 400 || got.Error != "invalid_grant" || got.Access != "" {
			t.Errorf("%s: %d %+v", name, status, got)
		}
		got, status := app.exchange(code)
		if wrong := strings.Contains(name, "verifier") || strings.Contains(name, "challenge"); wrong && status != 400 {
			t.Errorf("%s: the code works after a wrong verifier: %d", name, status)
		} else if strings.Contains(name, "another site") && (status != 200 || got.Access == "") {
			t.Errorf("%s: the other site used the code up: %d", name, status)
		}
	}
	code := app.code(person)
	app.machine.ahead.Add(int64(time.Minute))
	if got, status := app.exchange(code); status != 400 || got.Error != "invalid_grant" {
		t.Errorf("after a minute: %d %+v", status, got)
	}
	for name, wrong := range map[string]string{"nothing": "", "no code": "x", "an access token": app.tokens(person).Access, "a session": app.Secret} {
		if got, status := app.exchange(wrong); status != 400 || got.Error != "invalid_grant" {
			t.Errorf("%s: %d %+v", name, status, got)
		}
	}
}

func TestRefreshTokensTurn(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	second := app.application(accountHost, "Second", anything)
	a := app.tokens(person)
	if got, status := second.refresh(a.Refresh); status != 400 || got.Access != "" {
		t.Errorf("another client: %d %+v", status, got)
	}
	b, status := app.refresh(a.Refresh, "scope", "openid offline_access services.read invoices.read members.write")
	if status != 200 || b.Scope != a.Scope {
		t.Fatalf("%d %+v", status, b)
	}
	if got := app.call("GET", "/api/v1/invoices", "", by(accountHost, b.Access)); got.status != 403 {
		t.Errorf("a refresh widened the scope: %d", got.status)
	}
	c, _ := app.refresh(b.Refresh)
	if got, status := app.refresh(a.Refresh); status != 400 || got.Error != "invalid_grant" {
		t.Errorf("again: %d %+v", status, got)
	}
	if _, status := app.refresh(c.Refresh); status != 400 || app.works(a.Access) || app.works(b.Access) || app.works(c.Access) {
		t.Error("the family lives on after a refresh token came twice")
	}
	d := app.tokens(person)
	app.machine.ahead.Add(int64(29 * 24 * time.Hour))
	if app.works(d.Access) {
		t.Error("an access token of 29 days ago works")
	}
	e, status := app.refresh(d.Refresh)
	if status != 200 || !app.works(e.Access) {
		t.Errorf("after 29 days: %d", status)
	}
	app.machine.ahead.Add(int64(30 * 24 * time.Hour))
	if got, status := app.refresh(e.Refresh); status != 400 || got.Error != "invalid_grant" {
		t.Errorf("after 30 days: %d %+v", status, got)
	}
	if got := app.tokens(app.member("a@example.com", "owner"), "scope", "openid services.read"); got.Refresh != "" {
		t.Error("a refresh token without offline_access")
	}
}

// Of many who come with one refresh token, one gets another. Whether the family outlives that hangs on how close they
// came; that two live on never happens.
func TestRefreshOfMany(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	a := app.tokens(person)
	if won := winners(t, func() (issued, int) { return app.refresh(a.Refresh) }); won > 1 {
		t.Errorf("%d got tokens for one refresh token", won)
	}
	if n := app.scalar(`select count(*) from oauth_token t join oauth_grant g on g.id = t.grant_id where t.kind = 'refresh' and t.used_at is null and g.revoked_at is null`); n > 1 {
		t.Errorf("%d refresh tokens of one family live", n)
	}
}

// What takes an access token's ground away counts at once.
func TestAccessEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(app *application, person as, id uuid.UUID, token issued){
		"expired": func(app *application, _ as, _ uuid.UUID, _ issued) { app.machine.ahead.Add(int64(15 * time.Minute)) },
		"suspended": func(app *application, _ as, id uuid.UUID, _ issued) {
			app.exec(`update person set status = 'suspended' where id = $1`, id)
		},
		"out of the account": func(app *application, _ as, id uuid.UUID, _ issued) {
			app.exec(`delete from membership where person_id = $1`, id)
		},
		"the account is banned": func(app *application, _ as, _ uuid.UUID, _ issued) { app.exec(`update customer set status = 'banned'`) },
		"taken back": func(app *application, person as, _ uuid.UUID, _ issued) {
			if got := app.call("DELETE", "/api/v1/me/applications/"+app.ID, "", person); got.status != 204 {
				t.Errorf("take back: %d %s", got.status, got.body)
			}
		},
		"the client is deleted": func(app *application, _ as, _ uuid.UUID, _ issued) {
			if got := app.call("DELETE", "/api/v1/clients/"+app.ID, "", app.worker("admin")); got.status != 204 {
				t.Errorf("delete: %d %s", got.status, got.body)
			}
		},
		"revoked": func(app *application, _ as, _ uuid.UUID, token issued) {
			app.post("/oauth/revoke", "token", token.Access)
		},
		"revoked by the refresh token": func(app *application, _ as, _ uuid.UUID, token issued) {
			app.post("/oauth/revoke", "token", token.Refresh, "token_type_hint", "access_token")
		},
	} {
		app, person, id := customerApp(t)
		token := app.tokens(person)
		if !app.works(token.Access) {
			t.Fatalf("%s: nothing works", name)
		}
		end(app, person, id, token)
		if app.works(token.Access) {
			t.Errorf("%s: the access token works", name)
		}
		if got, status := app.refresh(token.Refresh); name != "expired" && (status < 400 || got.Access != "") {
			t.Errorf("%s: so does the refresh token: %d", name, status)
		}
	}
}

// A token is worth at most what its person, its client and its scopes have in common at that moment.
func TestAccessIsCut(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	token := app.tokens(person, "scope", "openid services.read invoices.read")
	may := func(path string) int { return app.call("GET", path, "", by(accountHost, token.Access)).status }
	if may("/api/v1/services") != 200 || may("/api/v1/invoices") != 200 || may("/api/v1/customers") != 403 {
		t.Error("the token has not what it was given")
	}
	app.exec(`update membership set rights = 'technical' where person_id = $1`, id)
	if may("/api/v1/services") != 200 || may("/api/v1/invoices") != 403 {
		t.Error("the token may more than its person")
	}
	app.exec(`update oauth_client set scopes = '{openid,invoices.read}'`)
	if may("/api/v1/services") != 403 {
		t.Error("the token may more than its client")
	}
	if got := app.call("GET", "/api/v1/session", "", by(adminHost, token.Access)); got.status != 401 {
		t.Errorf("on the other site: %d", got.status)
	}
	if got := app.call("GET", "/api/v1/session", "", by("127.0.0.1", token.Access)); got.status != 401 {
		t.Errorf("by another name: %d", got.status)
	}
	if got := app.call("GET", "/api/v1/services?access_token="+token.Access, "", on(accountHost)); got.status == 200 {
		t.Error("a token in the address is taken")
	}
	if got := app.call("GET", "/api/v1/me/applications", "", by(accountHost, token.Access)); got.status != 403 {
		t.Errorf("a token sees applications: %d", got.status)
	}
	actors := app.scalar(`select count(*) from audit where command = 'oauth.GrantConsent' and actor = 'person:' || $1::uuid::text`, id)
	if actors != 1 {
		t.Error("the consent is not in the audit log")
	}
}

func TestPeopleSeeTheirApplications(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	list := func(who as) []string {
		got := decode[struct{ Items []struct{ Name string } }](t, app.call("GET", "/api/v1/me/applications", "", who))
		var names []string
		for _, item := range got.Items {
			names = append(names, item.Name)
		}
		return names
	}
	app.tokens(person)
	app.tokens(person)
	if got := list(person); !slices.Equal(got, []string{"App"}) {
		t.Errorf("sees %v", got)
	}
	stranger := app.member("b@example.com", "owner")
	if got := list(stranger); got != nil {
		t.Errorf("a stranger sees %v", got)
	}
	if got := app.call("DELETE", "/api/v1/me/applications/"+app.ID, "", stranger); got.status != 404 {
		t.Errorf("a stranger takes it back: %d", got.status)
	}
	if got := app.call("DELETE", "/api/v1/me/applications/"+app.ID, "", person); got.status != 204 || list(person) != nil {
		t.Errorf("take back: %d, sees %v", got.status, list(person))
	}
}
