package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/secretring"
	"github.com/ezscale/platform/cmd/ezscale/topics"
	"github.com/ezscale/platform/internal/clickhouse"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/postgres"
)

const migrateBound = 5 * time.Minute

func newMigrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schemas of Postgres and ClickHouse and the Kafka topics up to date",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := loadConfig("EZSCALE_POSTGRES", "EZSCALE_KAFKA", "EZSCALE_CLICKHOUSE")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), migrateBound)
			defer cancel()
			if err := awaitServers(ctx, cfg, log); err != nil {
				return err
			}
			if err := migrate(ctx, cfg, log); err != nil {
				return err
			}
			return secretring.Ensure(ctx, cfg, cfg.Mode == config.Development, log)
		},
	}
}

// awaitServers waits for all three, as the roles do: servers that were started together are not ready together.
func awaitServers(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	err := await(ctx, log, "Postgres", func() error {
		pool, err := postgres.Open(ctx, postgres.Config{DSN: cfg.Postgres, MaxConns: 1, ApplicationName: "ezscale migrate"})
		if err == nil {
			pool.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	err = await(ctx, log, "ClickHouse", func() error {
		conn, err := clickhouse.Open(ctx, clickhouse.Config{DSN: cfg.ClickHouse, MaxConns: 1})
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		return err
	}
	client := kafka.New(kafka.Config{Brokers: cfg.Kafka})
	defer client.Close()
	return await(ctx, log, "Kafka", func() error { return client.Ping(ctx) })
}

// migrate may run in several processes at once, and again.
func migrate(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if err := postgres.Migrate(ctx, cfg.Postgres, log); err != nil {
		return fmt.Errorf("migrate Postgres: %w", err)
	}
	if err := clickhouse.Migrate(ctx, clickhouse.Config{DSN: cfg.ClickHouse}, log); err != nil {
		return fmt.Errorf("migrate ClickHouse: %w", err)
	}
	client := kafka.New(kafka.Config{Brokers: cfg.Kafka})
	defer client.Close()
	if err := client.EnsureTopics(ctx, topics.All(cfg)); err != nil {
		return fmt.Errorf("make Kafka topics: %w", err)
	}
	return nil
}
