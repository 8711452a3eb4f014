// Package postgrestest gives each test a database of its own on a real Postgres.
//
// The schema is migrated once per server into a template named after its hash; a test's database is a copy of
// it. Test binaries run side by side, so making the template is guarded by a lock on the maintenance
// database, and it gets its final name only when complete: a killed run leaves no half template behind.
//
// The server is named by EZSCALE_TEST_POSTGRES. Without it tests skip, under CI=true they fail.
package postgrestest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/postgres"
)

// Environment is the variable that holds the owner's URL of the maintenance database.
const Environment = "EZSCALE_TEST_POSTGRES"

const (
	templateLock = 0x657a74656d70 // advisory lock on the maintenance database
	setupTimeout = 2 * time.Minute
	poolConns    = 8
)

// DB is one test's database.
type DB struct {
	t    testing.TB
	dsn  string
	name string
}

// New makes a migrated database for the test and drops it at the end, whoever is still connected.
func New(t testing.TB) *DB {
	t.Helper()
	server := os.Getenv(Environment)
	if server == "" {
		missing(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	d, err := create(ctx, server)
	if err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	d.t = t
	t.Cleanup(func() { drop(t, server, d.name) })
	return d
}

// DSN is the owner's URL of the database.
func (d *DB) DSN() string { return d.dsn }

// Name is the database's name on its server.
func (d *DB) Name() string { return d.name }

// Pool opens a small pool in the role; it is closed at the end of the test.
func (d *DB) Pool(role postgres.Role) *pgxpool.Pool {
	d.t.Helper()
	pool, err := postgres.Open(context.Background(), postgres.Config{
		DSN: d.dsn, Role: role, MaxConns: poolConns, ApplicationName: d.t.Name(),
	})
	if err != nil {
		d.t.Fatalf("open the test database: %v", err)
	}
	d.t.Cleanup(pool.Close)
	return pool
}

func missing(t testing.TB) {
	t.Helper()
	const message = Environment + ` is not set: run "make test", or under "ezscale servers -- go test ..."`
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

func create(ctx context.Context, server string) (*DB, error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("reach the test Postgres: %w", err)
	}
	defer conn.Close(ctx)
	template, err := ensureTemplate(ctx, conn, server)
	if err != nil {
		return nil, err
	}
	name := "ezscale_test_" + randomHex()
	if _, err := conn.Exec(ctx, "create database "+name+" template "+template+" strategy wal_log"); err != nil {
		return nil, fmt.Errorf("copy the template: %w", err)
	}
	dsn, err := withDatabase(server, name)
	return &DB{dsn: dsn, name: name}, err
}

func ensureTemplate(ctx context.Context, conn *pgx.Conn, server string) (string, error) {
	hash, err := postgres.SchemaHash()
	if err != nil {
		return "", err
	}
	name := "ezscale_template_" + hash[:16]
	if found, err := exists(ctx, conn, name); found || err != nil {
		return name, err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(templateLock)); err != nil {
		return "", fmt.Errorf("wait for the template: %w", err)
	}
	// Held on this connection, which the caller closes.
	if found, err := exists(ctx, conn, name); found || err != nil {
		return name, err
	}
	return name, buildTemplate(ctx, conn, server, name)
}

func exists(ctx context.Context, conn *pgx.Conn, name string) (found bool, err error) {
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&found)
	return found, err
}

func buildTemplate(ctx context.Context, conn *pgx.Conn, server, name string) error {
	building := name + "_building"
	for _, statement := range []string{"drop database if exists " + building + " with (force)", "create database " + building} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make the template: %w", err)
		}
	}
	dsn, err := withDatabase(server, building)
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, dsn, slog.New(slog.DiscardHandler)); err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	if err := waitUnused(ctx, conn, building); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "alter database "+building+" rename to "+name); err != nil {
		return fmt.Errorf("name the template: %w", err)
	}
	return nil
}

// waitUnused waits until the server has let go of the closed connections: a database in use can't be renamed.
func waitUnused(ctx context.Context, conn *pgx.Conn, name string) error {
	const pollInterval = 10 * time.Millisecond
	for {
		var used bool
		err := conn.QueryRow(ctx, "select exists (select from pg_stat_activity where datname = $1)", name).Scan(&used)
		if err != nil || !used {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the template to be unused: %w", ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

func drop(t testing.TB, server, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Logf("drop the test database: %v", err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "drop database if exists "+name+" with (force)"); err != nil {
		t.Logf("drop the test database: %v", err)
	}
}

func withDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("%s must be a postgres:// URL: %w", Environment, err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func randomHex() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
