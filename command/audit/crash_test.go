package audit_test

import (
	"context"
	"crypto/ed25519"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/command/internal/crashtest"
	"github.com/ezscale/platform/internal/postgres"
)

// A crash test runs sealers as processes of their own: this test binary again, told by one variable what to be.
const roleVariable = "EZSCALE_TEST_AUDIT_CRASH"

const holdBound = 300 * time.Millisecond

// role is what a child process plays.
type role struct {
	crashtest.Strike
	DSN string `json:"dsn"`
	Key []byte `json:"key"`
}

func TestMain(m *testing.M) { crashtest.Main(m, roleVariable, play) }

func play(r role) error {
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: r.DSN, Role: postgres.RoleAudit, MaxConns: 2})
	if err != nil {
		return err
	}
	cfg := audit.Config{Now: time.Now, Poll: 2 * time.Millisecond, BatchRows: 9, HeadRows: 20, Hold: holdBound, Step: r.Func()}
	if err := audit.NewSealer(cfg, pool, r.Key, quiet(), prometheus.NewRegistry()).Start(ctx); err != nil {
		return err
	}
	select {} // until the signal, or the parent's end
}

func (f *fixture) spawn(strike crashtest.Strike) *exec.Cmd {
	f.Helper()
	return crashtest.Spawn(f, roleVariable, role{Strike: strike, DSN: f.dsn, Key: f.key})
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
			cmd := f.spawn(crashtest.Strike{Step: step, After: int64(1 + round*2 + i)})
			crashtest.AwaitKill(t, cmd, "the sealer at "+step, waitBound)
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
		frozen := f.spawn(crashtest.Strike{Step: step, After: 3, Stop: true})
		f.await("the stop of the sealer", func() bool { return crashtest.IsStopped(frozen) })
		next := f.spawn(crashtest.Strike{})
		mark := one[int](f, "select count(*) from audit_seal")
		f.await("sealing by the next one", func() bool { return one[int](f, "select count(*) from audit_seal") > mark+20 })
		if err := frozen.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * holdBound) // it finds out, and goes on as any other
		crashtest.End(frozen)
		crashtest.End(next)
	}
	stop()
	stop = func() {}
	f.judge(nil)
}
