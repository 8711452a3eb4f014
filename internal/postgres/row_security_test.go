package postgres_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

// The rules below ask the catalogue, so that they hold for a table of tomorrow. Each gives what breaks it.
const (
	// A relation of which customers may select a column has row security, or is a view that reads as its reader. A new
	// table needs nothing: without a grant it is closed.
	openRelations = `
		select c.oid::regclass::text from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
		  and has_any_column_privilege('ezscale_customer', c.oid, 'select')
		  and case when c.relkind = 'v' then coalesce('security_invoker=true' = any (c.reloptions), false) is false
		           else not c.relrowsecurity end`

	// A policy that lets customers see rows asks who they are.
	blindPolicies = `
		select p.polname || ' on ' || p.polrelid::regclass from pg_policy p
		where p.polpermissive and p.polroles && array[0::oid, 'ezscale_customer'::regrole]
		  and (p.polcmd <> 'r' or pg_get_expr(p.polqual, p.polrelid) !~ 'asking_(customer|person)\(\)')`

	// Who has a right on a table with row security has a policy there, or sees nothing of it without being told.
	forgottenRoles = `
		select distinct g.grantee::regrole || ' on ' || c.oid::regclass from pg_class c
		cross join lateral (select a.grantee from aclexplode(c.relacl) a
		                    union select a.grantee from pg_attribute t, aclexplode(t.attacl) a where t.attrelid = c.oid) g
		where c.relrowsecurity and g.grantee <> c.relowner and not (c.relname = 'binding' and g.grantee = 'ezscale_customer'::regrole)
		  and not exists (select from pg_policy p where p.polrelid = c.oid and g.grantee = any (p.polroles))`

	// A function that runs as its owner passes every policy.
	ownersFunctions = `
		select p.oid::regprocedure::text from pg_proc p
		where p.prosecdef and p.pronamespace = 'public'::regnamespace and has_function_privilege('ezscale_customer', p.oid, 'execute')`

	// Customers write nothing.
	writable = `
		select c.oid::regclass::text from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
		  and case when c.relkind = 'S' then has_sequence_privilege('ezscale_customer', c.oid, 'usage, update')
		      else has_any_column_privilege('ezscale_customer', c.oid, 'insert, update, references')
		        or has_table_privilege('ezscale_customer', c.oid, 'delete, truncate, trigger') end`

	// No role of ours passes by policies, and that of customers is nobody else as well and owns nothing.
	strongRoles = `
		select r.rolname from pg_roles r where r.rolname like 'ezscale\_%'
		  and (r.rolsuper or r.rolbypassrls or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
		union all select 'a member of ' || roleid::regrole from pg_auth_members where member = 'ezscale_customer'::regrole
		union all select 'the owner of ' || objid from pg_shdepend where refobjid = 'ezscale_customer'::regrole and deptype = 'o'`
)

func broken(t *testing.T, db *pgxpool.Pool, rule string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), rule)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func TestRowSecurityIsClosed(t *testing.T) {
	t.Parallel()
	owner := postgrestest.New(t).Pool(postgres.RoleOwner)
	for name, rule := range map[string]string{
		"customers may read without row security":         openRelations,
		"policies for customers do not ask who asks":      blindPolicies,
		"roles with rights are forgotten by row security": forgottenRoles,
		"customers may run as the owner":                  ownersFunctions,
		"customers may write":                             writable,
		"roles can do more than they should":              strongRoles,
	} {
		if found := broken(t, owner, rule); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// TestRowSecurityRulesSeeBreaches breaks each rule, each in a transaction of its own.
func TestRowSecurityRulesSeeBreaches(t *testing.T) {
	t.Parallel()
	owner := postgrestest.New(t).Pool(postgres.RoleOwner)
	for _, tt := range []struct{ breach, rule, want string }{
		{`create table later (x int); grant select (x) on later to ezscale_customer`, openRelations, "later"},
		{`create table later (x int); grant select on later to public`, openRelations, "later"},
		{`alter table usage_slot disable row level security`, openRelations, "usage_slot"},
		{`create view later as select * from customer; grant select on later to ezscale_customer`, openRelations, "later"},
		{`create table later (x int) partition by range (x); create table part partition of later default; alter table later enable row level security;
			grant select on later, part to ezscale_customer`, openRelations, "part"},
		{`create policy open on customer to public using (true)`, blindPolicies, "open on customer"},
		{`create policy open on customer for select to ezscale_customer using (true)`, blindPolicies, "open on customer"},
		{`create policy open on customer for update to ezscale_customer using (id = asking_customer())`, blindPolicies, "open on customer"},
		{`drop policy platform on service`, forgottenRoles, "ezscale_meter on service"},
		{`create function later() returns bigint language sql security definer return (select count(*) from customer)`, ownersFunctions, "later()"},
		{`grant update (name) on customer to ezscale_customer`, writable, "customer"},
		{`grant usage on sequence audit_id_seq to ezscale_customer`, writable, "audit_id_seq"},
		{`create table later (x int); alter table later owner to ezscale_customer`, strongRoles, "the owner of"},
	} {
		tx, err := owner.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), tt.breach); err != nil {
			t.Fatalf("%s: %v", tt.breach, err)
		}
		rows, err := tx.Query(t.Context(), tt.rule)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || !slices.ContainsFunc(found, func(f string) bool { return len(f) >= len(tt.want) && f[:len(tt.want)] == tt.want }) {
			t.Errorf("%s: found %v, want %s (%v)", tt.breach, found, tt.want, err)
		}
		if err := tx.Rollback(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// What has no row security of customers has no grant for them either. The list is here to be read: a table that
// joins it is one more thing that a customer sees.
func TestTablesThatCustomersMayRead(t *testing.T) {
	t.Parallel()
	owner := postgrestest.New(t).Pool(postgres.RoleOwner)
	got := broken(t, owner, `select c.relname::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
		and has_any_column_privilege('ezscale_customer', c.oid, 'select')`)
	want := []string{"aggregate", "api_token", "assignment", "audit", "binding", "customer", "customer_address", "cycle", "exporter",
		"invoice", "invoice_line", "link", "loss_hourly", "loss_minute", "membership", "oauth_client", "oauth_grant", "passkey", "password", "person", "plan",
		"quarantine_decision", "quarantine_hourly", "quarantine_open", "quota_alert", "recovery_code", "service", "session", "totp",
		"usage_cycle", "usage_hourly", "usage_slot"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables that customers may read (-want +got):\n%s", diff)
	}
}
