package passkey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
)

func TestLoginOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	made := s.register(t, ada, &passkeytest.Authenticator{})
	type options struct {
		RPID, UserVerification, Challenge string
		Timeout                           int
		Allowed                           []struct{ ID, Type string } `json:"allowCredentials"`
	}
	read := func(sent []byte, _ []byte, err error) (o options) {
		if err = errors.Join(err, json.Unmarshal(sent, &o)); err != nil {
			t.Fatal(err)
		}
		if o.RPID != customers || o.UserVerification != "required" || len(o.Challenge) != 43 || o.Timeout != 300_000 {
			t.Errorf("asked for %+v", o)
		}
		return o
	}
	sent, kept, err := s.BeginLogin()
	if o := read(sent, kept, err); o.Allowed != nil {
		t.Errorf("a login tells of %v", o.Allowed)
	}
	sent, kept, err = s.BeginAssertion(ada.Handle, []passkey.Credential{made})
	if o := read(sent, kept, err); len(o.Allowed) != 1 || o.Allowed[0].Type != "public-key" {
		t.Errorf("an assertion allows %v", o.Allowed)
	}
}

// What is wrong with an answer is told apart, at a login as at an assertion.
func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada, eve := someone("Ada"), someone("Eve")
	a, e := &passkeytest.Authenticator{Synced: true}, &passkeytest.Authenticator{}
	s.register(t, ada, a)
	others := s.register(t, eve, e)
	for name, c := range map[string]struct {
		twist passkeytest.Twist
		want  error
	}{
		"UV is 0":                   {passkeytest.Unverified(), passkey.ErrUserVerification},
		"UP is 0":                   {passkeytest.Absent(), passkey.ErrVerification},
		"a bad signature":           {passkeytest.BadSignature(), passkey.ErrVerification},
		"BE has changed":            {passkeytest.Backup(false, false), passkey.ErrVerification},
		"BS without BE":             {passkeytest.Backup(false, true), passkey.ErrVerification},
		"another challenge":         {passkeytest.Challenge(make([]byte, 32)), passkey.ErrVerification},
		"no challenge":              {passkeytest.Challenge(nil), passkey.ErrVerification},
		"a registration's type":     {passkeytest.Type("webauthn.create"), passkey.ErrVerification},
		"another relying party":     {passkeytest.RPID(staff), passkey.ErrOrigin},
		"a parent":                  {passkeytest.RPID("example"), passkey.ErrOrigin},
		"in a frame":                {passkeytest.CrossOrigin(""), passkey.ErrOrigin},
		"in a frame of somebody":    {passkeytest.CrossOrigin("https://evil.example"), passkey.ErrOrigin},
		"the handle of another":     {passkeytest.Handle(eve.Handle[:]), passkey.ErrHandle},
		"a handle that is shorter":  {passkeytest.Handle(ada.Handle[:31]), passkey.ErrHandle},
		"a handle that is longer":   {passkeytest.Handle(append(ada.Handle[:], 0)), passkey.ErrHandle},
		"an id nobody has":          {passkeytest.ID([]byte("nobody's")), passkey.ErrUnknownCredential},
		"an id that is too long":    {passkeytest.ID(make([]byte, 1024)), passkey.ErrMalformed},
		"an id that is nothing":     {passkeytest.ID(nil), passkey.ErrMalformed},
		"the passkey's copy counts": {passkeytest.Counter(0), nil},
	} {
		for kind, answer := range map[string]func() (passkey.Result, error){
			"login":     func() (passkey.Result, error) { return s.login(t, a, c.twist) },
			"assertion": func() (passkey.Result, error) { return s.prove(t, ada.Handle, a, c.twist) },
		} {
			result, err := answer()
			if c.want == nil {
				if err != nil {
					t.Errorf("%s, %s: %v", kind, name, err)
				}
				continue
			}
			refused(t, kind+", "+name, err, c.want)
			if result.Credential.ID != nil || result.Handle != (passkey.Handle{}) {
				t.Errorf("%s, %s: refused, yet %+v", kind, name, result)
			}
		}
	}
	_, err := s.login(t, a, passkeytest.ID(others.ID))
	refused(t, "a login under the id of another", err, passkey.ErrHandle)
	_, err = s.login(t, a, passkeytest.ID(others.ID), passkeytest.Handle(eve.Handle[:]))
	refused(t, "a login under id and handle of another", err, passkey.ErrVerification)
	_, err = s.login(t, e, passkeytest.Handle(ada.Handle[:]))
	refused(t, "a login with an own passkey under the handle of another", err, passkey.ErrHandle)
	_, err = s.login(t, a, passkeytest.Handle(nil))
	refused(t, "a login without a handle", err, passkey.ErrHandle)
	if _, err = s.prove(t, ada.Handle, a, passkeytest.Handle(nil)); err != nil {
		t.Errorf("an assertion without a handle: %v", err)
	}
	a.Algorithm = passkeytest.EdDSA
	must(a.Create(must3(s.BeginRegistration(ada, nil))(t), s.origin))(t)
	_, err = s.login(t, a)
	refused(t, "a passkey that was never stored", err, passkey.ErrUnknownCredential)
}

func must3(options json.RawMessage, _ []byte, err error) func(testing.TB) json.RawMessage {
	return must(options, err)
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	a := &passkeytest.Authenticator{}
	s.register(t, ada, a)
	for _, origin := range []string{
		"https://evil.account.example", "https://account.example.evil", "http://account.example", "https://account.example:8443",
		"https://account.example:443", "https://admin.example", "https://example", "https://account.example/", "https://account.example/a",
		"https://ACCOUNT.example", "HTTPS://account.example", "https://evil@account.example", "https://account.example@evil.example",
		"https://account.example.", " https://account.example", "https://account.example\x00", "account.example", "null", "",
		"android:apk-key-hash:AAAA", "file://", "https://аccount.example", // the last with a Cyrillic а
	} {
		options, ceremony, _ := s.BeginLogin()
		_, err := s.FinishLogin(ceremony, must(a.Get(options, origin))(t), s.find)
		refused(t, "login at "+origin, err, passkey.ErrOrigin)
		options, ceremony, _ = s.BeginAssertion(ada.Handle, s.of(ada.Handle))
		_, err = s.FinishAssertion(ada.Handle, ceremony, must(a.Get(options, origin))(t), s.find)
		refused(t, "assertion at "+origin, err, passkey.ErrOrigin)
		options, ceremony, _ = s.BeginRegistration(ada, nil)
		_, err = s.FinishRegistration(ada.Handle, ceremony, must((&passkeytest.Authenticator{}).Create(options, origin))(t))
		refused(t, "registration at "+origin, err, passkey.ErrOrigin)
	}
	if _, err := s.login(t, a); err != nil {
		t.Errorf("at home: %v", err)
	}
}

// Not even when the same table held both, and a page of one could send what was signed for the other.
func TestRelyingPartiesAreApart(t *testing.T) {
	t.Parallel()
	account, admin := newSite(t, customers, customerOrigin), newSite(t, staff, staffOrigin)
	ada := someone("Ada")
	a := &passkeytest.Authenticator{}
	own := map[*site]passkey.Credential{account: account.register(t, ada, a), admin: admin.register(t, ada, a)}
	for here, there := range map[*site]*site{account: admin, admin: account} {
		if _, err := here.login(t, a); err != nil {
			t.Fatalf("at home: %v", err)
		}
		foreign := own[there]
		options, ceremony, _ := here.BeginLogin()
		for _, origin := range []string{here.origin, there.origin} {
			_, err := here.FinishLogin(ceremony, must(a.Get(options, origin, passkeytest.With(foreign.ID)))(t), there.find)
			refused(t, "a passkey of the other, from "+origin, err, passkey.ErrOrigin)
		}
		_, err := here.FinishLogin(ceremony, must(a.Get(options, here.origin, passkeytest.With(foreign.ID), passkeytest.RPID(here.rpID())))(t), here.find)
		refused(t, "an authenticator that mistakes one for the other", err, passkey.ErrUnknownCredential)

		theirs, theirCeremony, _ := there.BeginLogin()
		response := must(a.Get(theirs, there.origin))(t)
		_, err = here.FinishLogin(theirCeremony, response, there.find)
		refused(t, "a ceremony of the other", err, passkey.ErrCeremony)
		_, err = here.FinishLogin(ceremony, response, there.find)
		refused(t, "an answer to the other", err, passkey.ErrVerification)
	}
}

func (s *site) rpID() string { return s.origin[len("https://"):] }

func TestLoginIsBound(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada, eve := someone("Ada"), someone("Eve")
	a, e := &passkeytest.Authenticator{}, &passkeytest.Authenticator{}
	first := s.register(t, ada, a)
	s.register(t, eve, e)

	options, ceremony, _ := s.BeginAssertion(ada.Handle, s.of(ada.Handle))
	response := must(a.Get(options, s.origin))(t)
	_, err := s.FinishAssertion(eve.Handle, ceremony, response, s.find)
	refused(t, "Ada's ceremony for Eve", err, passkey.ErrCeremony)
	_, err = s.FinishLogin(ceremony, response, s.find)
	refused(t, "an assertion as a login", err, passkey.ErrCeremony)
	_, err = s.FinishAssertion(ada.Handle, ceremony, must(e.Get(must3(s.BeginLogin())(t), s.origin))(t), s.find)
	refused(t, "Eve's answer to something else", err, passkey.ErrVerification)

	withOthers := must(e.Get(options, s.origin, passkeytest.With(s.of(eve.Handle)[0].ID), passkeytest.Handle(nil)))(t)
	_, err = s.FinishAssertion(ada.Handle, ceremony, withOthers, s.find)
	refused(t, "Eve's passkey for Ada", err, passkey.ErrUnknownCredential)
	second := s.register(t, ada, &passkeytest.Authenticator{})
	onlySecond, onlySecondCeremony, _ := s.BeginAssertion(ada.Handle, []passkey.Credential{second})
	_, err = s.FinishAssertion(ada.Handle, onlySecondCeremony, must(a.Get(onlySecond, s.origin, passkeytest.With(first.ID)))(t), s.find)
	refused(t, "a passkey that was not asked for", err, passkey.ErrUnknownCredential)

	loginOptions, loginCeremony, _ := s.BeginLogin()
	loginResponse := must(a.Get(loginOptions, s.origin))(t)
	_, err = s.FinishAssertion(ada.Handle, loginCeremony, loginResponse, s.find)
	refused(t, "a login as an assertion", err, passkey.ErrCeremony)
	_, registrationCeremony, _ := s.BeginRegistration(ada, nil)
	_, err = s.FinishLogin(registrationCeremony, loginResponse, s.find)
	refused(t, "a registration as a login", err, passkey.ErrCeremony)

	s.now = s.now.Add(passkey.Lifetime)
	_, err = s.FinishLogin(loginCeremony, loginResponse, s.find)
	refused(t, "a login after its end", err, passkey.ErrCeremony)
	_, err = s.FinishAssertion(ada.Handle, ceremony, response, s.find)
	refused(t, "an assertion after its end", err, passkey.ErrCeremony)
	s.now = s.now.Add(-1)
	if _, err = s.FinishLogin(loginCeremony, loginResponse, s.find); err != nil {
		t.Errorf("just before its end: %v", err)
	}
}

// The caller deletes a ceremony with the first answer. Where it did not, the counter still tells, for those that count.
func TestReplay(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	a := &passkeytest.Authenticator{}
	s.register(t, ada, a)
	options, ceremony, _ := s.BeginLogin()
	response := must(a.Get(options, s.origin))(t)
	result, err := s.FinishLogin(ceremony, response, s.find)
	if err != nil {
		t.Fatal(err)
	}
	s.store(result, err)

	_, err = s.FinishLogin(ceremony, response, s.find)
	refused(t, "to its own ceremony", err, passkey.ErrCloned)
	_, next, _ := s.BeginLogin()
	_, err = s.FinishLogin(next, response, s.find)
	refused(t, "to the next ceremony", err, passkey.ErrVerification)
	if _, err = s.FinishLogin(ceremony, must(a.Get(options, s.origin))(t), s.find); err != nil {
		t.Errorf("another answer to a ceremony that was left: %v", err)
	}
}

func TestCloned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stored, answered uint32
		cloned           bool
	}{
		"more": {7, 8, false}, "much more": {7, 1 << 31, false}, "the most": {7, 1<<32 - 1, false}, "the first": {0, 1, false}, "never any": {0, 0, false},
		"the same": {7, 7, true}, "one less": {7, 6, true}, "none any more": {7, 0, true}, "around": {1<<32 - 1, 0, true},
	} {
		s := newSite(t, customers, customerOrigin)
		ada := someone("Ada")
		a := &passkeytest.Authenticator{}
		made := s.register(t, ada, a, passkeytest.Counter(c.stored))
		if made.SignCount != c.stored {
			t.Fatalf("%s: stored %d", name, made.SignCount)
		}
		result, err := s.login(t, a, passkeytest.Counter(c.answered))
		if !c.cloned {
			if err != nil || result.Credential.SignCount != c.answered {
				t.Errorf("%s: %d, %v", name, result.Credential.SignCount, err)
			}
			continue
		}
		refused(t, name, err, passkey.ErrCloned)
		var cloned *passkey.ClonedError
		if !errors.As(err, &cloned) || cloned.Handle != ada.Handle || !bytes.Equal(cloned.Credential.ID, made.ID) ||
			cloned.Credential.SignCount != c.stored || cloned.SignCount != c.answered {
			t.Errorf("%s: %+v", name, cloned)
		}
		if want := fmt.Sprintf("counted %d and now %d", c.stored, c.answered); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the log says %v", name, err)
		}
		_, err = s.login(t, a, passkeytest.Counter(c.answered), passkeytest.BadSignature())
		refused(t, name+", by somebody without the key", err, passkey.ErrVerification)
	}
}

func TestBackupStateIsFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	a := &passkeytest.Authenticator{Synced: true}
	if made := s.register(t, someone("Ada"), a, passkeytest.Backup(true, false)); made.BackupState {
		t.Error("synced from the start")
	}
	for _, state := range []bool{true, false, true} {
		result, err := s.login(t, a, passkeytest.Backup(true, state))
		if err != nil || result.Credential.BackupState != state || !result.Credential.BackupEligible || result.Credential.SignCount != 0 {
			t.Errorf("BS %v: %+v, %v", state, result.Credential, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			ada, a := someone("Ada"), &passkeytest.Authenticator{Algorithm: passkeytest.EdDSA}
			options, ceremony, _ := s.BeginRegistration(ada, nil)
			response, _ := a.Create(options, s.origin)
			made, err := s.FinishRegistration(ada.Handle, ceremony, response)
			if err != nil {
				t.Error(err)
			}
			options, ceremony, _ = s.BeginLogin()
			response, _ = a.Get(options, s.origin)
			_, err = s.FinishLogin(ceremony, response, func(handle passkey.Handle, _ []byte) (passkey.Owner, error) {
				return passkey.Owner{Handle: handle, Credential: made}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// An error of the store is no refusal, and a store that finds something else is not believed.
func TestFind(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	a := &passkeytest.Authenticator{}
	made := s.register(t, ada, a)
	options, ceremony, _ := s.BeginLogin()
	response := must(a.Get(options, s.origin))(t)
	down := errors.New("the database is away")
	_, err := s.FinishLogin(ceremony, response, func(passkey.Handle, []byte) (passkey.Owner, error) { return passkey.Owner{}, down })
	if !errors.Is(err, down) || passkey.Refused(err) {
		t.Errorf("got %v", err)
	}
	_, err = s.FinishLogin(ceremony, response, func(passkey.Handle, []byte) (passkey.Owner, error) { return passkey.Owner{}, nil })
	if err == nil || passkey.Refused(err) {
		t.Errorf("nothing found, and no error: %v", err)
	}
	_, err = s.FinishLogin(ceremony, response, func(handle passkey.Handle, id []byte) (passkey.Owner, error) {
		if handle != ada.Handle || !bytes.Equal(id, made.ID) {
			t.Errorf("asked for %x of %x", id, handle)
		}
		clear(id) // is the caller's own
		return passkey.Owner{Handle: handle, Credential: made}, nil
	})
	if err != nil {
		t.Error(err)
	}
	broken := made
	broken.PublicKey = made.PublicKey[:10]
	_, err = s.FinishLogin(ceremony, response, func(handle passkey.Handle, _ []byte) (passkey.Owner, error) {
		return passkey.Owner{Handle: handle, Credential: broken}, nil
	})
	refused(t, "a stored key that is none", err, passkey.ErrVerification)
}

// Whatever an authenticator counts, a login succeeds exactly if it grew or has never begun, and what is stored is the last.
func TestCounters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := newSite(t, customers, customerOrigin)
		a := &passkeytest.Authenticator{Algorithm: passkeytest.EdDSA, Synced: rapid.Bool().Draw(r, "synced")}
		count := rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32())
		stored := count.Draw(r, "at registration")
		ada := someone("Ada")
		made := s.register(t, ada, a, passkeytest.Counter(stored))
		for _, answered := range rapid.SliceOfN(count, 1, 8).Draw(r, "answered") {
			answer := func() (passkey.Result, error) { return s.login(t, a, passkeytest.Counter(answered)) }
			if rapid.Bool().Draw(r, "known") {
				answer = func() (passkey.Result, error) { return s.prove(t, ada.Handle, a, passkeytest.Counter(answered)) }
			}
			result, err := answer()
			if grew := answered > stored || answered == 0 && stored == 0; grew != (err == nil) || !grew && !errors.Is(err, passkey.ErrCloned) {
				r.Fatalf("%d after %d: %v", answered, stored, err)
			}
			if err == nil {
				stored = answered
				want := made
				want.SignCount = stored
				if result.Credential.SignCount != stored || !bytes.Equal(result.Credential.PublicKey, want.PublicKey) || result.Handle != ada.Handle {
					r.Fatalf("result %+v", result)
				}
			}
			if got := s.stored[string(made.ID)].Credential.SignCount; got != stored {
				r.Fatalf("stored %d, want %d", got, stored)
			}
		}
	})
}
