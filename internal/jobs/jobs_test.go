package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

const patience = 20 * time.Second

type greet struct {
	Name string `json:"name"`
}

func (greet) Kind() string { return "test.greet" }

type tick struct{}

func (tick) Kind() string { return "test.tick" }

func enqueue(t *testing.T, pool *pgxpool.Pool, attempts int, commit bool, names ...string) {
	t.Helper()
	e, err := jobs.NewEnqueuer(attempts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
		for _, name := range names {
			if err := e.Enqueue(context.Background(), tx, greet{Name: name}); err != nil {
				return err
			}
		}
		if !commit {
			return errors.New("the decision is taken back")
		}
		return nil
	})
	if (err == nil) != commit {
		t.Fatal(err)
	}
}

func wait(t *testing.T, done <-chan string) string {
	t.Helper()
	select {
	case s := <-done:
		return s
	case <-time.After(patience):
		t.Fatal("nothing was worked")
		return ""
	}
}

func state(t *testing.T, pool *pgxpool.Pool, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := pool.QueryRow(context.Background(), `select state from river_job where kind = 'test.greet'`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
	}
	t.Fatalf("the job is %s, want %s", got, want)
}

func TestJobsOfCommittedTransactionsAreWorked(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t).Pool(postgres.RoleCommand)
	registry := prometheus.NewRegistry()
	runner := jobs.New(jobs.Config{Poll: 100 * time.Millisecond}, pool, slog.New(slog.DiscardHandler), registry)
	done := make(chan string, 10)
	jobs.Handle(runner, func(_ context.Context, job jobs.Job[greet]) error {
		done <- job.Args.Name
		return nil
	})
	enqueue(t, pool, 0, false, "nobody")
	enqueue(t, pool, 0, true, "ada")
	if err := runner.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, done); got != "ada" {
		t.Errorf("got %q", got)
	}
	state(t, pool, "completed")
	if err := runner.Health(context.Background()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(runner.Stop(context.Background()), runner.Stop(context.Background())); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "ezscale_jobs_attempts_total"); n != 1 || err != nil {
		t.Errorf("%d series (%v)", n, err)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail error
		want string
	}{
		"out of attempts": {errors.New("no"), "discarded"},
		"cannot succeed":  {jobs.Cancel(errors.New("never")), "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := postgrestest.New(t).Pool(postgres.RoleCommand)
			runner := jobs.New(jobs.Config{Poll: 100 * time.Millisecond}, pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			jobs.Handle(runner, func(_ context.Context, job jobs.Job[greet]) error {
				if !job.Last() || job.Attempt != 1 {
					t.Errorf("got attempt %d of %d", job.Attempt, job.MaxAttempts)
				}
				return c.fail
			})
			enqueue(t, pool, 1, true, "ada")
			if err := runner.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
			state(t, pool, c.want)
			if err := runner.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSnoozeCostsNoAttempt(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t).Pool(postgres.RoleCommand)
	runner := jobs.New(jobs.Config{Poll: 100 * time.Millisecond}, pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	var once sync.Once
	done := make(chan string, 1)
	jobs.Handle(runner, func(_ context.Context, job jobs.Job[greet]) error {
		again := true
		if once.Do(func() { again = false }); !again {
			return jobs.Snooze(0)
		}
		if !job.Last() {
			t.Errorf("got attempt %d of %d", job.Attempt, job.MaxAttempts)
		}
		done <- job.Args.Name
		return nil
	})
	enqueue(t, pool, 1, true, "ada")
	if err := runner.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	state(t, pool, "completed")
	if err := runner.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestEvery(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t).Pool(postgres.RoleCommand)
	runner := jobs.New(jobs.Config{Poll: 100 * time.Millisecond}, pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	done := make(chan string, 100)
	jobs.Handle(runner, func(context.Context, jobs.Job[tick]) error {
		done <- "tick"
		return nil
	})
	runner.Every(time.Second, tick{})
	if err := runner.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	wait(t, done)
	if err := runner.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestStalledJobsAreUnhealthy(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t).Pool(postgres.RoleCommand)
	runner := jobs.New(jobs.Config{StallAfter: time.Nanosecond}, pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	enqueue(t, pool, 1, true, "ada")
	if err := runner.Health(context.Background()); err == nil {
		t.Error("a job that nobody works must show")
	}
}
