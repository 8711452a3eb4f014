package api_test

import (
	"strings"
	"testing"
)

// Whatever a person may see of himself without any permission, an application sees as far as its scopes go.
func TestApplicationsLearnWhatTheirScopesTell(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	facts := map[string]string{"openid": `"person_id":"` + id.String() + `"`, "profile": `"name":"Person"`, "email": `"email":"` + id.String() + `@example.com"`}
	for _, scopes := range []string{"services.read", "openid services.read", "email services.read", "openid profile email services.read"} {
		token := app.tokens(person, "scope", scopes).Access
		got := app.call("GET", "/api/v1/session", "", by(accountHost, token))
		for scope, fact := range facts {
			if want := strings.Contains(scopes, scope); got.status != 200 || strings.Contains(got.body, fact) != want {
				t.Errorf("with %s: %s is to be known: %v; %d %s", scopes, fact, want, got.status, got.body)
			}
		}
	}
}

// What is done to an account by others, and what else its people are in, no scope is for.
func TestProgramsSeeOnlyTheirOwnOrders(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	other := app.account("b@example.com")
	app.exec(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'owner', $3)`, id, other, start)
	application := by(accountHost, app.tokens(person).Access)
	token := app.tokenOf("a@example.com", "owner", "services.read")
	if got := app.call("GET", "/api/v1/activity", "", person); got.status != 200 || !strings.Contains(got.body, "RegisterCustomer") {
		t.Errorf("the person's activity: %d %s", got.status, got.body)
	}
	for name, who := range map[string]as{"an application": application, "a token": token, "an impersonator": app.impersonator("a@example.com", false)} {
		if got := app.call("GET", "/api/v1/me/accounts", "", who); got.status != 403 {
			t.Errorf("the other accounts of a person to %s: %d %s", name, got.status, got.body)
		}
		if got := app.call("GET", "/api/v1/activity", "", who); name != "an impersonator" && (got.status != 200 || strings.Contains(got.body, "RegisterCustomer")) {
			t.Errorf("the account's activity to %s: %d %s", name, got.status, got.body)
		}
	}
}

// A scope that staff take from a client is gone at once, also from what the client is told of a person.
func TestAScopeThatAClientLosesIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	app, person, _ := customerApp(t)
	token := app.tokens(person, "scope", "openid email services.read").Access
	if got := app.call("GET", "/oauth/userinfo", "", by(accountHost, token)); got.status != 200 || !strings.Contains(got.body, "@example.com") {
		t.Fatalf("userinfo: %d %s", got.status, got.body)
	}
	app.exec(`update oauth_client set scopes = '{openid,services.read}' where id = $1`, app.ID)
	if got := app.call("GET", "/oauth/userinfo", "", by(accountHost, token)); got.status != 200 || strings.Contains(got.body, "@example.com") {
		t.Errorf("without email: %d %s", got.status, got.body)
	}
	if got := app.post("/oauth/introspect", "token", token); strings.Contains(got.body, "email") || !strings.Contains(got.body, "openid services.read") {
		t.Errorf("introspection: %s", got.body)
	}
	app.exec(`update oauth_client set scopes = '{services.read}' where id = $1`, app.ID)
	if got := app.call("GET", "/oauth/userinfo", "", by(accountHost, token)); got.status != 403 {
		t.Errorf("without openid: %d %s", got.status, got.body)
	}
}
