// Package clickhousetest gives each test a migrated database of its own on a real ClickHouse, embedded or not.
//
// The server is named by EZSCALE_TEST_CLICKHOUSE. Without it tests skip, under CI=true they fail.
package clickhousetest

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

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ezscale/platform/internal/clickhouse"
)

// Environment is the variable that holds the URL of the server's default database.
const Environment = "EZSCALE_TEST_CLICKHOUSE"

const setupTimeout = time.Minute

// DB is one test's database.
type DB struct {
	t    testing.TB
	dsn  string
	name string
}

// New makes a migrated database for the test and drops it at the end.
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

// DSN is the URL of the database.
func (d *DB) DSN() string { return d.dsn }

// Conn opens a pool; it is closed at the end of the test.
func (d *DB) Conn() driver.Conn {
	d.t.Helper()
	conn, err := clickhouse.Open(context.Background(), clickhouse.Config{DSN: d.dsn})
	if err != nil {
		d.t.Fatalf("open the test database: %v", err)
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	return conn
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
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("%s must be a URL: %w", Environment, err)
	}
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	d := &DB{name: "ezscale_test_" + hex.EncodeToString(b)}
	if err := execute(ctx, server, "create database "+d.name); err != nil {
		return nil, err
	}
	u.Path = "/" + d.name
	d.dsn = u.String()
	return d, clickhouse.Migrate(ctx, clickhouse.Config{DSN: d.dsn}, slog.New(slog.DiscardHandler))
}

func drop(t testing.TB, server, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	if err := execute(ctx, server, "drop database if exists "+name+" sync"); err != nil {
		t.Logf("drop the test database: %v", err)
	}
}

func execute(ctx context.Context, dsn, statement string) error {
	conn, err := clickhouse.Open(ctx, clickhouse.Config{DSN: dsn, MaxConns: 1})
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(ctx, statement)
}
