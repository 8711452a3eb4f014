package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/clickhouse"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/projections"
	"github.com/ezscale/platform/projections/bandwidth"
)

// ReadModels are all there are, by the name that operators use.
func ReadModels(pool *pgxpool.Pool, client *kafka.Client, click driver.Conn) map[string]projections.Source {
	usage := bandwidth.NewUsageMinute(pool, client, click)
	return map[string]projections.Source{usage.Name(): usage}
}

// NewRebuildCommand fills a read model anew.
func NewRebuildCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "rebuild READ-MODEL",
		Short: "Fill a read model anew beside the old one, compare it with Postgres, and swap them",
		Long: `Fills a new table from Postgres and Kafka, compares its sums with Postgres to the byte, and gives it the old one's
name. The old one serves meanwhile. It may be interrupted at any point and run again: it goes on where it was.

Read models: ` + strings.Join(readModelNames(), ", "),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return rebuild(cmd, args[0]) },
	}
	addDataFlag(command)
	return command
}

func readModelNames() []string {
	var names []string
	for name := range ReadModels(nil, nil, nil) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func rebuild(cmd *cobra.Command, name string) error {
	if !slices.Contains(readModelNames(), name) {
		return fmt.Errorf("no read model is called %q; there is: %s", name, strings.Join(readModelNames(), ", "))
	}
	ctx := cmd.Context()
	cfg, log, err := operatorConfig(cmd)
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, postgres.Config{DSN: cfg.Postgres, Role: postgres.RoleCommand, MaxConns: 4, ApplicationName: "ezscale rebuild"})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := clickhouse.Restore(ctx, clickhouse.Config{DSN: cfg.ClickHouse}, log); err != nil {
		return err // where ClickHouse has been wiped, there is no table to put beside
	}
	click, err := clickhouse.Open(ctx, clickhouse.Config{DSN: cfg.ClickHouse, MaxConns: 2})
	if err != nil {
		return err
	}
	defer click.Close()
	client := kafka.New(kafka.Config{Brokers: cfg.Kafka})
	defer client.Close()

	bar := progressbar.DefaultSilent(-1)
	if terminal.Is(os.Stderr) {
		bar = terminal.Bar(os.Stderr, 1, "rebuilding "+name, false)
	}
	err = projections.NewRebuilder(pool, client, click, log).Rebuild(ctx, ReadModels(pool, client, click)[name], func(done, total int64) {
		bar.ChangeMax64(max(total, done))
		_ = bar.Set64(done) // a bar that cannot be drawn is no failure
	})
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted; run it again and it goes on from here: %w", err)
	case err != nil:
		return err
	}
	_ = bar.Finish()
	fmt.Fprintf(cmd.OutOrStdout(), "%s is rebuilt and agrees with Postgres\n", name)
	return nil
}
