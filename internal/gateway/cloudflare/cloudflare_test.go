package cloudflare_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/gateway/cloudflare"
	"github.com/ezscale/platform/internal/gateway/cloudflare/cloudflaretest"
)

const (
	email    = "ada@example.com"
	patience = 5 * time.Minute // the machine may be busy
)

var (
	ours   = strings.Repeat("a1", 32)
	second = strings.Repeat("b2", 32)
	others = strings.Repeat("c3", 32)
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// hands is a clock that moves when told.
type hands struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// world is a verifier, its team, its clock and all it has logged.
type world struct {
	*cloudflare.Verifier
	t     *testing.T
	team  *cloudflaretest.Team
	clock *hands
	reg   *prometheus.Registry
	logs  *logs
}

type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// build makes a verifier that has not started.
func build(t *testing.T, team *cloudflaretest.Team, change func(*cloudflare.Config)) *world {
	t.Helper()
	w := &world{t: t, team: team, clock: &hands{now: noon}, reg: prometheus.NewRegistry(), logs: &logs{}}
	// A wait is ended by what is waited for; where a test is about its end, it sets another.
	cfg := cloudflare.Config{Team: team.URL(), Audience: []string{ours, second}, Now: w.clock.Now, Client: team.Client(), Timeout: patience, Wait: patience}
	if change != nil {
		change(&cfg)
	}
	v, err := cloudflare.New(cfg, slog.New(slog.NewTextHandler(w.logs, nil)), w.reg)
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier = v
	t.Cleanup(func() {
		if err := v.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return w
}

func start(t *testing.T, team *cloudflaretest.Team) *world {
	t.Helper()
	w := build(t, team, nil)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) user() string { return w.team.Sign(w.team.User(ours, email, w.clock.Now())) }

// passes expects an assertion to be believed.
func (w *world) passes(assertion string) {
	w.t.Helper()
	if id, err := w.Verify(w.t.Context(), assertion); err != nil || id.Email != email {
		w.t.Fatalf("got %+v, %v", id, err)
	}
}

func (w *world) count(name, outcome string) (n float64) {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != "ezscale_cloudflare_access_"+name || outcome != "" && m.GetLabel()[0].GetValue() != outcome {
				continue
			}
			n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return n
}

func TestWhoPasses(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	user, at := w.team.User(ours, email, noon), noon.Add(time.Hour)
	program := w.team.Service(second, "e367826f93b8d71185e03fe518aff3b4.access", noon)
	person := cloudflare.Identity{Kind: cloudflare.User, Email: email, Subject: "7335d417-61da-459d-899c-0a01c76a2f94", Country: "US", Audience: ours, IssuedAt: noon, ExpiresAt: at}
	at2 := func(change func(*cloudflare.Identity)) cloudflare.Identity {
		id := person
		change(&id)
		return id
	}
	for name, c := range map[string]struct {
		claims cloudflaretest.Claims
		want   cloudflare.Identity
	}{
		"a person":               {user, person},
		"a program":              {program, cloudflare.Identity{Kind: cloudflare.ServiceToken, CommonName: "e367826f93b8d71185e03fe518aff3b4.access", Audience: second, IssuedAt: noon, ExpiresAt: at}},
		"an audience as string":  {user.With(cloudflaretest.Claims{"aud": ours}), person},
		"one of many audiences":  {user.With(cloudflaretest.Claims{"aud": []string{others, second}}), at2(func(i *cloudflare.Identity) { i.Audience = second })},
		"with a certificate":     {user.With(cloudflaretest.Claims{"common_name": "ada.laptop"}), at2(func(i *cloudflare.Identity) { i.CommonName = "ada.laptop" })},
		"from nowhere":           {user.With(cloudflaretest.Claims{"country": nil}), at2(func(i *cloudflare.Identity) { i.Country = "" })},
		"from a strange country": {user.With(cloudflaretest.Claims{"country": "US\nA"}), at2(func(i *cloudflare.Identity) { i.Country = "" })},
		"without nbf":            {user.With(cloudflaretest.Claims{"nbf": nil}), person},
		"more claims":            {user.With(cloudflaretest.Claims{"custom": map[string]any{"groups": []string{"x"}}, "EMAIL": "eve@example.com"}), person},
		"expired within leeway": {user.With(cloudflaretest.Claims{"iat": noon.Unix() - 100, "exp": noon.Unix() - 59}), at2(func(i *cloudflare.Identity) {
			i.IssuedAt, i.ExpiresAt = noon.Add(-100*time.Second), noon.Add(-59*time.Second)
		})},
		"ahead within leeway": {user.With(cloudflaretest.Claims{"iat": noon.Unix() + 60, "nbf": noon.Unix() + 60}), at2(func(i *cloudflare.Identity) { i.IssuedAt = noon.Add(time.Minute) })},
	} {
		got, err := w.Verify(t.Context(), w.team.Sign(c.claims))
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if w.count("verifications_total", "ok") != 11 || w.team.Requests() != 1 {
		t.Errorf("%v verified, %d fetches", w.count("verifications_total", "ok"), w.team.Requests())
	}
	k := w.team.Current()
	for name, header := range map[string]string{"without typ": `{"alg":"RS256","kid":"` + k.ID + `"}`, "typ in small": `{"typ":"jwt","kid":"` + k.ID + `","alg":"RS256","cty":"x"}`} {
		payload := `{"iss":"` + w.team.URL() + `","aud":["` + ours + `"],"exp":1772370000,"iat":1772366400,"type":"app","email":"` + email + `","sub":"s"}`
		if _, err := w.Verify(t.Context(), cloudflaretest.Encode(header, payload, k.RS256)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	const good = "https://acme.cloudflareaccess.com"
	for name, c := range map[string]struct {
		team     string
		audience []string
		ok       bool
	}{
		"good":                  {good, []string{ours}, true},
		"digits and hyphens":    {"https://4-c-me.cloudflareaccess.com", []string{ours, second}, true},
		"no team":               {"", []string{ours}, false},
		"only the name":         {"acme", []string{ours}, false},
		"http":                  {"http://acme.cloudflareaccess.com", []string{ours}, false},
		"slash":                 {good + "/", []string{ours}, false},
		"path":                  {good + "/x", []string{ours}, false},
		"port":                  {good + ":443", []string{ours}, false},
		"other host":            {good + ".evil.example", []string{ours}, false},
		"dot is a dot":          {"https://acmexcloudflareaccess.com", []string{ours}, false},
		"two labels":            {"https://a.b.cloudflareaccess.com", []string{ours}, false},
		"user":                  {"https://x@acme.cloudflareaccess.com", []string{ours}, false},
		"capitals":              {"https://Acme.cloudflareaccess.com", []string{ours}, false},
		"hyphen first":          {"https://-acme.cloudflareaccess.com", []string{ours}, false},
		"line after":            {good + "\n", []string{ours}, false},
		"label too long":        {"https://" + strings.Repeat("a", 64) + ".cloudflareaccess.com", []string{ours}, false},
		"no audience":           {good, nil, false},
		"empty audience":        {good, []string{""}, false},
		"audience of a host":    {good, []string{"admin.example.com"}, false},
		"one bad audience":      {good, []string{ours, "x"}, false},
		"too many audiences":    {good, strings.Split(strings.Repeat(ours+",", 17), ",")[:17], false},
		"audience in big signs": {good, []string{strings.ToUpper(ours)}, false},
	} {
		v, err := cloudflare.New(cloudflare.Config{Team: c.team, Audience: c.audience, Client: &http.Client{}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if (err == nil) != c.ok || (v != nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
