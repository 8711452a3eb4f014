package clock_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/clock"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

const patience = 30 * time.Second

func start(t *testing.T, db *postgrestest.DB) *clock.Clock {
	t.Helper()
	c := clock.NewDevelopment(db.Pool(postgres.RoleCommand), slog.New(slog.DiscardHandler))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c
}

func TestOthersFollow(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	leader, follower := start(t, db), start(t, db)
	for range 2 {
		if _, err := leader.Advance(t.Context(), 31*24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	const ahead = 62 * 24 * time.Hour
	if got := leader.Offset(); got != ahead {
		t.Errorf("the clock that was advanced is %s ahead, want %s", got, ahead)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); follower.Offset() != ahead; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the other clock is %s ahead, want %s", follower.Offset(), ahead)
		}
	}
	if late := start(t, db).Offset(); late != ahead {
		t.Errorf("a clock that starts later is %s ahead, want %s", late, ahead)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	if _, err := clock.Real().Advance(t.Context(), time.Hour); !fault.Is(err, fault.Forbidden) {
		t.Errorf("the real clock was advanced: %v", err)
	}
	c := start(t, postgrestest.New(t))
	for _, d := range []time.Duration{0, -time.Second, 401 * 24 * time.Hour} {
		if _, err := c.Advance(t.Context(), d); !fault.Is(err, fault.Invalid) {
			t.Errorf("advanced by %s: %v", d, err)
		}
	}
	if c.Offset() != 0 {
		t.Errorf("refused advances moved the clock by %s", c.Offset())
	}
}

func TestStopWithoutStart(t *testing.T) {
	t.Parallel()
	for _, c := range []*clock.Clock{clock.Real(), clock.NewDevelopment(nil, nil)} {
		if err := c.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
