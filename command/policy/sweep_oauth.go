package policy

import (
	"context"
	"time"

	"github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/jobs"
)

// SweepOAuth is the periodic job that deletes what is long over of consents, codes and tokens.
type SweepOAuth struct{}

// Kind is the job's name.
func (SweepOAuth) Kind() string { return "oauth.sweep" }

// RegisterOAuthSweep makes a job runner do it hourly, by the machine's clock. The pool has the role of commands.
func RegisterOAuthSweep(r *jobs.Runner, pool oauth.Door, machineNow func() time.Time) {
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[SweepOAuth]) error {
		return rounds(func() (int64, error) { return oauth.Sweep(ctx, pool, machineNow()) })
	})
	r.Every(housekeepingEvery, SweepOAuth{})
}
