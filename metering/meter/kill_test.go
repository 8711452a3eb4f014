package meter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter"
)

// childVariable makes the test binary a meter: it holds a child's JSON.
const childVariable = "EZSCALE_METER_CHILD"

// child is what a meter process of a kill test must know.
type child struct {
	DSN, Topic, UsageTopic string
	Brokers                []string
	KillAt                 string // step at which the process kills itself
	KillAfter              int    // times that the step was passed before
}

func TestMain(m *testing.M) {
	if settings := os.Getenv(childVariable); settings != "" {
		if err := runChild(settings); err != nil {
			slog.Error("child", "error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runChild(settings string) error {
	var c child
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: c.DSN, Role: postgres.RoleMeter, MaxConns: 4})
	if err != nil {
		return err
	}
	w := &world{topic: c.Topic, usageTopic: c.UsageTopic}
	cfg := w.config()
	cfg.LeaseTTL = time.Second
	cfg.Step = func(step string) {
		if step == c.KillAt {
			if c.KillAfter--; c.KillAfter < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	m, err := meter.New(cfg, pool, kafka.New(kafka.Config{Brokers: c.Brokers}), noWaker{}, log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		return err
	}
	fmt.Println("started") // from here on a SIGTERM is heard
	<-ctx.Done()
	return m.Stop(context.Background())
}

// spawn starts a meter process.
func (w *world) spawn(c child) *exec.Cmd {
	w.t.Helper()
	cmd, _ := w.spawnHeard(c)
	return cmd
}

// spawnHeard also gives what the process says, which is one line when it has started.
func (w *world) spawnHeard(c child) (*exec.Cmd, io.Reader) {
	w.t.Helper()
	c.DSN, c.Topic, c.UsageTopic, c.Brokers = w.db.DSN(), w.topic, w.usageTopic, w.brokers
	settings, err := json.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(settings))
	cmd.Stderr = w.t.Output()
	words, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, words
}

// A meter that is killed at random moments while datagrams flow, and started again, ten times over: its books are
// the log's, to the byte.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 20)
	for i := range w.services {
		w.addCycle(i, "2026-03-01", "2026-04-01", 1_000_000)
	}
	tr := newTraffic(w, 9)
	steps := []string{"", "flush", "flush written", "flush committed", "emitted", ""}
	for round := range 10 {
		cmd := w.spawn(child{KillAt: steps[round%len(steps)], KillAfter: tr.random.IntN(3)})
		for i := range 8 {
			w.send(tr.envelopes(i%2, 25)...)
			time.Sleep(time.Duration(tr.random.IntN(80)) * time.Millisecond)
		}
		w.send(w.report(epoch.Add(time.Duration(tr.made) * 100 * time.Millisecond)))
		killer := time.AfterFunc(time.Duration(200+tr.random.IntN(1300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // killed, as was asked for, by itself or by us
		killer.Stop()
	}
	last, words := w.spawnHeard(child{})
	if _, err := bufio.NewReader(words).ReadString('\n'); err != nil {
		t.Fatalf("the last meter did not start: %v", err)
	}
	w.send(w.report(epoch.Add(time.Duration(tr.made+1) * 100 * time.Millisecond))) // so that it is this one that counts the last
	w.awaitCounted()
	if err := last.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := last.Wait(); err != nil {
		t.Fatalf("the last meter did not stop in order: %v", err)
	}
	want, loss := w.direct()
	if diff := cmp.Diff(want, w.books()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(loss, w.loss()); diff != "" {
		t.Error(diff)
	}
	w.checkViews()
	if n := one[int](w, "select count(*) from quota_alert"); n != 60 || one[int](w, "select count(*) from outbox") != n {
		t.Errorf("%d alerts, want three for each of 20 services, each with its event", n)
	}
}
