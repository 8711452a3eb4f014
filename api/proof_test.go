package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
)

// sensitive tells whether the session's proof is fresh: it asks the database, as the guard does.
func (b *browser) provedAt(h *human) time.Time {
	b.Helper()
	var at time.Time
	b.must0(b.owner.QueryRow(b.Context(), `select max(proved_at) from session where person_id = $1 and ended_at is null`, h.id).Scan(&at))
	return at
}

func TestProvingAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, site := range bothSites() {
		for _, factor := range []string{guard.FactorPassword, guard.FactorTOTP, guard.FactorPasskey} {
			h, b := e.complete(site), e.browser(site)
			b.want(b.password(h), 200, "second_factor")
			b.want(b.second(h, guard.FactorRecoveryCode), 200, "session")
			_, _ = e.machine.Advance(t.Context(), 20*time.Minute)
			old, id := b.cookies(), b.who()["person_id"]
			var a answer
			switch factor {
			case guard.FactorPassword:
				a = b.post("/me/proof/password", "password", h.password)
			case guard.FactorTOTP:
				a = b.post("/me/proof/totp", "code", e.code(h))
			default:
				a = b.passkey(h, "/me/proof/passkey")
			}
			s := decode[session.Session](t, b.want(a, 200, `"factors"`))
			want := map[string]string{guard.FactorPassword: "[password recovery_code]"}[factor]
			if want == "" {
				want = "[password recovery_code " + factor + "]"
			}
			if fmt.Sprint(s.Factors) != want || !b.provedAt(h).Equal(e.machine.Now()) || id == nil {
				t.Errorf("%s by %s: %+v, proved at %s", site, factor, s, b.provedAt(h))
			}
			if got := e.call("GET", "/api/v1/session", "", old); got.status != 401 {
				t.Errorf("%s: the old cookie: %d", factor, got.status)
			}
			if b.who() == nil || e.count(`select count(*) from session where person_id = $1`, h.id) != 1 {
				t.Errorf("%s: the session is another", factor)
			}
			if !strings.Contains(b.seenFor(guard.CookieName), "HttpOnly") && len(b.seen) > 0 {
				t.Errorf("cookies %v", b.seen)
			}
		}
	}
	if n := e.count(`select count(*) from audit where command = 'access.ProveAgain' and before ? 'proved_at' and after ? 'proved_at' and (before ? 'factors') = (input->>'factor' <> 'password')`); n != 6 {
		t.Errorf("%d of six audit rows say what a session has become", n)
	}
}

// seenFor is the Set-Cookie line of a cookie in the last answer.
func (b *browser) seenFor(name string) string {
	for _, line := range b.seen {
		if strings.HasPrefix(line, name+"=") {
			return line
		}
	}
	return ""
}

// Staff who have signed in by a password alone are let in by a second factor.
func TestProvingLiftsARestriction(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.human(guard.SiteAdmin), e.browser(guard.SiteAdmin)
	b.want(b.password(h), 200, guard.NeedsSecondFactor)
	b.want(b.send("GET", "/customers", ""), 403, guard.NeedsSecondFactor)
	b.want(b.post("/me/proof/password", "password", h.password), 200, guard.NeedsSecondFactor)
	e.withTOTP(h)
	b.want(b.post("/me/proof/totp", "code", e.code(h)), 200, `"customers.read"`)
	b.want(b.send("GET", "/customers", ""), 200, "")
}

func TestProofsThatAreRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.complete(guard.SiteAccount), e.browser(guard.SiteAccount)
	b.want(b.passkey(h, "/login/passkey"), 200, "session")
	proved := b.provedAt(h)
	_, _ = e.machine.Advance(t.Context(), time.Minute)
	b.want(b.post("/me/proof/password", "password", "wrong"), 403, "proof_refused")
	b.want(b.post("/me/proof/totp", "code", "000000x"), 403, "proof_refused")
	b.want(b.passkey(h, "/me/proof/passkey", passkeytest.Unverified()), 403, "proof_refused")
	b.want(b.send("POST", "/me/proof/passkey", `{"response":{}}`), 403, "proof_refused") // no ceremony is open
	response := b.answerOf(h, "/me/proof/passkey")
	o := e.browser(guard.SiteAccount)
	o.want(o.passkey(h, "/login/passkey"), 200, "session")
	o.want(o.post("/me/proof/passkey", "response", response), 403, "proof_refused") // it is another session's
	if !b.provedAt(h).Equal(e.machine.Now()) || proved.Equal(e.machine.Now()) || b.who() == nil {
		t.Error("a refusal changed the session") // o's login is proved now
	}
	statuses := atOnce(30, func(int) answer {
		return e.call("POST", "/api/v1/me/proof/password", `{"password":"wrong"}`, b.cookies())
	})
	if statuses[429] < 20 || statuses[403] > 10 {
		t.Errorf("guesses at once: %v", statuses)
	}
	b.want(b.post("/me/proof/password", "password", h.password), 429, "too_many_attempts")
	b.want(b.passkey(h, "/me/proof/passkey"), 200, "")
	fresh := e.browser(guard.SiteAccount)
	fresh.want(fresh.password(h), 200, "second_factor") // the login's guesses are others
}

// Who is signed in keeps the hashes busy for nobody else: right proofs are counted, too.
func TestRightProofsAreCounted(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.human(guard.SiteAccount), e.browser(guard.SiteAccount)
	b.want(b.password(h), 200, "session")
	before := e.deps.Proofs.Hasher.Derived()
	for range 10 {
		b.want(b.post("/me/proof/password", "password", h.password), 200, "")
	}
	b.want(b.post("/me/proof/password", "password", h.password), 429, "too_many_attempts")
	if n := e.deps.Proofs.Hasher.Derived() - before; n != 10 {
		t.Errorf("%d hashes", n)
	}
	_, _ = e.machine.Advance(t.Context(), 2*time.Minute)
	b.want(b.post("/me/proof/password", "password", h.password), 200, "")
}

// Of two step-ups at once one gives the new cookie; the other's answer does not replace it.
func TestProvingTwiceAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.human(guard.SiteAccount), e.browser(guard.SiteAccount)
	b.want(b.password(h), 200, "session")
	statuses := atOnce(8, func(int) answer {
		a := e.call("POST", "/api/v1/me/proof/password", `{"password":"`+h.password+`"}`, b.cookies())
		if (a.status == 200) != (a.header.Get("Set-Cookie") != "") {
			t.Errorf("%d with cookie %q", a.status, a.header.Get("Set-Cookie"))
		}
		return a
	})
	if statuses[200] != 1 || statuses[409]+statuses[401] != 7 {
		t.Errorf("at once: %v", statuses)
	}
}

func TestChoosingAnAccount(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.human(guard.SiteAccount), e.browser(guard.SiteAccount)
	_, _ = e.clock.Advance(t.Context(), time.Hour)
	second, banned := e.accountOf(h, "Second"), e.accountOf(h, "Banned")
	e.exec(`update customer set status = 'banned' where id = $1`, banned)
	other := e.human(guard.SiteAccount)
	b.want(b.password(h), 200, `"account":"Account"`)
	list := items[struct{ Name, Rights string }](t, b.want(b.send("GET", "/me/accounts", ""), 200, ""))
	if fmt.Sprint(list) != "[{Account owner} {Second owner}]" {
		t.Errorf("accounts %v", list)
	}
	old := b.cookies()
	b.want(b.post("/session/account", "customer_id", second), 200, `"account":"Second"`)
	if got := one[string](e, `select after->>'customer_id' from audit where command = 'access.ChooseAccount' and before->>'customer_id' <> after->>'customer_id'`); got != second.String() {
		t.Errorf("the audit row says %s", got)
	}
	if got := e.call("GET", "/api/v1/session", "", old); got.status != 401 {
		t.Errorf("the old cookie: %d", got.status)
	}
	if b.who()["account"] != "Second" || b.seen != nil {
		t.Errorf("session %v", b.who())
	}
	for _, id := range []uuid.UUID{banned, uuid.New(), e.accountOf(other, "Other")} {
		b.want(b.post("/session/account", "customer_id", id), 404, "account_not_found")
	}
	s, staff := e.browser(guard.SiteAdmin), e.withPasskey(e.human(guard.SiteAdmin))
	s.want(s.passkey(staff, "/login/passkey"), 200, "session")
	s.want(s.post("/session/account", "customer_id", second), 404, "account_not_found")
	s.want(s.send("GET", "/me/accounts", ""), 200, `{"items":[]}`)
}
