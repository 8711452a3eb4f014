package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/ezscale/platform/internal/embedded/clickhouse"
	"github.com/ezscale/platform/internal/embedded/kafka"
	"github.com/ezscale/platform/internal/embedded/supervise"
)

// The parts that are this program run as a child.
const (
	PartKafka      = "kafka"
	PartClickHouse = "clickhouse"
)

// ownProgram is the running program, whatever has become of its file since.
const ownProgram = "/proc/self/exe"

// maxChildConfigBytes bounds what a child reads before it serves.
const maxChildConfigBytes = 64 << 10

// RunChild is the life of a child: it reads its configuration from the input, which holds a password and so
// is no command-line argument, and serves until it is told to end, or the input ends with the parent.
func RunChild(ctx context.Context, part string, input io.Reader, log *slog.Logger) error {
	ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var config json.RawMessage
	if err := json.NewDecoder(io.LimitReader(input, maxChildConfigBytes)).Decode(&config); err != nil {
		return fmt.Errorf("read the configuration of the embedded %q: %w", part, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, input)
		cancel()
	}()
	switch part {
	case PartKafka:
		return runWith(config, func(cfg kafka.Config) error { return kafka.Run(ctx, cfg, log) })
	case PartClickHouse:
		return runWith(config, func(cfg clickhouse.Config) error { return clickhouse.Run(ctx, cfg, log) })
	}
	return fmt.Errorf("there is no embedded %q", part)
}

func runWith[C any](raw json.RawMessage, run func(C) error) error {
	var cfg C
	if err := json.Unmarshal(raw, &cfg); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	return run(cfg)
}

// child supervises this program as the part. It dies with the parent: what it acknowledged is on the disk.
func (s *Stack) child(part string, cfg any, probe func(context.Context) error) (*supervise.Process, error) {
	input, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("write the configuration of the embedded %s: %w", part, err)
	}
	return supervise.New(supervise.Spec{
		Name: part, Input: append(input, '\n'), Probe: probe, Log: s.cfg.Log,
		StopSignal: syscall.SIGTERM, DeathSignal: syscall.SIGKILL,
		Command: func() (*exec.Cmd, error) {
			cmd := exec.Command(ownProgram, append(append([]string{}, s.cfg.ChildArgs...), part)...)
			cmd.Args[0] = "ezscale"
			cmd.Env = []string{"TZ=UTC", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
			return cmd, nil
		},
	}), nil
}

// takePorts finds free ports for those that are not set. They stay the same while the stack lives.
func (s *Stack) takePorts() error {
	var held []net.Listener // until all are found, so that they differ
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for _, port := range []*int{&s.cfg.PostgresPort, &s.cfg.KafkaPort, &s.cfg.ClickHousePort} {
		if *port != 0 {
			continue
		}
		l, err := net.Listen("tcp", address(0))
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
