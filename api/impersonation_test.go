package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/staff"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

const beginPath = "/api/v1/impersonations/begin"

func wish(person, customer uuid.UUID, more string) string {
	return fmt.Sprintf(`{"person_id":%q,"customer_id":%q,"reason":"cannot see an invoice"%s}`, person, customer, more)
}

// wayOf gives the token of a way to the account site.
func (e *env) wayOf(wish string, who as) string {
	e.Helper()
	got := e.call("POST", "/api/v1/impersonations", wish, who)
	e.is("a way", got, 201, "")
	way := decode[staff.ImpersonationWay](e.TB, got)
	token, ok := strings.CutPrefix(way.URL, "https://"+accountHost+"/impersonate#")
	if !ok || !way.ExpiresAt.Equal(e.machine.Now().Add(time.Minute)) {
		e.Fatalf("way %+v", way)
	}
	return `{"token":"` + token + `"}`
}

// look is somebody of the staff who looks at an account.
func (e *env) look(wish string, who as) as {
	e.Helper()
	got := e.call("POST", beginPath, e.wayOf(wish, who), on(accountHost))
	e.is("begin", got, 200, "")
	return e.cookieOf(accountHost, got)
}

func TestImpersonation(t *testing.T) {
	t.Parallel()
	e := company(t)
	person, customer := e.join("a@example.com", "owner")
	self := e.staffPerson("support")
	support := cookie(adminHost, e.open("admin", self, nil, guard.FactorPasskey))
	way := e.wayOf(wish(person, customer, `,"ticket":"#77"`), support)
	e.is("on the staff's site", e.call("POST", beginPath, way, on(adminHost)), 403, "wrong_site")
	begun := e.call("POST", beginPath, way, on(accountHost))
	e.is("begun", begun, 200, "")
	session := decode[api.Session](t, begun)
	if session.Role != "customer" || session.Impersonated != "#77: cannot see an invoice" || *session.PersonID != person || !session.ExpiresAt.Equal(start.Add(30*time.Minute)) ||
		fmt.Sprint(session.Permissions) != "[account.read invoices.read members.read services.read]" {
		t.Errorf("session %+v", session)
	}
	e.is("a way works once", e.call("POST", beginPath, way, on(accountHost)), 404, "link_not_valid")
	if session.ImpersonatedBy != "Person" {
		t.Errorf("the banner names %q", session.ImpersonatedBy)
	}
	looking := e.cookieOf(accountHost, begun)
	if got := e.call("GET", "/api/v1/services", "", looking); !strings.Contains(got.body, "svc-a") || strings.Contains(got.body, "svc-b") {
		t.Errorf("services %s", got.body)
	}
	e.is("on the staff's site it is nothing", e.call("GET", "/api/v1/staff", "", both(looking, on(adminHost))), 401, "")
	activity := e.call("GET", "/api/v1/activity", "", cookie(accountHost, e.open("account", person, &customer, guard.FactorPassword)))
	if !strings.Contains(activity.body, `"command":"access.BeginImpersonation"`) || !strings.Contains(activity.body, `"by":"staff"`) || !strings.Contains(activity.body, `"impersonated_by":"Person"`) || strings.Contains(activity.body, "invoice") {
		t.Errorf("the customer sees %s", activity.body)
	}
	e.exec(`update session set ip = '192.0.2.77', user_agent = 'Staff''s browser' where impersonator_id is not null`)
	sessions := e.call("GET", "/api/v1/me/sessions", "", cookie(accountHost, e.open("account", person, &customer, guard.FactorPassword)))
	if !strings.Contains(sessions.body, `"impersonated":true`) || strings.Contains(sessions.body, "192.0.2.77") || strings.Contains(sessions.body, "Staff's") {
		t.Errorf("of where staff sit the customer sees %s", sessions.body)
	}
	if got := one[string](e, `select actor || ' ' || (input->>'ticket') from audit where command = 'access.BeginImpersonation'`); got != "staff:"+self.String()+" as person:"+person.String()+" #77" {
		t.Errorf("audit row %s", got)
	}
	if got := decode[query.List[identity.Impersonation]](t, e.call("GET", "/api/v1/impersonations", "", support)); len(got.Items) != 1 || got.Items[0].ImpersonatorID != self || got.Items[0].Customer != "A" || got.Items[0].Write {
		t.Errorf("listed %+v", got)
	}
	list := func(filter string) int {
		t.Helper()
		return len(decode[query.List[identity.Impersonation]](t, e.call("GET", "/api/v1/impersonations?"+filter, "", support)).Items)
	}
	for filter, want := range map[string]int{
		"impersonator_id=" + self.String(): 1, "impersonator_id=" + person.String(): 0, "person_id=" + person.String(): 1, "person_id=" + self.String(): 0,
		"customer=A@example.com": 1, "customer=" + customer.String(): 1, "customer=b@example.com": 0, "open=true": 1,
		"from=2026-03-10T12:30:00Z": 1, "from=2026-03-10T12:30:01Z": 0, "to=2026-03-10T12:30:00Z": 0, "to=2026-03-10T12:30:01Z": 1,
	} {
		if got := list(filter); got != want {
			t.Errorf("%s: %d, want %d", filter, got, want)
		}
	}
	e.is("signed out", e.call("DELETE", "/api/v1/session", "", looking), 204, "")
	e.is("over", e.call("GET", "/api/v1/services", "", looking), 401, "")
	if list("open=true") != 0 || list("") != 1 {
		t.Error("one that ended is over, and stays in the list")
	}
}

func TestWhoCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	e := company(t)
	person, customer := e.join("a@example.com", "owner")
	stranger, other := e.join("b@example.com", "owner")
	e.exec(`insert into role (id, name, permissions, created_at) values (gen_random_uuid(), 'looker', '{impersonate}', $1)`, start)
	support, looker, colleague := e.worker("support"), e.worker("looker"), e.staffPerson("network")
	const path = "/api/v1/impersonations"
	e.is("staff", e.call("POST", path, wish(colleague, customer, ""), support), 409, "not_impersonable")
	e.is("of another account", e.call("POST", path, wish(stranger, customer, ""), support), 409, "not_impersonable")
	e.is("in another account", e.call("POST", path, wish(person, other, ""), support), 409, "not_impersonable")
	e.is("to write, without customers.write", e.call("POST", path, wish(person, customer, `,"write":true`), looker), 403, "not_allowed")
	e.is("with no reason", e.call("POST", path, fmt.Sprintf(`{"person_id":%q,"customer_id":%q,"reason":"ticket 12"}`, person, customer), support), 422, "invalid_input")
	e.is("by the operator's token", e.call("POST", path, wish(person, customer, ""), operator), 403, "not_for_tokens")
	e.is("by somebody who looks already", e.call("POST", path, wish(person, customer, ""), e.look(wish(person, customer, ""), looker)), 403, "not_while_impersonating")
	way := e.wayOf(wish(person, customer, ""), support)
	e.exec(`update person set status = 'suspended' where id = $1`, person)
	e.is("suspended meanwhile", e.call("POST", beginPath, way, on(accountHost)), 409, "not_impersonable")
	e.is("suspended", e.call("POST", path, wish(person, customer, ""), support), 409, "not_impersonable")
	e.exec(`update person set status = 'active' where id = $1`, person)
	e.exec(`update customer set status = 'banned' where id = $1`, customer)
	e.is("banned", e.call("POST", path, wish(person, customer, ""), support), 409, "not_impersonable")
	e.exec(`update customer set status = 'active' where id = $1`, customer)
	way = e.wayOf(wish(person, customer, ""), support)
	e.machine.Advance(context.Background(), time.Minute)
	e.is("a minute later", e.call("POST", beginPath, way, on(accountHost)), 404, "link_not_valid")
	e.is("no way", e.call("POST", beginPath, `{"token":"x"}`, on(accountHost)), 404, "link_not_valid")
	e.machine.Advance(context.Background(), 10*time.Minute)
	e.is("a proof that is old", e.call("POST", path, wish(person, customer, ""), support), 403, "proof_required")
}

// Half an hour, used or not; and no longer than the one who looks may.
func TestImpersonationEnds(t *testing.T) {
	t.Parallel()
	e := company(t)
	person, customer := e.join("a@example.com", "owner")
	self := e.staffPerson("support")
	support := func() as { return cookie(adminHost, e.open("admin", self, nil, guard.FactorPasskey)) }
	status := func(who as) int { return e.call("GET", "/api/v1/services", "", who).status }
	looking := e.look(wish(person, customer, ""), support())
	for range 2 {
		e.machine.Advance(context.Background(), 14*time.Minute)
		if got := status(looking); got != 200 {
			t.Errorf("within half an hour: %d", got)
		}
	}
	e.machine.Advance(context.Background(), 2*time.Minute)
	if got := status(looking); got != 401 {
		t.Errorf("after half an hour: %d", got)
	}
	wide := e.look(wish(person, customer, `,"write":true`), support())
	permissions := func() string {
		return fmt.Sprint(decode[api.Session](t, e.call("GET", "/api/v1/session", "", wide)).Permissions)
	}
	if got := permissions(); !strings.Contains(got, "account.write") || !strings.Contains(got, "members.write") {
		t.Errorf("who may write has %s", got)
	}
	other := support()
	e.is("signed out everywhere else", e.call("DELETE", "/api/v1/me/sessions", "", other), 204, "")
	if got := status(wide); got != 401 {
		t.Errorf("who has signed out everywhere but there: %d", got)
	}
	wide = e.look(wish(person, customer, `,"write":true`), other)
	e.exec(`update role set permissions = '{impersonate}' where name = 'support'`)
	if got := permissions(); strings.Contains(got, "write") {
		t.Errorf("who may no longer write has %s", got)
	}
	e.exec(`update role set permissions = '{customers.read}' where name = 'support'`)
	if got := status(wide); got != 401 {
		t.Errorf("who may not look any more: %d", got)
	}
	e.exec(`update role set permissions = '{*}' where name = 'support'`)
	e.exec(`update person set status = 'suspended' where id = $1`, self)
	if got := status(wide); got != 401 {
		t.Errorf("whose colleague is suspended: %d", got)
	}
}

// Nobody who looks at an account touches what its person signs in with, pays with, or has given to programs; nor goes on
// to another account.
func TestForbiddenToWhoeverLooks(t *testing.T) {
	t.Parallel()
	e := company(t)
	person, customer := e.join("a@example.com", "owner")
	looking := e.look(wish(person, customer, `,"write":true`), e.worker("admin"))
	for _, r := range routes(t) {
		rest := strings.TrimPrefix(r.path, "/api/v1")
		own := strings.HasPrefix(rest, "/me/") || rest == "/me" || strings.HasPrefix(rest, "/consents") || strings.HasPrefix(rest, "/payment-methods") || rest == "/session/account"
		if !own {
			continue
		}
		if got := e.call(r.method, r.on(uuid.NewString(), ""), r.body(), looking); got.status != 403 || !strings.Contains(got.body, "not_while_impersonating") {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
		}
	}
}
