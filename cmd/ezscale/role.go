package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/cmd/ezscale/process"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/clickhouse"
	"github.com/ezscale/platform/internal/clock"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/metering/collector"
)

const (
	waitPauseMin = 200 * time.Millisecond
	waitPauseMax = 5 * time.Second
)

// base is what every role stands on: settings, log, metrics, health, connections and the clock. Roles of one
// process share it, and so share pools.
type base struct {
	cfg      config.Config
	log      *slog.Logger
	registry *prometheus.Registry
	health   *observe.Health
	process  *process.Process
	clock    *clock.Clock
	kafka    *kafka.Client
	pools    map[postgres.Role]*pgxpool.Pool
	owner    string // names this process in leases

	db        *command.DB
	waker     *outbox.Waker
	collector *collector.Collector
	click     driver.Conn
	vault     *vault.Vault
}

// newBase connects to Postgres, waiting for it if it must, and starts nothing yet.
func newBase(ctx context.Context, cfg config.Config, log *slog.Logger) (*base, error) {
	b := &base{
		cfg: cfg, log: log, registry: observe.NewRegistry(), health: &observe.Health{}, process: process.New(log),
		pools: map[postgres.Role]*pgxpool.Pool{}, kafka: kafka.New(kafka.Config{Brokers: cfg.Kafka}),
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host name: %w", err)
	}
	b.owner = fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8])
	b.process.Add("Kafka connections", process.Closer(b.kafka.Close))
	b.clock = clock.Real()
	if cfg.Mode == config.Development {
		pool, err := b.pool(ctx, postgres.RoleCommand)
		if err != nil {
			return nil, err
		}
		b.clock = clock.NewDevelopment(pool, log)
	}
	b.process.Add("clock", b.clock)
	return b, nil
}

// pool gives the connections of a database role, opening them at first use.
func (b *base) pool(ctx context.Context, role postgres.Role) (*pgxpool.Pool, error) {
	if pool := b.pools[role]; pool != nil {
		return pool, nil
	}
	dsn := b.cfg.Postgres
	if role == postgres.RoleQuery {
		dsn = b.cfg.Query
	}
	var pool *pgxpool.Pool
	err := await(ctx, b.log, "Postgres", func() (err error) {
		pool, err = postgres.Open(ctx, postgres.Config{DSN: dsn, Role: role, ApplicationName: "ezscale " + string(role), MaxConns: maxConns(role)})
		return err
	})
	if err != nil {
		return nil, err
	}
	b.pools[role] = pool
	b.process.Add("pool "+string(role), process.Closer(pool.Close))
	b.health.Add(observe.Check{
		Name: "postgres as " + string(role), Mend: "look whether Postgres runs and takes connections",
		Run: pool.Ping,
	})
	return pool, nil
}

func maxConns(role postgres.Role) int32 {
	switch role {
	case postgres.RoleMeter:
		return 16 // one a partition, and a few
	case postgres.RoleAudit:
		return 2
	}
	return 20
}

// machineNow is the machine's clock, for leases and waiting; the business clock is base.clock.
func machineNow() time.Time { return time.Now() }

// loadConfig reads the settings of a role from the environment and checks that it has what it needs.
func loadConfig(needs ...string) (config.Config, *slog.Logger, error) {
	cfg, err := config.Load(os.Getenv)
	if err != nil {
		return config.Config{}, nil, err
	}
	if err := cfg.Require(needs...); err != nil {
		return config.Config{}, nil, err
	}
	log, err := observe.NewLogger(os.Stderr, cfg.LogLevel, cfg.LogFormat)
	return cfg, log, err
}

// await tries until it succeeds or ctx ends, with growing pauses: we may start before the servers.
func await(ctx context.Context, log *slog.Logger, what string, try func() error) error {
	pause := waitPauseMin
	for {
		err := try()
		if err == nil {
			return nil
		}
		if errors.Is(err, postgres.ErrDSN) || errors.Is(err, clickhouse.ErrDSN) {
			return err // waiting does not mend a setting
		}
		log.Warn("waiting for "+what, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w (%w)", what, err, ctx.Err())
		case <-time.After(pause):
			pause = min(2*pause, waitPauseMax)
		}
	}
}
