package api_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
	"github.com/ezscale/platform/internal/secret"
)

// someone is a person at a browser, who keeps the cookie that they were last given.
type someone struct {
	*env
	id     uuid.UUID
	host   string
	cookie string
}

const goodPassword = "Traktor mit sieben Gängen"

// sitting opens another session of a person.
func (e *env) sitting(host string, person uuid.UUID, customer *uuid.UUID, factors ...string) *someone {
	e.Helper()
	site := "account"
	if host == adminHost {
		site = "admin"
	}
	return &someone{env: e, id: person, host: host, cookie: guard.CookieName + "=" + e.open(site, person, customer, factors...).Reveal()}
}

// tenant is somebody who has an account with rights, and a password alone.
func (e *env) tenant(email, rights string) *someone {
	e.Helper()
	person, customer := e.join(email, rights)
	e.exec(`insert into password (person_id, hash, set_at) values ($1, 'x', $2)`, person, start)
	return e.sitting(accountHost, person, &customer, guard.FactorPassword)
}

// colleague is staff with a role, who has a password alone.
func (e *env) colleague(role string) *someone {
	e.Helper()
	person := e.person("admin")
	e.exec(`insert into person_role (person_id, role_id) select $1, id from role where name = $2`, person, role)
	e.exec(`insert into password (person_id, hash, set_at) values ($1, 'x', $2)`, person, start)
	return e.sitting(adminHost, person, nil, guard.FactorPassword)
}

// also is the same person at another browser.
func (s *someone) also(factors ...string) *someone {
	s.Helper()
	var customer *uuid.UUID
	if err := s.owner.QueryRow(context.Background(), `select min(customer_id::text)::uuid from membership where person_id = $1`, s.id).Scan(&customer); err != nil {
		s.Fatal(err)
	}
	return s.sitting(s.host, s.id, customer, factors...)
}

func (s *someone) as() as { return both(on(s.host), with("Cookie", s.cookie)) }

// try calls and keeps a new cookie.
func (s *someone) try(method, path, body string) answer {
	s.Helper()
	a := s.call(method, "/api/v1"+path, body, s.as())
	if set, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";"); set != "" {
		s.cookie = set
	}
	return a
}

// do is try with an answer that has to have the status, and the code if it is a problem.
func (s *someone) do(want, method, path, body string) answer {
	s.Helper()
	a := s.try(method, path, body)
	checkAnswer(s.TB, a, want, method+" "+path)
	return a
}

func checkAnswer(t testing.TB, a answer, want, what string) {
	t.Helper()
	status, code, _ := strings.Cut(want, " ")
	if strconv.Itoa(a.status) != status || code != "" && !strings.Contains(a.body, `"code":"`+code+`"`) {
		t.Fatalf("%s: %d %s, want %s", what, a.status, a.body, want)
	}
}

// origin is where the person's pages are from.
func (s *someone) origin() string { return "https://" + s.host }

// answerOptions begins a ceremony and gives the body that ends it.
func (s *someone) answerOptions(a *passkeytest.Authenticator, twists ...passkeytest.Twist) string {
	s.Helper()
	options := decode[struct{ Options rawJSON }](s.TB, s.do("200", "POST", "/me/passkeys/options", ""))
	response, err := a.Create(options.Options, s.origin(), twists...)
	s.must0(err)
	return `{"name":"Key","response":` + string(response) + `}`
}

type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(text []byte) error { *r = append((*r)[:0], text...); return nil }

// addPasskey sets a passkey up and gives its id.
func (s *someone) addPasskey(a *passkeytest.Authenticator) string {
	s.Helper()
	return decode[struct{ ID string }](s.TB, s.do("201", "POST", "/me/passkeys", s.answerOptions(a))).ID
}

// beginTOTP gives the seed.
func (s *someone) beginTOTP() secret.Text {
	s.Helper()
	return secret.New(decode[struct{ Secret string }](s.TB, s.do("200", "POST", "/me/totp", "")).Secret)
}

// codeOf is the code of a seed now, as a body.
func (s *someone) codeOf(seed secret.Text) string {
	s.Helper()
	code, err := otp.Code(seed, otp.Step(s.machine.Now()))
	s.must0(err)
	return `{"code":"` + code + `"}`
}

func (s *someone) addTOTP() secret.Text {
	s.Helper()
	seed := s.beginTOTP()
	s.do("204", "POST", "/me/totp/confirm", s.codeOf(seed))
	return seed
}

// me is what the person is told about themselves.
type me struct {
	Name     string
	Email    string
	Locale   string
	TimeZone string `json:"time_zone"`
	Site     string
	Password struct{ Set bool }
	Passkeys []struct {
		ID, Name, Provider string
		BackedUp           bool `json:"backed_up"`
		Cloned             bool
	}
	TOTP              *struct{} `json:"totp"`
	RecoveryCodesLeft int       `json:"recovery_codes_left"`
}

func (s *someone) me() me {
	s.Helper()
	return decode[me](s.TB, s.do("200", "GET", "/me", ""))
}

type ownSession struct {
	Restricted   string
	Factors      []string
	Permissions  []string
	SecondFactor bool `json:"second_factor"`
}

func (s *someone) session() ownSession {
	s.Helper()
	return decode[ownSession](s.TB, s.do("200", "GET", "/session", ""))
}

// stale moves the machine's clock until no proof is fresh.
func (e *env) stale() { e.machine.ahead.Add(int64(11 * 60 * 1e9)) }

// number runs a statement that gives a number.
func (e *env) number(sql string, args ...any) int {
	e.Helper()
	var n int
	if err := e.owner.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		e.Fatal(err)
	}
	return n
}

// together runs calls together and counts their statuses.
func together(n int, call func(i int) int) map[int]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range n {
		wg.Go(func() {
			status := call(i)
			mu.Lock()
			got[status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return got
}
