package query_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/audit"
	"github.com/ezscale/platform/query/bandwidth"
	"github.com/ezscale/platform/query/billing"
	"github.com/ezscale/platform/query/identity"
	"github.com/ezscale/platform/query/provisioning"
)

// houses is a database in which every table that customers may read holds rows of two of them.
type houses struct {
	db          *postgrestest.DB
	owner, read *pgxpool.Pool
	wall        *query.Wall
	a, b        uuid.UUID
}

func newHouses(t testing.TB) *houses {
	t.Helper()
	db := postgrestest.New(t)
	h := &houses{db: db, owner: db.Pool(postgres.RoleOwner), read: db.Pool(postgres.RoleQuery), a: uuid.New(), b: uuid.New()}
	h.wall = query.NewWall(h.read)
	h.exec(t, `insert into exporter (id, name, source, count_policy, created_at) values (gen_random_uuid(), 'leaf-0', '127.0.0.1/32', 'ingress', now())`)
	h.exec(t, `insert into loss_hourly (exporter_id, hour, datagrams) select id, '2026-03-10 12:00Z', 1 from exporter`)
	h.exec(t, `insert into loss_minute (exporter_id, minute, datagrams) select id, '2026-03-10 12:00Z', 1 from exporter`)
	h.exec(t, `insert into secret_ring (version, wrapped, kek, keys, primary_key) values (1, 'x', 'test', '{1}', 1)`) // with the key that seals seeds below
	for name, customer := range map[string]uuid.UUID{"a": h.a, "b": h.b} {
		h.furnish(t, name, customer)
	}
	return h
}

// furnish gives a customer one row of everything.
func (h *houses) furnish(t testing.TB, name string, customer uuid.UUID) {
	t.Helper()
	service, plan, cycle, invoice := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	h.exec(t, `insert into customer (id, email, name, created_at) values ($1, $2 || '@example.com', $2, now())`, customer, name)
	h.exec(t, `insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
		values ($1, $2, 500, 'USD', 'month', 'l2', 'sum', '{}', now())`, plan, "plan-"+name)
	h.exec(t, `insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at) values ($1, $2, $3, $4, now(), 1, now())`, service, "svc-"+name, customer, plan)
	h.exec(t, `insert into aggregate (type, id, version) values ('customer', $1, 1), ('service', $2, 1), ('plan', $3, 1)`, customer, service, plan)
	h.exec(t, `insert into assignment (id, prefix, service_id, valid) values (gen_random_uuid(), $1, $2, tstzrange(now(), null))`,
		map[string]string{"a": "10.20.0.1/32", "b": "10.20.0.2/32"}[name], service)
	h.exec(t, `insert into binding (id, exporter_id, if_index, service_id, valid) select gen_random_uuid(), id, $2, $1, tstzrange(now(), null) from exporter`,
		service, map[string]int{"a": 1, "b": 2}[name])
	h.exec(t, `insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, byte_basis, direction, thresholds, currency)
		values ($1, $2, $3, '2026-03-01Z', '2026-04-01Z', 'open', 'l2', 'sum', '{}', 'USD')`, cycle, service, plan)
	h.exec(t, `insert into usage_cycle (cycle_id, service_id, bytes_in_l2) values ($1, $2, 5)`, cycle, service)
	h.exec(t, `insert into usage_hourly (service_id, exporter_id, hour, bytes_in_l2) select $1, id, '2026-03-10 12:00Z', 5 from exporter`, service)
	h.exec(t, `insert into usage_slot (service_id, slot, bytes_in_l2, meter, flush) values ($1, '2026-03-10 12:00Z', 5, 0, 0)`, service)
	h.exec(t, `insert into quota_alert (service_id, cycle_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id) values ($1, $2, 75, 4, 5, now(), gen_random_uuid())`, service, cycle)
	h.exec(t, `insert into quarantine_hourly (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length)
		select id, '2026-03-10 12:00Z', $1, 'in', 7, 9, 9, 9 from exporter`, service)
	h.exec(t, `insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, samples, frame_length, ip_length, reason, decided_at)
		select gen_random_uuid(), id, '2026-03-10 12:00Z', $1, 'in', 7, 'rejected', 1, 1, 1, 'r', now() from exporter`, service)
	h.exec(t, `insert into invoice (id, kind, number, customer_id, customer_name, customer_email, service_id, cycle_id, revision, currency, total_minor, status, finalised_at)
		values ($1, 'usage', $2, $3, $2, $2, $4, $5, 0, 'USD', 1, 'finalised', now())`, invoice, "INV-"+name, customer, service, cycle)
	h.exec(t, `insert into invoice_line (invoice_id, position, kind, service_id, cycle_id, revision, description, quantity, unit_bytes, unit_price, amount_minor, evidence)
		values ($1, 1, 'overage', $2, $3, 0, 'd', 1, 1, 1, 1, '{}')`, invoice, service, cycle)
	h.exec(t, `insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input) values
		(now(), 'person:' || $1::uuid::text, 'own', 'other', gen_random_uuid(), 'r', '{}'), (now(), 'staff:x', 'to customer', 'customer', $1, 'r', '{}'),
		(now(), 'staff:x', 'to service', 'service', $2, 'r', '{}'), (now(), 'staff:x', 'another type with the id', 'cycle', $2, 'r', '{}')`, customer, service)
	h.people(t, customer)
}

// people gives a customer an owner of the same id, with something of each kind.
func (h *houses) people(t testing.TB, customer uuid.UUID) {
	t.Helper()
	for _, sql := range []string{
		`insert into person (id, site, email, name, created_at) values ($1, 'account', $1::uuid::text || '@example.com', 'P', now())`,
		`insert into membership (person_id, customer_id, rights, since) values ($1, $1, 'owner', now())`,
		`insert into customer_address (customer_id, kind, line1, city, country) values ($1, 'billing', $1::uuid::text, 'Berlin', 'DE')`,
		`insert into link (id, purpose, site, customer_id, rights, email, created_by, created_at, expires_at) values (gen_random_uuid(), 'invitation', 'account', $1, 'owner', 'x@example.com', 'p', now(), now())`,
		`insert into password (person_id, hash, set_at) values ($1, '', now())`,
		`insert into passkey (id, person_id, credential_id, public_key, backup_eligible, backed_up, name, created_at) values (gen_random_uuid(), $1, uuid_send($1), '', false, false, 'k', now())`,
		`insert into totp (person_id, seed) values ($1, '\x01000000010000000000000000000000000000000000000000000000000000000000')`,
		`insert into recovery_code (hash, person_id, issued_at) values (sha256(uuid_send($1)), $1, now())`,
		`insert into session (id, hash, site, person_id, factors, opened_at, proved_at, seen_at, expires_at, idle)
			values (gen_random_uuid(), sha256(uuid_send($1)), 'account', $1, '{password}', now(), now(), now(), now(), '1 h')`,
		`insert into api_token (id, hash, hint, name, person_id, scopes, created_at, expires_at) values (gen_random_uuid(), sha256(uuid_send($1)), 'h', 'n', $1, '{}', now(), now())`,
		`insert into oauth_client (id, site, name, redirect_uris, grants, scopes, created_at) values ($1, 'account', $1::uuid::text, '{}', '{}', '{}', now())`,
		`insert into oauth_grant (id, client_id, person_id, customer_id, scopes, proved_at, created_at, used_at, expires_at) values ($1, $1, $1, $1, '{}', now(), now(), now(), now())`,
	} {
		h.exec(t, sql, customer)
	}
}

func (h *houses) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := h.owner.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// readable is every table and view of which the role of customers may select a column, with those columns.
func (h *houses) readable(t testing.TB) map[string]string {
	t.Helper()
	rows, err := h.owner.Query(t.Context(), `
		select c.relname, string_agg(quote_ident(a.attname), ', ') from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and has_column_privilege('ezscale_customer', c.oid, a.attnum, 'select')
		group by c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	tables, name, columns := map[string]string{}, "", ""
	if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error { tables[name] = columns; return nil }); err != nil {
		t.Fatal(err)
	}
	return tables
}

func count(t testing.TB, ctx context.Context, db query.Postgres, sql string) (n int) {
	t.Helper()
	if err := db.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// visible is how many rows each table shows one customer of newHouses, where that is not one.
func visible() map[string]int { return map[string]int{"aggregate": 3, "audit": 3, "binding": 0} }

// TestWallShowsOnlyWhatIsOnesOwn asks every table for everything, as a statement would that forgot its scope. Each
// customer sees rows, staff all of them, and what two customers see has nothing in common but what is nobody's.
func TestWallShowsOnlyWhatIsOnesOwn(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	shared := map[string]bool{"exporter": true, "loss_hourly": true, "loss_minute": true}
	for table, columns := range h.readable(t) {
		sql := "select count(*) from (select " + columns + " from " + table + ") x"
		want, ok := visible()[table]
		if !ok {
			want = 1
		}
		all := count(t, query.WithScope(t.Context(), query.Staff()), h.wall, sql)
		if owned := 2*want + map[string]int{"audit": 2, "binding": 2}[table]; !shared[table] && all != owned {
			t.Errorf("%s: staff sees %d rows, want %d: is there something of both customers?", table, all, owned)
		}
		seen := map[string]bool{}
		for _, customer := range []uuid.UUID{h.a, h.b} {
			ctx := query.WithScope(t.Context(), query.Customer(customer).As(customer))
			texts := rowsAsText(t, ctx, h.wall, "select to_json(x)::text from (select "+columns+" from "+table+") x")
			if len(texts) != want {
				t.Errorf("%s: a customer sees %d rows, want %d: %v", table, len(texts), want, texts)
			}
			for _, text := range texts {
				if seen[text] && !shared[table] {
					t.Errorf("%s: both customers see %s", table, text)
				}
				seen[text] = true
			}
		}
		for name, ctx := range map[string]context.Context{"no scope": t.Context(), "the zero scope": query.WithScope(t.Context(), query.Scope{}),
			"a customer that is not there": query.WithScope(t.Context(), query.Customer(uuid.New()))} {
			if n := count(t, ctx, h.wall, sql); n != 0 && !(shared[table] && strings.HasPrefix(name, "a customer")) {
				t.Errorf("%s: %s sees %d rows", table, name, n)
			}
		}
	}
}

// TestQuestionsByIDStopAtTheWall asks what takes an id and no scope, or the scope of staff, about another's things.
func TestQuestionsByIDStopAtTheWall(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	now := time.Date(2026, 3, 10, 12, 30, 0, 0, time.UTC)
	long := query.Page{Limit: 50}
	found := func(ctx context.Context, of uuid.UUID, name string) map[string]int {
		var service uuid.UUID
		if err := h.owner.QueryRow(t.Context(), `select id from service where customer_id = $1`, of).Scan(&service); err != nil {
			t.Fatal(err)
		}
		cycles, err1 := billing.CurrentCycles(ctx, h.wall, []uuid.UUID{service}, now)
		alerts, err2 := bandwidth.ListAlerts(ctx, h.wall, query.Staff(), &service, long)
		services, err3 := provisioning.ListServices(ctx, h.wall, query.Staff(), provisioning.ServiceFilter{Customer: of.String()}, now, long)
		series, err4 := bandwidth.UsageSeries(ctx, bandwidth.Sources{Postgres: h.wall}, bandwidth.SeriesRequest{Service: service, From: now.Add(-time.Hour), To: now, Step: "10s"}, now)
		history, err5 := billing.ListCycles(ctx, h.wall, query.Staff(), service, now, long)
		did, err6 := audit.Own(ctx, h.wall, "person:"+of.String(), &of, long)
		_, missing := billing.FindInvoice(ctx, h.wall, query.Staff(), "INV-"+name)
		_, stranger := identity.FindCustomer(ctx, h.wall, query.Staff(), of.String())
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
			t.Fatal(err)
		}
		n := map[string]int{"cycles": len(cycles), "alerts": len(alerts.Items), "services": len(services.Items), "history": len(history.Items), "activity": len(did.Items), "series": 0}
		for _, point := range series.Points {
			if point.In != nil {
				n["series"] += int(*point.In)
			}
		}
		for what, err := range map[string]error{"invoice": missing, "customer": stranger} {
			if err == nil {
				n[what] = 1
			} else if !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		return n
	}
	ctx := query.WithScope(t.Context(), query.Customer(h.a).As(h.a))
	for what, n := range found(ctx, h.a, "a") {
		if n == 0 {
			t.Errorf("%s: a customer sees nothing of their own", what)
		}
	}
	for what, n := range found(ctx, h.b, "b") {
		if n != 0 {
			t.Errorf("%s: a customer sees %d of another", what, n)
		}
	}
}

func rowsAsText(t testing.TB, ctx context.Context, db query.Postgres, sql string) []string {
	t.Helper()
	rows, err := db.Query(ctx, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return texts
}

// What the role may not do fails, and leaves a connection that can be used.
func TestWallRefusesWhatIsNotGranted(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	ctx := query.WithScope(t.Context(), query.Customer(h.a).As(h.a))
	for sql, code := range map[string]string{
		`select from ledger_entry`:                       "42501",
		`select input from audit`:                        "42501",
		`select from customer for update`:                "25006",
		`update customer set name = 'x'`:                 "25006",
		`select outbox_add_days(1)`:                      "42501",
		`create temporary table x ()`:                    "25006",
		`select nothing`:                                 "42703",
		`select 1 / (count(*) - 1) from customer`:        "22012",
		`select '` + strings.Repeat("x", 10) + `'::uuid`: "22P02",
	} {
		var refused *pgconn.PgError
		rows, err := h.wall.Query(ctx, sql)
		if err == nil {
			_, err = pgx.CollectRows(rows, pgx.RowToMap)
		}
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%s: %v, want %s", sql, err, code)
		}
		if err := h.wall.QueryRow(ctx, sql).Scan(); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%s by QueryRow: %v, want %s", sql, err, code)
		}
	}
	if tx, err := h.wall.BeginTx(ctx, pgx.TxOptions{}); err == nil {
		_ = tx.Rollback(t.Context())
		t.Error("a customer has a transaction past the wall")
	}
	if err := h.wall.Check(query.WithScope(t.Context(), query.Staff())); err != nil {
		t.Error(err)
	}
	if err := h.wall.QueryRow(ctx, `select id from customer where name = 'b'`).Scan(new(uuid.UUID)); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
	if err := h.wall.QueryRow(ctx, `select name from customer`).Scan(new(int)); err == nil {
		t.Error("a name was read as a number")
	}
	h.holdPlain(t, h.read)
}

// holdPlain takes every connection of a pool at once and sees that each is as it was opened.
func (h *houses) holdPlain(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); pool.Stat().AcquiredConns() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) { // those that are thrown away are closed in the background
			t.Fatalf("%d connections were not given back", pool.Stat().AcquiredConns())
		}
	}
	for _, conn := range pool.AcquireAllIdle(context.Background()) {
		var role, customer, readOnly string
		err := conn.QueryRow(context.Background(), `select current_user, coalesce(current_setting('app.customer', true), ''), current_setting('transaction_read_only')`).Scan(&role, &customer, &readOnly)
		if err != nil || role != "ezscale_query" || customer != "" || readOnly != "off" {
			t.Errorf("a connection came back as %q for customer %q, read only %s (%v)", role, customer, readOnly, err)
		}
		conn.Release()
	}
}

// cut is a connection that ends a context at its nth reading or writing.
type cut struct {
	net.Conn
	calls *atomic.Int64
	at    *atomic.Int64
	end   *atomic.Pointer[context.CancelFunc]
}

func (c cut) step() {
	if end := c.end.Load(); end != nil && c.calls.Add(1) == c.at.Load() {
		(*end)()
	}
}
func (c cut) Read(b []byte) (int, error)  { c.step(); return c.Conn.Read(b) }
func (c cut) Write(b []byte) (int, error) { c.step(); return c.Conn.Write(b) }

// TestCancelledStatementsLeaveNoRole ends the context at each step of a statement: before each reading and writing of
// the connection, and after each row. What comes back to the pool has its own role.
func TestCancelledStatementsLeaveNoRole(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	var line cut
	line.calls, line.at, line.end = &atomic.Int64{}, &atomic.Int64{}, &atomic.Pointer[context.CancelFunc]{}
	config := h.read.Config()
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return cut{Conn: conn, calls: line.calls, at: line.at, end: line.end}, err
	}
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	wall := query.NewWall(pool)
	const sql = `select c.name, repeat('x', 20000) from customer c, generate_series(1, 20)`
	run := func(ctx context.Context, stopAfter int, stop func()) (n int, err error) {
		rows, err := wall.Query(ctx, sql)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			if n++; n == stopAfter {
				stop()
			}
		}
		return n, rows.Err()
	}
	cutOff, whole := 0, 0
	try := func(what string, step int64, rows int, cold bool) {
		if cold {
			pool.Reset()
		}
		ctx, cancel := context.WithCancel(query.WithScope(t.Context(), query.Customer(h.a).As(h.a)))
		defer cancel()
		line.calls.Store(0)
		line.at.Store(step)
		line.end.Store(&cancel)
		n, err := run(ctx, rows, cancel)
		line.end.Store(nil)
		switch {
		case err == nil && n == 20:
			whole++
		case errors.Is(err, context.Canceled):
			cutOff++
		default:
			t.Errorf("%s: %d rows, %v", what, n, err)
		}
		h.holdPlain(t, pool)
	}
	for step := range int64(40) {
		for _, cold := range []bool{true, false} { // on a new connection, whose statements are not prepared yet, and again
			try(fmt.Sprintf("cut at step %d, new connection: %t", step, cold), step, 0, cold)
		}
	}
	for n := range 21 {
		try(fmt.Sprintf("cut after %d rows", n), 0, n, false)
	}
	if cutOff < 20 || whole < 10 {
		t.Errorf("%d statements were cut off and %d were not: the steps are not where they were", cutOff, whole)
	}
}

// Rows that nobody reads to their end, and a pool without a free connection.
func TestWallGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	ctx := query.WithScope(t.Context(), query.Customer(h.a).As(h.a))
	for range 3 * h.read.Config().MaxConns {
		rows, err := h.wall.Query(ctx, `select generate_series(1, 100000)`)
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		rows.Close()
		rows.Close()
		if rows.Err() != nil || rows.Next() {
			t.Errorf("closed rows: %v", rows.Err())
		}
	}
	h.holdPlain(t, h.read)
	held := h.read.AcquireAllIdle(t.Context())
	for int32(len(held)) < h.read.Config().MaxConns {
		conn, err := h.read.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := query.All[struct{}](short, h.wall, `select`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a pool that is empty: %v", err)
	}
	if err := h.wall.QueryRow(short, `select 1`).Scan(new(int)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a pool that is empty: %v", err)
	}
	for _, conn := range held {
		conn.Release()
	}
}

// BenchmarkWall compares questions asked through the wall with the plain ones, among 2,000 customers.
func BenchmarkWall(b *testing.B) {
	h := newHouses(b)
	h.crowd(b)
	now := time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)
	service, err := provisioning.FindService(b.Context(), h.read, query.Customer(h.a), "svc-a", now)
	if err != nil {
		b.Fatal(err)
	}
	for name, ask := range map[string]func(context.Context, query.Postgres) error{
		"nothing": func(ctx context.Context, db query.Postgres) error { return db.QueryRow(ctx, `select 1`).Scan(new(int)) },
		"service": func(ctx context.Context, db query.Postgres) error {
			_, err := provisioning.FindService(ctx, db, query.Customer(h.a), "svc-a", now)
			return err
		},
		"services": func(ctx context.Context, db query.Postgres) error {
			_, err := provisioning.ListServices(ctx, db, query.Customer(h.a), provisioning.ServiceFilter{}, now, query.Page{Limit: 50})
			return err
		},
		"cycle": func(ctx context.Context, db query.Postgres) error {
			_, err := billing.CurrentCycles(ctx, db, []uuid.UUID{service.ID}, now)
			return err
		},
		"graph of an hour": func(ctx context.Context, db query.Postgres) error {
			_, err := bandwidth.UsageSeries(ctx, bandwidth.Sources{Postgres: db}, bandwidth.SeriesRequest{Service: service.ID, From: now.Add(-time.Hour), To: now}, now)
			return err
		},
	} {
		for _, way := range []struct {
			name string
			db   query.Postgres
		}{{"plain", h.read}, {"wall", h.wall}} {
			b.Run(name+"/"+way.name, func(b *testing.B) {
				ctx := query.WithScope(b.Context(), query.Customer(h.a))
				for b.Loop() {
					if err := ask(ctx, way.db); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// crowd adds 2,000 customers with a service each, and a day of slots of one of ours.
func (h *houses) crowd(b testing.TB) {
	b.Helper()
	for _, sql := range []string{
		`insert into customer (id, email, name, created_at) select gen_random_uuid(), 'c' || i || '@example.com', 'c' || i, now() from generate_series(1, 2000) i`,
		`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at)
			select gen_random_uuid(), 'svc-' || c.name, c.id, p.id, now(), 1, now() from customer c, plan p where p.name = 'plan-a' and length(c.name) > 1`,
		`insert into aggregate (type, id, version) select 'customer', id, 1 from customer where length(name) > 1 union all select 'service', id, 1 from service where length(name) > 5`,
		`insert into assignment (id, prefix, service_id, valid) select gen_random_uuid(), set_masklen((inet '10.30.0.0' + row_number() over ())::cidr, 32), id, tstzrange(now(), null) from service where length(name) > 5`,
		`insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, byte_basis, direction, thresholds, currency)
			select gen_random_uuid(), id, plan_id, '2026-03-01Z', '2026-04-01Z', 'open', 'l2', 'sum', '{}', 'USD' from service where length(name) > 5`,
		`insert into usage_hourly (service_id, exporter_id, hour, bytes_in_l2) select s.id, e.id, h, 5 from service s, exporter e, generate_series(timestamptz '2026-03-10 00:00Z', '2026-03-10 23:00Z', '1h') h on conflict do nothing`,
		`insert into usage_slot (service_id, slot, bytes_in_l2, meter, flush) select s.id, h, 5, 0, 0 from service s, generate_series(timestamptz '2026-03-10 00:00Z', '2026-03-10 23:59Z', '10s') h where length(s.name) < 7 on conflict do nothing`,
		`vacuum analyze`,
	} {
		h.exec(b, sql)
	}
}
