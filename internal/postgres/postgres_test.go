package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

func TestOpenTakesTheRoleAndTheBounds(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	for _, role := range []postgres.Role{postgres.RoleCommand, postgres.RoleQuery, postgres.RoleMeter, postgres.RoleAudit, postgres.RoleDoor} {
		var got [4]string
		err := db.Pool(role).QueryRow(t.Context(), `select current_user, current_setting('timezone'),
			current_setting('statement_timeout'), current_setting('application_name')`).Scan(&got[0], &got[1], &got[2], &got[3])
		if err != nil {
			t.Fatal(err)
		}
		want := [4]string{string(role), "UTC", "1min", t.Name()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("session of %s (-want +got):\n%s", role, diff)
		}
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	for name, cfg := range map[string]postgres.Config{
		"malformed DSN": {DSN: "postgres://%zz"},
		"unknown role":  {DSN: db.DSN(), Role: "no_such_role"},
		"nobody there":  {DSN: "postgres://postgres@127.0.0.1:1/postgres"},
	} {
		if pool, err := postgres.Open(t.Context(), cfg); err == nil {
			pool.Close()
			t.Errorf("%s: opened", name)
		}
	}
}

func TestMigrateIsIdempotentAndMayRunInManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	empty := db.Name() + "_empty"
	owner := db.Pool(postgres.RoleOwner)
	if _, err := owner.Exec(t.Context(), "create database "+empty); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), db.DSN())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		_, _ = conn.Exec(context.Background(), "drop database if exists "+empty+" with (force)")
	})
	config := owner.Config().ConnConfig
	dsn := "host=" + config.Host + " dbname=" + empty + " user=" + config.User + " password=" + config.Password + " sslmode=disable"
	dsn += " port=" + portOf(config)
	var all errgroup.Group
	for range 4 {
		all.Go(func() error { return postgres.Migrate(t.Context(), dsn, slog.New(slog.DiscardHandler)) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), dsn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("second time: %v", err)
	}
}

// right is a statement that a role may run, or not.
type right struct {
	role    postgres.Role
	sql     string
	allowed bool
}

// TestRoles holds the rights of each role: every refusal is checked to be one of rights, not of syntax.
func TestRoles(t *testing.T) {
	t.Parallel()
	const insertJob = `insert into river_job (kind, max_attempts, args) values ('x', 1, '{}')`
	const insertEvent = `insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, vshard, occurred_at, payload)
		values (gen_random_uuid(), 'x', gen_random_uuid(), 1, 'X', 1, 0, now(), '{}')`
	holdRights(t, []right{
		{postgres.RoleCommand, `insert into customer (id, email, name, created_at) values (gen_random_uuid(), 'a@b', 'A', now())`, true},
		{postgres.RoleCommand, insertEvent, true},
		{postgres.RoleCommand, insertJob, true},
		{postgres.RoleCommand, `delete from river_job`, true},
		{postgres.RoleCommand, `insert into exporter (id, name, source, count_policy, created_at) values (gen_random_uuid(), 'e', '127.0.0.1/32', 'ingress', now())`, true},
		{postgres.RoleCommand, `select from usage_hourly`, true},
		{postgres.RoleCommand, `update usage_hourly set bytes_in_l2 = 0`, false},
		{postgres.RoleCommand, `update ledger_entry set amount_minor = 1`, false},
		{postgres.RoleCommand, `update invoice_line set amount_minor = 1`, false},
		{postgres.RoleCommand, `update audit set input = '{}'`, false},
		{postgres.RoleCommand, `delete from customer`, false},
		{postgres.RoleCommand, `delete from invoice`, false},
		{postgres.RoleCommand, `truncate ledger_entry`, false},
		{postgres.RoleCommand, `drop table customer`, false},
		{postgres.RoleCommand, `create table x ()`, false},
		{postgres.RoleQuery, `select from customer`, true},
		{postgres.RoleQuery, `select from usage_hourly`, true},
		{postgres.RoleQuery, `select from idempotency`, false},
		{postgres.RoleQuery, `select from river_job`, false},
		{postgres.RoleQuery, `select from customer for update`, false},
		{postgres.RoleQuery, `update customer set name = 'B'`, false},
		{postgres.RoleQuery, `delete from customer`, false},
		{postgres.RoleQuery, `create table x ()`, false},
		{postgres.RoleMeter, `select from assignment`, true},
		{postgres.RoleMeter, `update usage_hourly set bytes_in_l2 = 0`, true},
		{postgres.RoleMeter, `insert into meter (partition) values (1)`, true},
		{postgres.RoleMeter, `delete from usage_slot`, true},
		{postgres.RoleMeter, insertEvent, true},
		{postgres.RoleMeter, `update service set name = 'x'`, false},
		{postgres.RoleMeter, `delete from usage_hourly`, false},
		{postgres.RoleMeter, `insert into customer (id, email, name, created_at) values (gen_random_uuid(), 'm@b', 'M', now())`, false},
		{postgres.RoleMeter, `select from invoice`, false},
		{postgres.RoleMeter, insertJob, false},
		{postgres.RoleMeter, `insert into replay_slice (source, minute, documents, found, parts, updated_at) values ('s', '2026-01-01', 0, 0, 1, now())`, true},
		{postgres.RoleMeter, `delete from replay_outbox`, true},
		{postgres.RoleMeter, `delete from replay_slice`, false},
		{postgres.RoleQuery, `select from replay_job`, true},
		{postgres.RoleQuery, `select from replay_outbox`, false},
		{postgres.RoleCommand, `update replay_job set epoch = 0`, false},
	})
}

// The audit log is only added to, and what may order cannot seal.
func TestRolesOfTheAuditLog(t *testing.T) {
	t.Parallel()
	const insertAudit = `insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input) `
	holdRights(t, []right{
		{postgres.RoleCommand, insertAudit + `values (now(), 'a', 'c', 't', gen_random_uuid(), 'r', '{}')`, true},
		{postgres.RoleCommand, `insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, txid) values (now(), 'a', 'c', 't', gen_random_uuid(), 'r', '{}', '1')`, false},
		{postgres.RoleCommand, `delete from audit`, false},
		{postgres.RoleCommand, `truncate audit`, false},
		{postgres.RoleCommand, `select audit_erase('{1}', 'a', now(), 't', gen_random_uuid())`, false},
		{postgres.RoleCommand, `insert into audit_seal (seq, audit_id, personal, hash) values (1, 1, sha256(''), sha256(''))`, false},
		{postgres.RoleCommand, `update audit_chain set seq = 1`, false},
		{postgres.RoleCommand, `select from audit_head`, false},
		{postgres.RoleAudit, `insert into audit_seal (seq, audit_id, personal, hash) values (1, 1, sha256(''), sha256(''))`, true},
		{postgres.RoleAudit, `update audit_chain set seq = 1`, true},
		{postgres.RoleAudit, `update audit_seal set seq = 1`, false},
		{postgres.RoleAudit, `delete from audit_head`, false},
		{postgres.RoleAudit, insertAudit + `values (now(), 'a', 'c', 't', gen_random_uuid(), 'r', '{}')`, false},
		{postgres.RoleAudit, `update audit set actor = 'x'`, false},
		{postgres.RoleAudit, `select from customer`, false},
		{postgres.RoleMeter, insertAudit + `values (now(), 'a', 'c', 't', gen_random_uuid(), 'r', '{}')`, false},
		{postgres.RoleMeter, `select from audit`, false},
		{postgres.RoleQuery, `select from audit_seal, audit_chain, audit_head`, true},
	})
}

// The door counts attempts, keeps what was begun, reads what people prove themselves with, and writes nothing of it.
func TestRolesOfTheDoor(t *testing.T) {
	t.Parallel()
	const (
		insertBucket = `insert into limiter_bucket (id, debt, at) values (sha256('a'), 0, 0)`
		insertValue  = `insert into ephemeral (kind, key, value, expires_at) values ('k', sha256('a'), '', now())`
		take         = `select limiter_take(array[sha256('a')], '{1}', '{1}', 0)`
		give         = `select limiter_give(array[sha256('a')], '{1}', '{1}', 0)`
	)
	var rights []right
	for _, role := range []postgres.Role{postgres.RoleDoor, postgres.RoleCommand} {
		for _, sql := range []string{insertBucket, insertValue, take, give, `select from limiter_bucket, ephemeral`,
			`update limiter_bucket set debt = 0`, `update ephemeral set value = ''`, `delete from limiter_bucket`, `delete from ephemeral`} {
			rights = append(rights, right{role, sql, true})
		}
	}
	for _, role := range []postgres.Role{postgres.RoleQuery, postgres.RoleMeter, postgres.RoleAudit} {
		for _, sql := range []string{insertBucket, insertValue, take, give, `select from limiter_bucket`, `select from ephemeral`} {
			rights = append(rights, right{role, sql, false})
		}
	}
	for _, sql := range []string{`select from service`, `select from audit`, `select from idempotency`, `select from river_job`,
		`insert into customer (id, email, name, created_at) values (gen_random_uuid(), 'a@b', 'A', now())`,
		`truncate ephemeral`, `drop table limiter_bucket`, `create table x ()`} {
		rights = append(rights, right{postgres.RoleDoor, sql, false})
	}
	holdRights(t, rights)
}

// TestDoorRoleHasTwoTables asks the catalogue, so that a table of tomorrow is held too.
func TestDoorRoleHasItsTables(t *testing.T) {
	t.Parallel()
	rows, err := postgrestest.New(t).Pool(postgres.RoleOwner).Query(t.Context(), `
		select c.relname || ' ' || c.relpersistence::text from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
		  and has_any_column_privilege('ezscale_door', c.oid, 'select, insert, update')
		order by c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"api_token p", "customer p", "ephemeral u", "limiter_bucket u", "link p", "membership p",
		"oauth_client p", "oauth_code p", "oauth_grant p", "oauth_key p", "oauth_token p", "passkey p", "password p", "person p",
		"person_role p", "recovery_code p", "role p", "secret_ring p", "session p", "totp p"}, tables); diff != "" {
		t.Errorf("what the door role may use (-want +got):\n%s", diff)
	}
}

func holdRights(t *testing.T, rights []right) {
	t.Helper()
	db := postgrestest.New(t)
	for _, tt := range rights {
		t.Run(string(tt.role)+"/"+tt.sql[:min(40, len(tt.sql))], func(t *testing.T) {
			t.Parallel()
			pool := db.Pool(tt.role)
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			_, err = tx.Exec(t.Context(), tt.sql)
			if tt.allowed && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !tt.allowed && !isRefusal(err) {
				t.Errorf("want a refusal of rights, got %v", err)
			}
		})
	}
}

// TestQueryRoleWritesNothing asks the catalogue, so that a table of tomorrow is held too.
func TestQueryRoleWritesNothing(t *testing.T) {
	t.Parallel()
	rows, err := postgrestest.New(t).Pool(postgres.RoleOwner).Query(t.Context(), `
		select c.oid::regclass::text from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
		  and has_table_privilege('ezscale_query', c.oid, 'insert, update, delete, truncate')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) > 0 {
		t.Errorf("the query role may write %v (%v)", tables, err)
	}
}

func isRefusal(err error) bool {
	const insufficientPrivilege = "42501"
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == insufficientPrivilege
}

func portOf(c *pgx.ConnConfig) string { return strconv.Itoa(int(c.Port)) }
