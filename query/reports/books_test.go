package reports_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/query/reports"
)

// now is half past twelve; the hours of the books are ten, eleven and twelve.
var now = time.Date(2026, 3, 10, 12, 30, 5, 0, time.UTC)

func hour(n int) time.Time { return time.Date(2026, 3, 10, n, 0, 0, 0, time.UTC) }

// books is a database of its own with two exporters (e1, e2) and three services (s1, s2, s3) of two customers.
type books struct {
	*testing.T
	owner, read *pgxpool.Pool
}

func newBooks(t *testing.T) books {
	t.Helper()
	db := postgrestest.New(t)
	b := books{T: t, owner: db.Pool(postgres.RoleOwner), read: db.Pool(postgres.RoleQuery)}
	b.exec(`insert into customer (id, email, name, created_at) values
		('00000000-0000-0000-0000-0000000000c1', 'a@example.com', 'Ann', now()), ('00000000-0000-0000-0000-0000000000c2', 'b@example.com', 'Bob', now())`)
	b.exec(`insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
		values ('00000000-0000-0000-0000-0000000000d1', 'p', 0, 'USD', 'month', 'l2', 'sum', '{}', now())`)
	b.exec(`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at)
		select ('00000000-0000-0000-0000-00000000005' || n)::uuid, 's' || n, ('00000000-0000-0000-0000-0000000000c' || least(n, 2))::uuid, '00000000-0000-0000-0000-0000000000d1', now(), 1, now()
		from generate_series(1, 3) n`)
	b.exec(`insert into exporter (id, name, source, count_policy, rate_max, created_at)
		select ('00000000-0000-0000-0000-0000000000e' || n)::uuid, 'e' || n, ('192.0.2.' || n)::cidr, 'ingress', 10000, now() from generate_series(1, 2) n`)
	return b
}

func exporter(n int) uuid.UUID {
	return uuid.MustParse("00000000-0000-0000-0000-0000000000e" + string(rune('0'+n)))
}

func service(n int) uuid.UUID {
	return uuid.MustParse("00000000-0000-0000-0000-00000000005" + string(rune('0'+n)))
}

func (b books) exec(sql string, args ...any) {
	b.Helper()
	if _, err := b.owner.Exec(context.Background(), sql, args...); err != nil {
		b.Fatalf("%v\n%s", err, sql)
	}
}

// usage adds one hour of a service as an exporter metered it; L3 is nine tenths of L2.
func (b books) usage(serviceN, exporterN, hourN int, in, out, samples int64) {
	b.Helper()
	b.exec(`insert into usage_hourly (service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
		values ($1, $2, $3, $4::bigint, $5::bigint, $4 * 9 / 10, $5 * 9 / 10, $4 / 100, $5 / 100, $6, 0)`, service(serviceN), exporter(exporterN), hour(hourN), in, out, samples)
}

// quarantine sets samples of 100 bytes a frame and 90 a packet aside.
func (b books) quarantine(exporterN, hourN, serviceN int, direction string, rate, samples int64) {
	b.Helper()
	b.exec(`insert into quarantine_hourly (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length) values ($1, $2, $3, $4, $5, $6::bigint, $6 * 100, $6 * 90)`,
		exporter(exporterN), hour(hourN), service(serviceN), direction, rate, samples)
}

func (b books) decide(exporterN, hourN, serviceN int, direction string, rate, samples int64, decision string, given *int64, at time.Time) {
	b.Helper()
	b.exec(`insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, rate_given, samples, frame_length, ip_length, reason, decided_at)
		values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8::bigint, $8 * 100, $8 * 90, 'because', $9)`,
		exporter(exporterN), hour(hourN), service(serviceN), direction, rate, decision, given, samples, at)
}

// list asks for a whole report of the hours ten to thirteen.
func list[T reports.Row](b books, r reports.Report[T], q reports.Request) []T {
	b.Helper()
	if q.From.IsZero() {
		q.From, q.To = hour(10), hour(13)
	}
	answer, err := r.List(context.Background(), b.read, q, now)
	if err != nil {
		b.Fatalf("%s: %v", r.Name, err)
	}
	return answer.Items
}

func of[T any](v T) *T { return &v }
