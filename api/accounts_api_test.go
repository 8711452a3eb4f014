package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Anybody but the last owner can leave an account on their own; their session goes on, and looks at no account.
func TestLeavingAnAccount(t *testing.T) {
	t.Parallel()
	e := company(t)
	customer := e.account("a@example.com")
	s := e.tenant("a@example.com", "read_only")
	program := e.tokenFor(s.id, &customer, "services.read")
	s.do("404", "DELETE", "/me/accounts/"+e.account("b@example.com").String(), "")
	s.do("204", "DELETE", "/me/accounts/"+customer.String(), "")
	if got := decode[map[string]any](t, s.do("200", "GET", "/session", "")); got["restricted"] != "no_account" || got["customer_id"] != nil {
		t.Errorf("session %v", got)
	}
	if got := e.call("GET", "/api/v1/services", "", program); got.status != 401 {
		t.Errorf("the token works on: %d", got.status)
	}
	s.do("404", "DELETE", "/me/accounts/"+customer.String(), "")
	e.exec(`delete from membership where customer_id = $1`, customer)
	owner := e.tenant("a@example.com", "owner")
	owner.do("409 last_owner", "DELETE", "/me/accounts/"+customer.String(), "")
	owner.do("409 last_owner", "DELETE", "/account/members/"+owner.id.String(), "")
	e.tenant("a@example.com", "owner")
	owner.do("204", "DELETE", "/account/members/"+owner.id.String(), "")
	owner.do("200", "GET", "/session", "")
	e.machine.ahead.Store(int64(11 * time.Minute))
	other := e.tenant("b@example.com", "read_only")
	e.exec(`update session set proved_at = proved_at - interval '11 minutes' where person_id = $1`, other.id)
	other.do("403 proof_required", "DELETE", "/me/accounts/"+e.account("b@example.com").String(), "")
}

// An account whose only owner staff had to suspend gets another by their invitation, who can do all that an owner can.
func TestStaffMendAnAccountWithoutAnActiveOwner(t *testing.T) {
	t.Parallel()
	e := company(t)
	owner, support := e.tenant("a@example.com", "owner"), e.worker("support")
	e.want(200, "", "PUT", "/people/"+owner.id.String()+"/status", `{"status":"suspended"}`, support)
	e.want(201, "", "POST", "/customers/a@example.com/invitations", `{"email":"next@example.com","rights":"owner"}`, support)
	accept := `{"token":"` + e.mailed("invitation", "next@example.com") + `","name":"Next","password":"` + passphrase + `"}`
	e.want(200, "", "POST", "/invitations/accept", accept, on(accountHost))
	next := e.signedIn("next@example.com", passphrase)
	id := value[uuid.UUID](e, `select id from person where email = 'next@example.com'`)
	e.want(409, "last_owner", "DELETE", "/account/members/"+id.String(), "", next)
	e.want(204, "", "DELETE", "/account/members/"+owner.id.String(), "", next)
}

// Staff make one of an account's people an owner, and take people out. They need the permission and a fresh proof, add nobody by
// it, reach nobody of another account's, and leave no account without an owner.
func TestStaffChangeTheRightsOfPeople(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.exec(`delete from membership where customer_id = $1`, e.account("a@example.com"))
	owner, second := e.tenant("a@example.com", "owner"), e.tenant("a@example.com", "read_only")
	other, support, network := e.tenant("b@example.com", "owner"), e.worker("support"), e.worker("network")
	of := func(account string, p *someone) string {
		return "/customers/" + account + "@example.com/members/" + p.id.String()
	}
	e.want(403, "not_allowed", "PUT", of("a", second), `{"rights":"owner"}`, network)
	e.want(403, "not_allowed", "DELETE", of("a", second), "", network)
	e.want(409, "last_owner", "DELETE", of("a", owner), "", support)
	e.want(409, "last_owner", "PUT", of("a", owner), `{"rights":"billing"}`, support)
	e.want(404, "member_not_found", "PUT", of("a", other), `{"rights":"owner"}`, support)
	e.want(404, "", "DELETE", of("a", other), "", support)
	e.want(404, "customer_not_found", "PUT", of("nobody", second), `{"rights":"owner"}`, support)
	e.want(422, "", "PUT", of("a", second), `{"rights":"king"}`, support)
	second.do("403 not_allowed", "GET", "/account/invitations", "")
	e.want(200, "", "PUT", of("a", second), `{"rights":"owner"}`, support)
	second.do("200", "GET", "/account/invitations", "")
	e.want(204, "", "DELETE", of("a", owner), "", support)
	owner.do("401", "GET", "/account", "")
	if n := value[int](e, `select count(*) from outbox where type = 'identity.MembershipChanged' and payload->>'person_id' = $1`, second.id.String()); n != 1 {
		t.Errorf("the new owner hears of it %d times", n)
	}
	e.exec(`update session set proved_at = proved_at - interval '11 minutes'`)
	e.want(403, "proof_required", "DELETE", of("a", second), "", support)
}

// The address that invoices go to is one of the account's people's, or what staff say; it follows its owner.
func TestContactOfAnAccount(t *testing.T) {
	t.Parallel()
	e := company(t)
	a := e.newcomer("ada@example.com")
	shown := func(got answer) string { return decode[struct{ Email string }](t, got).Email }
	before := decode[struct{ Version int64 }](t, e.want(200, "", "GET", "/account", "", a)).Version
	e.want(422, "", "PUT", "/account/contact", `{"email":"books@example.com"}`, a)
	id := value[string](e, `select id::text from customer where email = 'ada@example.com'`)
	if got := shown(e.want(200, "", "PUT", "/customers/"+id+"/contact", `{"email":"books@example.com"}`, operator)); got != "books@example.com" {
		t.Errorf("got %s", got)
	}
	e.want(409, "version_mismatch", "PUT", "/account/contact", fmt.Sprintf(`{"email":"ada@example.com","version":%d}`, before), a)
	e.want(409, "version_mismatch", "PUT", "/account/contact", `{"email":"ada@example.com"}`, a, with("If-Match", fmt.Sprint(before)))
	if got := shown(e.want(200, "", "PUT", "/account/contact", `{"email":"Ada@example.com"}`, a)); got != "ada@example.com" {
		t.Errorf("got %s", got)
	}
	e.want(409, "contact_taken", "PUT", "/customers/"+id+"/contact", `{"email":"a@example.com"}`, operator)
	e.want(202, "", "POST", "/me/email", `{"email":"ada@new.example"}`, a)
	e.want(200, "", "POST", "/links/verify", `{"token":"`+e.mailed("verify_email", "ada@new.example")+`"}`, a)
	if got := shown(e.want(200, "", "GET", "/account", "", a)); got != "ada@new.example" {
		t.Errorf("it did not follow: %s", got)
	}
}

// Staff see who was invited into an account, and take it back; people are found by an id, too, with where they are.
func TestStaffSeeInvitationsAndWherePeopleAre(t *testing.T) {
	t.Parallel()
	e := company(t)
	support, network := e.worker("support"), e.worker("network")
	e.want(201, "", "POST", "/customers/a@example.com/invitations", `{"email":"bob@example.com","rights":"billing"}`, support)
	open := items[struct{ ID, Email, Rights string }](t, e.want(200, "", "GET", "/customers/a@example.com/invitations", "", network))
	if len(open) != 1 || open[0].Email != "bob@example.com" || open[0].Rights != "billing" {
		t.Fatalf("open are %+v", open)
	}
	e.want(403, "not_allowed", "DELETE", "/customers/a@example.com/invitations/"+open[0].ID, "", network)
	e.want(403, "not_for_tokens", "POST", "/customers/a@example.com/invitations", `{"email":"eve@example.com","rights":"owner"}`, operator)
	e.want(404, "invitation_not_found", "DELETE", "/customers/b@example.com/invitations/"+open[0].ID, "", support)
	e.want(204, "", "DELETE", "/customers/a@example.com/invitations/"+open[0].ID, "", support)
	if got := e.want(200, "", "GET", "/customers/a@example.com/invitations", "", support); got.body != none {
		t.Errorf("open are %s", got.body)
	}
	e.machine.Advance(t.Context(), 11*time.Minute)
	e.want(403, "proof_required", "POST", "/customers/a@example.com/invitations", `{"email":"eve@example.com","rights":"owner"}`, support)
	person, customer := e.join("a@example.com", "technical")
	found := decode[struct {
		Items []struct {
			ID          uuid.UUID
			Accounts    int
			Memberships []struct {
				CustomerID   uuid.UUID `json:"customer_id"`
				Name, Rights string
			}
		}
	}](t, e.want(200, "", "GET", "/people?q="+person.String(), "", support)).Items
	if len(found) != 1 || found[0].ID != person || found[0].Accounts != 1 || len(found[0].Memberships) != 1 || found[0].Memberships[0].CustomerID != customer ||
		found[0].Memberships[0].Name != "A" || found[0].Memberships[0].Rights != "technical" {
		t.Errorf("found %+v", found)
	}
}

// Somebody has lost the telephone and the codes. Support, who may and has a reason, takes all that they sign in with, the
// password too: who stole that gets no further. A mail tells so, and another one has the way back in.
func TestStaffLetSomebodyInAgain(t *testing.T) {
	t.Parallel()
	e := company(t)
	ada := e.newcomer("ada@example.com")
	id := value[uuid.UUID](e, `select id from person where email = 'ada@example.com'`)
	customer := e.account("ada@example.com")
	e.exec(`insert into recovery_code (person_id, hash, issued_at) values ($1, sha256('code'), $2)`, id, start)
	program := e.tokenFor(id, &customer, "services.read")
	path, reason := "/people/"+id.String()+"/recovery", `{"reason":"called back on the number of the contract"}`
	support := e.worker("support")
	e.want(403, "not_allowed", "POST", path, reason, e.worker("billing"))
	e.want(403, "not_for_tokens", "POST", path, reason, operator)
	if a := e.want(422, "", "POST", path, `{"reason":"asked"}`, support); !strings.Contains(a.body, "body.reason") {
		t.Errorf("a short reason: %s", a.body)
	}
	e.want(404, "person_not_found", "POST", "/people/"+uuid.New().String()+"/recovery", reason, support)
	e.want(404, "person_not_found", "POST", "/people/"+e.staffPerson("support").String()+"/recovery", reason, support)
	e.want(202, "", "POST", "/password/forgot", `{"email":"ada@example.com"}`, on(accountHost))
	before := e.mailed("reset_password", "ada@example.com")
	e.want(204, "", "POST", path, reason, support)

	e.want(401, "", "GET", "/me", "", ada)
	e.want(401, "", "GET", "/services", "", program)
	e.want(401, "sign_in_refused", "POST", "/login", `{"email":"ada@example.com","password":"`+passphrase+`"}`, on(accountHost))
	e.want(404, "link_not_valid", "POST", "/password/reset", `{"token":"`+before+`","password":"a passphrase of my own"}`, on(accountHost))
	if n := value[int](e, `select count(*) from recovery_code where person_id = $1`, id); n != 0 {
		t.Errorf("%d codes work on", n)
	}
	row := value[string](e, `select input::text || before::text from audit where command = 'credential.Recover' and before is not null`)
	for _, want := range []string{"called back", `"recovery_codes": 1`, `"open_sessions": 1`, `"tokens": 1`} {
		if !strings.Contains(row, want) {
			t.Errorf("the audit row lacks %s: %s", want, row)
		}
	}
	e.want(202, "", "POST", "/password/forgot", `{"email":"ada@example.com"}`, on(accountHost))
	e.want(204, "", "POST", "/password/reset", `{"token":"`+e.mailed("reset_password", "ada@example.com")+`","password":"a passphrase of my own"}`, on(accountHost))
	e.signedIn("ada@example.com", "a passphrase of my own")
	e.want(200, "", "PUT", "/people/"+id.String()+"/status", `{"status":"suspended"}`, support)
	e.want(409, "person_not_active", "POST", path, reason, support)
}

// A tab that still shows somebody else, or another account, than the browser's cookie stands for changes and learns nothing.
func TestAPageActsForWhomItShows(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ada, bob := e.newcomer("ada@example.com"), e.newcomer("bob@example.com")
	shown := func(who as) string {
		s := decode[map[string]any](t, e.want(200, "", "GET", "/session", "", who))
		return s["person_id"].(string) + "/" + s["customer_id"].(string)
	}
	person, account, _ := strings.Cut(shown(ada), "/")
	stale := func(text string) as { return both(bob, with("Meant-For", text)) }
	e.want(200, "", "GET", "/account", "", stale(shown(bob)))
	for text, code := range map[string]string{shown(ada): "person_changed", person: "person_changed", "nonsense": "person_changed", strings.Split(shown(bob), "/")[0] + "/" + account: "account_changed"} {
		e.want(409, code, "GET", "/account", "", stale(text))
		e.want(409, code, "PUT", "/me", `{"name":"Renamed","locale":"en","time_zone":"UTC"}`, stale(text))
	}
	e.want(401, "not_signed_in", "GET", "/account", "", both(on(accountHost), with("Meant-For", shown(ada))))
	if value[bool](e, `select exists (select from person where name = 'Renamed')`) {
		t.Error("a stale page changed somebody else's profile")
	}
}
