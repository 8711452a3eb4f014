package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Whatever people may see of themselves without any permission, an application sees as far as its scopes go.
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

// What an application may go on with when the session is over wants a proof, as an API token does.
func TestLastingAccessWantsAFreshProof(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	answer := func(scopes string, allow bool) answer {
		return app.reply(person, app.query("scope", scopes), allow)
	}
	app.exec(`update session set proved_at = proved_at - interval '11 minutes' where person_id = $1`, id)
	for _, c := range []struct {
		scopes string
		allow  bool
		want   string
	}{{"openid offline_access", true, "proof_required"}, {"openid offline_access", false, "access_denied"}, {"openid services.read", true, "code="}} {
		if got := answer(c.scopes, c.allow); !strings.Contains(got.body, c.want) {
			t.Errorf("%+v: %d %s", c, got.status, got.body)
		}
	}
	app.exec(`update session set proved_at = $2 where person_id = $1`, id, app.machine.Now())
	if got := answer("openid offline_access", true); got.status != 200 {
		t.Errorf("with a fresh proof: %d %s", got.status, got.body)
	}
	app.withTOTP(&human{id: id})
	if got := answer("openid offline_access", true); !strings.Contains(got.body, "proof_required") {
		t.Errorf("by the password alone, where there is a second factor: %d %s", got.status, got.body)
	}
}

// Who looks at another account in another tab meanwhile has allowed nothing there.
func TestConsentIsForTheAccountThatWasShown(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	first, second := app.account("a@example.com"), app.accountOf(&human{id: id}, "Second")
	query := app.query("scope", "openid services.read")
	refused := func(name string, account *uuid.UUID) {
		if got := app.replyTo(person, query, true, question{id, account}); got.status != 409 || !strings.Contains(got.body, `"account_changed"`) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	refused("no account", nil)
	refused("another one", &second)
	app.exec(`update session set customer_id = $2 where person_id = $1`, id, second)
	refused("the one before", &first)
	if n := app.scalar(`select (select count(*) from oauth_grant) + (select count(*) from oauth_code)`); n != 0 {
		t.Errorf("refused answers wrote %d rows", n)
	}
	for _, account := range []*uuid.UUID{nil, &first} {
		if got := app.replyTo(person, query, false, question{id, account}); got.status != 200 || !strings.Contains(got.body, "access_denied") {
			t.Errorf("a no: %d %s", got.status, got.body)
		}
	}
	if got := app.reply(person, query, true); got.status != 200 {
		t.Errorf("looked at again: %d %s", got.status, got.body)
	}
	if n := app.scalar(`select count(*) from oauth_grant where customer_id = $1`, second); n != 1 {
		t.Errorf("%d grants in the account that was shown", n)
	}
	staff, worker := app.application(adminHost, "Staff's", anything), app.worker("admin")
	body, _ := json.Marshal(map[string]any{"query": staff.query("scope", "openid services.read")})
	asked := decode[question](t, staff.call("POST", "/api/v1/consents/look", string(body), worker))
	asked.Account = &first
	if got := staff.replyTo(worker, staff.query("scope", "openid services.read"), true, asked); got.status != 409 || !strings.Contains(got.body, `"account_changed"`) {
		t.Errorf("staff look at no account: %d %s", got.status, got.body)
	}
	if got := staff.reply(worker, staff.query("scope", "openid services.read"), true); got.status != 200 {
		t.Errorf("staff: %d %s", got.status, got.body)
	}
}

// An account has several people: whoever signs in at the same browser meanwhile has not been asked, and has allowed nothing.
func TestConsentIsThePersonsWhoWasAsked(t *testing.T) {
	t.Parallel()
	app, person, id := customerApp(t)
	account := app.account("a@example.com")
	colleague, _ := app.join("a@example.com", "owner")
	query := app.query("scope", "openid services.read")
	asked := question{id, &account}
	app.exec(`update session set person_id = $2 where person_id = $1`, id, colleague) // the same cookie
	if got := app.replyTo(person, query, true, asked); got.status != 409 || !strings.Contains(got.body, `"person_changed"`) {
		t.Errorf("another's answer: %d %s", got.status, got.body)
	}
	if got := app.replyTo(person, query, true, question{Account: &account}); got.status != 409 {
		t.Errorf("nobody's answer: %d %s", got.status, got.body)
	}
	if n := app.scalar(`select (select count(*) from oauth_grant) + (select count(*) from oauth_code)`); n != 0 {
		t.Errorf("refused answers wrote %d rows", n)
	}
	if got := app.replyTo(person, query, false, asked); got.status != 200 || !strings.Contains(got.body, "access_denied") {
		t.Errorf("a no: %d %s", got.status, got.body)
	}
	if got := app.reply(person, query, true); got.status != 200 {
		t.Errorf("looked at again: %d %s", got.status, got.body)
	}
	if n := app.scalar(`select count(*) from oauth_grant where person_id = $1`, colleague); n != 1 {
		t.Errorf("%d grants of who was asked then", n)
	}
}
