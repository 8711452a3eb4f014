package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	schema "github.com/ezscale/platform/schemas/postgres"
)

// migrationLock is the session advisory lock that one migrating process holds ("ezscale" in ASCII).
const migrationLock = 0x657a7363616c65

// migrationConns is the pool of a migration: one connection works, one is spare.
const migrationConns = 2

// Migrate brings the database to the newest schema: first the job queue's own tables, then ours, which grant
// rights on both. Any number of processes may call it at once: one works, the others wait and find nothing
// to do. It never goes back.
func Migrate(ctx context.Context, dsn string, log *slog.Logger) error {
	pool, err := migrationPool(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	lock, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("reach Postgres to migrate: %w", err)
	}
	defer lock.Close(context.WithoutCancel(ctx)) // and with it the lock
	if _, err := lock.Exec(ctx, "select pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for the migration lock: %w", err)
	}
	if err := migrateJobs(ctx, pool); err != nil {
		return err
	}
	return migrateOurs(ctx, pool, log)
}

// migrationPool has no statement timeout: a migration takes as long as the data asks for.
func migrationPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the Postgres DSN: %w", err)
	}
	config.MaxConns = migrationConns
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.RuntimeParams["application_name"] = "ezscale migrate"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make a Postgres pool to migrate: %w", err)
	}
	return pool, nil
}

func migrateJobs(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("prepare the job queue's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job queue's tables: %w", err)
	}
	return nil
}

func migrateOurs(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, schema.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the Postgres migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate Postgres: %w", err)
	}
	for _, r := range results {
		log.InfoContext(ctx, "migrated", "store", "postgres", "file", r.Source.Path, "took", r.Duration)
	}
	return nil
}

// SchemaHash names what Migrate makes: it changes when a migration of ours or of the job queue does.
func SchemaHash() (string, error) {
	sum := sha256.New()
	files, err := fs.Glob(schema.Migrations, "*.sql") // sorted
	if err != nil {
		return "", fmt.Errorf("list the Postgres migrations: %w", err)
	}
	for _, name := range files {
		body, err := fs.ReadFile(schema.Migrations, name)
		if err != nil {
			return "", fmt.Errorf("read the migration %s: %w", name, err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(body), body)
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", fmt.Errorf("list the job queue's migrations: %w", err)
	}
	for _, m := range migrator.AllVersions() {
		fmt.Fprintf(sum, "river %d\n%s", m.Version, m.SQLUp)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
