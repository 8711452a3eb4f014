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
func Migrate(ctx context.Context, cfg Config, log *slog.Logger) error {
	options, err := cfg.options()
	if err != nil {
		return err
	}
	db := clickhouse.OpenDB(options)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, schema.Migrations, goose.WithDisableGlobalRegistry(true))
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
