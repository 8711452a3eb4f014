package supervise_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/embedded/supervise"
)

// The test binary is its own child: "child HOW FILE" writes its number to FILE, then waits or dies.
func TestMain(m *testing.M) {
	if len(os.Args) < 4 {
		os.Exit(m.Run())
	}
	switch how, file := os.Args[2], os.Args[3]; os.Args[1] {
	case "child":
		child(how, file)
	case "parent":
		parent(file)
	default:
		os.Exit(m.Run())
	}
}

func child(how, file string) {
	fmt.Println("last words of", how)
	if how == "dies" {
		os.Exit(3)
	}
	if how == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	}
	first, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())+" "+first), 0o600); err != nil {
		os.Exit(4)
	}
	time.Sleep(time.Hour)
}

// parent supervises a child until it is killed.
func parent(file string) {
	p := supervise.New(spec("waits", file, slog.New(slog.DiscardHandler)))
	if err := p.Start(context.Background()); err != nil {
		os.Exit(5)
	}
	fmt.Println(p.Health().PID)
	time.Sleep(time.Hour)
}

func spec(how, file string, log *slog.Logger) supervise.Spec {
	return supervise.Spec{
		Name: how, Input: []byte("input\n"), StopSignal: syscall.SIGTERM, DeathSignal: syscall.SIGKILL,
		StopTimeout: 500 * time.Millisecond, Log: log,
		Command: func() (*exec.Cmd, error) { return exec.Command("/proc/self/exe", "child", how, file), nil },
		Probe: func(context.Context) error {
			if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), "input") {
				return errors.New("not yet")
			}
			return nil
		},
	}
}

func newProcess(t *testing.T, how string) (*supervise.Process, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	p := supervise.New(spec(how, file, slog.New(slog.NewTextHandler(logTo{t}, nil))))
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p, file
}

type logTo struct{ t *testing.T }

func (l logTo) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func TestAKilledChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	p, file := newProcess(t, "waits")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for round := 1; round <= 3; round++ {
		before := p.Health().PID
		_ = os.Remove(file)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			h := p.Health()
			return h.State == supervise.Serving && h.PID != before && h.Restarts == round && strings.Contains(h.LastExit, "killed")
		})
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); h.State != supervise.Stopped || h.PID != 0 {
		t.Errorf("after the stop: %+v", h)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("second stop: %v", err)
	}
}

func TestAChildThatCannotServeEndsTheStart(t *testing.T) {
	t.Parallel()
	p, _ := newProcess(t, "dies")
	err := p.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "last words of dies") {
		t.Errorf("got %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStartIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	s := spec("waits", file, slog.New(slog.DiscardHandler))
	s.Probe = func(context.Context) error { return errors.New("never") }
	p := supervise.New(s)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if h := p.Health(); h.State != supervise.Stopped {
		t.Errorf("left running: %+v", h)
	}
}

func TestAStubbornChildIsKilled(t *testing.T) {
	t.Parallel()
	p, _ := newProcess(t, "stubborn")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := p.Health().PID
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Errorf("process %d lives", pid)
	}
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	p, _ := newProcess(t, "waits")
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoChildOutlivesAKilledParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command("/proc/self/exe", "parent", "x", filepath.Join(t.TempDir(), "pid"))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !alive(child) {
		t.Fatalf("child %q: %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = parent.Wait()
	eventually(t, func() bool { return !alive(child) })
}

// alive is false for a process that is gone, and for one that only waits to be buried.
func alive(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}
