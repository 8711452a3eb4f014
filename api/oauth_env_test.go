package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

const (
	callback = "https://app.example.com/callback?fixed=1"
	verifier = "verifier-verifier-verifier-verifier-verifier-1"
	state    = "state-0123456789"
)

// application is an OAuth client, and how its programs and people come to the server.
type application struct {
	*env
	host   string
	ID     string `json:"id"`
	Secret string `json:"client_secret"`
}

// application registers one, as staff do.
func (e *env) application(host, name, more string) *application {
	e.Helper()
	site := strings.TrimSuffix(host, ".test")
	body := `{"name":"` + name + `","site":"` + site + `",` + more + `}`
	a := e.call("POST", "/api/v1/clients", body, e.worker("admin"))
	if a.status != 201 {
		e.Fatalf("client: %d %s", a.status, a.body)
	}
	app := &application{env: e, host: host}
	e.must0(json.Unmarshal([]byte(a.body), app))
	return app
}

const anything = `"redirect_uris":["` + callback + `","http://127.0.0.1/native","https://second.example.com/"],"grants":["authorization_code","refresh_token"],
	"scopes":["openid","profile","email","offline_access","services.read","invoices.read"]`

// raw sends a request and follows no redirect.
func (e *env) raw(r *http.Request) answer {
	e.Helper()
	plain := http.Client{Transport: e.server.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := plain.Do(r)
	e.must0(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	e.must0(err)
	return answer{response.StatusCode, response.Header, string(text)}
}

func challenge(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// query is an authorization request, changed; a value "-" takes the parameter out.
func (a *application) query(changes ...string) string {
	form := url.Values{"client_id": {a.ID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid offline_access services.read"}, "state": {state},
		"nonce": {"nonce-0123456789"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(changes); i += 2 {
		if form.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			form.Del(changes[i])
		}
	}
	return form.Encode()
}

// authorize sends a browser to the server.
func (a *application) authorize(query string, who ...as) answer {
	a.Helper()
	r, err := http.NewRequest("GET", a.server.URL+"/oauth/authorize?"+query, nil)
	a.must0(err)
	for _, w := range append([]as{on(a.host)}, who...) {
		w(r)
	}
	return a.raw(r)
}

// reply looks at the question, as the page does, and answers it.
func (a *application) reply(person as, query string, allow bool) answer {
	a.Helper()
	body, _ := json.Marshal(map[string]any{"query": query})
	return a.replyTo(person, query, allow, decode[question](a.TB, a.call("POST", "/api/v1/consents/look", string(body), person)))
}

// question is whom it was put to, and the account that it is about.
type question struct {
	Person  uuid.UUID  `json:"person_id"`
	Account *uuid.UUID `json:"customer_id"`
}

// replyTo answers a question.
func (a *application) replyTo(person as, query string, allow bool, q question) answer {
	a.Helper()
	said := map[string]any{"query": query, "allow": allow, "person_id": q.Person}
	if q.Account != nil {
		said["customer_id"] = q.Account
	}
	body, _ := json.Marshal(said)
	return a.call("POST", "/api/v1/consents", string(body), person)
}

// onward answers the consent and gives where the browser goes.
func (a *application) onward(person as, query string, allow bool) url.Values {
	a.Helper()
	got := a.reply(person, query, allow)
	if got.status != 200 {
		a.Fatalf("consent: %d %s", got.status, got.body)
	}
	to, err := url.Parse(decode[struct {
		To string `json:"redirect_to"`
	}](a.TB, got).To)
	a.must0(err)
	if host := to.Host; !strings.HasPrefix(callback, "https://"+host) && host != "127.0.0.1:7777" {
		a.Errorf("the answer goes to %s", to)
	}
	return to.Query()
}

// code has a person allow what the query asks.
func (a *application) code(person as, changes ...string) string {
	a.Helper()
	code := a.onward(person, a.query(changes...), true).Get("code")
	if code == "" {
		a.Fatal("there is no code")
	}
	return code
}

// post sends a form to an address of the protocol, as the client.
func (a *application) post(path string, form ...string) answer {
	a.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	if a.Secret == "" {
		values.Set("client_id", a.ID)
	}
	r, err := http.NewRequest("POST", a.server.URL+path, strings.NewReader(values.Encode()))
	a.must0(err)
	r.Host = a.host
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.Secret != "" {
		r.SetBasicAuth(a.ID, a.Secret)
	}
	return a.raw(r)
}

// issued is the token endpoint's answer.
type issued struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	ID        string `json:"id_token"`
	Scope     string
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
	Error     string
}

func (a *application) exchange(code string, form ...string) (issued, int) {
	a.Helper()
	form = append([]string{"grant_type", "authorization_code", "code", code}, form...)
	if !strings.Contains(strings.Join(form, " "), "redirect_uri") {
		form = append(form, "redirect_uri", callback)
	}
	if !strings.Contains(strings.Join(form, " "), "code_verifier") {
		form = append(form, "code_verifier", verifier)
	}
	got := a.post("/oauth/token", form...)
	return decode[issued](a.TB, got), got.status
}

func (a *application) refresh(token string, form ...string) (issued, int) {
	a.Helper()
	got := a.post("/oauth/token", append([]string{"grant_type", "refresh_token", "refresh_token", token}, form...)...)
	return decode[issued](a.TB, got), got.status
}

// tokens are those of a person who has just allowed everything.
func (a *application) tokens(person as, changes ...string) issued {
	a.Helper()
	got, status := a.exchange(a.code(person, changes...))
	if status != 200 {
		a.Fatalf("exchange: %d %s", status, got.Error)
	}
	return got
}

// by presents an access token on a site.
func by(host, token string) as { return both(on(host), with("Authorization", "Bearer "+token)) }

// works tells whether an access token opens something.
func (a *application) works(token string) bool {
	a.Helper()
	got := a.call("GET", "/api/v1/services", "", by(a.host, token))
	if got.status != 200 && got.status != 401 {
		a.Fatalf("services: %d %s", got.status, got.body)
	}
	return got.status == 200
}

// customerApp is a company and an application of its customers, with an owner who is signed in.
func customerApp(t *testing.T) (*application, as, uuid.UUID) {
	t.Helper()
	e := company(t)
	app := e.application(accountHost, "App", anything)
	person, account := e.join("a@example.com", "owner")
	return app, cookie(accountHost, e.open("account", person, &account, "password")), person
}

func (e *env) scalar(sql string, args ...any) (n int) {
	e.Helper()
	e.must0(e.owner.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

func decodeSegment(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }
