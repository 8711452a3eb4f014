// Package operator gives tools for operators the servers of a platform: those that the environment names, or those of
// `ezscale up` on a data directory.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/internal/clock"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
)

// AddDataFlag adds --data to a command and those below it.
func AddDataFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().String("data", "./var", "data directory of \"ezscale up\"; the environment's servers go first")
}

// Config is for tools that work on the servers themselves: the environment if it names them, else those of `ezscale up`
// on a data directory. Where a data directory was given, keys are looked for there, too.
func Config(cmd *cobra.Command) (config.Config, *slog.Logger, error) {
	cfg, err := config.Load(os.Getenv)
	if err != nil {
		return cfg, nil, err
	}
	if data := cmd.Flags().Lookup("data"); data != nil && data.Changed {
		cfg.DataDir = data.Value.String()
	}
	log, err := observe.NewLogger(os.Stderr, "warn", "text")
	if err != nil || cfg.Postgres != "" {
		return cfg, log, errors.Join(err, cfg.Require("EZSCALE_POSTGRES", "EZSCALE_KAFKA", "EZSCALE_CLICKHOUSE"))
	}
	data, err := cmd.Flags().GetString("data")
	if err != nil {
		return cfg, nil, fmt.Errorf("read --data: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(data, runfile.ServersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil, fmt.Errorf("no platform has run on %s: give the --data of `ezscale up`, or set EZSCALE_POSTGRES, EZSCALE_KAFKA and EZSCALE_CLICKHOUSE", data)
	}
	var servers runfile.Servers
	if err == nil {
		err = json.Unmarshal(text, &servers)
	}
	if err != nil {
		return cfg, nil, fmt.Errorf("read %s: %w", runfile.ServersFile, err)
	}
	cfg.Postgres, cfg.Query, cfg.Kafka, cfg.ClickHouse = servers.Postgres, servers.Postgres, servers.Kafka, servers.ClickHouse
	return cfg, log, nil
}

// Platform is an operator's connection to Postgres and Kafka, with the platform's time.
type Platform struct {
	Config config.Config
	Log    *slog.Logger
	Pool   *pgxpool.Pool
	Kafka  *kafka.Client
	Clock  *clock.Clock
}

const maxConns = 4

// Open connects with the rights of a role. Close when done.
func Open(cmd *cobra.Command, role postgres.Role) (*Platform, error) {
	cfg, log, err := Config(cmd)
	if err != nil {
		return nil, err
	}
	p := &Platform{Config: cfg, Log: log}
	p.Pool, err = postgres.Open(cmd.Context(), postgres.Config{DSN: cfg.Postgres, Role: role, MaxConns: maxConns, ApplicationName: cmd.CommandPath()})
	if err != nil {
		return nil, err
	}
	p.Kafka = kafka.New(kafka.Config{Brokers: cfg.Kafka})
	p.Clock = clock.NewDevelopment(p.Pool, log) // where nobody advanced it, it is the machine's
	if err := p.Clock.Start(cmd.Context()); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close lets go of the connections.
func (p *Platform) Close() {
	_ = p.Clock.Stop(context.Background()) // has nothing to fail
	p.Kafka.Close()
	p.Pool.Close()
}
