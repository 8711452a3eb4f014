package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
	"github.com/ezscale/platform/internal/secret"
)

// human is somebody who can sign in.
type human struct {
	id       uuid.UUID
	site     guard.Site
	email    string
	password string
	seed     secret.Text
	codes    []secret.Text
	device   *passkeytest.Authenticator
}

// origin is the page that a human's browser shows.
func (h *human) origin() string { return "https://" + hostOf(h.site) }

func hostOf(site guard.Site) string {
	if site == guard.SiteAdmin {
		return adminHost
	}
	return accountHost
}

func bothSites() []guard.Site { return []guard.Site{guard.SiteAccount, guard.SiteAdmin} }

// human writes a person of a site with a password. Staff administrate; customers own an account.
func (e *env) human(site guard.Site) *human {
	e.Helper()
	h := &human{id: uuid.New(), site: site, password: "horse battery " + uuid.NewString()}
	h.email = h.id.String() + "@example.com"
	e.exec(`insert into person (id, site, email, email_verified_at, name, created_at) values ($1, $2, $3, $4, 'Human', $4)`, h.id, string(site), h.email, start)
	if site == guard.SiteAdmin {
		e.exec(`insert into person_role (person_id, role_id) select $1, id from role where name = 'admin'`, h.id)
	} else {
		e.accountOf(h, "Account")
	}
	e.setPassword(h, h.password)
	return h
}

// accountOf makes an account that a human owns.
func (e *env) accountOf(h *human, name string) uuid.UUID {
	e.Helper()
	id := uuid.New()
	e.exec(`insert into customer (id, email, name, created_at) values ($1, $1::uuid::text || '@example.com', $2, $3)`, id, name, start)
	e.exec(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'owner', $3)`, h.id, id, e.clock.Now())
	return id
}

func (e *env) setPassword(h *human, password string) {
	e.Helper()
	hash, err := e.deps.Proofs.Hasher.Hash(context.Background(), secret.New(password))
	e.must0(err)
	e.setHash(h, hash)
}

func (e *env) setHash(h *human, hash string) {
	e.Helper()
	e.exec(`insert into password (person_id, hash, set_at) values ($1, $2, $3) on conflict (person_id) do update set hash = excluded.hash`, h.id, hash, start)
}

// withTOTP sets an authenticator up.
func (e *env) withTOTP(h *human) *human {
	e.Helper()
	h.seed = otp.NewSeed()
	sealed, err := e.deps.Proofs.Vault.Seal(context.Background(), h.seed, proofs.Seeds().At(h.id.String()))
	e.must0(err)
	e.exec(`insert into totp (person_id, seed, confirmed_at) values ($1, $2, $3)`, h.id, sealed, start)
	return h
}

func (e *env) withRecoveryCodes(h *human) *human {
	e.Helper()
	h.codes = otp.NewRecoveryCodes()
	for _, code := range h.codes {
		hash, err := otp.HashRecoveryCode(code.Reveal())
		e.must0(err)
		e.exec(`insert into recovery_code (hash, person_id, issued_at) values ($1, $2, $3)`, hash[:], h.id, start)
	}
	return h
}

func (e *env) withPasskey(h *human) *human {
	e.Helper()
	h.device = &passkeytest.Authenticator{}
	var stored []byte
	e.must0(e.owner.QueryRow(context.Background(), `select handle from person where id = $1`, h.id).Scan(&stored))
	handle, err := passkey.HandleOf(stored)
	e.must0(err)
	party := e.deps.Proofs.Passkeys(h.site)
	options, kept, err := party.BeginRegistration(passkey.Person{Handle: handle, Name: h.email}, nil)
	e.must0(err)
	response, err := h.device.Create(options, h.origin())
	e.must0(err)
	made, err := party.FinishRegistration(handle, kept, response)
	e.must0(err)
	e.exec(`insert into passkey (id, person_id, credential_id, public_key, sign_count, backup_eligible, backed_up, name, created_at)
		values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, 'key', $7)`, h.id, made.ID, made.PublicKey, int64(made.SignCount), made.BackupEligible, made.BackupState, start)
	return h
}

// code is what the human's authenticator shows now.
func (e *env) code(h *human) string {
	e.Helper()
	code, err := otp.Code(h.seed, otp.Step(e.machine.Now()))
	e.must0(err)
	return code
}

// browser keeps the cookies of one site, as browsers do. It is for one goroutine.
type browser struct {
	*env
	host string
	jar  map[string]string
	seen []string // Set-Cookie lines of the last answer
}

func (e *env) browser(site guard.Site) *browser {
	return &browser{env: e, host: hostOf(site), jar: map[string]string{}}
}

// cookies is what the browser would send now, for whoever has copied it.
func (b *browser) cookies() as {
	var all []string
	for name, value := range b.jar {
		all = append(all, name+"="+value)
	}
	line := strings.Join(all, "; ")
	return func(r *http.Request) {
		r.Host = b.host
		if line != "" {
			r.Header.Set("Cookie", line)
		}
	}
}

func (b *browser) send(method, path, body string) answer {
	b.Helper()
	a := b.call(method, "/api/v1"+path, body, b.cookies(), with("User-Agent", "browser"))
	b.seen = a.header.Values("Set-Cookie")
	for _, line := range b.seen {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		if value == "" {
			delete(b.jar, name)
		} else {
			b.jar[name] = value
		}
	}
	return a
}

// post sends fields in pairs of name and value.
func (b *browser) post(path string, fields ...any) answer {
	b.Helper()
	body := map[string]any{}
	for i := 0; i+1 < len(fields); i += 2 {
		body[fields[i].(string)] = fields[i+1]
	}
	text, err := json.Marshal(body)
	b.must0(err)
	return b.send("POST", path, string(text))
}

func (b *browser) password(h *human) answer {
	b.Helper()
	return b.post("/login", "email", h.email, "password", h.password)
}

// passkey asks for options at a path and gives the device's answer.
func (b *browser) answerOf(h *human, path string, twists ...passkeytest.Twist) json.RawMessage {
	b.Helper()
	begun := b.post(path + "/options")
	if begun.status != 200 {
		b.Fatalf("options of %s: %d %s", path, begun.status, begun.body)
	}
	options := decode[struct{ Options json.RawMessage }](b.TB, begun).Options
	response, err := h.device.Get(options, h.origin(), twists...)
	b.must0(err)
	return response
}

func (b *browser) passkey(h *human, path string, twists ...passkeytest.Twist) answer {
	b.Helper()
	return b.post(path, "response", b.answerOf(h, path, twists...))
}

// who is the session of the browser; nil for nobody.
func (b *browser) who() map[string]any {
	b.Helper()
	a := b.send("GET", "/session", "")
	if a.status == 401 {
		return nil
	}
	return decode[map[string]any](b.TB, a)
}

func (b *browser) want(a answer, status int, says string) answer {
	b.Helper()
	if a.status != status || !strings.Contains(a.body, says) {
		b.Fatalf("status %d %s, want %d %s", a.status, a.body, status, says)
	}
	return a
}

// atOnce runs n calls at once and counts their statuses.
func atOnce(n int, call func(i int) answer) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses, begin := map[int]int{}, make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			a := call(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	close(begin)
	all.Wait()
	return statuses
}

func (e *env) count(sql string, args ...any) (n int) {
	e.Helper()
	e.must0(e.owner.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// events counts those of a type in the outbox.
func (e *env) events(kind, holding string) int {
	e.Helper()
	return e.count(`select count(*) from outbox o where to_jsonb(o)::text like '%' || $1 || '%' and to_jsonb(o)::text like '%' || $2 || '%'`, kind, holding)
}

func codeGuesses(h *human, factor string) limiter.Key { return proofs.CodeGuesses(h.id, factor) }

// keyOf is a human's passkey.
func (e *env) keyOf(h *human) (id uuid.UUID) {
	e.Helper()
	e.must0(e.owner.QueryRow(context.Background(), `select id from passkey where person_id = $1`, h.id).Scan(&id))
	return id
}
