package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
	"github.com/ezscale/platform/internal/secret"
)

func TestTheFirstPasskeyLetsStaffIn(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.colleague("admin")
	if got := s.session(); got.Restricted != guard.NeedsSecondFactor || len(got.Permissions) != 0 {
		t.Fatalf("before %+v", got)
	}
	old := *s
	s.addPasskey(&passkeytest.Authenticator{})
	old.do("401", "GET", "/session", "")
	if got := s.session(); got.Restricted != "" || len(got.Permissions) == 0 || !slices.Equal(got.Factors, []string{"password", "passkey"}) || !got.SecondFactor {
		t.Errorf("after %+v", got)
	}
	s.do("200", "GET", "/customers", "")
}

func TestTheFirstAuthenticatorLetsStaffIn(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.colleague("admin")
	old := *s
	s.addTOTP()
	old.do("401", "GET", "/session", "")
	if got := s.session(); got.Restricted != "" || !slices.Equal(got.Factors, []string{"password", "totp"}) {
		t.Errorf("after %+v", got)
	}
	same := s.cookie
	s.addPasskey(&passkeytest.Authenticator{})
	if s.cookie != same {
		t.Error("the second factor but one exchanged the session's token, too")
	}
}

func TestPasskeys(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		key := &passkeytest.Authenticator{Synced: true}
		id := s.addPasskey(key)
		got := s.me().Passkeys
		if len(got) != 1 || got[0].ID != id || got[0].Name != "Key" || !got[0].BackedUp || got[0].Cloned {
			t.Fatalf("passkeys %+v", got)
		}
		options := decode[struct{ Options rawJSON }](t, s.do("200", "POST", "/me/passkeys/options", `{}`))
		if _, err := key.Create(options.Options, s.origin()); err != passkeytest.ErrExcluded {
			t.Errorf("the passkey is not excluded: %v", err)
		}
		s.do("200", "PUT", "/me/passkeys/"+id, `{"name":"Schlüssel"}`)
		if got := s.me().Passkeys; got[0].Name != "Schlüssel" {
			t.Errorf("passkeys %+v", got)
		}
		for _, wrong := range []string{`{"name":""}`, `{"name":"a\nb"}`} {
			s.do("422", "PUT", "/me/passkeys/"+id, wrong)
		}
		stranger := e.tenant("b@example.com", "owner")
		stranger.do("404 passkey_not_found", "PUT", "/me/passkeys/"+id, `{"name":"Mine"}`)
		stranger.do("404 passkey_not_found", "DELETE", "/me/passkeys/"+id, "")
		s.do("404 passkey_not_found", "DELETE", "/me/passkeys/"+s.id.String(), "")
	}
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	t.Parallel()
	e := company(t)
	s, elsewhere := e.tenant("a@example.com", "owner"), e.colleague("admin")
	key := &passkeytest.Authenticator{}
	s.do("409 passkey_not_begun", "POST", "/me/passkeys", `{"name":"A","response":{}}`)
	options := decode[struct{ Options rawJSON }](t, s.do("200", "POST", "/me/passkeys/options", ""))
	response, err := key.Create(options.Options, elsewhere.origin())
	e.must0(err)
	s.do("422 passkey_refused", "POST", "/me/passkeys", `{"name":"A","response":`+string(response)+`}`)
	s.do("409 passkey_not_begun", "POST", "/me/passkeys", `{"name":"A","response":`+string(response)+`}`) // an answer is given once
	s.answerOptions(&passkeytest.Authenticator{})
	s.do("422 passkey_refused", "POST", "/me/passkeys", `{"name":"A","response":{"id":"x"}}`)
	// Begun by one, ended by another; begun twice, ended by the first.
	begun := s.answerOptions(&passkeytest.Authenticator{})
	elsewhere.do("409 passkey_not_begun", "POST", "/me/passkeys", begun)
	s.answerOptions(&passkeytest.Authenticator{})
	s.do("422 passkey_refused", "POST", "/me/passkeys", begun)
	s.do("422", "POST", "/me/passkeys", strings.Replace(s.answerOptions(&passkeytest.Authenticator{}), `"name":"Key"`, `"name":"  "`, 1))
	// A ceremony that took too long.
	late := s.answerOptions(&passkeytest.Authenticator{})
	e.machine.ahead.Add(int64(6 * 60 * 1e9))
	s.do("409 passkey_not_begun", "POST", "/me/passkeys", late)
	e.machine.ahead.Store(0)
	if got := s.me().Passkeys; len(got) != 0 {
		t.Errorf("passkeys %+v", got)
	}
	// One that somebody has.
	s.addPasskey(&passkeytest.Authenticator{})
	var known []byte
	e.must0(e.owner.QueryRow(t.Context(), `select credential_id from passkey where person_id = $1`, s.id).Scan(&known))
	taken := elsewhere.answerOptions(key)
	e.exec(`update passkey set credential_id = (select decode(translate($1, '-_', '+/') || repeat('=', (4 - length($1) % 4) % 4), 'base64')) where person_id = $2`, idOf(taken), s.id)
	elsewhere.do("409 passkey_exists", "POST", "/me/passkeys", taken)
	if n := e.number(`select count(*) from passkey`); n != 1 {
		t.Errorf("%d passkeys", n)
	}
}

// idOf is the credential's id in an answer, in base64url.
func idOf(body string) string {
	_, rest, _ := strings.Cut(body, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func TestTwentyPasskeysAtMost(t *testing.T) {
	t.Parallel()
	e := company(t)
	first := e.tenant("a@example.com", "owner")
	var browsers []*someone
	var bodies []string
	for range 25 { // each at a browser of its own: a session has one ceremony at a time
		s := first.also(guard.FactorPassword, guard.FactorTOTP)
		browsers, bodies = append(browsers, s), append(bodies, s.answerOptions(&passkeytest.Authenticator{}))
	}
	got := together(len(browsers), func(i int) int { return browsers[i].try("POST", "/me/passkeys", bodies[i]).status })
	if got[201] != 20 || got[409] != 5 {
		t.Errorf("statuses %v", got)
	}
	if n := e.number(`select count(*) from passkey`); n != 20 {
		t.Errorf("%d passkeys", n)
	}
	browsers[0].do("409 too_many_passkeys", "POST", "/me/passkeys/options", "")
}

func TestAuthenticators(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		s.do("404 totp_not_found", "DELETE", "/me/totp", "")
		s.do("409 totp_not_begun", "POST", "/me/totp/confirm", `{"code":"123456"}`)
		begun := decode[struct {
			Secret, URI string
			QR          struct {
				Size    int
				Modules string
			}
		}](t, s.do("200", "POST", "/me/totp", ""))
		if !strings.HasPrefix(begun.URI, "otpauth://totp/Test") || !strings.Contains(begun.URI, begun.Secret) ||
			begun.QR.Size < 21 || len(begun.QR.Modules) != begun.QR.Size*begun.QR.Size || strings.Trim(begun.QR.Modules, "01") != "" || !strings.HasPrefix(begun.QR.Modules, "1111111") {
			t.Errorf("begun %+v", begun)
		}
		for _, wrong := range []string{"000000", "", "abc", "12345678901234567890"} {
			s.do("422 invalid_input", "POST", "/me/totp/confirm", `{"code":"`+wrong+`"}`)
		}
		if s.me().TOTP != nil {
			t.Fatal("set up without a right code")
		}
		seed := secret.New(begun.Secret)
		body := s.codeOf(seed)
		twins := []*someone{{env: e, id: s.id, host: s.host, cookie: s.cookie}, {env: e, id: s.id, host: s.host, cookie: s.cookie}}
		got := together(2, func(i int) int { return twins[i].try("POST", "/me/totp/confirm", body).status })
		if got[204] != 1 {
			t.Errorf("of two at once: %v", got)
		}
		for _, twin := range twins {
			if twin.cookie != s.cookie {
				s.cookie = twin.cookie
				break
			}
		}
		s.do("409 totp_not_begun", "POST", "/me/totp/confirm", body)
		if s.me().TOTP == nil {
			t.Fatal("not set up")
		}
		// The code that confirmed is used up.
		step := otp.Step(e.machine.Now())
		if last := e.number(`select last_step from totp where person_id = $1`, s.id); int64(last) != step {
			t.Errorf("last step %d, want %d", last, step)
		}
		// Another one takes its place, once it has shown a code.
		var before, after []byte
		e.must0(e.owner.QueryRow(t.Context(), `select seed from totp where person_id = $1`, s.id).Scan(&before))
		other := s.beginTOTP()
		e.must0(e.owner.QueryRow(t.Context(), `select seed from totp where person_id = $1`, s.id).Scan(&after))
		if !slices.Equal(before, after) {
			t.Error("what was begun is in place already")
		}
		s.do("204", "POST", "/me/totp/confirm", s.codeOf(other))
		e.must0(e.owner.QueryRow(t.Context(), `select seed from totp where person_id = $1`, s.id).Scan(&after))
		opened, err := e.deps.Proofs.Vault.Open(t.Context(), after, proofs.Seeds().At(s.id.String()))
		if err != nil || !opened.Equal(other) {
			t.Errorf("stored is not the new seed (%v)", err)
		}
		// Too late.
		late := s.beginTOTP()
		e.machine.ahead.Add(int64(11 * 60 * 1e9))
		s.do("409 totp_not_begun", "POST", "/me/totp/confirm", s.codeOf(late))
		e.machine.ahead.Store(0)
	}
}

// A seed is sealed for its row: in another's, nobody can use it.
func TestASeedIsWorthNothingElsewhere(t *testing.T) {
	t.Parallel()
	e := company(t)
	a, b := e.tenant("a@example.com", "owner"), e.tenant("b@example.com", "owner")
	seed := a.addTOTP()
	b.addTOTP()
	e.exec(`update totp set seed = (select seed from totp where person_id = $1) where person_id = $2`, a.id, b.id)
	var moved []byte
	e.must0(e.owner.QueryRow(t.Context(), `select seed from totp where person_id = $1`, b.id).Scan(&moved))
	at := func(s *someone) (secret.Text, error) {
		return e.deps.Proofs.Vault.Open(context.Background(), moved, proofs.Seeds().At(s.id.String()))
	}
	if _, err := at(b); err == nil {
		t.Error("another's seed opens in the row")
	}
	if opened, err := at(a); err != nil || !opened.Equal(seed) {
		t.Errorf("the own row's does not: %v", err)
	}
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		s.do("409 no_second_factor", "POST", "/me/recovery-codes", "")
		s.addTOTP()
		if n := s.me().RecoveryCodesLeft; n != 0 {
			t.Errorf("%d codes before any were made", n)
		}
		type issued struct{ Codes []string }
		sets := make([]answer, 8)
		together(len(sets), func(i int) int {
			sets[i] = s.call("POST", "/api/v1/me/recovery-codes", "", s.as())
			return sets[i].status
		})
		if left := s.me().RecoveryCodesLeft; left != 10 {
			t.Errorf("%d codes are left", left)
		}
		whole := 0
		for _, set := range sets {
			codes := decode[issued](t, set).Codes
			if len(codes) != 10 {
				t.Fatalf("issued %v", codes)
			}
			hashes := make([][]byte, len(codes))
			for i, code := range codes {
				h, err := otp.HashRecoveryCode(code)
				e.must0(err)
				hashes[i] = h[:]
			}
			switch e.number(`select count(*) from recovery_code where person_id = $1 and hash = any ($2)`, s.id, hashes) {
			case 10:
				whole++
			case 0:
			default:
				t.Error("a part of a set works")
			}
		}
		if whole != 1 {
			t.Errorf("%d sets work", whole)
		}
		e.exec(`update recovery_code set used_at = $2 where hash = (select hash from recovery_code where person_id = $1 limit 1)`, s.id, start)
		if left := s.me().RecoveryCodesLeft; left != 9 {
			t.Errorf("%d codes are left of nine", left)
		}
	}
}

func TestStaffKeepASecondFactor(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.colleague("support")
	id := s.addPasskey(&passkeytest.Authenticator{})
	s.do("409 last_second_factor", "DELETE", "/me/passkeys/"+id, "")
	s.addTOTP()
	s.do("204", "DELETE", "/me/passkeys/"+id, "")
	s.do("409 last_second_factor", "DELETE", "/me/totp", "")
	again := s.addPasskey(&passkeytest.Authenticator{})
	s.do("204", "DELETE", "/me/totp", "")
	s.do("409 last_second_factor", "DELETE", "/me/passkeys/"+again, "")
	// One that was copied is none; it goes, and does not count as what stays.
	e.exec(`update passkey set cloned_at = $2 where id = $1`, again, start)
	fresh := s.also(guard.FactorPasskey)
	kept := fresh.addPasskey(&passkeytest.Authenticator{})
	fresh.do("409 last_second_factor", "DELETE", "/me/passkeys/"+kept, "")
	fresh.do("204", "DELETE", "/me/passkeys/"+again, "")
}

func TestNobodyLosesTheLastWayIn(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	first, second := s.addPasskey(&passkeytest.Authenticator{}), s.addPasskey(&passkeytest.Authenticator{})
	s.addTOTP()
	e.exec(`delete from password where person_id = $1`, s.id)
	if s.me().Password.Set {
		t.Error("a password is said to be set")
	}
	s.do("204", "DELETE", "/me/passkeys/"+first, "")
	s.do("409 last_way_in", "DELETE", "/me/passkeys/"+second, "")
	s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
	s.do("200", "POST", "/me/recovery-codes", "")
	s.do("204", "DELETE", "/me/passkeys/"+second, "")
	if left := s.me().RecoveryCodesLeft; left != 10 {
		t.Errorf("%d recovery codes beside an authenticator", left)
	}
	s.do("204", "DELETE", "/me/totp", "")
	if got := s.me(); got.TOTP != nil || len(got.Passkeys) != 0 || got.RecoveryCodesLeft != 0 {
		t.Errorf("me %+v: recovery codes go with what they stand in for", got)
	}
	for command, want := range map[string]string{
		"ConfirmTOTP":        `{} {"totp": "[redacted]"}`,
		"SetPassword":        `{} {"password": "[redacted]"}`,
		"IssueRecoveryCodes": `{"recovery_codes": 0} {"recovery_codes": 10}`,
		"RemovePasskey":      `{"name": "[redacted]", "passkeys": 1} {"passkeys": 0}`,
		"RemoveTOTP":         `{"totp": "[redacted]", "recovery_codes": 10} {"recovery_codes": 0}`,
	} {
		const changed = `select concat_ws(' ', (before - 'created_at')::text, (after - 'recovery_codes_issued_at')::text) from audit where command = 'credential.' || $1 order by id desc limit 1`
		if got := one[string](e, changed, command); got != want {
			t.Errorf("%s changed %s, want %s", command, got, want)
		}
	}
}

// Of the last factors, removed at once, one stays.
func TestTheLastFactorStays(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.colleague("admin"), e.tenant("a@example.com", "owner")} {
		var ids []string
		for range 6 {
			ids = append(ids, s.addPasskey(&passkeytest.Authenticator{}))
		}
		if s.host == accountHost {
			e.exec(`delete from password where person_id = $1`, s.id)
		}
		got := together(len(ids), func(i int) int { return s.call("DELETE", "/api/v1/me/passkeys/"+ids[i], "", s.as()).status })
		if got[204] != 5 || got[409] != 1 {
			t.Errorf("%s: %v", s.host, got)
		}
		if n := e.number(`select count(*) from passkey where person_id = $1`, s.id); n != 1 {
			t.Errorf("%d passkeys are left", n)
		}
	}
	s := e.colleague("support")
	id := s.addPasskey(&passkeytest.Authenticator{})
	s.addTOTP()
	paths := []string{"/api/v1/me/totp", "/api/v1/me/passkeys/" + id}
	if got := together(2, func(i int) int { return s.call("DELETE", paths[i], "", s.as()).status }); got[204] != 1 || got[409] != 1 {
		t.Errorf("authenticator and passkey at once: %v", got)
	}
}

// What changes somebody's proofs is told: an event for each, which mails are made of.
func TestChangesOfProofsAreEvents(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
	id := s.addPasskey(&passkeytest.Authenticator{})
	s.addTOTP()
	s.do("200", "POST", "/me/recovery-codes", "")
	s.do("200", "POST", "/me/recovery-codes", "")
	s.do("204", "DELETE", "/me/passkeys/"+id, "")
	made := decode[struct{ ID uuid.UUID }](t, s.do("201", "POST", "/me/tokens", `{"name":"A","scopes":["services.read"],"days":1}`))
	s.do("204", "DELETE", "/me/tokens/"+made.ID.String(), "")
	s.do("204", "DELETE", "/me/totp", "")
	want := []string{"password changed", "passkey added", "totp added", "recovery_codes added", "recovery_codes changed", "passkey removed", "api_token added", "api_token removed", "totp removed"}
	if got := e.changes(s.id); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
