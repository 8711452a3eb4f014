package oauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/token"
)

// world is a company with a person, an account and a client.
type world struct {
	*worldtest.World
	person, account, client uuid.UUID
	session                 uuid.UUID
	at                      time.Time
	door                    *pgxpool.Pool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: worldtest.New(t), at: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	w.door = w.Database.Pool(postgres.RoleDoor)
	w.account = w.Customer("a@example.com")
	w.person = worldtest.Must(w.World, identity.RegisterPerson{PersonID: w.NewID(), Site: "account", Email: "p@example.com", PersonName: "P", Verified: true}).PersonID
	worldtest.Must(w.World, membership.Change{CustomerID: w.account, PersonID: w.person, Rights: "owner", At: w.Now()})
	w.session = w.Holdings(w.person, w.account)
	w.Exec(`delete from oauth_grant`)
	hash := token.New(token.ClientSecret).Hash()
	w.client = worldtest.Must(w.World, oauth.CreateClient{ClientID: w.NewID(), Site: "account", SecretHash: &hash, ClientSettings: oauth.ClientSettings{ClientName: "App",
		RedirectURIs: []string{"https://app.example.com/"}, Grants: []string{oauth.GrantCode, oauth.GrantRefresh}, Scopes: []string{"openid", "offline_access", "services.read"}}}).ClientID
	return w
}

func (w *world) consent() oauth.GrantConsent {
	return oauth.GrantConsent{GrantID: w.NewID(), ClientID: w.client, PersonID: w.person, SessionID: w.session, CustomerID: &w.account, Scopes: []string{"openid", "offline_access"}, ProvedAt: w.at, At: w.at}
}

func TestConsents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worldtest.Must(w.World, w.consent())
	for name, change := range map[string]func(*oauth.GrantConsent){
		"more than the client may ask": func(c *oauth.GrantConsent) { c.Scopes = []string{"invoices.read"} },
		"no account":                   func(c *oauth.GrantConsent) { c.CustomerID = nil },
		"another account":              func(c *oauth.GrantConsent) { other := w.Customer("b@example.com"); c.CustomerID = &other },
		"another client":               func(c *oauth.GrantConsent) { c.ClientID = uuid.New() },
		"another person":               func(c *oauth.GrantConsent) { c.PersonID = uuid.New() },
		"another session":              func(c *oauth.GrantConsent) { c.SessionID = uuid.New() },
	} {
		c := w.consent()
		change(&c)
		if refused := worldtest.Refused(w.World, c, fault.Conflict, "consent_not_possible"); refused == nil {
			t.Errorf("%s is allowed", name)
		}
	}
	w.Exec(`update session set ended_at = now()`)
	worldtest.Refused(w.World, w.consent(), fault.Conflict, "consent_not_possible")
	w.Exec(`update session set ended_at = null`)
	w.Exec(`update person set status = 'suspended'`)
	worldtest.Refused(w.World, w.consent(), fault.Conflict, "consent_not_possible")
	revoke := oauth.RevokeGrants{PersonID: w.person, ClientID: w.client, At: w.at}
	if got := worldtest.Must(w.World, revoke); got.Grants != 1 {
		t.Errorf("%d grants were revoked", got.Grants)
	}
	worldtest.CheckChanged(w.World, "oauth.RevokeGrants", `{"grants": 1} {"grants": 0}`)
	worldtest.Must(w.World, oauth.RotateClientSecret{ClientID: w.client, SecretHash: token.New(token.OAuthCode).Hash()})
	worldtest.CheckChanged(w.World, "oauth.RotateClientSecret", `{"secret": "[redacted]"} {"secret": "[redacted]"}`)
	worldtest.Must(w.World, oauth.DeleteClient{ClientID: w.client})
	if got := worldtest.Changed(w.World, "oauth.DeleteClient"); !strings.Contains(got, `"name": "App"`) || !strings.HasSuffix(got, `{"name": "", "grants": null, "scopes": null, "redirect_uris": null}`) {
		t.Errorf("the deletion changed %s", got)
	}
	worldtest.Refused(w.World, revoke, fault.NotFound, "application_not_found")
}

// Each machine of a person has a family of tokens; a program that asks again and again ends its oldest.
func TestFamiliesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := worldtest.Must(w.World, w.consent()).GrantID
	for range 20 {
		w.at = w.at.Add(time.Second)
		worldtest.Must(w.World, w.consent())
	}
	if got := worldtest.One[string](w.World, `select count(*) || ' ' || bool_or(id = $2) from oauth_grant where client_id = $1 and revoked_at is null`, w.client, first); got != "20 false" {
		t.Errorf("grants that stand, the first among them: %s", got)
	}
}

// The first yes is told, and one to more; the same once more is not.
func TestWhatIsToldOfConsents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := func() int {
		return worldtest.One[int](w.World, `select count(*) from outbox where type = 'oauth.ApplicationAllowed'`)
	}
	for i, scopes := range [][]string{{"openid"}, {"openid"}, {"openid", "services.read"}, {"services.read"}} {
		c := w.consent()
		c.Scopes = scopes
		worldtest.Must(w.World, c)
		if got, want := told(), []int{1, 1, 2, 2}[i]; got != want {
			t.Errorf("after %v: %d told, want %d", scopes, got, want)
		}
	}
}

// What works once is taken once, whoever asks and however often.
func TestTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant := worldtest.Must(w.World, w.consent()).GrantID
	hash := token.New(token.OAuthCode).Hash()
	ctx, door := t.Context(), w.door
	w.must(oauth.PutCode(ctx, door, oauth.Code{Hash: hash, GrantID: grant, RedirectURI: "https://app.example.com/", Challenge: "c", At: w.at}))
	if taken, err := oauth.UseCode(ctx, door, hash, w.at.Add(time.Minute)); taken || err != nil {
		t.Errorf("after a minute: %v, %v", taken, err)
	}
	refresh := oauth.Token{Hash: token.New(token.OAuthRefresh).Hash(), RequestID: grant, GrantID: &grant, ClientID: w.client, Scopes: []string{"openid"}, At: w.at}
	if stands, err := oauth.PutRefresh(ctx, door, refresh); !stands || err != nil {
		t.Fatalf("put: %v, %v", stands, err)
	}
	for i, want := range []bool{true, false, false} {
		code, err1 := oauth.UseCode(ctx, door, hash, w.at)
		token, err2 := oauth.UseRefresh(ctx, door, refresh.Hash, w.at)
		if code != want || token != want || err1 != nil || err2 != nil {
			t.Errorf("attempt %d: code %v, refresh token %v (%v, %v)", i, code, token, err1, err2)
		}
	}
	w.must(oauth.RevokeRequest(ctx, door, grant, w.at))
	late := refresh
	late.Hash = token.New(token.OAuthAccess).Hash()
	if stands, err := oauth.PutAccess(ctx, door, late); stands || err != nil {
		t.Errorf("a token for a revoked grant: %v, %v", stands, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant := worldtest.Must(w.World, w.consent()).GrantID
	for _, put := range []func() (bool, error){
		func() (bool, error) {
			return oauth.PutAccess(t.Context(), w.door, oauth.Token{Hash: token.New(token.OAuthAccess).Hash(), RequestID: grant, GrantID: &grant, ClientID: w.client, At: w.at})
		},
		func() (bool, error) {
			return oauth.PutRefresh(t.Context(), w.door, oauth.Token{Hash: token.New(token.OAuthRefresh).Hash(), RequestID: grant, GrantID: &grant, ClientID: w.client, At: w.at})
		},
	} {
		if stands, err := put(); !stands || err != nil {
			t.Fatalf("%v, %v", stands, err)
		}
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{{0, 0}, {time.Hour, 0}, {2 * time.Hour, 1}, {30*day + time.Hour, 0}, {60 * day, 0}, {61 * day, 2}, {90 * day, 0}} {
		if got, err := oauth.Sweep(t.Context(), w.Pool, w.at.Add(c.after)); got != c.want || err != nil {
			t.Errorf("after %s: %d rows, want %d (%v)", c.after, got, c.want, err)
		}
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
