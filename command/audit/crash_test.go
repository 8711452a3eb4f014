package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/internal/postgres"
)

// A crash test runs sealers as processes of their own: this test binary again, told by one variable what to be.
const roleVariable = "EZSCALE_TEST_AUDIT_CRASH"

const holdBound = 300 * time.Millisecond

// role is what a child process plays.
type role struct {
	DSN   string `json:"dsn"`
	Key   []byte `json:"key"`
	Step  string `json:"step"`  // where the signal strikes; empty: nowhere
	After int64  `json:"after"` // at which passing of the step, from 1
	Stop  bool   `json:"stop"`  // SIGSTOP instead of SIGKILL
}

func TestMain(m *testing.M) {
	if text := os.Getenv(roleVariable); text != "" {
		fmt.Fprintln(os.Stderr, play(text))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func play(text string) error {
	var r role
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: r.DSN, Role: postgres.RoleAudit, MaxConns: 2})
	if err != nil {
		return err
	}
	cfg := audit.Config{Now: time.Now, Poll: 2 * time.Millisecond, BatchRows: 9, HeadRows: 20, Hold: holdBound, Step: r.strike()}
	if err := audit.NewSealer(cfg, pool, r.Key, quiet(), prometheus.NewRegistry()).Start(ctx); err != nil {
		return err
	}
	select {} // until the signal, or the parent's end
}

// strike counts the passings of a step and sends this very process the signal at the one that was asked for.
func (r role) strike() func(string) {
	var passed atomic.Int64
	return func(step string) {
		if step != r.Step || passed.Add(1) != r.After {
			return
		}
		if r.Stop {
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			time.Sleep(100 * time.Millisecond) // so that the stop strikes here, and not after what follows
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

func (f *fixture) spawn(r role) *exec.Cmd {
	f.Helper()
	r.DSN, r.Key = f.dsn, f.key
	text, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	cmd.Stderr = &bytes.Buffer{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	return cmd
}

// writeMeanwhile runs commands until the function it gives is called.
func (f *fixture) writeMeanwhile(writers int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := command.Run(context.Background(), f.db, f.meta(), note{ID: uuid.New(), Text: "x"}); err != nil {
					f.Error(err)
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

// judge seals the rest and looks at the whole.
func (f *fixture) judge(kept []audit.Head) {
	f.Helper()
	f.sealAll(f.sealer(audit.Config{Now: time.Now}))
	if n := one[int](f, "select count(*) - max(seq) from audit_seal"); n != 0 {
		f.Errorf("%d too few or too many numbers", n)
	}
	report := f.intact(audit.Options{Keys: []ed25519.PublicKey{f.key.Public().(ed25519.PublicKey)}, Heads: kept})
	f.Logf("%d rows, %d heads", report.Rows, report.Heads)
}

// A sealer is killed between every two of its steps, while commands run and another sealer seals.
func TestKilledBetweenEveryTwoSteps(t *testing.T) {
	t.Parallel()
	f := setup(t)
	stop := f.writeMeanwhile(3)
	defer func() { stop() }()
	var kept []audit.Head
	for round := range 2 {
		for i, step := range strings.Fields("read written committed") {
			cmd := f.spawn(role{Step: step, After: int64(1 + round*2 + i)})
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				var exit *exec.ExitError
				if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !errors.As(err, &exit) || !ok || status.Signal() != syscall.SIGKILL {
					t.Errorf("at %s the sealer ended with %v: %s", step, err, cmd.Stderr)
				}
			case <-time.After(waitBound):
				_ = cmd.Process.Kill()
				<-ended
				t.Errorf("the sealer was not killed at %s", step)
			}
			if kept = f.heads(); step == "committed" && len(kept) == 0 {
				t.Error("no head was signed")
			}
		}
	}
	stop()
	stop = func() {}
	f.judge(kept)
}

// A sealer that is stopped with a batch in its hands loses its transaction to Postgres: another one seals, and what it
// does when it wakes comes to nothing.
func TestFrozenSealer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	stop := f.writeMeanwhile(2)
	defer func() { stop() }()
	for _, step := range []string{"read", "written"} {
		frozen := f.spawn(role{Step: step, After: 3, Stop: true})
		f.await("the stop of the sealer", func() bool { return isStopped(frozen.Process.Pid) })
		next := f.spawn(role{})
		mark := one[int](f, "select count(*) from audit_seal")
		f.await("sealing by the next one", func() bool { return one[int](f, "select count(*) from audit_seal") > mark+20 })
		if err := frozen.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * holdBound) // it finds out, and goes on as any other
		for _, cmd := range []*exec.Cmd{frozen, next} {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	stop()
	stop = func() {}
	f.judge(nil)
}

func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return ok && strings.HasPrefix(rest, "T")
}
