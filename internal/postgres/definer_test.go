package postgres_test

import (
	"testing"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

// Whoever can smuggle statements into the write side's role does not run them as the owner, by a temporary relation that
// hides one that the owner's functions read.
func TestTheOwnersFunctionsReadNoTemporaryRelations(t *testing.T) {
	t.Parallel()
	database := postgrestest.New(t)
	conn, err := database.Pool(postgres.RoleCommand).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{
		`create function pg_temp.smuggled() returns bool language plpgsql as $$ begin create table public.of_the_owner (); return false; end $$`,
		`create temp view pg_class as select 0::oid as oid, 'outbox_20200101'::name as relname where pg_temp.smuggled()`,
		`create temp view pg_inherits as select 0::oid as inhrelid, 'public.outbox'::regclass::oid as inhparent`,
		`select outbox_drop_days(7), outbox_add_days(7)`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var owned bool
	if err := database.Pool(postgres.RoleOwner).QueryRow(t.Context(), `select to_regclass('public.of_the_owner') is not null`).Scan(&owned); err != nil {
		t.Fatal(err)
	}
	if owned {
		t.Error("the write side's role has made a table as the owner")
	}
}

// Temporary relations come last wherever a function of ours says where it looks: left out, they come first.
func TestTemporaryRelationsComeLast(t *testing.T) {
	t.Parallel()
	var wrong []string
	if err := postgrestest.New(t).Pool(postgres.RoleOwner).QueryRow(t.Context(), `
		select coalesce(array_agg(p.oid::regprocedure::text), '{}') from pg_proc p
		where p.pronamespace = 'public'::regnamespace and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
		  and (p.prosecdef or exists (select from unnest(p.proconfig) c where c like 'search_path=%'))
		  and not exists (select from unnest(p.proconfig) c where c like 'search_path=%, pg_temp')`).Scan(&wrong); err != nil {
		t.Fatal(err)
	}
	if len(wrong) > 0 {
		t.Errorf("say where they look, but not that temporary relations come last: %q", wrong)
	}
}
