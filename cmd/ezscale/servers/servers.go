// Package servers is `ezscale servers`: the embedded servers alone, for a command that wants them, and what `ezscale try`
// shares with it, a command run on what was started.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/process"
	"github.com/ezscale/platform/cmd/ezscale/stack"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/internal/observe"
)

// NewCommand makes `ezscale servers`.
func NewCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "servers [-- COMMAND…]",
		Short: "Start Postgres, Kafka and ClickHouse alone, for tests; run a command on them",
		Long: `Starts the embedded servers and sets EZSCALE_TEST_POSTGRES, EZSCALE_TEST_KAFKA and EZSCALE_TEST_CLICKHOUSE for
the command, whose exit code becomes this one's; with --elasticsearch also EZSCALE_TEST_ELASTICSEARCH. Without a
command it prints them and waits.`,
		Example: "  ezscale servers -- go test ./...\n  ezscale servers --kafka apache -- go test ./internal/kafka/...\n" +
			"  ezscale servers --elasticsearch -- go test ./metering/replay/...",
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), o, args)
		},
	}
	command.Flags().StringVar(&o.data, "data", "", "data directory (default: a new one, removed at the end)")
	command.Flags().StringVar(&o.kafka, "kafka", "embedded", "embedded, or apache for Apache Kafka on this machine's JDK (needs Maven)")
	command.Flags().BoolVar(&o.elasticsearch, "elasticsearch", false, "a real Elasticsearch, too, on this machine's JDK (needs Maven)")
	return command
}

// options are the flags of `servers`.
type options struct {
	data, kafka   string
	elasticsearch bool
}

func run(ctx context.Context, o options, args []string) (err error) {
	if o.kafka != "embedded" && o.kafka != "apache" {
		return fmt.Errorf("--kafka %s: want embedded or apache", o.kafka)
	}
	log, err := observe.NewLogger(os.Stderr, "warn", "text")
	if err != nil {
		return err
	}
	throwaway := o.data == ""
	data, remove, err := DataOrTemporary(o.data)
	if err != nil {
		return err
	}
	defer remove()
	servers, err := stack.New(ctx, stack.Options{Data: data, Throwaway: throwaway}, os.Stderr, log)
	if err != nil {
		return err
	}
	if err := stack.Start(ctx, servers); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Stop(context.WithoutCancel(ctx))) }()
	tested, err := stack.ForTests(ctx, servers, stack.Extras{Data: data, ApacheKafka: o.kafka == "apache", Elasticsearch: o.elasticsearch}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tested.Stop(context.WithoutCancel(ctx))) }()
	return onServers(ctx, tested.Environment(), args)
}

// onServers runs the command, or tells what it would be told.
func onServers(ctx context.Context, env, args []string) error {
	if len(args) == 0 {
		for _, e := range env {
			fmt.Println("export " + strings.Replace(e, "=", "='", 1) + "'")
		}
		<-ctx.Done()
		return nil
	}
	return Run(ctx, args, env)
}

// Run runs args with more environment and passes its exit code on.
func Run(ctx context.Context, args, env []string) error {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = process.StopBound
	command.Env = append(os.Environ(), env...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return tools.ExitError{Code: max(exit.ExitCode(), 1)}
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	return nil
}

// DataOrTemporary makes the directory, or a new one that remove takes away.
func DataOrTemporary(data string) (dir string, remove func(), err error) {
	if data != "" {
		dir, err = filepath.Abs(data)
		return dir, func() {}, err
	}
	dir, err = os.MkdirTemp("", "ezscale-")
	if err != nil {
		return "", nil, fmt.Errorf("make a data directory: %w", err)
	}
	// Servers that must not run as root run as somebody else, who has to pass through.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("open the data directory: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
