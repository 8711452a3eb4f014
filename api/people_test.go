package api_test

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/internal/token"
)

// proofs are the tools as in a program, but for passwords, whose hashes are cheap.
func (e *env) proofs(db *postgrestest.DB, commands *command.DB, sites guard.Sites, log *slog.Logger, reg prometheus.Registerer) proofs.Tools {
	e.Helper()
	door := db.Pool(postgres.RoleDoor)
	hasher, err := password.NewHasher(password.Params{Memory: 8, Time: 1, Threads: 1}, 2)
	e.must0(err)
	policy, err := password.NewPolicy(password.DefaultMinimum, nil)
	e.must0(err)
	keks := vault.KEKs{URI: "env:KEK", Lookup: func() func(string) (string, bool) {
		kek := keyring.GenerateKEK()
		return func(string) (string, bool) { return kek.Reveal(), true }
	}()}
	kek, err := keks.Open()
	e.must0(err)
	ring, err := secrets.NewCreateRing(kek)
	e.must0(err)
	_, err = command.Run(context.Background(), commands, command.Meta{Actor: "system:test", Now: start, NewID: uuid.New}, ring)
	e.must0(err)
	tools := proofs.Tools{Limiter: limiter.New(door, e.machine.Now, log, reg), Begun: ephemeral.New(door, e.machine.Now, reg), Hasher: hasher, Policy: policy,
		Vault: vault.New(vault.Config{KEKs: keks, Now: e.machine.Now}, door, log, reg)}
	tools, err = tools.WithSites(sites, "Test", e.machine.Now)
	e.must0(err)
	return tools
}

func (e *env) must0(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// both changes a request in two ways, the second last.
func both(first, second as) as {
	return func(r *http.Request) {
		first(r)
		second(r)
	}
}

// cookie is the session of a token on a site.
func cookie(host string, t token.Token) as {
	return func(r *http.Request) {
		r.Host = host
		r.Header.Set("Cookie", guard.CookieName+"="+t.Reveal())
	}
}

// person writes a person of a site.
func (e *env) person(site string) uuid.UUID {
	e.Helper()
	id := uuid.New()
	e.exec(`insert into person (id, site, email, email_verified_at, name, created_at) values ($1, $2, $1::uuid::text || '@example.com', $3, 'Person', $3)`, id, site, start)
	return id
}

// open writes a session that was opened with factors.
func (e *env) open(site string, person uuid.UUID, customer *uuid.UUID, factors ...string) token.Token {
	e.Helper()
	t := token.New(token.Session)
	hash := t.Hash()
	e.exec(`insert into session (id, hash, site, person_id, customer_id, factors, opened_at, proved_at, seen_at, expires_at, idle)
		values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $6, $6, $6::timestamptz + interval '1 day', interval '1 day')`, hash[:], site, person, customer, factors, e.machine.Now())
	return t
}

func (e *env) account(email string) uuid.UUID {
	e.Helper()
	var id uuid.UUID
	if err := e.owner.QueryRow(context.Background(), `select id from customer where email = $1`, email).Scan(&id); err != nil {
		e.Fatal(err)
	}
	return id
}

func (e *env) join(email, rights string) (person, customer uuid.UUID) {
	e.Helper()
	person, customer = e.person("account"), e.account(email)
	if rights != "" {
		e.exec(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, $3, $4)`, person, customer, rights, start)
	}
	return person, customer
}

// member is signed in with rights in an account, or with none any more.
func (e *env) member(email, rights string) as {
	e.Helper()
	person, customer := e.join(email, rights)
	return cookie(accountHost, e.open("account", person, &customer, guard.FactorPassword))
}

// impersonator is staff who look at an account as its owner.
func (e *env) impersonator(email string, widened bool) as {
	e.Helper()
	person, customer := e.join(email, "owner")
	t := e.open("account", person, &customer, guard.FactorPasskey)
	hash := t.Hash()
	e.exec(`update session set impersonator_id = $2, reason = 'ticket 1', widened = $3 where hash = $1`, hash[:], e.staffPerson("support"), widened)
	return cookie(accountHost, t)
}

func (e *env) tokenOf(email, rights string, scopes ...string) as {
	e.Helper()
	person, customer := e.join(email, rights)
	return e.tokenFor(person, &customer, scopes...)
}

// tokenFor is an API token of a person.
func (e *env) tokenFor(person uuid.UUID, customer *uuid.UUID, scopes ...string) as {
	e.Helper()
	t := token.New(token.API)
	hash := t.Hash()
	e.exec(`insert into api_token (id, hash, hint, name, person_id, customer_id, scopes, created_at, expires_at)
		values (gen_random_uuid(), $1, 'ezs_', 'script', $2, $3, $4, $5, $5::timestamptz + interval '1 day')`, hash[:], person, customer, scopes, start)
	return both(on(accountHost), with("Authorization", "Bearer "+t.Reveal()))
}

// applicationOf acts for a member of an account, or with no rights by itself for the account.
func (e *env) applicationOf(email, rights string, scopes ...string) as {
	e.Helper()
	if rights != "" {
		person, customer := e.join(email, rights)
		return e.applicationFor(person, customer, scopes...)
	}
	t, client := token.New(token.OAuthAccess), uuid.New()
	hash := t.Hash()
	e.exec(`insert into oauth_client (id, site, name, secret_hash, redirect_uris, grants, scopes, customer_id, created_at)
		values ($1, 'account', 'Program', sha256('x'), '{}', '{client_credentials}', $2, $3, $4)`, client, scopes, e.account(email), start)
	e.exec(`insert into oauth_token (hash, kind, request_id, client_id, scopes, issued_at, expires_at)
		values ($1, 'access', $2, $3, $4, $5, $5::timestamptz + interval '1 day')`, hash[:], uuid.New(), client, scopes, e.machine.Now())
	return both(on(accountHost), with("Authorization", "Bearer "+t.Reveal()))
}

// applicationFor has the access token that came of a person's consent.
func (e *env) applicationFor(person, customer uuid.UUID, scopes ...string) as {
	e.Helper()
	t, client, grant := token.New(token.OAuthAccess), uuid.New(), uuid.New()
	hash := t.Hash()
	e.exec(`insert into oauth_client (id, site, name, redirect_uris, grants, scopes, created_at)
		values ($1, 'account', 'Program', '{}', '{authorization_code}', $2, $3)`, client, scopes, start)
	e.exec(`insert into oauth_grant (id, client_id, person_id, customer_id, scopes, proved_at, created_at, used_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $6, $6, $6::timestamptz + interval '1 day')`, grant, client, person, customer, scopes, e.machine.Now())
	e.exec(`insert into oauth_token (hash, kind, request_id, grant_id, client_id, scopes, issued_at, expires_at)
		values ($1, 'access', $2, $2, $3, $4, $5, $5::timestamptz + interval '1 day')`, hash[:], grant, client, scopes, e.machine.Now())
	return both(on(accountHost), with("Authorization", "Bearer "+t.Reveal()))
}

// worker is staff with a role, signed in with a passkey.
func (e *env) worker(role string) as { return e.staffWith(role, guard.FactorPasskey) }

// weakWorker is signed in with a password alone.
func (e *env) weakWorker(role string) as { return e.staffWith(role, guard.FactorPassword) }

func (e *env) staffWith(role, factor string) as {
	e.Helper()
	return cookie(adminHost, e.open("admin", e.staffPerson(role), nil, factor))
}

// staffPerson writes one of the staff with a role.
func (e *env) staffPerson(role string) uuid.UUID {
	e.Helper()
	person := e.person("admin")
	e.exec(`insert into person_role (person_id, role_id) select $1, id from role where name = $2`, person, role)
	return person
}
