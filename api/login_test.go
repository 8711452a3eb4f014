package api_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
)

func TestPasswordSignIn(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, site := range bothSites() {
		h, b := e.human(site), e.browser(site)
		a := b.want(b.password(h), 200, `"session"`)
		session := decode[struct{ Session map[string]any }](t, a).Session
		if session["email"] != h.email || fmt.Sprint(session["factors"]) != "[password]" {
			t.Errorf("session %v", session)
		}
		if restricted := session["restricted"]; (restricted == guard.NeedsSecondFactor) != (site == guard.SiteAdmin) {
			t.Errorf("on the %s site restricted by %v", site, restricted)
		}
		sameSite := map[guard.Site]string{guard.SiteAccount: "SameSite=Lax", guard.SiteAdmin: "SameSite=Strict"}[site]
		for _, attribute := range []string{"__Host-session=", "Path=/", "HttpOnly", "Secure", sameSite} {
			if !strings.Contains(b.seen[0], attribute) || strings.Contains(b.seen[0], "Domain") {
				t.Errorf("cookie %q, want %s", b.seen[0], attribute)
			}
		}
		if b.who() == nil {
			t.Error("nobody is signed in")
		}
		old := b.cookies()
		b.want(b.password(h), 200, `"session"`)
		if got := e.call("GET", "/api/v1/session", "", old); got.status != 401 {
			t.Errorf("the session that was replaced: %d", got.status)
		}
	}
}

func TestHowLongSessionsLast(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, c := range []struct {
		site           guard.Site
		remember       bool
		lifetime, idle time.Duration
	}{
		{guard.SiteAccount, false, 12 * time.Hour, 2 * time.Hour}, {guard.SiteAccount, true, 30 * 24 * time.Hour, 7 * 24 * time.Hour},
		{guard.SiteAdmin, false, 12 * time.Hour, 30 * time.Minute}, {guard.SiteAdmin, true, 12 * time.Hour, 30 * time.Minute},
	} {
		h, b := e.human(c.site), e.browser(c.site)
		b.want(b.post("/login", "email", h.email, "password", h.password, "remember", c.remember), 200, `"session"`)
		if e.count(`select count(*) from session where person_id = $1 and expires_at = $2 and idle = $3`, h.id, e.machine.Now().Add(c.lifetime), c.idle) != 1 {
			t.Errorf("%+v: the session lasts otherwise", c)
		}
	}
}

// Whatever is wrong, a stranger sees one answer, and it takes one hash.
func TestRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	known, bare, suspended, banned, staff := e.human(guard.SiteAccount), e.human(guard.SiteAccount), e.human(guard.SiteAccount), e.human(guard.SiteAccount), e.human(guard.SiteAdmin)
	e.exec(`delete from password where person_id = $1`, bare.id)
	e.exec(`update person set status = 'suspended' where id = $1`, suspended.id)
	e.exec(`update person set status = 'banned' where id = $1`, banned.id)
	strange := e.human(guard.SiteAccount)
	e.setHash(strange, "what is this")
	first := ""
	for _, c := range []struct{ name, email, password string }{
		{"unknown", "nobody@example.com", known.password}, {"wrong", known.email, "wrong"}, {"no password", bare.email, bare.password},
		{"suspended, right", suspended.email, suspended.password}, {"suspended, wrong", suspended.email, "wrong"}, {"banned", banned.email, banned.password},
		{"of the other site", staff.email, staff.password}, {"an id", known.id.String(), known.password}, {"no hash", strange.email, strange.password},
		{"an odd address", "a\x00b@example.com", "wrong"}, {"nothing", "", "wrong"},
	} {
		b, before := e.browser(guard.SiteAccount), e.deps.Proofs.Hasher.Derived()
		a := b.post("/login", "email", c.email, "password", c.password)
		if first == "" {
			first = withoutID(a.body)
		}
		if a.status != 401 || withoutID(a.body) != first || len(b.seen) > 0 || a.header.Get("Retry-After") != "" {
			t.Errorf("%s: %d %s %v, want 401 %s", c.name, a.status, a.body, b.seen, first)
		}
		if n := e.deps.Proofs.Hasher.Derived() - before; n != 1 {
			t.Errorf("%s: %d hashes, want one", c.name, n)
		}
	}
	if e.events("SignInRefused", known.id.String()) != 1 || e.events("SignInRefused", suspended.id.String()) != 2 {
		t.Error("refusals of people are not told")
	}
	if n := e.count(`select count(*) from audit where command = 'access.RecordRefusal'`); n != 11 {
		t.Errorf("%d refusals in the audit log, want 11", n)
	}
}

func TestUnverifiedAddress(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.withTOTP(e.human(guard.SiteAccount))
	e.exec(`update person set email_verified_at = null where id = $1`, h.id)
	b := e.browser(guard.SiteAccount)
	b.want(b.post("/login", "email", h.email, "password", "wrong"), 401, "sign_in_refused")
	b.want(b.password(h), 403, "email_not_verified")
	if len(b.jar) > 0 {
		t.Error("it gave a cookie")
	}
}

func TestGuessesAtAPasswordAreLimited(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.withPasskey(e.human(guard.SiteAccount))
	other := e.human(guard.SiteAccount)
	before := e.deps.Proofs.Hasher.Derived()
	statuses := atOnce(50, func(int) answer {
		return e.browser(guard.SiteAccount).post("/login", "email", strings.ToUpper(h.email), "password", "wrong")
	})
	if statuses[401] != 10 || statuses[429] != 40 || e.deps.Proofs.Hasher.Derived()-before != 10 {
		t.Errorf("of 50 guesses at once: %v, %d hashes", statuses, e.deps.Proofs.Hasher.Derived()-before)
	}
	b := e.browser(guard.SiteAccount)
	a := b.want(b.password(h), 429, `"code":"too_many_attempts"`)
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 || wait > 90 || a.header.Get("Content-Type") != problem.MediaType {
		t.Errorf("headers %v", a.header)
	}
	b.want(b.passkey(h, "/login/passkey"), 200, `"session"`) // the lock is the password's alone
	o := e.browser(guard.SiteAccount)
	for range 20 { // a success costs nothing
		o.want(o.password(other), 200, `"session"`)
	}
	_, _ = e.machine.Advance(t.Context(), 91*time.Second)
	b.want(b.password(h), 200, `"second_factor"`)
}

// Names that nobody has are counted as those that somebody has.
func TestGuessesAtNobody(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	b := e.browser(guard.SiteAdmin)
	for i := range 11 {
		want := 401
		if i == 10 {
			want = 429
		}
		b.want(b.post("/login", "email", "Nobody@example.com", "password", "wrong"), want, "")
	}
	o := e.browser(guard.SiteAccount)
	o.want(o.post("/login", "email", "nobody@example.com", "password", "wrong"), 401, "") // of the other site is another
}

// A network has its limit too, whose refusal comes before any look-up.
func TestGuessesOfANetworkAreLimited(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	b := e.browser(guard.SiteAccount)
	for i := range 100 {
		b.want(b.post("/login", "email", fmt.Sprintf("%d@example.com", i), "password", "wrong"), 401, "")
	}
	before := e.deps.Proofs.Hasher.Derived()
	a := b.want(b.post("/login", "email", "x@example.com", "password", "wrong"), 429, "too_many_attempts")
	if a.header.Get("Retry-After") == "" || e.deps.Proofs.Hasher.Derived() != before {
		t.Errorf("headers %v", a.header)
	}
	h := e.withPasskey(e.human(guard.SiteAccount))
	b.want(b.passkey(h, "/login/passkey"), 200, `"session"`)
}

func TestOldHashesAreReplaced(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.human(guard.SiteAccount)
	old, err := bcrypt.GenerateFromPassword([]byte(h.password), bcrypt.MinCost)
	e.must0(err)
	e.setHash(h, string(old))
	statuses := atOnce(5, func(int) answer { return e.browser(guard.SiteAccount).password(h) })
	if statuses[200] != 5 {
		t.Errorf("logins at once: %v", statuses)
	}
	if e.count(`select count(*) from password where person_id = $1 and hash like '$argon2id$%'`, h.id) != 1 {
		t.Error("the hash was not replaced")
	}
	b := e.browser(guard.SiteAccount)
	b.want(b.password(h), 200, `"session"`)
	b.want(b.post("/login", "email", h.email, "password", h.password+"x"), 401, "")
}

func TestSignInNeedsASite(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.human(guard.SiteAccount)
	b := e.browser(guard.SiteAccount)
	b.host = "127.0.0.1"
	b.want(b.password(h), 403, "wrong_site")
	b.want(b.post("/login/passkey/options"), 403, "wrong_site")
	b.host = accountHost
	evil := e.call("POST", "/api/v1/login", `{"email":"`+h.email+`","password":"`+h.password+`"}`, on(accountHost), with("Sec-Fetch-Site", "cross-site"))
	b.want(evil, 403, "cross_origin")
}

// What was typed stands nowhere: not in logs, not in what commands leave behind.
func TestProofsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.withPasskey(e.withRecoveryCodes(e.withTOTP(e.human(guard.SiteAccount))))
	b := e.browser(guard.SiteAccount)
	canaries := []string{h.password, "canary-wrong-password", h.seed.Reveal(), h.codes[0].Reveal(), strings.ReplaceAll(h.codes[0].Reveal(), "-", "")}
	keep := func() {
		for _, value := range b.jar {
			canaries = append(canaries, value)
		}
	}
	b.want(b.post("/login", "email", h.email, "password", "canary-wrong-password"), 401, "")
	b.want(b.post("/login", "email", "canary-wrong-password", "password", h.password), 401, "")
	b.want(b.password(h), 200, "second_factor")
	keep()
	b.want(b.post("/login/recovery-code", "code", h.codes[0].Reveal()), 200, "session")
	keep()
	code := e.code(h)
	b.want(b.post("/me/proof/totp", "code", code), 200, "")
	b.want(b.post("/me/proof/password", "password", h.password), 200, "")
	b.want(b.post("/me/proof/password", "password", "canary-wrong-password"), 403, "proof_refused")
	keep()
	for _, table := range []string{"audit", "outbox", "idempotency", "session", "ephemeral", "aggregate"} {
		for _, canary := range canaries {
			if e.count(`select count(*) from `+table+` t where to_jsonb(t)::text like '%' || $1 || '%'`, canary) > 0 {
				t.Errorf("%s holds %q", table, canary)
			}
		}
	}
	if n := e.count(`select count(*) from audit a where to_jsonb(a)::text like '%argon2id%'`); n > 0 {
		t.Error("the audit log holds a hash")
	}
	for _, canary := range append(canaries, h.email) {
		if strings.Contains(e.logs.String(), canary) {
			t.Errorf("the log holds %q", canary)
		}
	}
	if e.count(`select count(*) from idempotency`) > 0 {
		t.Error("a sign-in was remembered under a key")
	}
}
