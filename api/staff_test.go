package api_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

const firstPassword = "correct-horse-battery-9-staple"

func one[T any](e *env, sql string, args ...any) T {
	e.Helper()
	var v T
	if err := e.owner.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		e.Fatalf("%s: %v", sql, err)
	}
	return v
}

// is holds the status of an answer, and where it is a problem its code.
func (e *env) is(what string, got answer, status int, code string) {
	e.Helper()
	if got.status != status || code != "" && !strings.Contains(got.body, `"code":"`+code+`"`) {
		e.Errorf("%s: %d %s, want %d %s", what, got.status, got.body, status, code)
	}
}

// cookieOf is the session that an answer has opened on a site.
func (e *env) cookieOf(host string, a answer) as {
	e.Helper()
	value, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	if !strings.HasPrefix(value, guard.CookieName+"=") {
		e.Fatalf("%d %s has no session: %s", a.status, a.body, value)
	}
	return both(on(host), with("Cookie", value))
}

func TestStaffAndRoles(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin := e.worker("admin")
	made := decode[identity.Staff](t, e.call("POST", "/api/v1/staff", `{"email":"Ada@Example.com","name":"Ada","roles":["support","network"]}`, admin))
	if made.Email != "ada@example.com" || strings.Join(made.Roles, " ") != "network support" || made.Enrolled || made.InvitedUntil == nil || made.Status != "active" {
		t.Fatalf("enrolled %+v", made)
	}
	if got := one[string](e, `select concat_ws(' ', l.purpose, l.site, l.email, l.token_hash is null, o.payload->>'purpose') from link l, outbox o where o.type = 'identity.LinkRequested' and l.person_id = $1`, made.PersonID); got != "enrolment admin ada@example.com t enrolment" {
		t.Errorf("link %s", got)
	}
	path := "/api/v1/staff/" + made.PersonID.String()
	e.is("twice", e.call("POST", "/api/v1/staff", `{"email":"ada@example.com","name":"Ada","roles":[]}`, admin), 409, "person_exists")
	e.is("no such role", e.call("PUT", path+"/roles", `{"roles":["ghost"]}`, admin), 422, "invalid_input")
	e.is("another link", e.call("POST", path+"/enrolment", `{}`, admin), 200, "")
	e.is("roles", e.call("PUT", path+"/roles", `{"roles":["billing"]}`, admin), 200, "")
	e.is("suspended", e.call("PUT", path+"/status", `{"status":"suspended"}`, admin), 200, "")
	e.is("a link for who is suspended", e.call("POST", path+"/enrolment", ``, admin), 409, "person_not_active")
	listed := decode[query.List[identity.Staff]](t, e.call("GET", "/api/v1/staff?limit=500", "", admin))
	if len(listed.Items) != 2 {
		t.Errorf("%d work here", len(listed.Items))
	}
	for _, s := range listed.Items {
		if s.PersonID == made.PersonID && (s.Status != "suspended" || strings.Join(s.Roles, " ") != "billing" || s.Administrator) || s.PersonID != made.PersonID && !s.Administrator {
			t.Errorf("listed %+v", s)
		}
	}
	e.is("a role", e.call("POST", "/api/v1/roles", `{"name":"auditor","permissions":["audit.read"]}`, admin), 201, "")
	e.is("a role twice", e.call("POST", "/api/v1/roles", `{"name":"auditor","permissions":[]}`, admin), 409, "role_exists")
	e.is("a permission that is none", e.call("POST", "/api/v1/roles", `{"name":"x","permissions":["members.write"]}`, admin), 422, "invalid_input")
	e.is("changed", e.call("PUT", "/api/v1/roles/auditor", `{"name":"reviser","permissions":["audit.read","staff.read"]}`, admin), 200, "")
	e.is("the old name", e.call("DELETE", "/api/v1/roles/auditor", ``, admin), 404, "role_not_found")
	e.is("deleted", e.call("DELETE", "/api/v1/roles/reviser", ``, admin), 204, "")
	e.is("admin", e.call("DELETE", "/api/v1/roles/admin", ``, admin), 409, "role_is_fixed")
	if got := decode[query.List[identity.Role]](t, e.call("GET", "/api/v1/roles", "", admin)); len(got.Items) != 4 || !got.Items[0].Fixed || got.Items[0].People != 1 {
		t.Errorf("roles %+v", got)
	}
	if got := e.call("GET", "/api/v1/roles/permissions", "", admin); !strings.Contains(got.body, `"permission":"impersonate","says":"Look at an account as one of its people"`) {
		t.Errorf("permissions %s", got.body)
	}
	e.machine.Advance(context.Background(), 11*time.Minute)
	e.is("a proof that is old", e.call("POST", "/api/v1/roles", `{"name":"x","permissions":[]}`, admin), 403, "proof_required")
}

func TestNobodyRisesByHimself(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.exec(`insert into role (id, name, permissions, created_at) values (gen_random_uuid(), 'personnel', '{staff.read,staff.write}', $1)`, start)
	root, self := e.staffPerson("admin"), e.staffPerson("personnel")
	clerk := cookie(adminHost, e.open("admin", self, nil, guard.FactorPasskey))
	roles := func(of uuid.UUID) string { return "/api/v1/staff/" + of.String() + "/roles" }
	e.is("oneself", e.call("PUT", roles(self), `{"roles":["admin"]}`, clerk), 403, "beyond_own_permissions")
	e.is("another", e.call("POST", "/api/v1/staff", `{"email":"x@example.com","name":"X","roles":["support"]}`, clerk), 403, "beyond_own_permissions")
	e.is("an administrator", e.call("PUT", roles(root), `{"roles":[]}`, clerk), 403, "beyond_own_permissions")
	e.is("a role", e.call("PUT", "/api/v1/roles/personnel", `{"name":"personnel","permissions":["*"]}`, clerk), 403, "beyond_own_permissions")
	e.is("what the clerk has", e.call("POST", "/api/v1/staff", `{"email":"x@example.com","name":"X","roles":["personnel"]}`, clerk), 201, "")
	e.exec(`delete from person_role where person_id = $1`, root)
	e.exec(`delete from person_role where person_id not in ($1, $2)`, root, self)
	e.is("the last one", e.call("PUT", roles(self), `{"roles":[]}`, clerk), 409, "last_administrator")
	e.is("the last one's status", e.call("PUT", "/api/v1/staff/"+self.String()+"/status", `{"status":"suspended"}`, clerk), 409, "last_administrator")
	e.is("the last one's role", e.call("DELETE", "/api/v1/roles/personnel", ``, clerk), 409, "last_administrator")
}

// invite writes somebody with a link that works, and gives its token.
func (e *env) invite(role string) (uuid.UUID, string) {
	e.Helper()
	person, t := e.staffPerson(role), token.New(token.Link)
	hash := t.Hash()
	e.exec(`insert into link (id, purpose, site, person_id, email, token_hash, created_by, created_at, expires_at)
		select gen_random_uuid(), 'enrolment', 'admin', id, email, $2, 'staff:test', $3, $3::timestamptz + interval '24 h' from person where id = $1`, person, hash[:], e.machine.Now())
	return person, t.Reveal()
}

func enrolment(text, password string) string {
	return `{"token":"` + text + `","password":"` + password + `"}`
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	const path = "/api/v1/enrolment"
	person, link := e.invite("admin")
	e.is("on the customers' site", e.call("POST", path, enrolment(link, firstPassword), on(accountHost)), 403, "wrong_site")
	e.is("by another name", e.call("POST", path, enrolment(link, firstPassword)), 403, "wrong_site")
	e.is("no link", e.call("POST", path, enrolment(token.New(token.Link).Reveal(), firstPassword), on(adminHost)), 404, "link_not_valid")
	short := e.call("POST", path, enrolment(link, "short"), on(adminHost))
	e.is("a short password", short, 422, "password_too_short")
	if !strings.Contains(short.body, `"location":"body.password"`) {
		t.Errorf("a short password is refused at no field: %s", short.body)
	}
	e.is("a password like the address", e.call("POST", path, enrolment(link, person.String()), on(adminHost)), 422, "password_guessable")
	done := e.call("POST", path, enrolment(link, firstPassword), on(adminHost))
	e.is("enrolled", done, 200, "")
	session := decode[api.Session](t, done)
	if session.Restricted != guard.NeedsSecondFactor || len(session.Permissions) != 0 || session.SecondFactor || strings.Join(session.Factors, " ") != "password" || session.ExpiresAt == nil ||
		!session.ExpiresAt.Equal(start.Add(12*time.Hour)) {
		t.Errorf("session %+v", session)
	}
	if cookie := done.header.Get("Set-Cookie"); !strings.Contains(cookie, "SameSite=Strict") || !strings.Contains(cookie, "HttpOnly") {
		t.Errorf("cookie %s", cookie)
	}
	e.is("without a second factor", e.call("GET", "/api/v1/staff", "", e.cookieOf(adminHost, done)), 403, guard.NeedsSecondFactor)
	e.is("again", e.call("POST", path, enrolment(link, firstPassword), on(adminHost)), 404, "link_not_valid")
	if got := one[string](e, `select (w.hash like '$argon2id$%') || ' ' || (p.email_verified_at is not null) from password w join person p on p.id = w.person_id where p.id = $1`, person); got != "true true" {
		t.Errorf("stored %s", got)
	}
	if strings.Contains(e.logs.String(), firstPassword) || strings.Contains(e.logs.String(), link) {
		t.Error("a secret is in the log")
	}
	_, late := e.invite("admin")
	e.machine.Advance(context.Background(), 24*time.Hour)
	e.is("a day later", e.call("POST", path, enrolment(late, firstPassword), on(adminHost)), 404, "link_not_valid")
}

func TestAnEnrolmentLinkWorksOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	person, link := e.invite("admin")
	statuses := make([]int, 6)
	var group sync.WaitGroup
	for i := range statuses {
		group.Go(func() {
			statuses[i] = e.call("POST", "/api/v1/enrolment", enrolment(link, firstPassword), on(adminHost)).status
		})
	}
	group.Wait()
	used := 0
	for _, s := range statuses {
		if s == http.StatusOK {
			used++
		} else if s != http.StatusNotFound {
			t.Errorf("status %d", s)
		}
	}
	if n := one[int](e, `select count(*) from session where person_id = $1`, person); used != 1 || n != 1 {
		t.Errorf("used %d times, %d sessions", used, n)
	}
}
