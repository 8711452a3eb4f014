package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/cmd/ezscale/gate"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/gateway/cloudflare"
	"github.com/ezscale/platform/internal/gateway/cloudflare/cloudflaretest"
)

// AUD tags of applications.
const (
	ours   = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
	theirs = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
)

// gated is an edge behind Cloudflare Access.
type gated struct {
	*env
	team *cloudflaretest.Team
}

func newGated(t *testing.T) gated {
	t.Helper()
	g := gated{team: cloudflaretest.New(t, "acme")}
	clock := &clock{}
	made, err := gate.New(config.Access{Team: g.team.URL(), Audience: []string{ours}}, clock.Now, g.team.Client(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Stop(context.Background()) })
	g.env = company(t, func(cfg *api.Config, _ *api.Dependencies) { cfg.Gate = made })
	return g
}

func through(assertion string) as { return with(cloudflare.Header, assertion) }

// person is the assertion of somebody who has come through Access.
func (g gated) person() as {
	return through(g.team.Sign(g.team.User(ours, "ada@example.com", start)))
}

// Nothing of the admin site is reached straight: no page, no API, whoever is signed in.
func TestStraightToTheOrigin(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	admin := g.worker("admin")
	_, link := g.invite("admin")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/", ""}, {"GET", "/login", ""}, {"GET", "/assets/x.js", ""}, {"GET", "/metrics", ""}, {"GET", "/openapi.json", ""}, {"GET", "/api/v1/nothing", ""},
		{"GET", "/api/v1/session", ""}, {"GET", "/api/v1/staff", ""}, {"POST", "/api/v1/dev/session", "{}"}, {"POST", "/api/v1/enrolment", enrolment(link, firstPassword)},
	} {
		for name, who := range map[string]as{"nobody": on(adminHost), "an administrator": admin, "the operator": both(operator, on(adminHost))} {
			got := g.call(c.method, c.path, c.body, who)
			if strings.HasPrefix(c.path, "/api") || strings.HasPrefix(c.path, "/metrics") || strings.HasPrefix(c.path, "/openapi") {
				g.is(c.path+" by "+name, got, 403, "access_refused")
			} else if got.status != 403 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") || !strings.Contains(got.body, "Cloudflare Access") {
				t.Errorf("%s by %s: %d %s", c.path, name, got.status, got.body)
			}
			if got.header.Get("Set-Cookie") != "" {
				t.Errorf("%s by %s: a cookie", c.path, name)
			}
		}
	}
	g.is("probes", g.call("GET", "/health/live", "", on(adminHost)), 200, "")
	g.is("customers", g.call("GET", "/api/v1/services", "", g.customer("a@example.com")), 200, "")
	g.is("through it", g.call("GET", "/api/v1/staff", "", both(admin, g.person())), 200, "")
	g.is("through it, as nobody", g.call("GET", "/api/v1/staff", "", both(on(adminHost), g.person())), 401, "")
	g.is("enrolment through it", g.call("POST", "/api/v1/enrolment", enrolment(link, firstPassword), both(on(adminHost), g.person())), 200, "")
}

func TestAssertionsThatProveNothing(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	admin, team := g.worker("admin"), g.team
	user := team.User(ours, "ada@example.com", start)
	text, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	kid, payload := team.Current().ID, string(text)
	unsigned := func(string) []byte { return nil }
	for name, assertion := range map[string]string{
		"another application": team.Sign(team.User(theirs, "ada@example.com", start)),
		"another team":        team.Sign(user.With(cloudflaretest.Claims{"iss": "https://evil.cloudflareaccess.com"})),
		"none":                cloudflaretest.Encode(`{"alg":"none","kid":"`+kid+`","typ":"JWT"}`, payload, unsigned),
		"HS256":               cloudflaretest.Encode(`{"alg":"HS256","kid":"`+kid+`","typ":"JWT"}`, payload, team.Current().RS256),
		"expired":             team.Sign(team.User(ours, "ada@example.com", start.Add(-2*time.Hour))),
		"of later":            team.Sign(team.User(ours, "ada@example.com", start.Add(time.Hour))),
		"an unknown key":      team.SignWith(cloudflaretest.NewKey(t, 2048), user),
		"another's signature": team.SignWith(cloudflaretest.Key{ID: kid, Private: cloudflaretest.NewKey(t, 2048).Private}, user),
		"no token":            "x",
		"empty":               "",
	} {
		g.is(name, g.call("GET", "/api/v1/staff", "", both(admin, through(assertion))), 403, "access_refused")
	}
	good := team.Sign(user)
	g.is("twice", g.call("GET", "/api/v1/staff", "", both(admin, func(r *http.Request) {
		r.Header.Add(cloudflare.Header, good)
		r.Header.Add(cloudflare.Header, good)
	})), 403, "access_refused")
	g.is("in the cookie alone", g.call("GET", "/api/v1/staff", "", both(admin, func(r *http.Request) {
		r.Header.Set("Cookie", r.Header.Get("Cookie")+"; CF_Authorization="+good)
	})), 403, "access_refused")
	g.is("a good one", g.call("GET", "/api/v1/staff", "", both(admin, through(good))), 200, "")
}

// A service token is a program's: with it alone comes nobody, and no session counts.
func TestProgramsPassWithATokenOfOurs(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	program := through(g.team.Sign(g.team.Service(ours, "abc.access", start)))
	g.is("a session", g.call("GET", "/api/v1/staff", "", both(g.worker("admin"), program)), 403, "access_refused")
	g.is("the login", g.call("POST", "/api/v1/dev/session", "{}", both(on(adminHost), program)), 403, "access_refused")
	g.is("a page", g.call("GET", "/", "", both(both(operator, on(adminHost)), program)), 403, "")
	g.is("a wrong token", g.call("GET", "/api/v1/staff", "", both(both(on(adminHost), with("Authorization", "Bearer x")), program)), 401, "bad_token")
	g.is("a token", g.call("GET", "/api/v1/staff", "", both(both(operator, on(adminHost)), program)), 200, "")
}

// When the team's keys cannot be read, nobody comes in.
func TestTheGateFailsClosed(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	team.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	clock := &clock{}
	made, err := gate.New(config.Access{Team: team.URL(), Audience: []string{ours}}, clock.Now, team.Client(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Stop(context.Background()) })
	e := newEnv(t, func(cfg *api.Config, _ *api.Dependencies) { cfg.Gate = made })
	good := through(team.Sign(team.User(ours, "ada@example.com", start)))
	e.is("the API", e.call("GET", "/api/v1/staff", "", both(e.worker("admin"), good)), 503, "access_unavailable")
	e.is("a page", e.call("GET", "/", "", both(on(adminHost), good)), 503, "")
	for _, wrong := range []config.Access{{Team: "https://example.com", Audience: []string{ours}}, {Team: team.URL(), Audience: []string{"x"}}} {
		if _, err := gate.New(wrong, clock.Now, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil {
			t.Errorf("%+v is taken for a gate", wrong)
		}
	}
	if none, err := gate.New(config.Access{}, clock.Now, nil, nil, nil); none != nil || err != nil {
		t.Errorf("%v, %v without settings", none, err)
	}
}

// send is a request from an address, with headers.
func (e *env) send(peer, host, path string, headers map[string]string) int {
	e.Helper()
	r := httptest.NewRequest("POST", "http://"+host+path, strings.NewReader(`{"email":"new@example.com","name":"N"}`))
	r.RemoteAddr, r.Host = peer, host
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+operatorToken)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	e.edge.Handler().ServeHTTP(w, r)
	_, _ = io.Copy(io.Discard, w.Body)
	return w.Code
}

// The operator's token works behind the gate and on this machine, not around the gate by another name.
func TestTheOperatorBesideTheGate(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	const path = "/api/v1/customers"
	for name, c := range map[string]struct {
		peer, host, forwarded string
		status                int
	}{
		"on this machine":                {"127.0.0.1:1", "127.0.0.1:8080", "", 201},
		"from elsewhere":                 {"192.0.2.1:1", "192.0.2.9", "", 401},
		"through a tunnel on it":         {"127.0.0.2:1", "other.example", "198.51.100.1", 401},
		"on the admin site, straight":    {"127.0.0.1:1", adminHost, "", 403},
		"on the account site":            {"127.0.0.1:1", accountHost, "", 401},
		"on the admin site, with a dot":  {"192.0.2.1:1", adminHost + ".", "", 401},
		"on the admin site, with a port": {"192.0.2.1:1", adminHost + ":443", "", 403},
	} {
		headers := map[string]string{}
		if c.forwarded != "" {
			headers["X-Forwarded-For"] = c.forwarded
		}
		if got := g.send(c.peer, c.host, path, headers); got != c.status {
			t.Errorf("%s: %d, want %d", name, got, c.status)
		}
	}
}

// What a proxy says about where a request came from counts when it is one of ours, and is kept with what was ordered.
func TestAddressesBehindProxies(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(cfg *api.Config, _ *api.Dependencies) {
		cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for name, c := range map[string]struct {
		peer    string
		headers map[string]string
		want    string
	}{
		"a tunnel":                      {"10.0.0.1:1", map[string]string{"CF-Connecting-IP": "198.51.100.7"}, "198.51.100.7"},
		"CF-Connecting-IP of a sender":  {"203.0.113.5:1", map[string]string{"CF-Connecting-IP": "198.51.100.7"}, "203.0.113.5"},
		"X-Forwarded-For of a sender":   {"203.0.113.6:1", map[string]string{"X-Forwarded-For": "198.51.100.7"}, "203.0.113.6"},
		"a proxy, and what came before": {"10.0.0.2:1", map[string]string{"X-Forwarded-For": "192.0.2.66, 198.51.100.8, 10.9.9.9", "CF-Connecting-IP": "192.0.2.67"}, "198.51.100.8"},
	} {
		e.exec(`truncate customer cascade`)
		if got := e.send(c.peer, "127.0.0.1", "/api/v1/customers", c.headers); got != 201 {
			t.Fatalf("%s: %d", name, got)
		}
		if got := one[string](e, `select host(ip) from audit order by id desc limit 1`); got != c.want {
			t.Errorf("%s: the audit log has %s, want %s", name, got, c.want)
		}
	}
	if got := e.send("10.0.0.1:1", adminHost, "/api/v1/dev/session", map[string]string{"X-Forwarded-For": "127.0.0.1"}); got != 422 && got != 403 {
		t.Errorf("who says to come from this machine does: %d", got)
	}
}
