// Package bench is `ezscale bench`: figures about the platform that anybody can repeat. Each is measured in the run that
// prints it, on servers that are started for it and thrown away.
//
// `bench collector` measures the way from the socket to the counters: collector and meter run as the processes that
// production runs, so that processor time and memory are theirs alone. The sender, the broker and Postgres share the
// machine and are not in the figures. Afterwards the counters in Postgres are compared with what was sent.
//
// Processor seconds are what to look at: on a shared machine they vary by a few per cent, times by factors.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/bench/accuracy"
	"github.com/ezscale/platform/cmd/ezscale/bench/stage"
	"github.com/ezscale/platform/cmd/ezscale/stack"
	"github.com/ezscale/platform/internal/observe"
)

// postgresMemory lets the rows of 200,000 services stay in Postgres' page cache, as on a server that has so many.
const postgresMemory = 1 << 30

// NewCommand is the parent of all benchmarks.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this build on this machine, on servers of its own",
	}
	cmd.AddCommand(newCollectorCommand(), accuracy.NewCommand(), newSenderCommand(), newGoflow2Command(), newReceiveCommand())
	return cmd
}

// withServers runs f on servers named by the environment (EZSCALE_TEST_POSTGRES and EZSCALE_TEST_KAFKA, as
// `ezscale servers` sets them) or else on embedded ones that end with it.
func withServers(ctx context.Context, progress io.Writer, f func(stage.Servers, string) error) (err error) {
	dir, err := os.MkdirTemp("", "ezscale-bench-")
	if err != nil {
		return fmt.Errorf("make a directory for the benchmark: %w", err)
	}
	defer func() { err = join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // servers that must not run as root run as somebody else
		return fmt.Errorf("open the benchmark's directory: %w", err)
	}
	postgres, kafka := os.Getenv("EZSCALE_TEST_POSTGRES"), os.Getenv("EZSCALE_TEST_KAFKA")
	if postgres != "" && kafka != "" {
		return f(stage.Servers{Postgres: postgres, Kafka: strings.Split(kafka, ",")}, dir)
	}
	log, err := observe.NewLogger(os.Stderr, "warn", "text")
	if err != nil {
		return err
	}
	fmt.Fprintln(progress, "starting Postgres and Kafka")
	servers, err := stack.New(ctx, stack.Options{Data: filepath.Join(dir, "servers"), Throwaway: true, PostgresMemory: postgresMemory}, os.Stderr, log)
	if err != nil {
		return err
	}
	if err := stack.Start(ctx, servers); err != nil {
		return err
	}
	defer func() { err = join(err, servers.Stop(context.WithoutCancel(ctx))) }()
	return f(stage.Servers{Postgres: servers.PostgresDSN(), Kafka: servers.KafkaBrokers()}, dir)
}
