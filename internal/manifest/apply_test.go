package manifest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/clock"
	"github.com/ezscale/platform/internal/manifest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/query"
)

type asleep struct{}

func (asleep) Wake() {}

// platform is a real API on a database of its own. broken, when set, is asked for each write whether its answer is lost.
func platform(t *testing.T, broken func() bool) *client.Client {
	t.Helper()
	db := postgrestest.New(t)
	reg := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	sites, err := guard.ParseSites("http://account.localhost", "http://admin.localhost")
	if err != nil {
		t.Fatal(err)
	}
	read := db.Pool(postgres.RoleQuery)
	server, err := api.New(api.Config{Token: "secret", Sites: sites}, api.Dependencies{
		Commands: command.NewDB(db.Pool(postgres.RoleCommand), asleep{}, log, reg), Postgres: query.NewWall(read), Background: read,
		Door: db.Pool(postgres.RoleDoor), Clock: clock.Real(), MachineNow: time.Now, Log: log, Registry: reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := server.Handler()
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && broken != nil && broken() {
			handler.ServeHTTP(httptest.NewRecorder(), r) // done, but nobody hears of it
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(listening.Close)
	c, err := client.New(client.Config{URL: listening.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run applies a text and gives the lines told, and the fault.
func run(t *testing.T, c *client.Client, text string) (lines []string, unchanged int, err error) {
	t.Helper()
	ctx := context.Background()
	file, err := manifest.Parse("m.yaml", []byte(text))
	if err != nil {
		return nil, 0, err
	}
	state, err := manifest.Fetch(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	steps, unchanged, err := manifest.Diff(file, state)
	if err != nil {
		return nil, 0, err
	}
	err = manifest.Apply(ctx, c, file, steps, func(s manifest.Step) { lines = append(lines, s.Lines()...) })
	return lines, unchanged, err
}

const company = `
exporters:
  - {name: leaf-0, source: 127.1.0.1/32, agent: 127.1.0.1, count: ingress}
plans:
  - name: vps-s
    price: {amount: "5.00", currency: USD, interval: month}
    traffic: {quota: 1TB, bytes: l2, direction: sum, thresholds: [75, 90, 100], overage: {unit: 1GB, price: "0.01"}}
customers:
  - {email: a@example.com, name: A}
services:
`

func services(n int) string {
	var b strings.Builder
	b.WriteString(company)
	for i := range n {
		fmt.Fprintf(&b, "  - {name: \"svc-10.20.%d.%d\", customer: a@example.com, plan: vps-s, since: 2026-01-01T00:00:00Z, prefixes: [\"10.20.%d.%d/32\"]}\n", i/256, i%256, i/256, i%256)
	}
	return b.String()
}

func TestASecondRunChangesNothing(t *testing.T) {
	t.Parallel()
	c := platform(t, nil)
	text := services(40)
	lines, _, err := run(t, c, text)
	if err != nil || len(lines) != 43 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	lines, unchanged, err := run(t, c, text)
	if err != nil || len(lines) != 0 || unchanged != 43 {
		t.Errorf("the second run: %v, %d unchanged, %v", lines, unchanged, err)
	}
}

func TestLostAnswersDoNothingTwice(t *testing.T) {
	t.Parallel()
	var writes atomic.Int64
	c := platform(t, func() bool { return writes.Add(1)%3 == 0 })
	lines, _, err := run(t, c, services(20))
	if err != nil || len(lines) != 23 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	all, err := client.All[client.Service](context.Background(), c, "/services")
	if err != nil || len(all) != 20 {
		t.Errorf("%d services, %v", len(all), err)
	}
}

// Going from one file to another and back again is three changes, not one and two repetitions.
func TestThereAndBackAgain(t *testing.T) {
	t.Parallel()
	c := platform(t, nil)
	two := company + `
  - {name: a, customer: a@example.com, plan: vps-s, prefixes: ["10.0.0.1/32"]}
  - {name: b, customer: a@example.com, plan: vps-s, prefixes: ["10.0.0.2/32"]}
`
	swapped := strings.NewReplacer("10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.1").Replace(two)
	dearer := strings.Replace(two, `"5.00"`, `"7.00"`, 1)
	for i, text := range []string{two, swapped, two, swapped, dearer, two, dearer, two} {
		if _, _, err := run(t, c, text); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if lines, _, err := run(t, c, text); err != nil || len(lines) != 0 {
			t.Fatalf("step %d, again: %v %v", i, lines, err)
		}
	}
	released := strings.Replace(two, `["10.0.0.1/32"]`, `[]`, 1)
	if lines, _, err := run(t, c, released); err != nil || len(lines) != 1 || lines[0] != "~ changed prefix 10.0.0.1/32 service: a → none" {
		t.Errorf("release: %v %v", lines, err)
	}
}

// Ports and attachments, too: each way changes what differs, and once.
func TestPortsThereAndBackAgain(t *testing.T) {
	t.Parallel()
	c := platform(t, nil)
	exporters := "exporters:\n  - {name: leaf-0, source: 127.1.0.1/32, inside: [vxlan]}\n  - {name: leaf-1, source: 127.1.0.2/32, count: bound, rate_default: 100}\n"
	rest := strings.TrimPrefix(company[strings.Index(company, "plans:"):], "\n")
	one := exporters + rest + `
  - {name: a, customer: a@example.com, plan: vps-s, prefixes: [{prefix: 10.0.0.1/32, attachment: leaf-0}, 10.0.0.2/32], ports: [{exporter: leaf-0, if_index: 1}]}
  - {name: b, customer: a@example.com, plan: vps-s, prefixes: [], ports: [{exporter: leaf-1, if_index: 1}]}
`
	two := exporters + rest + `
  - {name: a, customer: a@example.com, plan: vps-s, prefixes: [{prefix: 10.0.0.1/32, attachment: leaf-1}], ports: [{exporter: leaf-1, if_index: 1}]}
  - {name: b, customer: a@example.com, plan: vps-s, prefixes: [{prefix: 10.0.0.2/32, attachment: leaf-1}], ports: []}
`
	three := strings.NewReplacer("attachment: leaf-1", `attachment: ""`).Replace(two)
	for i, text := range []string{one, two, one, three, two, three, one} {
		if _, _, err := run(t, c, text); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if lines, _, err := run(t, c, text); err != nil || len(lines) != 0 {
			t.Fatalf("step %d, again: %v %v", i, lines, err)
		}
	}
	_, _, err := run(t, c, strings.Replace(one, "ports: [{exporter: leaf-1, if_index: 1}]", "ports: [{exporter: leaf-1, if_index: 4294967295}, {exporter: leaf-1, if_index: 2}]", 1))
	if err != nil {
		t.Error(err)
	}
}

func TestRefusalsNameTheLine(t *testing.T) {
	t.Parallel()
	c := platform(t, nil)
	if _, _, err := run(t, c, company); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t, c, strings.Replace(company, "currency: USD", "currency: EUR", 1))
	if err == nil || !strings.HasPrefix(err.Error(), "m.yaml:5:") || !strings.Contains(err.Error(), "plans[0]: ") || !strings.Contains(err.Error(), "sold in USD") {
		t.Errorf("another currency: %v", err)
	}
	_, _, err = run(t, c, company+"  - {name: far, customer: a@example.com, plan: vps-s, since: 2299-01-01}\n  - {name: farther, customer: a@example.com, plan: vps-s, since: 2399-01-01}\n")
	if err == nil || strings.Count(err.Error(), ".since: ") != 2 {
		t.Errorf("two far beginnings: %v", err)
	}
}

func TestAThousandServices(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	c := platform(t, nil)
	start := time.Now()
	if _, _, err := run(t, c, services(1000)); err != nil {
		t.Fatal(err)
	}
	t.Logf("a thousand services applied in %s", time.Since(start).Round(time.Millisecond))
}
