package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/billing"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/jobs"
)

// ActorSweeper is who orders the commands of a sweep.
const ActorSweeper = "policy:sweep"

// SweeperConfig bounds a sweep. Zero values take the defaults.
type SweeperConfig struct {
	Batch       int           // cycles listed at a time; default 200
	Workers     int           // cycles worked on at a time; default 4
	Passes      int           // over all due cycles in one run; default 64, five years of missed months
	LateEvery   time.Duration // business time between two looks for late usage; default 5 min, negative: each run
	LateHorizon time.Duration // how long after its end a cycle is looked at; default 62 days
}

func (c SweeperConfig) withDefaults() SweeperConfig {
	if c.Batch <= 0 {
		c.Batch = 200
	}
	if c.Workers <= 0 {
		c.Workers = 4
	}
	if c.Passes <= 0 {
		c.Passes = 64
	}
	if c.LateEvery == 0 {
		c.LateEvery = 5 * time.Minute
	}
	if c.LateHorizon <= 0 {
		c.LateHorizon = 62 * 24 * time.Hour
	}
	return c
}

// SweepReport says what a run did.
type SweepReport struct {
	Steps       int `json:"steps"`        // transitions of cycles
	Invoices    int `json:"invoices"`     // written
	CreditNotes int `json:"credit_notes"` // written
	Late        int `json:"late"`         // closed cycles with usage that came late
	Failed      int `json:"failed"`       // cycles that a later run tries again
	Waiting     int `json:"waiting"`      // cycles over and not closed when it ended
}

// Sweeper drives billing cycles: every step that is due, of every service, as far as it goes now. It holds no
// state that a bill depends on: any number of sweepers may run at once, and each may be killed at any time.
type Sweeper struct {
	cfg     SweeperConfig
	db      *command.DB
	read    billing.Reader
	now     func() time.Time
	newID   func() uuid.UUID
	log     *slog.Logger
	metrics sweepMetrics

	running  sync.Mutex // of the periodic job
	mu       sync.Mutex
	lateSeen time.Time // when late usage was last looked for
}

// SweepCycles is the periodic job that sweeps.
type SweepCycles struct{}

// Kind is the job's name.
func (SweepCycles) Kind() string { return "billing.sweep" }

// DefaultSweepEvery is how often cycles are swept when nothing else is configured.
const DefaultSweepEvery = 15 * time.Second

type sweepMetrics struct {
	runs     prometheus.Counter
	steps    *prometheus.CounterVec
	failures prometheus.Counter
	waiting  prometheus.Gauge
}

// NewSweeper makes a sweeper that lists work from read (the pool behind db will do) and orders it on db. newID
// must be safe for use by several goroutines.
func NewSweeper(cfg SweeperConfig, db *command.DB, read billing.Reader, now func() time.Time, newID func() uuid.UUID, log *slog.Logger, reg prometheus.Registerer) *Sweeper {
	m := sweepMetrics{
		runs:     prometheus.NewCounter(prometheus.CounterOpts{Name: "ezscale_billing_sweeps_total", Help: "Sweeps over due billing cycles that ended."}),
		steps:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_billing_sweep_steps_total", Help: "What sweeps did, by kind."}, []string{"kind"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "ezscale_billing_sweep_failures_total", Help: "Cycles that a sweep could not drive on."}),
		waiting:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "ezscale_billing_cycles_waiting", Help: "Cycles whose period is over and which are not closed."}),
	}
	reg.MustRegister(m.runs, m.steps, m.failures, m.waiting)
	return &Sweeper{cfg: cfg.withDefaults(), db: db, read: read, now: now, newID: newID, log: log, metrics: m}
}

// Register makes a job runner sweep at an interval; 0: 15 s. A sweep that takes longer is not joined by another
// of the same process.
func (s *Sweeper) Register(r *jobs.Runner, every time.Duration) {
	if every <= 0 {
		every = DefaultSweepEvery
	}
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[SweepCycles]) error {
		if !s.running.TryLock() {
			return nil
		}
		defer s.running.Unlock()
		_, err := s.Run(ctx)
		return err
	})
	r.Every(every, SweepCycles{})
}

// Run bills late usage of closed cycles and drives all due ones, and returns when nothing more can be done now.
// A cycle that fails is counted and logged, and does not hold up the others; the error is of listing the work.
func (s *Sweeper) Run(ctx context.Context) (SweepReport, error) {
	t := &tally{}
	err := s.sweepLate(ctx, t)
	for pass := 0; err == nil && pass < s.cfg.Passes; pass++ {
		before := t.steps.Load()
		if err = s.sweepDue(ctx, t); t.steps.Load() == before {
			break
		}
	}
	report := t.report()
	if err == nil {
		report.Waiting, err = billing.Waiting(ctx, s.read, s.now())
	}
	if err != nil {
		return report, fmt.Errorf("sweep billing cycles: %w", err)
	}
	s.count(report)
	return report, nil
}

// settleEvery is the pause between two looks of Settle.
const settleEvery = 200 * time.Millisecond

// Settle runs again and again until no cycle waits any more, or for as long as wait, and gives the sum of what was
// done. It is for when the clock was moved: the meters pass the new time within a second or two.
func (s *Sweeper) Settle(ctx context.Context, wait time.Duration) (SweepReport, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	var sum SweepReport
	for {
		report, err := s.Run(ctx)
		sum = sum.plus(report)
		if err != nil || report.Waiting == 0 {
			return sum, err
		}
		select {
		case <-ctx.Done():
			return sum, ctx.Err()
		case <-deadline.C:
			return sum, nil
		case <-time.After(settleEvery):
		}
	}
}

func (r SweepReport) plus(next SweepReport) SweepReport {
	return SweepReport{Steps: r.Steps + next.Steps, Invoices: r.Invoices + next.Invoices, CreditNotes: r.CreditNotes + next.CreditNotes,
		Late: r.Late + next.Late, Failed: r.Failed + next.Failed, Waiting: next.Waiting}
}

func (s *Sweeper) count(r SweepReport) {
	s.metrics.runs.Inc()
	s.metrics.steps.WithLabelValues("transition").Add(float64(r.Steps))
	s.metrics.steps.WithLabelValues("invoice").Add(float64(r.Invoices))
	s.metrics.steps.WithLabelValues("credit_note").Add(float64(r.CreditNotes))
	s.metrics.steps.WithLabelValues("late").Add(float64(r.Late))
	s.metrics.failures.Add(float64(r.Failed))
	s.metrics.waiting.Set(float64(r.Waiting))
}

// sweepDue walks once over the due cycles. A next cycle that was opened behind the walk is for another pass.
func (s *Sweeper) sweepDue(ctx context.Context, t *tally) error {
	var last billing.Work
	for {
		due, err := billing.Due(ctx, s.read, s.now(), last, s.cfg.Batch)
		if err != nil || len(due) == 0 {
			return err
		}
		last = due[len(due)-1]
		if err := s.each(ctx, t, due, s.drive); err != nil {
			return err
		}
	}
}

func (s *Sweeper) sweepLate(ctx context.Context, t *tally) error {
	now := s.now()
	s.mu.Lock()
	due := !now.Before(s.lateSeen.Add(s.cfg.LateEvery))
	s.mu.Unlock()
	if !due {
		return nil
	}
	var last billing.Work
	for {
		late, end, err := billing.Late(ctx, s.read, now.Add(-s.cfg.LateHorizon), last, s.cfg.Batch)
		if err != nil {
			return err
		}
		if err := s.each(ctx, t, late, s.billLate); err != nil {
			return err
		}
		if end == (billing.Work{}) {
			break
		}
		last = end
	}
	s.mu.Lock()
	s.lateSeen = now
	s.mu.Unlock()
	return nil
}

// each works on several cycles at once. Only the end of ctx is an error: a cycle's own is counted.
func (s *Sweeper) each(ctx context.Context, t *tally, work []billing.Work, do func(context.Context, *tally, billing.Work) error) error {
	var group errgroup.Group
	group.SetLimit(s.cfg.Workers)
	for _, w := range work {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := do(ctx, t, w); err != nil && ctx.Err() == nil {
				t.failed.Add(1)
				s.log.ErrorContext(ctx, "billing cycle not driven on", "cycle", w.CycleID, "error", err)
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// drive takes a cycle as far as it goes now. A step that was done meanwhile by another sweep does nothing.
func (s *Sweeper) drive(ctx context.Context, t *tally, w billing.Work) error {
	for status := w.Status; status != billing.StatusClosed; {
		progress, err := s.step(ctx, t, w.CycleID, status)
		if isCollecting(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if progress.Moved {
			t.steps.Add(1)
		}
		status = progress.Status
	}
	return nil
}

func (s *Sweeper) step(ctx context.Context, t *tally, id uuid.UUID, status string) (billing.Progress, error) {
	switch status {
	case billing.StatusOpen:
		return run(ctx, s, billing.EndCycle{CycleID: id, NextCycleID: s.newID()})
	case billing.StatusCollecting:
		return run(ctx, s, billing.SnapshotCycle{CycleID: id})
	case billing.StatusSnapshot:
		return run(ctx, s, billing.RateCycle{CycleID: id})
	}
	invoiced, err := run(ctx, s, billing.FinaliseInvoice{CycleID: id, InvoiceID: s.newID()})
	if t.invoice(invoiced); err != nil {
		return billing.Progress{}, err
	}
	return run(ctx, s, billing.CloseCycle{CycleID: id})
}

func isCollecting(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Code == "collecting"
}

func (s *Sweeper) billLate(ctx context.Context, t *tally, w billing.Work) error {
	invoiced, err := run(ctx, s, billing.BillLateUsage{CycleID: w.CycleID, InvoiceID: s.newID()})
	if invoiced.Changed {
		t.late.Add(1)
	}
	t.invoice(invoiced)
	return err
}

// stepBound is how long one step may take. A step that has begun is finished when the sweep's own time is over: the
// loops look at that.
const stepBound = 15 * time.Second

func run[R any](ctx context.Context, s *Sweeper, c command.Command[R]) (R, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepBound)
	defer cancel()
	return command.Run(ctx, s.db, command.Meta{Actor: ActorSweeper, Now: s.now(), NewID: s.newID}, c)
}

// tally counts what the workers of one run did.
type tally struct{ steps, invoices, credits, late, failed atomic.Int64 }

func (t *tally) invoice(i billing.Invoiced) {
	switch {
	case !i.Changed || i.InvoiceID == nil:
	case i.Kind == "credit_note":
		t.credits.Add(1)
	default:
		t.invoices.Add(1)
	}
}

func (t *tally) report() SweepReport {
	return SweepReport{Steps: int(t.steps.Load()), Invoices: int(t.invoices.Load()), CreditNotes: int(t.credits.Load()),
		Late: int(t.late.Load()), Failed: int(t.failed.Load())}
}
