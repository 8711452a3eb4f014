package policy

import (
	"context"
	"time"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/internal/jobs"
)

// How long what nobody asks for any more is kept, and how often it is looked for.
const (
	housekeepingEvery = time.Hour
	keepKeys          = 7 * 24 * time.Hour // a request repeated later is taken for a new one
	keepChanges       = 24 * time.Hour
	maxRounds         = 50 // of one run, 1,000 to 10,000 rows each
	sweepDoorsEvery   = 5 * time.Minute
)

// KeepHouse is the periodic job that deletes what has a date of expiry.
type KeepHouse struct{}

// Kind is the job's name.
func (KeepHouse) Kind() string { return "kernel.housekeeping" }

// RegisterHousekeeping makes a job runner delete old idempotency keys and notes of attribution changes, hourly.
func RegisterHousekeeping(r *jobs.Runner, db *command.DB, pool bandwidth.Execer, now func() time.Time) {
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[KeepHouse]) error {
		return KeepHouseNow(ctx, db, pool, now)
	})
	r.Every(housekeepingEvery, KeepHouse{})
}

// KeepHouseNow does the work of the job once.
func KeepHouseNow(ctx context.Context, db *command.DB, pool bandwidth.Execer, now func() time.Time) error {
	if err := rounds(func() (int64, error) { return db.Forget(ctx, now().Add(-keepKeys)) }); err != nil {
		return err
	}
	return rounds(func() (int64, error) { return bandwidth.ForgetChanges(ctx, pool, keepChanges) })
}

// rounds repeats a bounded deletion until nothing is left, or the next run has to go on.
func rounds(forget func() (int64, error)) error {
	for range maxRounds {
		if deleted, err := forget(); err != nil || deleted == 0 {
			return err
		}
	}
	return nil
}

// SweepDoors is the periodic job that removes what the doors have counted and begun, once it no longer counts.
type SweepDoors struct{}

// Kind is the job's name.
func (SweepDoors) Kind() string { return "doors.sweep" }

// Swept is a limiter, or a store of what was begun: it removes what is over, in bounded steps, and gives how much.
type Swept interface {
	Sweep(ctx context.Context) (int64, error)
}

// RegisterDoors makes a job runner sweep the doors, every five minutes.
func RegisterDoors(r *jobs.Runner, doors ...Swept) {
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[SweepDoors]) error {
		for _, door := range doors {
			if _, err := door.Sweep(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	r.Every(sweepDoorsEvery, SweepDoors{})
}
