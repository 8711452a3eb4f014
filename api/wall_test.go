package api_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/query"
)

// walled asks the wall in one customer's name, whoever is signed in; while there is none, as it comes. Signed in as
// staff, every question runs with its own scope removed, and the wall alone decides.
type walled struct {
	query.Postgres
	customer *uuid.UUID
}

func (w walled) of(ctx context.Context) context.Context {
	if *w.customer == uuid.Nil {
		return ctx
	}
	return query.WithScope(ctx, query.Customer(*w.customer))
}

func (w walled) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return w.Postgres.Query(w.of(ctx), sql, args...)
}

func (w walled) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return w.Postgres.QueryRow(w.of(ctx), sql, args...)
}

// openToCustomers are the operations that a customer is not forbidden, as the guard has it: asked for what is not there.
func (e *env) openToCustomers() []route {
	e.Helper()
	login := e.customer("")
	var open []route
	for _, r := range routes(e.TB) {
		if needs()[r.id] == "open" || r.method != "GET" || strings.HasPrefix(r.path, "/api/v1/account") { // orders pass another way; an account has a test of its own
			continue
		}
		if strings.Contains(r.id, "development") || ofOneself(r.path) { // of the person or the session; they show no account's things
			continue
		}
		if _, flags, _ := strings.Cut(needs()[r.id], " "); strings.Contains(flags, "person") || strings.Contains(flags, "fresh") {
			continue // the person's own, no account's: TestTheWallBetweenPeople
		}
		if e.call(r.method, r.on("svc-c", "INV-C"), r.body(), login).status != 403 {
			open = append(open, r)
		}
	}
	if len(open) < 10 {
		e.Fatalf("only %v is open to customers", open)
	}
	return open
}

// ofOneself tells the operations by which somebody signs in, and those about oneself.
func ofOneself(path string) bool {
	for _, of := range []string{"/login", "/me", "/session"} {
		if rest, ok := strings.CutPrefix(path, "/api/v1"+of); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// twoHouses gives each of two customers something that every question could show.
func (e *env) twoHouses() {
	e.Helper()
	e.hear(start, 1)
	for i, name := range []string{"a", "b"} {
		e.invoice("svc-"+name, "INV-"+strings.ToUpper(name))
		e.meter("svc-"+name, start, int64(111_000_111*(i+1)), 5)
	}
	e.exec(`insert into quota_alert (cycle_id, service_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id)
		select c.id, s.id, 75, 100, 80, $1, gen_random_uuid() from service s join cycle c on c.service_id = s.id`, start)
}

// marks are the texts by which a customer's things are known in an answer.
func (e *env) marks(name string) []string {
	e.Helper()
	rows, err := e.owner.Query(context.Background(), `
		select unnest(array[u.id::text, u.email, s.id::text, s.name, c.id::text, i.id::text, i.number, h.bytes_in_l2::text])
		from customer u join service s on s.customer_id = u.id join cycle c on c.service_id = s.id join invoice i on i.cycle_id = c.id
		join usage_hourly h on h.service_id = s.id where u.email = $1 || '@example.com'
		union all select host(a.prefix) from assignment a join service s on s.id = a.service_id where s.name = 'svc-' || $1`, name)
	if err != nil {
		e.Fatal(err)
	}
	marks, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(marks) < 9 {
		e.Fatalf("marks of %s: %v (%v)", name, marks, err)
	}
	return marks
}

// shown is the first of the marks in an answer, or nothing.
func shown(a answer, marks []string) string {
	for _, mark := range marks {
		if strings.Contains(a.body, mark) {
			return mark
		}
	}
	return ""
}

// TestTheWallHoldsWithoutTheScope runs every operation that customers may call with the scope removed from its
// questions and the wall in a customer's name: of another customer there is nothing.
func TestTheWallHoldsWithoutTheScope(t *testing.T) {
	t.Parallel()
	var customer uuid.UUID
	var read query.Postgres
	e := company(t, func(_ *api.Config, deps *api.Dependencies) {
		read = deps.Background
		deps.Postgres, deps.Background = walled{deps.Postgres, &customer}, read
	})
	e.twoHouses()
	if err := e.owner.QueryRow(t.Context(), `select id from customer where email = 'a@example.com'`).Scan(&customer); err != nil {
		t.Fatal(err)
	}
	ours, theirs := e.marks("a"), e.marks("b")
	unwalled := e.beside(read)
	for _, r := range e.openToCustomers() {
		if r.method != "GET" {
			t.Errorf("%s is open to customers and not tried here", r.id)
			continue
		}
		if r.id == "watch-service" { // would not end
			if _, status := e.watch("svc-b", operator); status != 404 {
				t.Errorf("%s of another: %d", r.id, status)
			}
			continue
		}
		other := e.call(r.method, r.on("svc-b", "INV-B"), "", operator)
		if mark := shown(other, theirs); mark != "" {
			t.Errorf("%s shows %s of another: %s", r.id, mark, other.body)
		}
		if strings.Contains(r.path, "{id}") && other.status != 404 {
			t.Errorf("%s of another: %d %s", r.id, other.status, other.body)
		}
		own := e.call(r.method, r.on("svc-a", "INV-A"), "", operator)
		if own.status != 200 || shown(own, ours) == "" {
			t.Errorf("%s shows a customer nothing: %d %s", r.id, own.status, own.body)
		}
		// The marks would be there to be seen.
		if without := unwalled(r.on("svc-b", "INV-B")); without.status != 200 || shown(without, theirs) == "" {
			t.Errorf("%s shows nothing without the wall: %d %s", r.id, without.status, without.body)
		}
	}
}

// TestTheWallChangesNothing compares what customers are shown with the wall and without.
func TestTheWallChangesNothing(t *testing.T) {
	t.Parallel()
	var read query.Postgres
	e := company(t, func(_ *api.Config, deps *api.Dependencies) { read = deps.Background })
	e.twoHouses()
	unwalled := e.beside(read)
	for _, who := range []string{"a", "b"} {
		login := e.customer(who + "@example.com")
		for _, r := range e.openToCustomers() {
			if r.id == "watch-service" || r.method != "GET" {
				continue
			}
			path := r.on("svc-"+who, "INV-"+strings.ToUpper(who))
			with, without := e.call("GET", path, "", login), unwalled(path, who)
			if with.status != 200 || with.body != without.body {
				t.Errorf("%s with the wall: %d %s\nwithout: %d %s", r.id, with.status, with.body, without.status, without.body)
			}
		}
	}
}

// beside serves the same platform without the wall, and gives the way to call it: as a customer, or as the operator.
func (e *env) beside(read query.Postgres) func(path string, who ...string) answer {
	e.Helper()
	cfg, deps := e.cfg, e.deps
	deps.Postgres, deps.Background, deps.Log, deps.Registry = read, read, slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	edge, err := api.New(cfg, deps)
	if err != nil {
		e.Fatal(err)
	}
	plain := &env{TB: e.TB, server: httptest.NewServer(edge.Handler())}
	e.Cleanup(plain.server.Close)
	return func(path string, who ...string) answer {
		if len(who) == 0 {
			return plain.call("GET", path, "", operator)
		}
		return plain.call("GET", path, "", plain.customer(who[0]+"@example.com"))
	}
}
