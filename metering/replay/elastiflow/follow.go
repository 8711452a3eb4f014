package elastiflow

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/schemas/events"
)

// maxReports bounds the envelopes that may wait when a report is made: its successor tells the same, later.
const maxReports = 20 * events.FlowPartitions

// follower is what the reading tells the reporting.
type follower struct {
	watermark atomic.Int64 // Unix nanoseconds: everything before it has been read for the last time
	counts    atomic.Pointer[Counts]
}

// follow reads for ever, and reports beside it: also while Elasticsearch does not answer, for then billing must wait.
func (r *Replay) follow(ctx context.Context) error {
	var f follower
	f.note(r.settledUpTo(r.job.Next), r.counts)
	group, ctx := errgroup.WithContext(ctx)
	if !r.cfg.DryRun {
		group.Go(func() error { return r.reportLoop(ctx, &f) })
	}
	group.Go(func() error { return r.followLoop(ctx, &f) })
	return group.Wait()
}

func (r *Replay) followLoop(ctx context.Context, f *follower) error {
	for {
		begun := r.deps.Now()
		upTo := begun.Add(-r.cfg.Lag).Truncate(time.Minute)
		if err := r.pass(ctx, f, upTo); err != nil {
			return err
		}
		if r.cfg.DryRun {
			return nil // one pass says it all
		}
		if err := background.Pause(ctx, r.cfg.Every-min(r.deps.Now().Sub(begun), r.cfg.Every-time.Millisecond)); err != nil {
			return err
		}
	}
}

// pass reads up to a time: what is new, and the window before it once more.
func (r *Replay) pass(ctx context.Context, f *follower, upTo time.Time) error {
	r.reader.renew(ctx)
	if err := r.persist(ctx, r.reader.prepare); err != nil {
		return err
	}
	from := earlier(r.job.Next, upTo.Add(-r.cfg.Window)).Truncate(r.cfg.Slice)
	if from.Before(r.job.From) {
		from = r.job.From
	}
	for from.Before(upTo) {
		to := earlier(from.Truncate(r.cfg.Slice).Add(r.cfg.Slice), upTo)
		if err := r.read(ctx, from, to); err != nil {
			return err
		}
		from = to
		f.note(r.settledUpTo(from), r.counts)
	}
	return nil
}

// settledUpTo is the watermark after reading up to a time: the window before it will be read again.
func (r *Replay) settledUpTo(read time.Time) time.Time { return read.Add(-r.cfg.Window) }

// note moves the watermark, never back.
func (f *follower) note(at time.Time, c Counts) {
	if n := at.UnixNano(); n > f.watermark.Load() {
		f.watermark.Store(n)
	}
	c = c.clone()
	f.counts.Store(&c)
}

func (r *Replay) reportLoop(ctx context.Context, f *follower) error {
	for {
		if err := r.report(ctx, f); err != nil {
			return err
		}
		if err := background.Pause(ctx, r.cfg.ReportEvery); err != nil {
			return err
		}
	}
}

// report puts a report behind everything counted so far, in every partition. One that cannot be made is left out.
func (r *Replay) report(ctx context.Context, f *follower) error {
	watermark := time.Unix(0, f.watermark.Load()).UTC() // before the report gets its place behind what it speaks of
	if waiting, _, err := r.deps.Journal.Waiting(ctx, r.job.ID); err != nil || waiting > maxReports {
		return nil
	}
	c := f.counts.Load()
	report := envelope.Report{
		Host: "elastiflow " + r.job.Host, Listen: r.job.Indices, At: r.deps.Now().UTC(), Watermark: watermark,
		Datagrams: c.Counted, UnknownDatagrams: c.Kept[ReasonUnknownExporter],
	}
	for address, n := range c.Unknown {
		if len(report.Unknown) < envelope.MaxUnknown {
			report.Unknown = append(report.Unknown, envelope.UnknownSource{Source: address, Datagrams: n, LastAt: watermark})
		}
	}
	var all []journal.Envelope
	for p := range events.FlowPartitions {
		value, err := envelope.AppendReport(nil, envelope.Header{Collector: r.job.ID, Boot: r.job.Boot}, report)
		if err != nil {
			return err
		}
		all = append(all, journal.Envelope{Partition: p, Value: value})
	}
	err := r.deps.Journal.Send(ctx, r.job, all)
	switch {
	case err == nil:
		r.sender.Wake()
	case final(err):
		return err
	case ctx.Err() == nil:
		r.deps.Log.Warn("a report was not made; the next one tells the same", "error", err)
	}
	return nil
}
