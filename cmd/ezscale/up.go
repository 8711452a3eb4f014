package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/addresses"
	"github.com/ezscale/platform/cmd/ezscale/process"
	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/cmd/ezscale/secretring"
	"github.com/ezscale/platform/cmd/ezscale/stack"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/observe"
)

// leastPostgresMemory is what Postgres works with at all.
const leastPostgresMemory = 16 << 20

// upOptions are the flags of `ezscale up`.
type upOptions struct {
	data, http          string
	sflow, netflow      string
	postgresMemory      string
	logLevel, logFormat string
	demo, production    bool
	ready               func(at serving) error // called once everything serves
}

// serving is where a platform serves.
type serving struct{ url, account, admin string }

func newUpCommand() *cobra.Command {
	var o upOptions
	command := &cobra.Command{
		Use:   "up",
		Short: "Run the whole platform on this machine, with its own servers",
		Long: `Starts Postgres, a Kafka broker and the ClickHouse engine below the data directory and every role on them, and
stops all in order on Ctrl-C. Killing any of it loses nothing that was acknowledged.

Without --production this is a development platform: people log in without a password, from this machine only,
and the clock can be advanced.`,
		Example: "  ezscale up --demo\n  ezscale up --data /srv/ezscale --http 127.0.0.1:8080 --sflow 0.0.0.0:6343",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.ready = func(at serving) error { return greet(o, at) }
			return runUp(cmd.Context(), o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.data, "data", "./var", "directory for all data")
	flags.StringVar(&o.http, "http", "127.0.0.1:8080", "address of the API and the pages")
	flags.StringVar(&o.sflow, "sflow", "", "UDP address for sFlow (default 0.0.0.0:6343; with --demo 127.0.0.1:6343)")
	flags.StringVar(&o.netflow, "netflow", "", "UDP addresses for NetFlow and IPFIX, or off (default 0.0.0.0:2055,0.0.0.0:4739; with --demo 127.0.0.1 instead)")
	flags.StringVar(&o.postgresMemory, "postgres-memory", "", "page cache of Postgres; more for tens of thousands of services (default 64MiB)")
	flags.BoolVar(&o.demo, "demo", false, "a small hosting company with a simulated switch and a mailbox that catches every mail")
	flags.BoolVar(&o.production, "production", false, "no login without password, no clock but the machine's")
	flags.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn, error")
	flags.StringVar(&o.logFormat, "log-format", "text", "text or json")
	return command
}

// postgresBytes is 0 when nothing was asked for.
func (o *upOptions) postgresBytes() (int64, error) {
	if o.postgresMemory == "" {
		return 0, nil
	}
	size, err := bytesize.Parse(o.postgresMemory)
	if err != nil || size < leastPostgresMemory {
		return 0, fmt.Errorf("--postgres-memory %s: want a size of at least 16MiB, such as 512MiB", o.postgresMemory)
	}
	return size, nil
}

// runUp runs the platform until ctx ends, which is an orderly end while it still starts, too.
func runUp(ctx context.Context, o upOptions) error { return interrupted(ctx, up(ctx, o)) }

// interrupted takes away the error of a start that was told to stop.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "stopped before everything served")
		return nil
	}
	return err
}

func up(ctx context.Context, o upOptions) (err error) {
	if o.demo && o.production {
		return errors.New("--demo and --production exclude each other: the demo has a login without passwords")
	}
	memory, err := o.postgresBytes()
	if err != nil {
		return err
	}
	began := machineNow()
	cfg, log, err := upConfig(&o)
	if err != nil {
		return err
	}
	if err := addresses.Await(ctx, cfg); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "ezscale %s: starting Postgres, Kafka and ClickHouse in %s\n", version, cfg.DataDir)
	servers, err := stack.New(ctx, stack.Options{Data: cfg.DataDir, PostgresMemory: memory}, os.Stderr, log)
	if err != nil {
		return err
	}
	if err := stack.Start(ctx, servers); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopStack(servers)) }()
	cfg.Postgres, cfg.Query = servers.PostgresDSN(), servers.PostgresDSN()
	cfg.Kafka, cfg.ClickHouse = servers.KafkaBrokers(), servers.ClickHouseDSN()
	found := runfile.Servers{Postgres: cfg.Postgres, Kafka: cfg.Kafka, ClickHouse: cfg.ClickHouse}
	if err := runfile.Write(filepath.Join(cfg.DataDir, runfile.ServersFile), found); err != nil {
		return err
	}
	if err := migrate(ctx, cfg, log); err != nil {
		return err
	}
	// The key lies beside the database that it is for, and lasts as long.
	if err := secretring.Ensure(ctx, cfg, true, log); err != nil {
		return fmt.Errorf("make the ring of secrets: %w", err)
	}
	return upRoles(ctx, o, cfg, servers, log, began)
}

func upConfig(o *upOptions) (config.Config, *slog.Logger, error) {
	cfg, err := config.Load(os.Getenv)
	if err != nil {
		return cfg, nil, err
	}
	log, err := observe.NewLogger(os.Stderr, o.logLevel, o.logFormat)
	if err != nil {
		return cfg, nil, err
	}
	if err := upAddresses(o, &cfg); err != nil {
		return cfg, nil, err
	}
	cfg.Mode = config.Development
	if o.production {
		cfg.Mode = config.Production
	}
	if cfg.DataDir, err = filepath.Abs(o.data); err != nil {
		return cfg, nil, fmt.Errorf("--data: %w", err)
	}
	cfg.Sweep = upSweep
	if os.Getenv("EZSCALE_RAW_RETENTION") == "" {
		cfg.Collector.RawRetention = upRawRetention
	}
	if cfg.Token == "" {
		cfg.Token, err = runfile.Token(cfg.DataDir)
	}
	return cfg, log, err
}

// upAddresses takes the addresses from the flags. A demo listens on this machine only.
func upAddresses(o *upOptions, cfg *config.Config) (err error) {
	host := map[bool]string{true: "127.0.0.1", false: "0.0.0.0"}[o.demo]
	o.sflow = cmp.Or(o.sflow, host+":6343")
	o.netflow = cmp.Or(o.netflow, host+":2055,"+host+":4739")
	if err := addresses.NameSites(o.http, os.Getenv, cfg); err != nil {
		return err
	}
	if cfg.Collector.Listen, err = config.ListenAddresses(o.sflow); err != nil {
		return fmt.Errorf("--sflow: %w", err)
	}
	if cfg.Collector.ListenNetFlow, err = config.ListenAddresses(o.netflow); err != nil {
		return fmt.Errorf("--netflow: %w", err)
	}
	return nil
}

const (
	// upSweep is how often a single machine looks for cycles that have ended.
	upSweep = 5 * time.Second
	// upRawRetention keeps a day of raw datagrams on a single machine: the embedded broker remembers about 80 bytes
	// of each batch it stores.
	upRawRetention = 24 * time.Hour
)

func stopStack(servers *embedded.Stack) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*process.StopBound)
	defer cancel()
	return servers.Stop(ctx)
}
