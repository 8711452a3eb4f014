package api_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

type apiToken struct {
	ID         uuid.UUID
	Name       string
	Hint       string
	Token      string
	Scopes     []string
	CustomerID *uuid.UUID `json:"customer_id"`
	ExpiresAt  time.Time  `json:"expires_at"`
}

func (s *someone) makeToken(scopes string, days int) apiToken {
	s.Helper()
	return decode[apiToken](s.TB, s.do("201", "POST", "/me/tokens", fmt.Sprintf(`{"name":"Script","scopes":[%s],"days":%d}`, scopes, days)))
}

func (a apiToken) as(host string) as { return both(on(host), with("Authorization", "Bearer "+a.Token)) }

// changes are a person's events about what they prove their identity with, in order.
func (e *env) changes(person uuid.UUID) []string {
	e.Helper()
	var got []string
	e.must0(e.owner.QueryRow(context.Background(), `select coalesce(array_agg(payload->>'kind' || ' ' || (payload->>'change') order by aggregate_version), '{}')
		from outbox where type = 'credential.CredentialChanged' and aggregate_id = $1`, person).Scan(&got))
	return got
}

func TestTokensOfMembers(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	made := s.makeToken(`"services.read","account.read"`, 366)
	if !strings.HasPrefix(made.Token, made.Hint) || len(made.Hint) != 8 || made.CustomerID == nil || *made.CustomerID != e.account("a@example.com") ||
		!made.ExpiresAt.Equal(e.machine.Now().Add(366*24*time.Hour)) {
		t.Errorf("made %+v", made)
	}
	if got := e.call("GET", "/api/v1/services", "", made.as(accountHost)); got.status != 200 || !strings.Contains(got.body, "svc-a") || strings.Contains(got.body, "svc-b") {
		t.Errorf("services by token: %d %s", got.status, got.body)
	}
	for path, want := range map[string]int{"/invoices": 403, "/me": 403, "/me/tokens": 403, "/session": 200} {
		if got := e.call("GET", "/api/v1"+path, "", made.as(accountHost)); got.status != want {
			t.Errorf("%s by token: %d %s", path, got.status, got.body)
		}
	}
	if got := e.call("GET", "/api/v1/services", "", made.as(adminHost)); got.status != 401 {
		t.Errorf("on the other site: %d", got.status)
	}
	// The account is the one that was looked at, whatever else the owner is in.
	e.exec(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'owner', $3)`, s.id, e.account("b@example.com"), start)
	if got := e.call("GET", "/api/v1/services", "", made.as(accountHost)); strings.Contains(got.body, "svc-b") {
		t.Errorf("another account's services: %s", got.body)
	}
	// At most what the owner may do now.
	e.exec(`update membership set rights = 'technical' where person_id = $1`, s.id)
	s.do("422", "POST", "/me/tokens", `{"name":"A","scopes":["invoices.read"],"days":1}`)
	e.exec(`delete from membership where person_id = $1 and customer_id = $2`, s.id, e.account("a@example.com"))
	if got := e.call("GET", "/api/v1/services", "", made.as(accountHost)); got.status != 403 {
		t.Errorf("of somebody who is out: %d %s", got.status, got.body)
	}
	s.do("422", "POST", "/me/tokens", `{"name":"A","scopes":["services.read"],"days":1}`)
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	e := company(t)
	s, stranger := e.tenant("a@example.com", "owner"), e.tenant("b@example.com", "owner")
	made, short := s.makeToken(`"services.read"`, 2), s.makeToken(`"services.read"`, 1)
	listed := items[apiToken](t, s.do("200", "GET", "/me/tokens", ""))
	if len(listed) != 2 || listed[0].Token != "" || strings.Contains(s.do("200", "GET", "/me/tokens", "").body, made.Token) {
		t.Errorf("listed %+v", listed)
	}
	stranger.do("404 token_not_found", "DELETE", "/me/tokens/"+made.ID.String(), "")
	if got := e.call("GET", "/api/v1/services", "", made.as(accountHost)); got.status != 200 {
		t.Errorf("before it is revoked: %d", got.status)
	}
	s.do("204", "DELETE", "/me/tokens/"+made.ID.String(), "")
	if got := one[string](e, `select before::text || (after ? 'revoked_at') from audit where command = 'access.RevokeToken'`); got != "{}true" {
		t.Errorf("the audit row says %s", got)
	}
	s.do("404 token_not_found", "DELETE", "/me/tokens/"+made.ID.String(), "")
	if got := e.call("GET", "/api/v1/services", "", made.as(accountHost)); got.status != 401 {
		t.Errorf("after it was revoked: %d", got.status)
	}
	e.machine.ahead.Add(int64(24*time.Hour - time.Second))
	if got := e.call("GET", "/api/v1/services", "", short.as(accountHost)); got.status != 200 {
		t.Errorf("in its last second: %d", got.status)
	}
	e.machine.ahead.Add(int64(time.Second))
	if got := e.call("GET", "/api/v1/services", "", short.as(accountHost)); got.status != 401 {
		t.Errorf("after its last day: %d", got.status)
	}
	if n := len(items[apiToken](t, s.also(guard.FactorPassword).do("200", "GET", "/me/tokens", ""))); n != 1 {
		t.Errorf("%d tokens are listed", n)
	}
}

func TestScopesAreBounded(t *testing.T) {
	t.Parallel()
	e := company(t)
	owner, technical, support, restricted := e.tenant("a@example.com", "owner"), e.tenant("a@example.com", "technical"), e.colleague("support"), e.colleague("admin")
	support.addPasskey(&passkeytest.Authenticator{})
	granted := func(s *someone) []string {
		var names []string
		for _, m := range items[struct{ Permission, Says string }](t, s.do("200", "GET", "/permissions", "")) {
			if m.Says == "" {
				t.Errorf("%s says nothing", m.Permission)
			}
			names = append(names, m.Permission)
		}
		slices.Sort(names)
		return names
	}
	for _, c := range []struct {
		s    *someone
		want string
	}{
		{owner, "account.read account.write invoices.read members.read members.write services.read"}, {technical, "account.read services.read"},
		{support, "catalog.read customers.read customers.write invoices.read services.read"}, {restricted, ""},
	} {
		names := granted(c.s)
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s can give %q, want %q", c.s.host, got, c.want)
		}
		for _, wrong := range []string{`[]`, `["staff.write"]`, `["impersonate"]`, `["*"]`, `[""]`, `["services.read","services.read"]`, `["services.read","network.write"]`, `"services.read"`} {
			c.s.do("422", "POST", "/me/tokens", `{"name":"A","scopes":`+wrong+`,"days":1}`)
		}
		for _, wrong := range []string{`"days":0`, `"days":367`, `"days":-1`, `"days":1.5`, `"days":"1"`, `"day":1`} {
			c.s.do("422", "POST", "/me/tokens", `{"name":"A","scopes":["services.read"],`+wrong+`}`)
		}
		if len(names) > 0 {
			c.s.makeToken(`"`+strings.Join(names, `","`)+`"`, 1)
			c.s.do("422", "POST", "/me/tokens", `{"name":" ","scopes":["services.read"],"days":1}`)
		}
	}
	made := support.makeToken(`"customers.read"`, 1)
	if n := len(items[apiToken](t, support.do("200", "GET", "/me/tokens", ""))); n != 2 {
		t.Errorf("staff see %d tokens, want their own", n)
	}
	restricted.do("404 token_not_found", "DELETE", "/me/tokens/"+made.ID.String(), "")
	if got := e.call("GET", "/api/v1/customers", "", made.as(adminHost)); got.status != 200 {
		t.Errorf("staff's token: %d %s", got.status, got.body)
	}
	if got := e.call("GET", "/api/v1/services", "", made.as(adminHost)); got.status != 403 {
		t.Errorf("staff's token beyond its scopes: %d", got.status)
	}
}

func TestFiftyTokensAtMost(t *testing.T) {
	t.Parallel()
	e := company(t)
	s := e.tenant("a@example.com", "owner")
	body := `{"name":"A","scopes":["services.read"],"days":1}`
	got := together(55, func(int) int { return s.call("POST", "/api/v1/me/tokens", body, s.as()).status })
	if got[201] != 50 || got[409] != 5 {
		t.Errorf("statuses %v", got)
	}
	s.do("409 too_many_tokens", "POST", "/me/tokens", body)
	first := items[apiToken](t, s.do("200", "GET", "/me/tokens", ""))[0]
	s.do("204", "DELETE", "/me/tokens/"+first.ID.String(), "")
	s.do("201", "POST", "/me/tokens", body)
}

// Addresses stand in logs and histories: a token in one is none.
func TestTokensInAddressesAreNone(t *testing.T) {
	t.Parallel()
	e := company(t)
	made := e.tenant("a@example.com", "owner").makeToken(`"services.read"`, 1)
	for _, name := range []string{"token", "access_token", "api_key", "Authorization", "bearer"} {
		got := e.call("GET", "/api/v1/services?"+name+"="+made.Token, "", on(accountHost))
		if got.status != 401 || strings.Contains(got.body, "svc-a") {
			t.Errorf("?%s=: %d %s", name, got.status, got.body)
		}
	}
	if got := e.call("GET", "/api/v1/services", "", on(accountHost), with("Cookie", guard.CookieName+"="+made.Token)); got.status != 401 {
		t.Errorf("as a cookie: %d", got.status)
	}
	if strings.Contains(e.logs.String(), made.Token) {
		t.Error("the log holds a token")
	}
}

// What is shown once is written nowhere: not in the log, not in any table, in no form but its hash or sealed.
func TestSecretsAreWrittenNowhere(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, s := range []*someone{e.tenant("a@example.com", "owner"), e.colleague("admin")} {
		secrets := map[string]string{"password": goodPassword, "first cookie": strings.TrimPrefix(s.cookie, guard.CookieName+"=")}
		s.do("204", "PUT", "/me/password", `{"password":"`+goodPassword+`"}`)
		secrets["cookie of the password"] = strings.TrimPrefix(s.cookie, guard.CookieName+"=")
		s.do("422", "PUT", "/me/password", `{"password":"canary!"}`)
		secrets["refused password"] = "canary!"
		seed := s.addTOTP()
		secrets["seed"], secrets["cookie of the factor"] = seed.Reveal(), strings.TrimPrefix(s.cookie, guard.CookieName+"=")
		begun := s.beginTOTP()
		secrets["seed that was begun"] = begun.Reveal()
		for i, code := range decode[struct{ Codes []string }](t, s.do("200", "POST", "/me/recovery-codes", "")).Codes {
			secrets[fmt.Sprintf("code %d", i)] = code
			secrets[fmt.Sprintf("code %d, its signs", i)] = strings.ReplaceAll(code, "-", "")
		}
		s.addPasskey(&passkeytest.Authenticator{})
		scope := `"services.read"`
		secrets["token"] = s.makeToken(scope, 1).Token
		written := e.written()
		for name, text := range secrets {
			if text == "" {
				t.Fatalf("%s is empty", name)
			}
			for form, bytes := range map[string]string{"as it is": text, "in hex": hex.EncodeToString([]byte(text)), "in base64": base64.StdEncoding.EncodeToString([]byte(text))} {
				for where, all := range written {
					if strings.Contains(all, bytes) {
						t.Errorf("%s holds the %s, %s", where, name, form)
					}
				}
			}
		}
		e.booksHoldNoHashes(s)
	}
}

// written is all that is kept: the log, and every table as text.
func (e *env) written() map[string]string {
	e.Helper()
	all := map[string]string{"the log": e.logs.String()}
	var tables []string
	e.must0(e.owner.QueryRow(context.Background(), `select array_agg(c.oid::regclass::text) from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace`).Scan(&tables))
	if len(tables) < 30 {
		e.Fatalf("only tables %v", tables)
	}
	for _, table := range tables {
		var text string
		e.must0(e.owner.QueryRow(context.Background(), `select coalesce(string_agg(x::text, ' '), '') from `+table+` x`).Scan(&text))
		all[table] = text
	}
	return all
}

// booksHoldNoHashes looks for what is stored to check against in what people read.
func (e *env) booksHoldNoHashes(s *someone) {
	e.Helper()
	var books string
	e.must0(e.owner.QueryRow(context.Background(), `select (select string_agg(a::text, ' ') from audit a) || (select string_agg(payload::text, ' ') from outbox) ||
		(select coalesce(string_agg(i::text, ' '), '') from idempotency i)`).Scan(&books))
	rows, err := e.owner.Query(context.Background(), `select hash from session union all select hash from api_token union all select hash from recovery_code union all select seed from totp
		union all select convert_to(hash, 'utf8') from password union all select credential_id from passkey union all select public_key from passkey`)
	e.must0(err)
	defer rows.Close()
	for rows.Next() {
		var hash []byte
		e.must0(rows.Scan(&hash))
		numbers, err := json.Marshal(slices.Collect(func(yield func(int) bool) {
			for _, b := range hash {
				if !yield(int(b)) {
					return
				}
			}
		}))
		e.must0(err)
		for _, form := range []string{hex.EncodeToString(hash), base64.StdEncoding.EncodeToString(hash), strings.ReplaceAll(string(numbers), ",", ", "), string(numbers), string(hash)} {
			if len(hash) > 1 && strings.Contains(books, form) {
				e.Errorf("the books hold %s", form)
			}
		}
	}
	e.must0(rows.Err())
}

// What somebody proves their identity with is seen by nobody else, whatever a statement forgets: also by colleagues of one account.
func TestTheWallBetweenPeople(t *testing.T) {
	t.Parallel()
	e := company(t)
	a, stranger, partner := e.tenant("a@example.com", "owner"), e.tenant("b@example.com", "owner"), e.tenant("a@example.com", "technical")
	a.addPasskey(&passkeytest.Authenticator{})
	a.addTOTP()
	a.do("200", "POST", "/me/recovery-codes", "")
	made := a.makeToken(`"services.read"`, 1)
	as := func(person uuid.UUID, account string) context.Context {
		return query.WithScope(context.Background(), query.Customer(e.account(account)).As(person))
	}
	look := func(ctx context.Context) string {
		wall := e.deps.Postgres
		passkeys, err := identity.ListPasskeys(ctx, wall, a.id)
		e.must0(err)
		sessions, err := identity.ListSessions(ctx, wall, a.id, e.machine.Now())
		e.must0(err)
		tokens, err := identity.ListTokens(ctx, wall, a.id)
		e.must0(err)
		_, one := identity.FindToken(ctx, wall, a.id, made.ID)
		profile, err := identity.FindProfile(ctx, wall, a.id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		return fmt.Sprint(len(passkeys), len(sessions), len(tokens), one == nil, err == nil, profile.PasswordSetAt != nil, profile.TOTPConfirmedAt != nil, profile.RecoveryCodes)
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		want string
	}{
		"oneself":  {as(a.id, "a@example.com"), "1 1 1 true true true true 10"},
		"stranger": {as(stranger.id, "b@example.com"), "0 0 0 false false false false 0"},
		"partner":  {as(partner.id, "a@example.com"), "0 0 0 false true false false 0"},
		"nobody":   {context.Background(), "0 0 0 false false false false 0"},
	} {
		if got := look(c.ctx); got != c.want {
			t.Errorf("%s sees %s, want %s", name, got, c.want)
		}
	}
}

// What a token's owner did in person, a token cannot: it is checked for every operation by the table, and here for one
// that makes more of itself.
func TestTokensMakeNoTokens(t *testing.T) {
	t.Parallel()
	e := company(t)
	made := e.tenant("a@example.com", "owner").makeToken(`"services.read"`, 1)
	got := e.call("POST", "/api/v1/me/tokens", `{"name":"A","scopes":["services.read"],"days":366}`, made.as(accountHost))
	checkAnswer(t, got, "403 not_for_tokens", "a token makes a token")
	if _, err := token.Parse(token.API, made.Token); err != nil {
		t.Errorf("the token has no form: %v", err)
	}
}
