package api_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
)

const passphrase = "quiet harbour lamp 71"

// mailed draws the token of the newest link to an address, as the job does that sends its mail.
func (e *env) mailed(purpose, email string) string {
	e.Helper()
	t := token.New(token.Link)
	hash := t.Hash()
	tag, err := e.owner.Exec(context.Background(), `update link set token_hash = $3 where id = (select id from link where purpose = $1 and email = $2 and revoked_at is null order by created_at desc, id limit 1)`, purpose, email, hash[:])
	if err != nil || tag.RowsAffected() != 1 {
		e.Fatalf("%s of %s: %v (%v)", purpose, email, tag, err)
	}
	return t.Reveal()
}

func value[T any](e *env, sql string, args ...any) (v T) {
	e.Helper()
	if err := e.owner.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		e.Fatal(err)
	}
	return v
}

// want calls and fails the test unless the status and, of a problem, the code are as said.
func (e *env) want(status int, code, method, path, body string, who ...as) answer {
	e.Helper()
	a := e.call(method, "/api/v1"+path, body, who...)
	if a.status != status || code != "" && !strings.Contains(a.body, `"code":"`+code+`"`) {
		e.Fatalf("%s %s: %d %s, want %d %s", method, path, a.status, a.body, status, code)
	}
	return a
}

func register(email string) string {
	return fmt.Sprintf(`{"email":%q,"name":"Ada","company":"Engines","password":%q}`, email, passphrase)
}

// newcomer registers, follows the link, and is signed in.
func (e *env) newcomer(email string) as {
	e.Helper()
	e.want(202, "", "POST", "/register", register(email), on(accountHost))
	e.want(200, "", "POST", "/links/verify", `{"token":"`+e.mailed("verify_email", email)+`","password":"`+passphrase+`"}`, on(accountHost))
	return e.signedIn(email, passphrase)
}

// A stranger registers with somebody's address. Its reader follows the link, and opens nothing of which the stranger has
// the password: only who knows it verifies the address, and others set a password of their own.
func TestALinkAloneOpensNoAccountOfAStranger(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.want(202, "", "POST", "/register", register("victim@example.com"), on(accountHost))
	link := e.mailed("verify_email", "victim@example.com")
	if a := e.want(200, "", "POST", "/links/look", `{"token":"`+link+`"}`, on(accountHost)); !strings.Contains(a.body, `"asks_password":true`) {
		t.Errorf("the link says %s", a.body)
	}
	for _, password := range []string{``, `,"password":""`, `,"password":"a guess that is wrong"`} {
		if a := e.want(422, "", "POST", "/links/verify", `{"token":"`+link+`"`+password+`}`, on(accountHost)); !strings.Contains(a.body, "body.password") {
			t.Errorf("%s: %s", password, a.body)
		}
	}
	e.want(202, "", "POST", "/password/forgot", `{"email":"victim@example.com"}`, on(accountHost))
	e.want(204, "", "POST", "/password/reset", `{"token":"`+e.mailed("reset_password", "victim@example.com")+`","password":"a passphrase of my own"}`, on(accountHost))
	e.signedIn("victim@example.com", "a passphrase of my own")
	e.want(401, "sign_in_refused", "POST", "/login", `{"email":"victim@example.com","password":"`+passphrase+`"}`, on(accountHost))
	for range 12 { // guesses are counted
		e.call("POST", "/api/v1/links/verify", `{"token":"`+link+`","password":"x"}`, on(accountHost))
	}
}

func (e *env) signedIn(email, password string) as {
	e.Helper()
	a := e.want(200, "", "POST", "/login", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), on(accountHost))
	for _, c := range a.header.Values("Set-Cookie") {
		if pair, _, _ := strings.Cut(c, ";"); strings.HasPrefix(pair, "__Host-session=") {
			return both(on(accountHost), with("Cookie", pair))
		}
	}
	e.Fatalf("no session in %v", a.header)
	return nil
}

// Whoever has an address or has not, the answer is the same.
func TestAnswersTellNothingAboutAddresses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.newcomer("known@example.com")
	e.want(202, "", "POST", "/register", register("unverified@example.com"), on(accountHost))
	for path, body := range map[string]func(string) string{"/register": register, "/password/forgot": func(email string) string { return `{"email":"` + email + `"}` }} {
		seen := map[string]string{}
		for _, email := range []string{"known@example.com", "unverified@example.com", "unknown@example.com"} {
			a := e.want(202, "", "POST", path, body(email), on(accountHost))
			h := a.header.Clone()
			h.Del("X-Request-Id")
			h.Del("Date")
			seen[fmt.Sprint(a.status, a.body, h)] = email
		}
		if len(seen) != 1 {
			t.Errorf("%s tells who is here: %v", path, slices.Collect(maps.Keys(seen)))
		}
	}
	if got := value[string](e, `select string_agg(type, ' ' order by txid, position) from outbox where type = 'identity.RegistrationRepeated'`); got != "identity.RegistrationRepeated" {
		t.Errorf("the one who is here is told: %q", got)
	}
	for path, body := range map[string]string{"/register": register("a@example.com"), "/password/forgot": `{"email":"a@example.com"}`} {
		e.want(403, "wrong_site", "POST", path, body, on("127.0.0.1"))
	}
	e.want(403, "wrong_site", "POST", "/register", register("a@example.com"), on(adminHost))
}

// No mailbox is flooded, whoever asks; another one gets its mail. Who registers an address again and again does not keep its
// reader from a new password.
func TestMailsToAnAddressAreCounted(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, c := range []struct{ path, first, again string }{
		{"/register", register("Ada@example.com"), register("ada@EXAMPLE.com")},
		{"/password/forgot", `{"email":"Ada@example.com"}`, `{"email":"ada@example.com"}`},
	} {
		for range 3 {
			e.want(202, "", "POST", c.path, c.first, on(accountHost))
		}
		if a := e.want(429, "too_many_attempts", "POST", c.path, c.again, on(accountHost)); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", c.path)
		}
	}
	e.want(202, "", "POST", "/password/forgot", `{"email":"bob@example.com"}`, on(accountHost))
	_, _ = e.machine.Advance(t.Context(), time.Hour)
	e.want(202, "", "POST", "/password/forgot", `{"email":"ada@example.com"}`, on(accountHost))
}

func TestRegistrationsAreCheckedAtTheirFields(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for body, location := range map[string]string{
		`{"email":"ada","name":"Ada","password":"` + passphrase + `"}`:                                 "body.email",
		`{"email":"a@example.com\r\nBcc: b@example.com","name":"Ada","password":"` + passphrase + `"}`: "body.email",
		`{"email":"a@example.com","name":"Ada\r\nBcc: b@example.com","password":"` + passphrase + `"}`: "body.name",
		`{"email":"a@example.com","name":"Ada","company":"\u0000","password":"` + passphrase + `"}`:    "body.company",
		`{"email":"a@example.com","name":"Ada","password":"short"}`:                                    "body.password",
		`{"email":"a@example.com","name":"Ada","password":"a@example.com"}`:                            "body.password",
	} {
		p := decode[told](t, e.want(422, "", "POST", "/register", body, on(accountHost)))
		if len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v", body, p)
		}
	}
}

// A link that does not work is one answer, whatever is wrong with it.
func TestALinkIsValidOrNot(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.newcomer("ada@example.com")
	link := func(email string) string {
		e.want(202, "", "POST", "/password/forgot", `{"email":"`+email+`"}`, on(accountHost))
		return e.mailed("reset_password", email)
	}
	e.newcomer("bob@example.com")
	right, revoked := link("ada@example.com"), link("bob@example.com")
	link("bob@example.com")
	if got := decode[map[string]any](t, e.want(200, "", "POST", "/links/look", `{"token":"`+right+`"}`, on(accountHost))); got["purpose"] != "reset_password" || got["email"] != "ada@example.com" || got["person_exists"] != true {
		t.Errorf("look: %v", got)
	}
	seen := map[string]string{}
	try := func(name, path, token string, host string) {
		a := e.want(404, "link_not_valid", "POST", path, `{"token":"`+token+`","password":"`+passphrase+` 2"}`, on(host))
		seen[withoutID(a.body)] = name
	}
	unknown := token.New(token.Link).Reveal()
	for name, tok := range map[string]string{"nothing": "", "no token": "hello", "another kind": token.New(token.API).Reveal(), "cut": right[:len(right)-1], "unknown": unknown, "revoked": revoked} {
		try(name, "/password/reset", tok, accountHost)
	}
	try("another site", "/password/reset", right, adminHost)
	try("no site", "/password/reset", right, "127.0.0.1")
	a := e.want(404, "link_not_valid", "POST", "/links/verify", `{"token":"`+right+`"}`, on(accountHost))
	seen[withoutID(a.body)] = "another purpose"
	a = e.want(404, "link_not_valid", "POST", "/invitations/accept", `{"token":"`+right+`"}`, on(accountHost))
	seen[withoutID(a.body)] = "another purpose"
	e.want(422, "password_too_short", "POST", "/password/reset", `{"token":"`+right+`","password":"short"}`, on(accountHost)) // does not use it up
	e.want(204, "", "POST", "/password/reset", `{"token":"`+right+`","password":"`+passphrase+` 2"}`, on(accountHost))
	try("used", "/password/reset", right, accountHost)
	late := link("ada@example.com")
	_, _ = e.machine.Advance(t.Context(), time.Hour)
	try("too old", "/password/reset", late, accountHost)
	if len(seen) != 1 {
		t.Errorf("refusals differ: %v", seen)
	}
}

func TestAForgottenPassword(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	before := e.newcomer("ada@example.com")
	e.want(202, "", "POST", "/password/forgot", `{"email":"ADA@example.com"}`, on(accountHost))
	e.want(204, "", "POST", "/password/reset", `{"token":"`+e.mailed("reset_password", "ada@example.com")+`","password":"`+passphrase+` 2"}`, on(accountHost))
	e.want(401, "", "GET", "/session", "", before)
	e.want(401, "sign_in_refused", "POST", "/login", `{"email":"ada@example.com","password":"`+passphrase+`"}`, on(accountHost))
	e.signedIn("ada@example.com", passphrase+" 2")
}

func TestAnAccountAndItsTaxID(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	owner := e.newcomer("ada@example.com")
	body := `{"name":"Ada L.","company":"Engines","phone":"+44 20 1","tax_id":" GB123456789 ","locale":"en-GB","time_zone":"Europe/London","billing_address":{"line1":"1 Row","city":"Leeds","country":"GB"},"version":%d}`
	version := int64(decode[map[string]any](t, e.want(200, "", "GET", "/account", "", owner))["version"].(float64))
	e.want(409, "version_mismatch", "PUT", "/account", fmt.Sprintf(body, version+1), owner)
	put := e.want(200, "", "PUT", "/account", fmt.Sprintf(body, version), both(owner, with("Idempotency-Key", "one")))
	again := e.want(200, "", "PUT", "/account", fmt.Sprintf(body, version), both(owner, with("Idempotency-Key", "one")))
	if put.body != again.body || !strings.Contains(put.body, `"tax_id":"GB123456789"`) || !strings.Contains(put.body, `"country":"GB"`) {
		t.Errorf("put: %s, again %s", put.body, again.body)
	}
	sealed := value[[]byte](e, `select tax_id from customer`)
	e.want(200, "", "PUT", "/account", fmt.Sprintf(body, version+1), owner) // the same: sealed as it is
	if same := value[bool](e, `select tax_id = $1 from customer`, sealed); !same || len(sealed) < 33 {
		t.Error("a tax id that did not change was sealed anew")
	}
	customer := value[string](e, `select email from customer`)
	for name, c := range map[string]struct {
		who   as
		shown bool
	}{"billing": {e.member(customer, "billing"), true}, "technical": {e.member(customer, "technical"), false}, "read_only": {e.member(customer, "read_only"), false}} {
		if a := e.want(200, "", "GET", "/account", "", c.who); strings.Contains(a.body, "GB123") != c.shown || !strings.Contains(a.body, `"has_tax_id":true`) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	for who, shown := range map[string]bool{"support": true, "network": false} {
		if a := e.want(200, "", "GET", "/customers/ada@example.com", "", e.worker(who)); strings.Contains(a.body, "GB123") != shown {
			t.Errorf("%s: %s", who, a.body)
		}
	}
	e.want(422, "", "PUT", "/account", `{"name":"Ada","billing_address":{"line1":"1 Row","city":"Leeds","country":"XX"}}`, owner)
	e.want(200, "", "PUT", "/account", `{"name":"Ada"}`, owner)
	if gone := value[bool](e, `select tax_id is null and not exists (select from customer_address) from customer`); !gone {
		t.Error("what is absent is taken away")
	}
	e.kept("GB123456789", "ada@example.com")
}

// kept looks for a secret wherever something is kept but where it belongs, and for a person in the log.
func (e *env) kept(texts ...string) {
	e.Helper()
	for i, text := range texts {
		tables := []string{"audit", "outbox", "idempotency", "notification"}
		if i > 0 {
			tables = []string{"audit", "outbox"}
		}
		for _, table := range tables {
			if n := value[int](e, `select count(*) from `+table+` t where position($1 in t::text) > 0`, text); n != 0 {
				e.Errorf("%q stands in %s", text, table)
			}
		}
		if strings.Contains(e.logs.String(), text) {
			e.Errorf("%q stands in the log", text)
		}
	}
}

func TestInvitationsAreAccepted(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	owner, bob, eve := e.newcomer("ada@example.com"), e.newcomer("bob@example.com"), e.newcomer("eve@example.com")
	invite := func(email string) string {
		e.want(201, "", "POST", "/account/invitations", `{"email":"`+email+`","rights":"technical"}`, owner)
		return e.mailed("invitation", email)
	}
	tok := invite("bob@example.com")
	if a := e.want(200, "", "POST", "/links/look", `{"token":"`+tok+`"}`, on(accountHost)); !strings.Contains(a.body, `"account":"Engines"`) || !strings.Contains(a.body, `"person_exists":true`) {
		t.Errorf("look: %s", a.body)
	}
	accept := `{"token":"` + tok + `","name":"Mallory","password":"` + passphrase + ` 3"}`
	e.want(409, "sign_in_first", "POST", "/invitations/accept", accept, on(accountHost))
	e.want(409, "sign_in_first", "POST", "/invitations/accept", accept, e.tokenOf("bob@example.com", "owner", "account.read"))
	e.want(409, "other_person", "POST", "/invitations/accept", accept, eve)
	e.want(200, "", "POST", "/invitations/accept", accept, bob)
	e.signedIn("bob@example.com", passphrase) // what came with the acceptance is not Bob's
	e.want(404, "link_not_valid", "POST", "/invitations/accept", accept, bob)

	tok = invite("carol@example.com")
	e.want(422, "", "POST", "/invitations/accept", `{"token":"`+tok+`"}`, on(accountHost))
	e.want(422, "password_too_short", "POST", "/invitations/accept", `{"token":"`+tok+`","name":"Carol","password":"x"}`, on(accountHost))
	e.want(202, "", "POST", "/register", register("carol@example.com"), on(accountHost)) // somebody squats
	e.want(200, "", "POST", "/invitations/accept", `{"token":"`+tok+`","name":"Carol","password":"`+passphrase+` 4"}`, on(accountHost))
	carol := e.signedIn("carol@example.com", passphrase+" 4")
	e.want(403, "not_allowed", "GET", "/account/members", "", carol)
	members := items[struct {
		PersonID uuid.UUID `json:"person_id"`
		Email    string
		Rights   string
	}](t, e.want(200, "", "GET", "/account/members", "", owner))
	if len(members) != 3 || members[0].Email != "ada@example.com" || members[0].Rights != "owner" {
		t.Fatalf("members %v", members)
	}
	own, other := members[0].PersonID.String(), members[1].PersonID.String()
	e.want(409, "last_owner", "DELETE", "/account/members/"+own, "", owner)
	e.want(409, "last_owner", "PUT", "/account/members/"+own, `{"rights":"billing"}`, owner)
	e.want(200, "", "PUT", "/account/members/"+other, `{"rights":"owner"}`, owner)
	stranger := value[uuid.UUID](e, `select id from person where email = 'eve@example.com'`)
	e.want(404, "member_not_found", "PUT", "/account/members/"+stranger.String(), `{"rights":"owner"}`, owner)
	e.want(204, "", "DELETE", "/account/members/"+other, "", owner)
	e.want(404, "member_not_found", "DELETE", "/account/members/"+other, "", owner)

	tok = invite("dan@example.com")
	open := items[struct{ ID uuid.UUID }](t, e.want(200, "", "GET", "/account/invitations", "", owner))
	if len(open) != 1 {
		t.Fatalf("invitations %v", open)
	}
	e.want(404, "invitation_not_found", "DELETE", "/account/invitations/"+open[0].ID.String(), "", eve)
	e.want(204, "", "DELETE", "/account/invitations/"+open[0].ID.String(), "", owner)
	e.want(404, "link_not_valid", "POST", "/links/look", `{"token":"`+tok+`"}`, on(accountHost))
	e.kept(tok, "dan@example.com", passphrase)
}

func TestAChangeOfAddressIsProved(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	here := e.newcomer("ada@example.com")
	elsewhere := e.signedIn("ada@example.com", passphrase)
	e.want(202, "", "POST", "/me/email", `{"email":"ada@new.example"}`, here)
	e.signedIn("ada@example.com", passphrase) // nothing has changed yet
	e.want(200, "", "POST", "/links/verify", `{"token":"`+e.mailed("verify_email", "ada@new.example")+`"}`, here)
	e.want(200, "", "GET", "/session", "", here)
	e.want(401, "", "GET", "/session", "", elsewhere)
	e.signedIn("ada@new.example", passphrase)
	_, _ = e.machine.Advance(t.Context(), 11*time.Minute)
	e.want(403, "proof_required", "POST", "/me/email", `{"email":"ada@other.example"}`, here)
}

func TestStatusesCountAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ada := e.newcomer("ada@example.com")
	support := e.worker("support")
	status := func(status string) {
		e.want(200, "", "PUT", "/customers/ada@example.com/status", `{"status":"`+status+`","reason":"ticket 1"}`, support)
	}
	status("suspended")
	e.want(200, "", "GET", "/account", "", ada)
	status("banned")
	e.want(403, "no_account", "GET", "/account", "", ada)
	e.want(403, "no_account", "GET", "/services", "", ada)
	e.want(200, "", "GET", "/session", "", ada)
	e.want(404, "customer_not_found", "POST", "/customers/ada@example.com/invitations", `{"email":"x@example.com","rights":"owner"}`, support)
	status("active")
	e.want(200, "", "GET", "/account", "", ada)
	person := value[string](e, `select id::text from person where email = 'ada@example.com'`)
	e.want(200, "", "PUT", "/people/"+person+"/status", `{"status":"suspended"}`, support)
	e.want(401, "", "GET", "/account", "", ada)
	e.want(401, "sign_in_refused", "POST", "/login", `{"email":"ada@example.com","password":"`+passphrase+`"}`, on(accountHost))
	colleague := value[string](e, `select id::text from person where site = 'admin' limit 1`)
	e.want(404, "person_not_found", "PUT", "/people/"+colleague+"/status", `{"status":"banned"}`, support)
}

func TestStaffKnowTheirCustomers(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ada := e.newcomer("ada@example.com")
	support := e.worker("support")
	for i := range 3 {
		e.want(201, "", "POST", "/customers/ada@example.com/notes", fmt.Sprintf(`{"text":"Called %d times.\nWill pay."}`, i), support)
	}
	e.want(422, "", "POST", "/customers/ada@example.com/notes", `{"text":"  "}`, support)
	page := decode[query.List[struct {
		Text       string
		AuthorName string `json:"author_name"`
	}]](t, e.want(200, "", "GET", "/customers/ada@example.com/notes?limit=2", "", support))
	if len(page.Items) != 2 || page.NextCursor == "" || page.Items[0].AuthorName != "Person" {
		t.Errorf("notes %+v", page)
	}
	if rest := e.want(200, "", "GET", "/customers/ada@example.com/notes?limit=2&cursor="+page.NextCursor, "", support); strings.Count(rest.body, "Called") != 1 {
		t.Errorf("the rest: %s", rest.body)
	}
	e.want(200, "", "PUT", "/customers/ada@example.com/profile", `{"name":"Ada","tax_exempt":true}`, support)
	detail := e.want(200, "", "GET", "/customers/ada@example.com", "", support)
	for _, part := range []string{`"notes":3`, `"tax_exempt":true`, `"rights":"owner"`} {
		if !strings.Contains(detail.body, part) {
			t.Errorf("detail lacks %s: %s", part, detail.body)
		}
	}
	if a := e.want(200, "", "GET", "/people?q=ADA", "", support); !strings.Contains(a.body, `"email_verified":true`) || strings.Count(a.body, "@example.com") != 1 {
		t.Errorf("people: %s", a.body)
	}
	e.want(201, "", "POST", "/customers/ada@example.com/invitations", `{"email":"bob@example.com","rights":"billing"}`, support)
	e.want(403, "not_allowed", "GET", "/customers/ada@example.com/notes", "", ada)
	if activity := e.want(200, "", "GET", "/activity?limit=500", "", ada); strings.Contains(activity.body, "Note") {
		t.Errorf("the account's people see that notes were written about them: %s", activity.body)
	}
	if a := e.want(200, "", "GET", "/account", "", ada); strings.Contains(a.body, "Called") || strings.Contains(a.body, `"notes"`) {
		t.Errorf("notes are for staff: %s", a.body)
	}
	e.kept("Called 1")
}

// The questions about an account, with its wall standing in another one's name: they show nothing of it.
func TestTheWallHoldsForAccounts(t *testing.T) {
	t.Parallel()
	var customer uuid.UUID
	e := newEnv(t, func(_ *api.Config, deps *api.Dependencies) { deps.Postgres = walled{deps.Postgres, &customer} })
	ada := e.newcomer("ada@example.com")
	e.newcomer("bob@example.com")
	e.want(201, "", "POST", "/account/invitations", `{"email":"carol@example.com","rights":"owner"}`, ada)
	e.want(200, "", "PUT", "/account", `{"name":"Ada","shipping_address":{"line1":"1 Row","city":"Leeds","country":"GB"}}`, ada)
	paths := map[string]string{"/account": "Leeds", "/account/members": "ada@example.com", "/account/invitations": "carol@example.com"}
	for path, mark := range paths {
		if a := e.want(200, "", "GET", path, "", ada); !strings.Contains(a.body, mark) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	customer = e.account("bob@example.com")
	for path, mark := range paths {
		if a := e.call("GET", "/api/v1"+path, "", ada); a.status == http.StatusOK && a.body != none || strings.Contains(a.body, mark) {
			t.Errorf("%s shows what the wall should hide: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/customers/ada@example.com", "/customers/ada@example.com/members"} {
		if a := e.call("GET", "/api/v1"+path, "", operator); a.status != 404 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
