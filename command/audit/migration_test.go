package audit_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	schema "github.com/ezscale/platform/schemas/postgres"
)

// A log that was there before the chain is sealed in its own order by the sealer's first run.
func TestOldRowsAreSealed(t *testing.T) {
	t.Parallel()
	database := postgrestest.New(t)
	owner := database.Pool(postgres.RoleOwner)
	// The database is given back to the schema before the chain: an empty one, up to the migration before.
	if _, err := owner.Exec(t.Context(), "drop schema public cascade; create schema public"); err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(owner)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, schema.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), "create table river_migration (); grant usage on schema public to public"); err != nil { // which 00005 speaks of
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), `insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input)
		select now() - i * interval '1 minute', 'staff:old', 'test.Old', 'customer', gen_random_uuid(), 'r', '{}' from generate_series(1, 7) i`); err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	f := &fixture{TB: t, owner: owner, pool: database.Pool(postgres.RoleAudit), read: database.Pool(postgres.RoleQuery),
		db: newDB(database.Pool(postgres.RoleCommand)), key: newKey(t)}
	f.note("new")
	f.sealAll(f.sealer(audit.Config{BatchRows: 3}))
	if got := one[string](f, "select string_agg(s.seq || '=' || a.id, ' ' order by s.seq) from audit a join audit_seal s on s.audit_id = a.id"); got != "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8" {
		t.Errorf("sealed %s", got)
	}
	if n := one[int](f, "select count(distinct salt) from audit"); n != 8 {
		t.Errorf("%d salts", n)
	}
	f.intact(audit.Options{})
	if got := one[string](f, "select string_agg(distinct (recorded_at is null)::text, ' ' order by (recorded_at is null)::text) from audit"); !strings.Contains(got, "true") || !strings.Contains(got, "false") {
		t.Errorf("recorded: %s", got)
	}
}
