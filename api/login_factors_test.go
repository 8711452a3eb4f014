package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/login"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
)

// complete is somebody with every factor.
func (e *env) complete(site guard.Site) *human {
	e.Helper()
	return e.withPasskey(e.withRecoveryCodes(e.withTOTP(e.human(site))))
}

// second shows a second factor.
func (b *browser) second(h *human, factor string) answer {
	b.Helper()
	switch factor {
	case guard.FactorTOTP:
		return b.post("/login/totp", "code", b.code(h))
	case guard.FactorRecoveryCode:
		return b.post("/login/recovery-code", "code", strings.ToLower(h.codes[0].Reveal()))
	}
	return b.passkey(h, "/login/passkey")
}

func TestSecondFactors(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, site := range bothSites() {
		for _, factor := range []string{guard.FactorTOTP, guard.FactorRecoveryCode, guard.FactorPasskey} {
			h, b := e.complete(site), e.browser(site)
			a := decode[login.SignIn](t, b.want(b.password(h), 200, `"second_factor"`))
			if fmt.Sprint(a.Methods) != "[passkey totp recovery_code]" || a.Session != nil || b.jar[guard.CookieName] != "" {
				t.Errorf("after the password: %+v, cookies %v", a, b.jar)
			}
			for _, attribute := range []string{"__Host-login=", "Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=600"} {
				if !strings.Contains(b.seen[0], attribute) || strings.Contains(b.seen[0], "Domain") {
					t.Errorf("cookie %q, want %s", b.seen[0], attribute)
				}
			}
			half := b.cookies()
			if got := e.call("GET", "/api/v1/session", "", half); got.status != 401 {
				t.Errorf("half-way one is somebody: %s", got.body)
			}
			session := decode[login.SignIn](t, b.want(b.second(h, factor), 200, `"session"`)).Session
			if fmt.Sprint(session.Factors) != "[password "+factor+"]" || session.Restricted != "" || b.jar[login.CookieName] != "" || b.who() == nil {
				t.Errorf("%s by %s: %+v, cookies %v", site, factor, session, b.jar)
			}
			for _, path := range []string{"/login/totp", "/login/recovery-code"} {
				got := e.call("POST", "/api/v1"+path, `{"code":"`+e.code(h)+`"}`, half)
				b.want(got, 401, "sign_in_over") // it was used
			}
			if factor == guard.FactorRecoveryCode {
				if e.events("CredentialChanged", `"used"`) == 0 || e.count(`select count(*) from recovery_code where person_id = $1 and used_at is null`, h.id) != 9 {
					t.Error("a recovery code's use is not told")
				}
				b.want(b.password(h), 200, "second_factor")
				b.want(b.second(h, factor), 401, "sign_in_refused")
			}
		}
	}
}

func TestTOTPCodesWorkOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.withTOTP(e.human(guard.SiteAccount)), e.browser(guard.SiteAccount)
	_, _ = e.machine.Advance(t.Context(), time.Hour)
	older, err := otp.Code(h.seed, otp.Step(e.machine.Now())-1)
	e.must0(err)
	b.want(b.password(h), 200, "second_factor")
	code := e.code(h)
	b.want(b.post("/login/totp", "code", code), 200, "session")
	for _, again := range []string{code, older} {
		b.want(b.password(h), 200, "second_factor")
		b.want(b.post("/login/totp", "code", again), 401, "sign_in_refused")
	}
	_, _ = e.machine.Advance(t.Context(), 30*time.Second)
	b.want(b.password(h), 200, "second_factor")
	b.want(b.post("/login/totp", "code", e.code(h)), 200, "session")
	_, _ = e.clock.Advance(t.Context(), 24*time.Hour) // the business clock is none of its business
	_, _ = e.machine.Advance(t.Context(), 30*time.Second)
	b.want(b.password(h), 200, "second_factor")
	b.want(b.post("/login/totp", "code", e.code(h)), 200, "session")
}

func TestOfCodesAtOnceOneIsLetIn(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, factor := range []string{guard.FactorTOTP, guard.FactorRecoveryCode} {
		h := e.withRecoveryCodes(e.withTOTP(e.human(guard.SiteAccount)))
		browsers := make([]*browser, 20)
		for i := range browsers {
			browsers[i] = e.browser(guard.SiteAccount)
			browsers[i].want(browsers[i].password(h), 200, "second_factor")
		}
		statuses := atOnce(len(browsers), func(i int) answer { return browsers[i].second(h, factor) })
		if statuses[200] != 1 || statuses[401]+statuses[429] != 19 {
			t.Errorf("the same %s 20 times: %v", factor, statuses)
		}
		// And twenty at once by one cookie.
		e.must0(e.deps.Proofs.Limiter.Reset(t.Context(), codeGuesses(h, factor)))
		_, _ = e.machine.Advance(t.Context(), time.Minute)
		h.codes = h.codes[1:]
		b := e.browser(guard.SiteAccount)
		b.want(b.password(h), 200, "second_factor")
		half, code := b.cookies(), map[string]string{guard.FactorTOTP: e.code(h), guard.FactorRecoveryCode: h.codes[0].Reveal()}[factor]
		path := map[string]string{guard.FactorTOTP: "/api/v1/login/totp", guard.FactorRecoveryCode: "/api/v1/login/recovery-code"}[factor]
		statuses = atOnce(20, func(int) answer { return e.call("POST", path, `{"code":"`+code+`"}`, half) })
		if statuses[200] != 1 || statuses[200]+statuses[401]+statuses[409] != 20 {
			t.Errorf("the same %s 20 times by one cookie: %v", factor, statuses)
		}
	}
}

// The commands themselves, without the limits in front of them.
func TestProofsAreUsedOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.complete(guard.SiteAccount)
	hash, err := otp.HashRecoveryCode(h.codes[0].Reveal())
	e.must0(err)
	run := func(c command.Command[credential.Used]) func(int) answer {
		return func(int) answer {
			meta := command.Meta{Actor: "person:" + h.id.String(), Now: start, NewID: uuid.New}
			if _, err := command.Run(context.Background(), e.deps.Commands, meta, c); err != nil {
				return answer{status: 403}
			}
			return answer{status: 200}
		}
	}
	for name, c := range map[string]command.Command[credential.Used]{
		"totp": credential.UseTOTP{PersonID: h.id, Step: 100}, "recovery code": credential.UseRecoveryCode{PersonID: h.id, Hash: hash},
		"passkey": credential.UsePasskey{PersonID: h.id, PasskeyID: e.keyOf(h), SignCount: 7},
	} {
		if statuses := atOnce(20, run(c)); statuses[200] != 1 {
			t.Errorf("%s used 20 times at once: %v", name, statuses)
		}
	}
}

func TestATriedSignInEnds(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.withTOTP(e.human(guard.SiteAccount)), e.browser(guard.SiteAccount)
	b.want(b.password(h), 200, "second_factor")
	for range 5 {
		b.want(b.post("/login/totp", "code", "000000x"), 401, "sign_in_refused")
	}
	b.want(b.post("/login/totp", "code", e.code(h)), 401, "sign_in_over")
	if e.events("SignInRefused", `"totp"`) != 5 {
		t.Error("wrong codes are not told")
	}
	b.want(b.password(h), 200, "second_factor") // the password's guesses are not touched
	for range 5 {
		b.want(b.post("/login/totp", "code", "1"), 401, "sign_in_refused")
	}
	b.want(b.password(h), 200, "second_factor")
	a := b.want(b.post("/login/totp", "code", e.code(h)), 429, "too_many_attempts")
	if a.header.Get("Retry-After") == "" {
		t.Error("when to try again is not said")
	}
}

func TestWhatHasChangedHalfWay(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for name, change := range map[string]func(*human, *browser){
		"another password": func(h *human, _ *browser) { e.setPassword(h, "another horse battery") },
		"no password":      func(h *human, _ *browser) { e.exec(`delete from password where person_id = $1`, h.id) },
		"suspended":        func(h *human, _ *browser) { e.exec(`update person set status = 'suspended' where id = $1`, h.id) },
		"eleven minutes":   func(*human, *browser) { _, _ = e.machine.Advance(t.Context(), 11*time.Minute) },
		"the other site":   func(_ *human, b *browser) { b.host = adminHost },
		"another cookie":   func(_ *human, b *browser) { b.jar[login.CookieName] = "x" },
		"no cookie":        func(_ *human, b *browser) { delete(b.jar, login.CookieName) },
		"no authenticator": func(h *human, _ *browser) { e.exec(`delete from totp where person_id = $1`, h.id) },
		"a session's cookie": func(_ *human, b *browser) {
			b.jar[login.CookieName] = e.open("account", e.person("account"), nil, "password").Reveal()
		},
	} {
		h, b := e.withTOTP(e.human(guard.SiteAccount)), e.browser(guard.SiteAccount)
		b.want(b.password(h), 200, "second_factor")
		change(h, b)
		want := "sign_in_over"
		if name == "no authenticator" {
			want = "sign_in_refused"
		}
		if a := b.post("/login/totp", "code", e.code(h)); a.status != 401 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if e.count(`select count(*) from session where person_id = $1`, h.id) > 0 {
			t.Errorf("%s: a session was opened", name)
		}
	}
}

// Who sets another password ends the sessions after it. A sign-in by the old one that is under way opens none behind it.
func TestAPasswordThatChangesWhileSomebodySignsIn(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := e.human(guard.SiteAccount)
	tx, err := e.owner.Begin(t.Context())
	e.must0(err)
	if _, err := tx.Exec(t.Context(), `update password set hash = 'x' where person_id = $1`, h.id); err != nil {
		t.Fatal(err)
	}
	a := e.held(func() answer { return e.browser(guard.SiteAccount).password(h) }, func() { e.must0(tx.Commit(t.Context())) })
	if a.status != 401 || !strings.Contains(a.body, "sign_in_refused") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if e.count(`select count(*) from session where person_id = $1`, h.id) > 0 {
		t.Error("a session was opened by a password that is gone")
	}
}

// held calls, and lets go once the call stands before a lock; or has its answer.
func (e *env) held(call func() answer, letGo func()) answer {
	answers := make(chan answer, 1)
	go func() { answers <- call() }()
	waits := func() int {
		return e.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
	}
	for waits() == 0 && len(answers) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	letGo()
	return <-answers
}

// Nor does a passkey that was verified before a password was set: whoever sets one, or has it reset, ends what there was.
func TestAPasswordThatChangesWhileSomebodyShowsAPasskey(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for name, before := range map[string]struct{ lock, given string }{
		"when its use is noted": {`select from passkey where person_id = $1 for update`, "horse"},
		"when it gets in":       {`select from person where id = $1 for update`, "horse"},
		"the first one":         {`select from passkey where person_id = $1 for update`, ""},
	} {
		h, b := e.withPasskey(e.human(guard.SiteAccount)), e.browser(guard.SiteAccount)
		if before.given == "" {
			e.exec(`delete from password where person_id = $1`, h.id)
		}
		tx, err := e.owner.Begin(t.Context())
		e.must0(err)
		if _, err := tx.Exec(t.Context(), before.lock, h.id); err != nil {
			t.Fatal(err)
		}
		a := e.held(func() answer { return b.passkey(h, "/login/passkey") }, func() {
			if _, err := tx.Exec(t.Context(), `insert into password (person_id, hash, set_at) values ($1, 'x', now()) on conflict (person_id) do update set hash = 'x'`, h.id); err != nil {
				t.Error(err)
			}
			e.must0(tx.Commit(t.Context()))
		})
		if a.status != 401 || !strings.Contains(a.body, "sign_in_refused") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if e.count(`select count(*) from session where person_id = $1`, h.id) > 0 {
			t.Errorf("%s: a session was opened by what was shown before", name)
		}
		b.want(b.passkey(h, "/login/passkey"), 200, `"session"`) // shown after it, the passkey counts: it is named in the mail
	}
}

func TestPasskeySignIn(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, site := range bothSites() {
		h, b := e.withPasskey(e.human(site)), e.browser(site)
		response := b.answerOf(h, "/login/passkey")
		begun := b.cookies()
		session := decode[login.SignIn](t, b.want(b.post("/login/passkey", "response", response), 200, `"session"`)).Session
		if fmt.Sprint(session.Factors) != "[passkey]" || session.Restricted != "" || session.Email != h.email || b.who() == nil {
			t.Errorf("session %+v", session)
		}
		again := e.call("POST", "/api/v1/login/passkey", `{"response":`+string(response)+`}`, begun)
		b.want(again, 401, "sign_in_over") // the ceremony is gone
		o := e.browser(site)
		o.answerOf(h, "/login/passkey")
		o.want(o.post("/login/passkey", "response", response), 401, "sign_in_refused") // and no other takes it
		if e.count(`select count(*) from passkey where person_id = $1 and sign_count > 0 and last_used_at is not null`, h.id) != 1 {
			t.Error("the passkey's use is not noted")
		}
		old := b.cookies()
		b.want(b.passkey(h, "/login/passkey"), 200, `"session"`)
		if got := e.call("GET", "/api/v1/session", "", old); got.status != 401 {
			t.Errorf("the session that was replaced: %d", got.status)
		}
	}
}

func TestPasskeysThatAreRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	other := e.withPasskey(e.human(guard.SiteAccount))
	var handle []byte
	e.must0(e.owner.QueryRow(t.Context(), `select handle from person where id = $1`, other.id).Scan(&handle))
	for name, twist := range map[string]passkeytest.Twist{
		"unverified": passkeytest.Unverified(), "absent": passkeytest.Absent(), "another challenge": passkeytest.Challenge([]byte("x")),
		"the other site": passkeytest.RPID(adminHost), "another's handle": passkeytest.Handle(handle), "no handle": passkeytest.Handle(nil),
		"a bad signature": passkeytest.BadSignature(), "inside a page": passkeytest.CrossOrigin("https://evil.example"),
		"unknown": passkeytest.ID([]byte("unknown")),
	} {
		h, b := e.withPasskey(e.human(guard.SiteAccount)), e.browser(guard.SiteAccount)
		if a := b.passkey(h, "/login/passkey", twist); a.status != 401 || !strings.Contains(a.body, "sign_in_refused") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, body := range []string{`{}`, `{"response":null}`, `{"response":"x"}`, `{"response":{}}`, `{"response":[1]}`, `{"response":{"id":1}}`, `x`, ``} {
		b := e.browser(guard.SiteAccount)
		b.answerOf(other, "/login/passkey")
		if a := b.send("POST", "/login/passkey", body); a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	b := e.browser(guard.SiteAccount)
	evil := *other
	options := b.post("/login/passkey/options")
	response, err := evil.device.Get([]byte(optionsOf(t, options)), "https://evil."+accountHost)
	e.must0(err)
	b.want(b.send("POST", "/login/passkey", `{"response":`+string(response)+`}`), 401, "sign_in_refused")
	// A ceremony of one site is none on the other, by cookie or by key.
	b.answerOf(other, "/login/passkey")
	begun := b.cookies()
	got := e.call("POST", "/api/v1/login/passkey", `{"response":{}}`, both(begun, on(adminHost)))
	b.want(got, 401, "sign_in_")
	e.exec(`update person set status = 'suspended' where id = $1`, other.id)
	b.want(b.passkey(other, "/login/passkey"), 401, "sign_in_refused")
}

func optionsOf(t *testing.T, a answer) string {
	t.Helper()
	return string(decode[login.AssertionOptions](t, a).Options)
}

func TestCopiedPasskeys(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, b := e.withPasskey(e.human(guard.SiteAdmin)), e.browser(guard.SiteAdmin)
	b.want(b.passkey(h, "/login/passkey", passkeytest.Counter(9)), 200, "session")
	b.want(b.passkey(h, "/login/passkey", passkeytest.Counter(9)), 401, "sign_in_refused")
	if e.count(`select count(*) from passkey where person_id = $1 and cloned_at is not null`, h.id) != 1 || e.events("CredentialChanged", `"cloned"`) != 1 || e.events("SignInRefused", `"passkey"`) != 1 {
		t.Error("a copied passkey is not told")
	}
	if got := one[string](e, `select before::text || (after ? 'cloned_at') from audit where command = 'credential.FlagClonedPasskey'`); got != "{}true" {
		t.Errorf("the audit row says %s", got)
	}
	b.want(b.passkey(h, "/login/passkey", passkeytest.Counter(50)), 401, "sign_in_refused") // it opens nothing any more
}

// A second factor has to be of the one who has shown the password, by the ceremony that was begun for it.
func TestPasskeyAfterThePassword(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h, other := e.withPasskey(e.human(guard.SiteAccount)), e.withPasskey(e.human(guard.SiteAccount))
	b := e.browser(guard.SiteAccount)
	b.want(b.password(h), 200, "second_factor")
	options := optionsOf(t, b.want(b.post("/login/passkey/options"), 200, "allowCredentials"))
	if _, err := other.device.Get([]byte(options), other.origin()); err == nil {
		t.Error("another's passkey is asked for")
	}
	o := e.browser(guard.SiteAccount)
	alone, err := other.device.Get([]byte(optionsOf(t, o.post("/login/passkey/options"))), other.origin())
	e.must0(err)
	b.want(b.send("POST", "/login/passkey", `{"response":`+string(alone)+`}`), 401, "sign_in_refused")
	b.want(b.send("POST", "/login/passkey", `{"response":`+string(alone)+`}`), 401, "sign_in_over") // no ceremony is open; the sign-in is
	b.want(b.passkey(h, "/login/passkey"), 200, "session")
	b.want(b.password(h), 200, "second_factor")
	e.exec(`delete from passkey where person_id = $1`, h.id)
	b.want(b.post("/login/passkey/options"), 404, "no_passkey")
}

func TestProofsWithoutASession(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, path := range []string{"/me/proof/password", "/me/proof/totp", "/me/proof/passkey", "/me/proof/passkey/options", "/session/account"} {
		if got := e.call(http.MethodPost, "/api/v1"+path, `{}`, on(accountHost)); got.status != 401 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}
