// Package worldtest gives tests of commands a small hosting company on a database of its own: a clock that they
// set, ids that they can foresee, and the commands that every story begins with.
package worldtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/command/catalog"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/provisioning"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

// World is one test's company.
type World struct {
	testing.TB
	Database *postgrestest.DB
	Pool     *pgxpool.Pool // in the role of commands
	Owner    *pgxpool.Pool // for what commands may not write: usage, watermarks
	DB       *command.DB
	Clock    atomic.Pointer[time.Time]
	ids      atomic.Uint64
	wakes    atomic.Int64
}

// New makes the company. Its clock stands at 1 January 2026.
func New(t testing.TB) *World {
	t.Helper()
	database := postgrestest.New(t)
	w := &World{TB: t, Database: database, Pool: database.Pool(postgres.RoleCommand), Owner: database.Pool(postgres.RoleOwner)}
	w.DB = command.NewDB(w.Pool, w, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	w.Set("2026-01-01T00:00:00Z")
	return w
}

// Wake counts the commits that wrote events.
func (w *World) Wake() { w.wakes.Add(1) }

// Now is the business clock.
func (w *World) Now() time.Time { return *w.Clock.Load() }

// Set sets the clock to an RFC 3339 time.
func (w *World) Set(text string) { w.SetTime(w.Time(text)) }

// SetTime sets the clock.
func (w *World) SetTime(t time.Time) { w.Clock.Store(&t) }

// Time reads an RFC 3339 time.
func (w *World) Time(text string) time.Time {
	w.Helper()
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		w.Fatal(err)
	}
	return t
}

// NewID gives the next id: 1, 2, 3 …
func (w *World) NewID() uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], w.ids.Add(1)|1<<63)
	id[6] = 0x70
	return id
}

// Meta is what surrounds one command.
func (w *World) Meta() command.Meta {
	return command.Meta{Actor: "staff:test", Now: w.Now(), NewID: w.NewID}
}

// Must runs a command that has to succeed.
func Must[R any](w *World, c command.Command[R]) R {
	w.Helper()
	result, err := command.Run(context.Background(), w.DB, w.Meta(), c)
	if err != nil {
		w.Fatalf("%s: %v", c.Name(), err)
	}
	return result
}

// Refused runs a command that has to end in a fault of the kind and code, and gives the fault.
func Refused[R any](w *World, c command.Command[R], kind fault.Kind, code string) *fault.Error {
	w.Helper()
	_, err := command.Run(context.Background(), w.DB, w.Meta(), c)
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind || f.Code != code {
		w.Fatalf("%s: got %v, want %s %s", c.Name(), err, kind, code)
	}
	return f
}

// Customer registers a customer.
func (w *World) Customer(email string) uuid.UUID {
	w.Helper()
	return Must(w, identity.RegisterCustomer{CustomerID: w.NewID(), Email: email, CustomerName: "Customer " + email}).CustomerID
}

// Holdings gives a person a session, an API token and what an application was allowed, of an account, that work for a day.
func (w *World) Holdings(person, customer uuid.UUID) (session uuid.UUID) {
	w.Helper()
	session = w.NewID()
	client := w.NewID()
	w.Exec(`insert into session (id, hash, site, person_id, customer_id, factors, opened_at, proved_at, seen_at, expires_at, idle)
		values ($1, sha256($1::uuid::text::bytea), 'account', $2, $3, '{password}', $4, $4, $4, $4::timestamptz + interval '1 day', interval '1 day')`, session, person, customer, w.Now())
	w.Exec(`insert into api_token (id, hash, hint, name, person_id, customer_id, scopes, created_at, expires_at)
		values ($1, sha256($1::uuid::text::bytea), 'ezs_', 'script', $2, $3, '{}', $4, $4::timestamptz + interval '1 day')`, w.NewID(), person, customer, w.Now())
	w.Exec(`insert into oauth_client (id, site, name, redirect_uris, grants, scopes, created_at) values ($1, 'account', 'App', '{}', '{authorization_code}', '{}', $2)`, client, w.Now())
	w.Exec(`insert into oauth_grant (id, client_id, person_id, customer_id, scopes, proved_at, created_at, used_at, expires_at)
		values ($1, $2, $3, $4, '{}', $5, $5, $5, $5::timestamptz + interval '1 day')`, w.NewID(), client, person, customer, w.Now())
	return session
}

// Held tells how many sessions, API tokens and grants of a person work: "1 1 1".
func (w *World) Held(person uuid.UUID) string {
	w.Helper()
	return One[string](w, `select concat_ws(' ', (select count(*) from session where person_id = $1 and ended_at is null),
		(select count(*) from api_token where person_id = $1 and revoked_at is null), (select count(*) from oauth_grant where person_id = $1 and revoked_at is null))`, person)
}

// Terms are a plan of 1 TB a month, with overage at a cent for each gigabyte.
func Terms(name string) catalog.Terms {
	return catalog.Terms{PlanName: name, PriceMinor: 500, Currency: "USD", Interval: "month", QuotaBytes: 1e12,
		OverageUnitBytes: 1e9, OverageUnitPrice: "0.01"}
}

// Plan creates a plan.
func (w *World) Plan(terms catalog.Terms) uuid.UUID {
	w.Helper()
	return Must(w, catalog.CreatePlan{PlanID: w.NewID(), Terms: terms}).PlanID
}

// Service creates a service that begins now, with prefixes.
func (w *World) Service(name string, customer, plan uuid.UUID, prefixes ...string) provisioning.CreatedService {
	w.Helper()
	c := provisioning.CreateService{ServiceID: w.NewID(), CycleID: w.NewID(), ServiceName: name, CustomerID: customer, PlanID: plan}
	for _, p := range prefixes {
		c.Prefixes = append(c.Prefixes, provisioning.AssignmentInput{AssignmentID: w.NewID(), Prefix: p})
	}
	return Must(w, c)
}

// Exporter registers an exporter of one address.
func (w *World) Exporter(name, source string) uuid.UUID {
	w.Helper()
	return Must(w, bandwidth.RegisterExporter{ExporterID: w.NewID(), Settings: bandwidth.Settings{ExporterName: name, Source: source}}).ExporterID
}

// Use adds usage to the books, as the meter would: L2 bytes and a tenth less of L3, in samples of 1 MB.
func (w *World) Use(service, exporter uuid.UUID, hour time.Time, in, out int64) {
	w.Helper()
	w.Exec(`insert into usage_hourly as u (service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, samples_in, samples_out)
		values ($1, $2, $3, $4::bigint, $5::bigint, $4::bigint - $4::bigint / 10, $5::bigint - $5::bigint / 10, $4::bigint / 1000000, $5::bigint / 1000000)
		on conflict (service_id, hour, exporter_id) do update set bytes_in_l2 = u.bytes_in_l2 + excluded.bytes_in_l2,
		bytes_out_l2 = u.bytes_out_l2 + excluded.bytes_out_l2, bytes_in_l3 = u.bytes_in_l3 + excluded.bytes_in_l3,
		bytes_out_l3 = u.bytes_out_l3 + excluded.bytes_out_l3, samples_in = u.samples_in + excluded.samples_in,
		samples_out = u.samples_out + excluded.samples_out`, service, exporter, hour, in, out)
}

// Watermark says that every meter has counted what was received before t.
func (w *World) Watermark(t time.Time) {
	w.Helper()
	w.Exec(`insert into meter (partition, watermark) select p, $1 from generate_series(0, 11) p
		on conflict (partition) do update set watermark = excluded.watermark`, t)
}

// Exec runs a statement as the owner.
func (w *World) Exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.Owner.Exec(context.Background(), sql, args...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

// One reads one value as the owner.
func One[T any](w *World, sql string, args ...any) T {
	w.Helper()
	var v T
	if err := w.Owner.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return v
}

// Changed is what the last run of a command says that it changed: before and after, empty where nothing.
func Changed(w *World, command string) string {
	w.Helper()
	return One[string](w, `select concat_ws(' ', before::text, after::text) from audit where command = $1 order by id desc limit 1`, command)
}

// CheckChanged wants a command's last run to have changed this, as Changed gives it.
func CheckChanged(w *World, command, want string) {
	w.Helper()
	if got := Changed(w, command); got != want {
		w.Errorf("%s changed\n%s, want\n%s", command, got, want)
	}
}

// Events lists the events in the outbox, in their order: type and aggregate version.
func (w *World) Events() []string {
	w.Helper()
	return One[[]string](w, `select coalesce(array_agg(type || ' ' || aggregate_version order by txid, position), '{}') from outbox`)
}

// CheckField tells whether an error is about exactly one input field.
func CheckField(t testing.TB, err error, field string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != field {
		t.Errorf("got %v, want a fault of %s alone", err, field)
	}
}
