package elastiflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/metering/replay/sender"
)

const (
	outboxPoll = 100 * time.Millisecond
	sealEvery  = 50 // slices
)

// What is told at the start: nothing could be counted.
var (
	errNoExporters = errors.New("no exporter is registered: `ezscale apply` registers them")
	errNoIndices   = errors.New("no index fits the patterns")
)

// Replay is one job at work. It is not safe for concurrent use.
type Replay struct {
	cfg    Config
	deps   Dependencies
	reader *reader
	sender *sender.Sender // nil in a dry run

	job      *journal.Job
	counts   Counts
	table    *table
	readings map[int64]Counts // a follower's, by the slice's Unix second
	slices   int
}

// New is inert. It fails when the configuration cannot be.
func New(cfg Config, deps Dependencies) (*Replay, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if deps.Progress == nil {
		deps.Progress = func(Progress) {}
	}
	r := &Replay{cfg: cfg, deps: deps, readings: map[int64]Counts{}}
	r.reader = &reader{client: deps.Elasticsearch, indices: cfg.Indices, page: cfg.Page, now: deps.Now, log: deps.Log}
	return r, nil
}

// Name is what the job is called, and found again by.
func (r *Replay) Name() string { return r.cfg.name(r.deps.Elasticsearch.Host()) }

// Unreadable are the indices that have no time to read by, or do not store their documents, and are left out. They are known once Run has begun.
func (r *Replay) Unreadable() []string { return r.reader.bad }

// Run works until a backfill is done and everything is sent, until ctx ends, or until it has to give up. Whatever it
// returns, the same job may be run again and goes on. The counts are those so far.
func (r *Replay) Run(ctx context.Context) (Counts, error) {
	if err := r.open(ctx); err != nil {
		return newCounts(), err
	}
	if r.cfg.DryRun {
		err := r.work(ctx)
		return r.counts, err
	}
	r.sender = sender.New(r.deps.Journal, r.deps.Kafka, r.cfg.Topic, r.deps.Log)
	group, working := errgroup.WithContext(ctx)
	sending, stop := context.WithCancel(working)
	defer stop()
	group.Go(func() error { return r.sender.Run(sending, r.job.ID) })
	group.Go(func() error {
		defer stop()
		if err := r.sendAbandoned(working); err != nil {
			return err
		}
		if err := r.work(working); err != nil {
			return err
		}
		return r.drain(working, 0)
	})
	err := r.finish(ctx, group.Wait())
	return r.counts, err
}

// finish notes how the work has ended. One that was interrupted goes on as running.
func (r *Replay) finish(ctx context.Context, err error) error {
	state, why := journal.Done, ""
	switch {
	case ctx.Err() != nil:
		state = journal.Running
		err = context.Cause(ctx)
	case errors.Is(err, journal.ErrFenced):
		return err
	case err != nil:
		state, why = journal.Failed, err.Error()
	}
	noted := context.WithoutCancel(ctx)
	return errors.Join(err, r.deps.Journal.Finish(noted, r.job, state, why))
}

// open finds the cluster, its indices, the exporters and the job.
func (r *Replay) open(ctx context.Context) error {
	cluster, err := r.look(ctx)
	if err != nil {
		return err
	}
	t, err := r.exporters(ctx)
	if err != nil {
		return err
	}
	if len(t.names) == 0 {
		return errNoExporters
	}
	spec := journal.Spec{
		Name: r.Name(), Source: cluster.UUID, Host: r.deps.Elasticsearch.Host(), Indices: strings.Join(r.cfg.Indices, ","),
		Mode: r.cfg.mode(), From: r.cfg.From, To: r.cfg.To,
	}
	if r.cfg.DryRun {
		r.job, r.counts = &journal.Job{Spec: spec, Next: spec.From}, newCounts()
		return nil
	}
	if r.job, err = r.deps.Journal.Open(ctx, spec); err != nil {
		return err
	}
	r.counts, err = ParseCounts(r.job.Counts)
	return err
}

// look finds the cluster and its indices. Who starts a backfill wants to hear at once that nothing answers; a follower waits.
func (r *Replay) look(ctx context.Context) (c elasticsearch.Cluster, err error) {
	find := func(ctx context.Context) error {
		if c, err = r.deps.Elasticsearch.Cluster(ctx); err != nil {
			return err
		}
		return r.reader.prepare(ctx)
	}
	if r.cfg.mode() == journal.Follow {
		return c, r.persist(ctx, find)
	}
	if err := find(ctx); err != nil {
		return c, err
	}
	if len(r.reader.schemas) == 0 {
		return c, fmt.Errorf("%w: %s", errNoIndices, strings.Join(r.cfg.Indices, ","))
	}
	return c, nil
}

func (r *Replay) work(ctx context.Context) error {
	if r.cfg.mode() == journal.Follow {
		return r.follow(ctx)
	}
	for r.job.Next.Before(r.cfg.To) {
		if err := r.read(ctx, r.job.Next, earlier(r.job.Next.Add(r.cfg.Slice), r.cfg.To)); err != nil {
			return err
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// read reads one slice until it is counted, as often as that takes.
func (r *Replay) read(ctx context.Context, from, to time.Time) error {
	if err := r.persist(ctx, func(ctx context.Context) error { return r.try(ctx, from, to) }); err != nil {
		return err
	}
	r.deps.Progress(Progress{From: r.job.From, Next: r.job.Next, To: r.cfg.To, Counts: r.counts})
	if r.slices++; r.slices%sealEvery == 1 && !r.cfg.DryRun {
		if err := r.deps.Journal.Seal(ctx, r.deps.Now().Add(-r.cfg.Keep)); err != nil {
			r.deps.Log.Warn("old minutes are not sealed; tried again later", "error", err)
		}
	}
	return nil
}

func (r *Replay) try(ctx context.Context, from, to time.Time) error {
	if r.sender != nil {
		if err := r.drain(ctx, r.cfg.OutboxBytes); err != nil {
			return err
		}
	}
	s, err := r.newSlice(ctx, from, to)
	if err != nil {
		return err
	}
	same, err := s.unchanged(ctx)
	switch {
	case err != nil:
		return err
	case same:
		return r.write(ctx, s, nil, nil, progress{whole: true})
	}
	if err := r.reader.each(ctx, from, to, s.take); err != nil {
		return err
	}
	return s.commit(ctx, true)
}

// persist repeats what failed for a reason that may pass, with growing pauses. A backfill gives up in the end.
func (r *Replay) persist(ctx context.Context, do func(context.Context) error) error {
	begun := r.deps.Now()
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		err := do(ctx)
		switch {
		case err == nil || ctx.Err() != nil || final(err):
			return err
		case r.cfg.mode() == journal.Backfill && r.deps.Now().Sub(begun) >= r.cfg.RetryFor:
			return fmt.Errorf("given up after %s; the same command goes on from here: %w", r.cfg.RetryFor, err)
		case errors.Is(err, elasticsearch.ErrLostPIT), errors.Is(err, journal.ErrConflict):
			wait = firstPause // nobody is busy: it only has to be done again
		}
		r.deps.Log.Warn("a slice is read anew", "in", wait, "error", err)
		if err := background.Pause(ctx, wait/2+rand.N(wait/2)); err != nil {
			return err
		}
	}
}

// final tells the failures that no waiting mends.
func final(err error) bool {
	for _, f := range []error{elasticsearch.ErrDenied, elasticsearch.ErrRefused, elasticsearch.ErrTooLarge, elasticsearch.ErrVersion, journal.ErrFenced, errTooMany, errUnknownName} {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

// drain waits until at most so many bytes wait to be sent.
func (r *Replay) drain(ctx context.Context, most int64) error {
	for {
		_, bytes, err := r.deps.Journal.Waiting(ctx, r.job.ID)
		if err == nil && bytes <= most {
			return nil
		}
		if err != nil {
			r.deps.Log.Warn("what waits to be sent cannot be counted", "error", err)
		}
		if err := background.Pause(ctx, outboxPoll); err != nil {
			return err
		}
	}
}

// sendAbandoned sends what other jobs over the same source have left behind, with their own sequences.
func (r *Replay) sendAbandoned(ctx context.Context) error {
	ids, err := r.deps.Journal.Abandoned(ctx, r.job.Source, r.job.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.sender.Empty(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
