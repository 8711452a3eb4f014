// Package elasticsearch runs a real Elasticsearch for tests, on a machine that has a JDK 17 and Maven but no docker:
// one node on free ports of loopback. What replay promises about reading an ElastiFlow installation is proved on it.
//
// The jars (files/pom.xml, 33 MB) come by package maven, each with the SHA-256 in files/jars.sum; they are fetched for
// tests and never shipped. Without the distribution there is no launcher, so files/Launcher.java is one, and the HTTP
// module is put where the server looks for modules. There is no security, no licence and no lifecycle management in it:
// authentication and TLS are tested with a proxy in front.
//
// The node is a supervised child: it dies with its parent, and is started again on the same ports and data when it is
// killed. What it has acknowledged is in its translog: a kill of the process loses nothing.
package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/ezscale/platform/internal/embedded/flock"
	"github.com/ezscale/platform/internal/embedded/maven"
	"github.com/ezscale/platform/internal/embedded/supervise"
)

// Version of the server.
const Version = "8.6.2"

const (
	heapMiB     = 256
	stopTimeout = 30 * time.Second
)

// ErrInUse says that another process runs on the data directory.
var ErrInUse = errors.New("the data directory is in use")

// Config of a node. Zero ports take free ones.
type Config struct {
	Data          string // directory; made when absent, used again when there
	Cache         string // of jars; default: one in the user's cache
	Port          int    // HTTP, on 127.0.0.1
	TransportPort int
	Log           *slog.Logger
}

// Server is one node.
type Server struct {
	cfg     Config
	lock    *flock.Lock
	process *supervise.Process
}

// New is inert.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Start fetches the jars when they are not there and returns when the node serves. On an error nothing is left running.
func (s *Server) Start(ctx context.Context) error {
	if err := maven.Missing("elasticsearch"); err != nil {
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
		return errors.Join(fmt.Errorf("start elasticsearch: %w", err), s.lock.Release())
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
	for _, port := range []*int{&s.cfg.Port, &s.cfg.TransportPort} {
		if err := choosePort(port); err != nil {
			return err
		}
	}
	if err := s.arrange(jars); err != nil {
		return err
	}
	s.process = supervise.New(supervise.Spec{
		Name: "elasticsearch", Probe: s.probe, Log: s.cfg.Log, StopTimeout: stopTimeout,
		StopSignal: syscall.SIGTERM, DeathSignal: syscall.SIGKILL,
		Command: func() (*exec.Cmd, error) { return s.java(), nil },
	})
	return s.process.Start(ctx)
}

// Stop ends the node in order. It may be called twice, or without Start.
func (s *Server) Stop(ctx context.Context) error {
	if s.process == nil {
		return nil
	}
	err := s.process.Stop(ctx)
	s.process = nil
	return errors.Join(err, s.lock.Release())
}

// URL is the address that clients use, once started.
func (s *Server) URL() string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port))
}

// Health tells how the process is, its number included.
func (s *Server) Health() supervise.Health { return s.process.Health() }

func (s *Server) path(names ...string) string {
	return filepath.Join(append([]string{s.cfg.Data, "home"}, names...)...)
}

// settings are those of one node that nobody else may join.
func (s *Server) settings() string {
	return fmt.Sprintf(`cluster.name: ezscale-test
node.name: n1
path.data: %[1]s/data
path.logs: %[1]s/logs
network.host: 127.0.0.1
http.port: %[2]d
transport.port: %[3]d
discovery.type: single-node
action.auto_create_index: true
cluster.routing.allocation.disk.threshold_enabled: false
cluster.max_shards_per_node: 5000
`, s.cfg.Data, s.cfg.Port, s.cfg.TransportPort)
}

func (s *Server) java() *exec.Cmd {
	heap := strconv.Itoa(heapMiB) + "m"
	cmd := exec.Command("java", "-Xms"+heap, "-Xmx"+heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", s.path("lib", "*"), s.path("Launcher.java"), s.path())
	cmd.Dir = s.cfg.Data
	return cmd
}

// probe asks for the shards, not for the node: after a restart HTTP answers before they do.
func (s *Server) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/_cluster/health?wait_for_status=yellow&timeout=2s", nil)
	if err != nil {
		return fmt.Errorf("ask elasticsearch: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reach elasticsearch: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("elasticsearch answers %s", response.Status)
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
