package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth/reconciliation"
	"github.com/ezscale/platform/internal/jobs"
)

// ActorReconciler is who orders the reconciliation of ports.
const ActorReconciler = "policy:reconcile"

const (
	reconcileEvery = 10 * time.Minute
	maxReconciling = 50 // commands about one hour in one run, 2,000 ports each
)

// ReconcileHours is the periodic job that judges the ports of closed hours.
type ReconcileHours struct{}

// Kind is the job's name.
func (ReconcileHours) Kind() string { return "bandwidth.reconcile" }

// RegisterReconciliation makes a job runner judge ports: within minutes of each hour's books being closed.
func RegisterReconciliation(r *jobs.Runner, db *command.DB, read reconciliation.Reader, now func() time.Time, newID func() uuid.UUID) {
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[ReconcileHours]) error {
		return ReconcileNow(ctx, db, read, now, newID)
	})
	r.Every(reconcileEvery, ReconcileHours{})
}

// ReconcileNow does the work of the job once, hour by hour in their order. What is left when ctx ends is for the next run.
func ReconcileNow(ctx context.Context, db *command.DB, read reconciliation.Reader, now func() time.Time, newID func() uuid.UUID) error {
	due, err := reconciliation.Due(ctx, read, now())
	if err != nil {
		return err
	}
	for _, hour := range due {
		for range maxReconciling {
			meta := command.Meta{Actor: ActorReconciler, Now: now(), NewID: newID}
			done, err := command.Run(ctx, db, meta, reconciliation.ReconcilePorts{Hour: hour})
			if err != nil {
				return fmt.Errorf("reconcile the ports of %s: %w", hour.UTC().Format(time.RFC3339), err)
			}
			if !done.More {
				break
			}
		}
	}
	return nil
}
