package clickhouse

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"

	schema "github.com/ezscale/platform/schemas/clickhouse"
)

// Migrate brings the database of the DSN, which must exist, to the newest schema. It is idempotent, and its
// statements are too, so that several processes may call it at once. It never goes back.
func Migrate(ctx context.Context, cfg Config, log *slog.Logger) error { return up(ctx, cfg, log) }

// Restore makes again what is missing of the schema, whatever the database's own record says: a table may have been
// dropped since. Like every statement of the schema it changes nothing where all is there.
func Restore(ctx context.Context, cfg Config, log *slog.Logger) error {
	if err := up(ctx, cfg, log); err != nil { // a wiped database has no record either
		return err
	}
	return up(ctx, cfg, log, goose.WithDisableVersioning(true))
}

func up(ctx context.Context, cfg Config, log *slog.Logger, more ...goose.ProviderOption) error {
	options, err := cfg.options()
	if err != nil {
		return err
	}
	db := clickhouse.OpenDB(options)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, schema.Migrations, append(more, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return fmt.Errorf("read the ClickHouse migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate ClickHouse: %w", err)
	}
	for _, r := range results {
		log.InfoContext(ctx, "migrated", "store", "clickhouse", "file", r.Source.Path, "took", r.Duration)
	}
	return nil
}
