// Package apachekafka runs a real Apache Kafka for tests, on a machine that has a JDK 17 and Maven but no docker:
// one process as broker and controller (KRaft), on free ports of loopback. The embedded broker is the default
// everywhere; what the platform promises about Kafka is proved on this one too.
//
// The jars (files/pom.xml, 43 MB) come by package maven, each with the SHA-256 in files/jars.sum.
// The broker is a supervised child: it dies with its parent, and is started again on the same ports and data when
// it is killed. Like production's, it acknowledges what is in the page cache: a kill of the process loses nothing.
package apachekafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/ezscale/platform/internal/embedded/flock"
	"github.com/ezscale/platform/internal/embedded/maven"
	"github.com/ezscale/platform/internal/embedded/supervise"
)

// Version of the broker.
const Version = "4.3.1"

const (
	heapMiB     = 512
	stopTimeout = 30 * time.Second
)

// ErrInUse says that another process runs on the data directory.
var ErrInUse = errors.New("the data directory is in use")

// Config of a broker. Zero ports take free ones.
type Config struct {
	Data           string // directory; made when absent, used again when there
	Cache          string // of jars; default: one in the user's cache
	Port           int    // for clients, on 127.0.0.1
	ControllerPort int
	Log            *slog.Logger
}

// Server is one broker.
type Server struct {
	cfg     Config
	lock    *flock.Lock
	process *supervise.Process
}

// New is inert.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Start fetches the jars when they are not there, formats the data directory when it is new, and returns when the
// broker serves. On an error nothing is left running.
func (s *Server) Start(ctx context.Context) error {
	if err := maven.Missing("apache kafka"); err != nil {
		return err
	}
	jars, err := s.jars().Ensure(ctx)
	if err != nil {
		return err
	}
	if err := s.takeData(); err != nil {
		return err
	}
	if err := s.launch(ctx, jars); err != nil {
		return errors.Join(fmt.Errorf("start apache kafka: %w", err), s.lock.Release())
	}
	return nil
}

func (s *Server) takeData() error {
	data, err := filepath.Abs(s.cfg.Data)
	if err != nil {
		return fmt.Errorf("find the data directory: %w", err)
	}
	s.cfg.Data = data
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	s.lock, err = flock.Try(filepath.Join(data, "lock"))
	if errors.Is(err, flock.ErrHeld) {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return err
}

func (s *Server) launch(ctx context.Context, jars string) error {
	for _, port := range []*int{&s.cfg.Port, &s.cfg.ControllerPort} {
		if err := choosePort(port); err != nil {
			return err
		}
	}
	if err := s.writeSettings(); err != nil {
		return err
	}
	if err := s.format(ctx, jars); err != nil {
		return err
	}
	s.process = supervise.New(supervise.Spec{
		Name: "apache-kafka", Probe: s.probe, Log: s.cfg.Log, StopTimeout: stopTimeout,
		StopSignal: syscall.SIGTERM, DeathSignal: syscall.SIGKILL,
		Command: func() (*exec.Cmd, error) {
			return s.java(context.Background(), jars, "kafka.Kafka", s.path("server.properties")), nil
		},
	})
	return s.process.Start(ctx)
}

// Stop ends the broker in order. It may be called twice, or without Start.
func (s *Server) Stop(ctx context.Context) error {
	if s.process == nil {
		return nil
	}
	err := s.process.Stop(ctx)
	s.process = nil
	return errors.Join(err, s.lock.Release())
}

// Brokers is the address that clients use, once started.
func (s *Server) Brokers() []string {
	return []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port))}
}

// Health tells how the process is, its number included.
func (s *Server) Health() supervise.Health { return s.process.Health() }

func (s *Server) path(name string) string { return filepath.Join(s.cfg.Data, name) }

// settings are those of one process as broker and controller.
func (s *Server) settings() string {
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
controller.listener.names=CONTROLLER
log.dirs=%[3]s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`, s.cfg.Port, s.cfg.ControllerPort, s.path("data"))
}

func (s *Server) writeSettings() error {
	for name, text := range map[string]string{"server.properties": s.settings(), "log4j2.properties": logSettings} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write settings: %w", err)
		}
	}
	return nil
}

// format gives a new data directory its cluster id; one that has it is left alone.
func (s *Server) format(ctx context.Context, jars string) error {
	cmd := s.java(ctx, jars, "kafka.tools.StorageTool", "format", "--ignore-formatted",
		"-t", clusterID(uuid.New()), "-c", s.path("server.properties"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format %s: %w: %s", s.path("data"), err, maven.LastBytes(out))
	}
	return nil
}

// clusterID writes id as Kafka does, in base64url. None begins with "-", which the tools take for an option:
// Kafka draws again until none does, here the first bit is cleared.
func clusterID(id uuid.UUID) string {
	id[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func (s *Server) java(ctx context.Context, jars, class string, args ...string) *exec.Cmd {
	line := []string{
		"-Xmx" + strconv.Itoa(heapMiB) + "m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + s.path("log4j2.properties"), "-cp", filepath.Join(jars, "*"), class,
	}
	cmd := exec.CommandContext(ctx, "java", append(line, args...)...)
	cmd.Dir = s.cfg.Data
	return cmd
}

// probe asks for the cluster's metadata: a broker that is still fenced is not in it.
func (s *Server) probe(ctx context.Context) error {
	conn, err := kafka.DialContext(ctx, "tcp", s.Brokers()[0])
	if err != nil {
		return fmt.Errorf("reach apache kafka: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	brokers, err := conn.Brokers()
	if err != nil {
		return fmt.Errorf("ask apache kafka: %w", err)
	}
	if len(brokers) == 0 {
		return errors.New("the broker is not registered yet")
	}
	return nil
}

// choosePort takes a free port where none is set.
func choosePort(port *int) error {
	if *port != 0 {
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("choose a port: %w", err)
	}
	*port = listener.Addr().(*net.TCPAddr).Port
	return listener.Close()
}
