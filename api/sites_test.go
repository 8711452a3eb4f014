package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/oauth"
)

type pages struct{}

func (pages) ServeHTTP(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a page")) }

func TestPagesAreAtTheSitesAlone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.deps.Web = pages{}
	for _, c := range []struct {
		host, path string
		status     int
		location   string
	}{
		{accountHost, "/services?q=a", 404, ""}, // there are none in this test
		{"127.0.0.1:8080", "/services?q=a", 307, "https://account.test:8080/services?q=a"},
		{"example.com", "/", 307, "https://account.test/"},
		{"account.test.evil.example", "/login", 307, "https://account.test/login"},
		{"127.0.0.1", "/api/v1/session", 401, ""},
		{"127.0.0.1", "/health/live", 200, ""},
	} {
		client := e.server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := e.call("GET", c.path, "", on(c.host))
		if got.status != c.status || got.header.Get("Location") != c.location {
			t.Errorf("%s%s: %d to %q, want %d to %q", c.host, c.path, got.status, got.header.Get("Location"), c.status, c.location)
		}
	}
}

// A session is looked up for the site that the request came to: its cookie opens nothing on the other, whoever sends it.
func TestACookieIsWorthNothingOnTheOtherSite(t *testing.T) {
	t.Parallel()
	e := company(t)
	for _, c := range []struct {
		as    as
		other string
	}{{e.customer("a@example.com"), adminHost}, {e.staff(), accountHost}, {e.customer("a@example.com"), "127.0.0.1"}, {e.staff(), "127.0.0.1"}} {
		if got := e.call("GET", "/api/v1/session", "", c.as); got.status != 200 {
			t.Fatalf("on its own site: %d %s", got.status, got.body)
		}
		if got := e.call("GET", "/api/v1/session", "", c.as, on(c.other)); got.status != 401 {
			t.Errorf("on %s: %d %s", c.other, got.status, got.body)
		}
	}
}

func TestAnswersOverTLSSaySo(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for host, want := range map[string]string{accountHost: "max-age=31536000; includeSubDomains", adminHost: "max-age=31536000; includeSubDomains", "127.0.0.1": ""} {
		if got := e.call("GET", "/health/live", "", on(host)).header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

// What is taken away counts from the next request on, and streams, which have none, end.
func TestWhatIsTakenAwayCountsAtOnce(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]string{
		"revoked":    `update api_token set revoked_at = created_at`,
		"suspended":  `update person set status = 'suspended' where site = 'account'`,
		"over":       `update session set expires_at = opened_at where site = 'account'`,
		"signed out": `update session set ended_at = opened_at where site = 'account'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := company(t)
			a := e.customer("a@example.com")
			if name == "revoked" {
				a = e.tokenOf("a@example.com", "owner", "services.read")
			}
			s, _ := e.watch("svc-a", a)
			s.untilUsage(func(usage) bool { return true })
			e.exec(take)
			if got := e.call("GET", "/api/v1/services/svc-a", "", a); got.status != 401 {
				t.Errorf("after it: %d", got.status)
			}
			s.untilEnd()
		})
	}
	e := company(t)
	a := e.customer("a@example.com")
	s, _ := e.watch("svc-a", a)
	s.untilUsage(func(usage) bool { return true })
	e.exec(`delete from membership`)
	if got := e.call("GET", "/api/v1/services", "", a); got.status != 403 || !strings.Contains(got.body, "no_account") {
		t.Errorf("out of the account: %d %s", got.status, got.body)
	}
	if got := e.call("GET", "/api/v1/session", "", a); got.status != 200 || !strings.Contains(got.body, `"restricted":"no_account"`) {
		t.Errorf("out of the account, the session: %d %s", got.status, got.body)
	}
	s.untilEnd()
}

// away is a door behind which nobody answers.
type away struct{ oauth.Door }

func (away) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, errors.New("canary: connection refused")
}

// Who cannot be asked for is let in nowhere, and not signed out either: a page that was told 401 would ask for a login.
func TestWithoutTheDatabaseNobodyIsSignedOut(t *testing.T) {
	t.Parallel()
	e := company(t)
	a, program := e.customer("a@example.com"), e.tokenOf("a@example.com", "owner", "services.read")
	e.deps.Door = away{e.deps.Door}
	broken := e.again()
	for _, who := range []as{a, program} {
		if got := broken.call("GET", "/api/v1/services", "", who); got.status != 503 || !strings.Contains(got.body, "cannot_ask_who") || strings.Contains(got.body, "canary") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

// again is another edge of the same platform, with the dependencies as they are now.
func (e *env) again() *env {
	e.Helper()
	e.deps.Registry = prometheus.NewRegistry()
	edge, err := api.New(e.cfg, e.deps)
	if err != nil {
		e.Fatal(err)
	}
	other := &env{TB: e.TB, server: httptest.NewServer(edge.Handler())}
	e.Cleanup(other.server.Close)
	return other
}
