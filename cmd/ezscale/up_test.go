package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
)

// TestABusyAddressIsToldBeforeAnythingStarts names an address that is taken, and looks whether servers were started.
func TestABusyAddressIsToldBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	tcp, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := listen.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for name, args := range map[string][]string{
		"--http ":    {"--http", tcp.Addr().String(), "--sflow", "127.0.0.1:0", "--netflow", "off"},
		"--sflow ":   {"--http", "127.0.0.1:0", "--sflow", "127.0.0.1:0," + udp.LocalAddr().String(), "--netflow", "off"},
		"--netflow ": {"--http", "127.0.0.1:0", "--sflow", "off", "--netflow", "127.0.0.1:0," + udp.LocalAddr().String()},
	} {
		data := filepath.Join(t.TempDir(), "data")
		said, err := ezscale(t, nil, append([]string{"up", "--data", data}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(said), name) || !strings.Contains(string(said), "address already in use") {
			t.Errorf("%v: %v\n%s", args, err, said)
		}
		if strings.Contains(string(said), "starting Postgres") {
			t.Errorf("%v: servers were started\n%s", args, said)
		}
	}
}

// TestARoleDoesNotWaitForAnAddressThatIsNone starts roles with settings that no waiting mends.
func TestARoleDoesNotWaitForAnAddressThatIsNone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := &base{log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, dsn := range []string{"postgres://user:geh%eim@127.0.0.1/ezscale", "port=many"} {
		b.cfg.Postgres = dsn
		if _, err := b.pool(ctx, ""); err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "geh") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	b.cfg.ClickHouse = "http://user:geh%eim@127.0.0.1/ezscale"
	if _, err := b.clickHouse(ctx); err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "geh") {
		t.Errorf("ClickHouse: %v", err)
	}
}

// TestStoppingWhileItStartsIsOrderly interrupts what waits for a server: a role ends well, a migration has not been done.
func TestStoppingWhileItStartsIsOrderly(t *testing.T) {
	t.Parallel()
	env := []string{"EZSCALE_POSTGRES=postgres://u:p@127.0.0.1:1/x?sslmode=disable", "EZSCALE_KAFKA=127.0.0.1:1",
		"EZSCALE_CLICKHOUSE=http://127.0.0.1:1/x", "EZSCALE_DATA=" + t.TempDir()}
	for name, want := range map[string]int{"meter": 0, "migrate": 130} {
		one := startDaemon(t, name, func() *exec.Cmd { return ezscale(t, env, name) })
		said := func() string {
			text, _ := os.ReadFile(one.log.Name())
			return string(text)
		}
		eventually(t, time.Minute, name+" waits for Postgres", func() error {
			if !strings.Contains(said(), "waiting for Postgres") {
				return errors.New("not yet")
			}
			return nil
		})
		if err := one.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-one.ended
		if code := one.command.ProcessState.ExitCode(); code != want {
			t.Errorf("%s: exit code %d\n%s", name, code, said())
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"./var": "./var", "/srv/my data": "'/srv/my data'", "it's": `'it'\''s'`} {
		if got := terminal.ShellWord(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}
