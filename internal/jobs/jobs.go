// Package jobs runs what is to be done later, or again and again, on river: a job queue in Postgres. A job is
// inserted in the transaction that decides on it, so it exists exactly if the decision does; it is worked at
// least once, so what it does must bear repetition.
//
// Everything is bounded: workers, the time of one job, its attempts, the pause between them. A job that fails is
// tried again after a pause that grows with the fourth power of the attempts (1 s, 16 s, 81 s, 4 min …); one that
// asks for a pause (Snooze) does not lose an attempt; one that cannot succeed (Cancel) is kept as cancelled, one
// out of attempts as discarded, for a week, for an operator to see.
//
// Jobs are scheduled by the machine's clock; what they do goes by the business clock that they are given.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// Args is a job's input: JSON, with a Kind that names it and never changes.
type Args = river.JobArgs

// Enqueuer inserts jobs; it needs no connection of its own.
type Enqueuer struct {
	client      *river.Client[pgx.Tx]
	maxAttempts int
}

const (
	defaultAttempts = 12               // reach over about eleven hours
	rescueMargin    = 30 * time.Second // a job of a process that died is taken up so long after its time is over
	cancelBound     = 10 * time.Second
)

// NewEnqueuer makes an enqueuer whose jobs are tried so many times; 0: twelve, about eleven hours.
func NewEnqueuer(maxAttempts int, log *slog.Logger) (*Enqueuer, error) {
	client, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Logger: log})
	if err != nil {
		return nil, fmt.Errorf("make a job client: %w", err)
	}
	if maxAttempts <= 0 {
		maxAttempts = defaultAttempts
	}
	return &Enqueuer{client: client, maxAttempts: maxAttempts}, nil
}

// Enqueue inserts a job as part of tx.
func (e *Enqueuer) Enqueue(ctx context.Context, tx pgx.Tx, args Args) error {
	if _, err := e.client.InsertTx(ctx, tx, args, &river.InsertOpts{MaxAttempts: e.maxAttempts}); err != nil {
		return fmt.Errorf("enqueue job %s: %w", args.Kind(), err)
	}
	return nil
}

// Config bounds a runner. Zero values take the defaults.
type Config struct {
	Workers    int           // jobs at a time; default 8
	JobTimeout time.Duration // of one attempt; default 1 min
	Poll       time.Duration // for new jobs, beside notifications; at least 100 ms; default 1 s
	StallAfter time.Duration // a job due for so long says that nothing moves; default 2 min
}

func (c Config) withDefaults() Config {
	if c.Workers <= 0 {
		c.Workers = 8
	}
	if c.JobTimeout <= 0 {
		c.JobTimeout = time.Minute
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.StallAfter <= 0 {
		c.StallAfter = 2 * time.Minute
	}
	return c
}

// Runner works jobs. Add what it works with Handle and Every, then Start.
type Runner struct {
	cfg      Config
	pool     *pgxpool.Pool
	log      *slog.Logger
	metrics  metrics
	workers  *river.Workers
	periodic []*river.PeriodicJob
	client   *river.Client[pgx.Tx]
}

type metrics struct {
	finished *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New makes a runner on a pool with the role that owns the jobs.
func New(cfg Config, pool *pgxpool.Pool, log *slog.Logger, reg prometheus.Registerer) *Runner {
	m := metrics{
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_jobs_attempts_total", Help: "Attempts at jobs, by kind and outcome."}, []string{"kind", "outcome"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ezscale_jobs_attempt_seconds", Help: "How long attempts at jobs took.", Buckets: prometheus.ExponentialBuckets(0.005, 4, 8)}, []string{"kind"}),
	}
	reg.MustRegister(m.finished, m.seconds)
	return &Runner{cfg: cfg.withDefaults(), pool: pool, log: log, metrics: m, workers: river.NewWorkers()}
}

// Job is one attempt at a job.
type Job[T Args] struct {
	Args        T
	Attempt     int // from 1
	MaxAttempts int
}

// Last tells whether a failure of this attempt ends the job.
func (j Job[T]) Last() bool { return j.Attempt >= j.MaxAttempts }

// Cancel says that a job can never succeed.
func Cancel(err error) error { return river.JobCancel(err) }

// Snooze says that a job is to be tried again after a pause, without losing an attempt.
func Snooze(after time.Duration) error { return river.JobSnooze(max(after, 0)) }

// Handle says how jobs of a kind are worked. It panics when the kind has a worker already.
func Handle[T Args](r *Runner, work func(ctx context.Context, job Job[T]) error) {
	river.AddWorker(r.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		began := time.Now()
		err := work(ctx, Job[T]{Args: job.Args, Attempt: job.Attempt, MaxAttempts: job.MaxAttempts})
		r.metrics.seconds.WithLabelValues(job.Kind).Observe(time.Since(began).Seconds())
		r.metrics.finished.WithLabelValues(job.Kind, outcome(err)).Inc()
		return err
	}))
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.As(err, new(*river.JobCancelError)):
		return "cancelled"
	case errors.As(err, new(*river.JobSnoozeError)):
		return "snoozed"
	default:
		return "failed"
	}
}

// Every inserts a job at an interval, beginning at once, by the one runner that leads. It has one attempt: the
// next one comes anyway. Two may run at a time when one takes longer than the interval.
func (r *Runner) Every(interval time.Duration, args Args) {
	r.periodic = append(r.periodic, river.NewPeriodicJob(river.PeriodicInterval(interval),
		func() (river.JobArgs, *river.InsertOpts) { return args, &river.InsertOpts{MaxAttempts: 1} },
		&river.PeriodicJobOpts{ID: args.Kind(), RunOnStart: true}))
}

// Start begins to work. It returns at once.
func (r *Runner) Start(ctx context.Context) error {
	if r.client != nil {
		return nil
	}
	client, err := river.NewClient(riverpgxv5.New(r.pool), &river.Config{
		Logger:               r.log,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: r.cfg.Workers}},
		Workers:              r.workers,
		PeriodicJobs:         r.periodic,
		JobTimeout:           r.cfg.JobTimeout,
		RescueStuckJobsAfter: r.cfg.JobTimeout + rescueMargin,
		FetchPollInterval:    r.cfg.Poll,
		ReindexerIndexNames:  []string{}, // takes an owner's rights, which this pool has not
	})
	if err != nil {
		return fmt.Errorf("make the job runner: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job runner: %w", err)
	}
	r.client = client
	return nil
}

// Stop lets running jobs end; those that have not when ctx ends are cancelled, and are tried again later.
// It may be called twice, or without Start.
func (r *Runner) Stop(ctx context.Context) error {
	if r.client == nil {
		return nil
	}
	client := r.client
	r.client = nil
	if err := client.Stop(ctx); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelBound)
	defer cancel()
	if err := client.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stop the job runner: %w", err)
	}
	return nil
}

const selectStalled = `
select count(*) from river_job
where state in ('available', 'scheduled', 'retryable') and scheduled_at < now() - make_interval(secs => $1)`

// Health says whether jobs move: an error when some have been due for longer than StallAfter.
func (r *Runner) Health(ctx context.Context) error {
	var stalled int
	if err := r.pool.QueryRow(ctx, selectStalled, r.cfg.StallAfter.Seconds()).Scan(&stalled); err != nil {
		return fmt.Errorf("look for stalled jobs: %w", err)
	}
	if stalled > 0 {
		return fmt.Errorf("%d jobs have been due for more than %s", stalled, r.cfg.StallAfter)
	}
	return nil
}
