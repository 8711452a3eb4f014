package api_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/command"
	accesscmd "github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
)

func TestOneself(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "read_only"), e.colleague("support")} {
		got := s.me()
		if got.Email == "" || got.Locale != "en" || got.TimeZone != "UTC" || !got.Password.Set || got.TOTP != nil || len(got.Passkeys) != 0 || !strings.HasPrefix(s.host, got.Site) {
			t.Errorf("me %+v", got)
		}
		s.do("200", "PUT", "/me", `{"name":"Ada Ω","locale":"de-AT","time_zone":"Europe/Vienna"}`)
		if got := s.me(); got.Name != "Ada Ω" || got.Locale != "de-AT" || got.TimeZone != "Europe/Vienna" {
			t.Errorf("changed %+v", got)
		}
		for _, wrong := range []string{
			`{"name":"","locale":"de","time_zone":"UTC"}`, `{"name":"A\nB","locale":"de","time_zone":"UTC"}`, `{"name":"A","locale":"DE","time_zone":"UTC"}`,
			`{"name":"A","locale":"deutsch","time_zone":"UTC"}`, `{"name":"A","locale":"de_AT","time_zone":"UTC"}`, `{"name":"A","locale":"de","time_zone":"Local"}`,
			`{"name":"A","locale":"de","time_zone":""}`, `{"name":"A","locale":"de","time_zone":"../../etc/passwd"}`, `{"name":"A","locale":"de","time_zone":"Mars/Base"}`,
			`{"name":"A","locale":"de"}`, `{"name":"A","locale":"de","time_zone":"UTC","email":"x@example.com"}`, `{"name":"A","locale":"de","time_zone":"UTC","status":"active"}`,
		} {
			s.do("422", "PUT", "/me", wrong)
		}
		if got := s.me(); got.Name != "Ada Ω" {
			t.Errorf("after refusals %+v", got)
		}
	}
}

// Every write refuses fields that nobody has asked for.
func TestSecurityTakesNoOtherFields(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	for path, body := range map[string]string{
		"PUT /me/password": `{"password":"` + goodPassword + `","person_id":"` + s.id.String() + `"}`, "POST /me/passkeys/options": `{"person_id":"x"}`,
		"POST /me/passkeys": `{"name":"A","response":{},"person_id":"x"}`, "POST /me/totp": `{"secret":"AAAA"}`, "POST /me/totp/confirm": `{"code":"123456","secret":"A"}`,
		"POST /me/recovery-codes": `{"codes":["A"]}`, "POST /me/tokens": `{"name":"A","scopes":["services.read"],"days":1,"hash":"x"}`,
		"PUT /me/passkeys/" + s.id.String(): `{"name":"A","cloned":false}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		s.do("422 invalid_input", method, path, body)
	}
	s.do("422", "GET", "/me?person_id="+s.id.String(), "")
	s.do("422", "DELETE", "/me/passkeys/not-an-id", "")
}

func TestSensitiveActsWantAFreshProof(t *testing.T) {
	t.Parallel()
	e := company(t)
	id := "00000000-0000-4000-8000-000000000000"
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		e.stale()
		for path, body := range map[string]string{
			"PUT /me/password": `{"password":"` + goodPassword + `"}`, "POST /me/passkeys/options": "", "DELETE /me/passkeys/" + id: "", "POST /me/totp": "", "DELETE /me/totp": "",
			"POST /me/recovery-codes": "", "POST /me/tokens": `{"name":"A","scopes":["services.read"],"days":1}`,
		} {
			method, path, _ := strings.Cut(path, " ")
			s.do("403 proof_required", method, path, body)
		}
		s.me()
		for _, path := range []string{"/me/sessions", "/me/tokens", "/permissions"} {
			s.do("200", "GET", path, "")
		}
		e.machine.ahead.Store(0)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		other := s.also(guard.FactorPassword)
		for _, weak := range []string{"short", "password1234", s.id.String() + "@example.com", ""} {
			if got := s.do("422", "PUT", "/me/password", `{"password":"`+weak+`"}`); !strings.Contains(got.body, `"location":"body.password"`) {
				t.Errorf("%q is refused at no field: %s", weak, got.body)
			}
		}
		other.do("200", "GET", "/me", "")
		old := *s
		s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
		if old.cookie == s.cookie {
			t.Error("the session kept its token")
		}
		s.do("200", "GET", "/me", "")
		old.do("401", "GET", "/me", "")
		other.do("401", "GET", "/me", "")
		if n := e.number(`select count(*) from session where person_id = $1 and ended_at is null`, s.id); n != 1 {
			t.Errorf("%d sessions are open", n)
		}
		var stored string
		if err := e.owner.QueryRow(t.Context(), `select hash from password where person_id = $1`, s.id).Scan(&stored); err != nil || !strings.HasPrefix(stored, "$argon2id$") {
			t.Errorf("stored %q (%v)", stored, err)
		}
	}
}

// Programs go on with another password, unless the person says that somebody knew the old one.
func TestPasswordsThatSomebodyKnew(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	customer := e.account("a@example.com")
	programs := []as{e.tokenFor(s.id, &customer, "services.read"), e.applicationFor(s.id, customer, "services.read")}
	check := func(want int) {
		t.Helper()
		for i, program := range programs {
			if got := e.call("GET", "/api/v1/services", "", program); got.status != want {
				t.Errorf("program %d: %d, want %d", i, got.status, want)
			}
		}
	}
	s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
	check(200)
	s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`","end_others":true}`)
	check(401)
	s.do("200", "GET", "/me", "")
}

// Who had a password alone keeps none by trying for ever.
func TestPasswordsAreNotSetWithoutEnd(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	for range 10 {
		s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
	}
	s.do("429 too_many_attempts", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
}

// Of two who hold one cookie, the one who sets the password first has the session; the other has nothing.
func TestRotationHasOneWinner(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	same := []*someone{{env: e, id: s.id, host: s.host, cookie: s.cookie}, {env: e, id: s.id, host: s.host, cookie: s.cookie}, {env: e, id: s.id, host: s.host, cookie: s.cookie}}
	got := together(len(same), func(i int) int { return same[i].try("PUT", "/me/password", `{"password":"`+goodPassword+`"}`).status })
	if got[204] != 1 || got[401]+got[403] != 2 {
		t.Fatalf("statuses %v", got)
	}
	alive := 0
	for _, one := range same {
		if one.try("GET", "/me", "").status == 200 {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d browsers are signed in", alive)
	}
}

// What a session has asked for ends when its person ends it from another one, and stays when they log out.
func TestAChangeOfAddressAndTheEndOfItsSession(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	open := func() int {
		return value[int](e, `select count(*) from link where person_id = $1 and revoked_at is null`, s.id)
	}
	ask := func() (*someone, string) {
		other := s.also(guard.FactorPassword)
		other.do("202", "POST", "/me/email", `{"email":"new@example.com"}`)
		return other, value[string](e, `select id::text from session where person_id = $1 and ended_at is null order by opened_at desc, ctid desc limit 1`, s.id)
	}
	for _, how := range []struct {
		of   func(other *someone, id string)
		left int
	}{
		{func(other *someone, _ string) { other.do("204", "DELETE", "/session", "") }, 1},
		{func(other *someone, id string) { other.do("204", "DELETE", "/me/sessions/"+id, "") }, 1},
		{func(_ *someone, id string) { s.do("204", "DELETE", "/me/sessions/"+id, "") }, 0},
	} {
		other, id := ask()
		how.of(other, id)
		other.do("401", "GET", "/me", "")
		if n := open(); n != how.left {
			t.Errorf("%d links are open, want %d", n, how.left)
		}
	}
}

func TestSessionsOfOneself(t *testing.T) {
	t.Parallel()
	e := company(t)
	type listed struct {
		ID, Site     string
		Current      bool
		Factors      []string
		Impersonated bool
	}
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		other, third := s.also(guard.FactorPasskey), s.also(guard.FactorPassword)
		stranger := e.tenant("b@example.com", "owner")
		all := items[listed](t, other.do("200", "GET", "/me/sessions", ""))
		if len(all) != 3 {
			t.Fatalf("sessions %+v", all)
		}
		current := slices.DeleteFunc(slices.Clone(all), func(l listed) bool { return !l.Current })
		if len(current) != 1 || !slices.Equal(current[0].Factors, []string{"passkey"}) {
			t.Errorf("current %+v", current)
		}
		theirs := items[listed](t, stranger.do("200", "GET", "/me/sessions", ""))
		s.do("404 session_not_found", "DELETE", "/me/sessions/"+theirs[0].ID, "")
		s.do("404 session_not_found", "DELETE", "/me/sessions/"+s.id.String(), "")
		stranger.do("200", "GET", "/me", "")
		s.do("204", "DELETE", "/me/sessions/"+current[0].ID, "")
		other.do("401", "GET", "/me", "")
		s.do("404 session_not_found", "DELETE", "/me/sessions/"+current[0].ID, "")
		s.do("204", "DELETE", "/me/sessions", "")
		third.do("401", "GET", "/me", "")
		s.do("200", "GET", "/me", "")
		e.stale()
		e.stale()
		if n := len(items[listed](t, s.do("200", "GET", "/me/sessions", ""))); n != 1 {
			t.Errorf("%d sessions are left", n)
		}
		e.machine.ahead.Store(0)
	}
}

// What outlives a request ends with its session.
func TestStreamsEndWithTheSession(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	for name, end := range map[string]func(){
		"password": func() { s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`) },
		"others":   func() { s.do("204", "DELETE", "/me/sessions", "") },
	} {
		other := s.also(guard.FactorPassword)
		theirs, status := e.watch("svc-a", other.as())
		ours, _ := e.watch("svc-a", s.as())
		if status != 200 {
			t.Fatalf("%s: stream %d", name, status)
		}
		end()
		for range theirs.read {
		}
		if theirs.cut.Load() {
			t.Errorf("%s: the other session's stream goes on", name)
		}
		select {
		case _, more := <-ours.read:
			if !more {
				t.Errorf("%s: the own stream ended", name)
			}
		case <-time.After(10 * time.Millisecond):
		}
		ours.stop()
	}
}

// A session from before the second factor knows a password alone: it does not set up another.
func TestOldSessionsDoNotGetPastTheSecondFactor(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		thief := s.also(guard.FactorPassword)
		begun, seed := thief.answerOptions(&passkeytest.Authenticator{}), thief.beginTOTP()
		s.addPasskey(&passkeytest.Authenticator{})
		thief.do("403 proof_required", "POST", "/me/passkeys", begun)
		thief.do("403 proof_required", "POST", "/me/totp/confirm", thief.codeOf(seed))
		for path, body := range map[string]string{
			"PUT /me/password": `{"password":"` + goodPassword + `"}`, "POST /me/passkeys/options": "", "POST /me/totp": "", "POST /me/recovery-codes": "",
			"POST /me/tokens": `{"name":"A","scopes":["services.read"],"days":1}`, "DELETE /me/totp": "",
		} {
			method, path, _ := strings.Cut(path, " ")
			thief.do("403 proof_required", method, path, body)
		}
		if got := s.me(); len(got.Passkeys) != 1 || got.TOTP != nil {
			t.Errorf("me %+v", got)
		}
	}
}

// What passed the door before its session was ended does nothing after: a password is changed, and whoever was about to
// set up a way in of their own is late.
func TestWhatWasUnderWayWhenASessionEndedDoesNothing(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	held, err := token.Parse(token.Session, strings.TrimPrefix(s.cookie, guard.CookieName+"="))
	e.must0(err)
	var id uuid.UUID
	e.must0(e.owner.QueryRow(t.Context(), `select id from session where person_id = $1`, s.id).Scan(&id))
	s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
	meta := command.Meta{Actor: "person:" + s.id.String(), Now: start, NewID: uuid.New}
	late := func(name string, err error) {
		t.Helper()
		if f := new(fault.Error); !errors.As(err, &f) || f.Code != "session_over" {
			t.Errorf("%s: %v", name, err)
		}
	}
	at := credential.Sitting{SessionID: id, Was: held.Hash(), Hash: token.New(token.Session).Hash(), TwoFactors: true}
	for name, c := range map[string]command.Command[credential.Managed]{
		"password":      credential.SetPassword{PersonID: s.id, Hash: secret.New("x"), Session: &at, At: start},
		"passkey":       credential.AddPasskey{PasskeyID: uuid.New(), PersonID: s.id, Session: at, PasskeyName: "A", CredentialID: []byte{1}, PublicKey: []byte{1}},
		"authenticator": credential.ConfirmTOTP{PersonID: s.id, Session: at, Seed: []byte{1}},
		"codes":         credential.IssueRecoveryCodes{PersonID: s.id, Session: at, Hashes: []secret.Hash{{1}}},
		"removal":       credential.RemoveTOTP{PersonID: s.id, Session: at},
	} {
		_, err := command.Run(t.Context(), e.deps.Commands, meta, c)
		late(name, err)
	}
	e.exec(`update session set ended_at = $1`, start)
	create := accesscmd.CreateToken{TokenID: uuid.New(), Hash: secret.Hash{1}, Hint: "ezs_", TokenName: "A", PersonID: s.id, SessionID: id, At: start, Lifetime: time.Hour,
		Scopes: []permission.Permission{permission.ServicesRead}, Grantable: []permission.Permission{permission.ServicesRead}}
	_, err = command.Run(t.Context(), e.deps.Commands, meta, create)
	late("token", err)
}
