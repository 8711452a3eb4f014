package passkey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
)

const (
	customers      = "account.example"
	customerOrigin = "https://account.example"
	staff          = "admin.example"
	staffOrigin    = "https://admin.example"
)

// site is a relying party with its clock and what a caller would store.
type site struct {
	*passkey.RelyingParty
	origin string
	now    time.Time
	stored map[string]passkey.Owner // by credential id
}

func newSite(t testing.TB, id, origin string) *site {
	t.Helper()
	s := &site{origin: origin, now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), stored: map[string]passkey.Owner{}}
	party, err := passkey.New(passkey.Config{RPID: id, RPName: "Example", Origins: []string{origin}, Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	s.RelyingParty = party
	return s
}

func (s *site) find(_ passkey.Handle, id []byte) (passkey.Owner, error) {
	owner, ok := s.stored[string(id)]
	if !ok {
		return passkey.Owner{}, passkey.ErrUnknownCredential
	}
	return owner, nil
}

func (s *site) of(handle passkey.Handle) []passkey.Credential {
	var all []passkey.Credential
	for _, owner := range s.stored {
		if owner.Handle == handle {
			all = append(all, owner.Credential)
		}
	}
	return all
}

// register has a person make a passkey, and stores it.
func (s *site) register(t testing.TB, person passkey.Person, a *passkeytest.Authenticator, twists ...passkeytest.Twist) passkey.Credential {
	t.Helper()
	options, ceremony, err := s.BeginRegistration(person, s.of(person.Handle))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.FinishRegistration(person.Handle, ceremony, must(a.Create(options, s.origin, twists...))(t))
	if err != nil {
		t.Fatal(err)
	}
	s.stored[string(c.ID)] = passkey.Owner{Handle: person.Handle, Credential: c}
	return c
}

// login has somebody log in with a passkey, and stores its counter.
func (s *site) login(t testing.TB, a *passkeytest.Authenticator, twists ...passkeytest.Twist) (passkey.Result, error) {
	t.Helper()
	options, ceremony, err := s.BeginLogin()
	if err != nil {
		t.Fatal(err)
	}
	result, err := s.FinishLogin(ceremony, must(a.Get(options, s.origin, twists...))(t), s.find)
	s.store(result, err)
	return result, err
}

// prove has a person who is known prove it.
func (s *site) prove(t testing.TB, handle passkey.Handle, a *passkeytest.Authenticator, twists ...passkeytest.Twist) (passkey.Result, error) {
	t.Helper()
	options, ceremony, err := s.BeginAssertion(handle, s.of(handle))
	if err != nil {
		t.Fatal(err)
	}
	result, err := s.FinishAssertion(handle, ceremony, must(a.Get(options, s.origin, twists...))(t), s.find)
	s.store(result, err)
	return result, err
}

func (s *site) store(result passkey.Result, err error) {
	if err == nil {
		s.stored[string(result.Credential.ID)] = passkey.Owner(result)
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func someone(name string) passkey.Person {
	return passkey.Person{Handle: passkey.NewHandle(), Name: name + "@example.com", DisplayName: name}
}

// refused wants a refusal of the reason, and of no other.
func refused(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || !passkey.Refused(err) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
	for _, other := range []error{passkey.ErrCeremony, passkey.ErrMalformed, passkey.ErrOrigin, passkey.ErrUserVerification,
		passkey.ErrUnknownCredential, passkey.ErrHandle, passkey.ErrCloned, passkey.ErrVerification} {
		if !errors.Is(want, other) && errors.Is(err, other) {
			t.Errorf("%s: %v is %v too", what, err, other)
		}
	}
}
