package tail

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ezscale/platform/internal/kafka"
)

// errDone ends a tail in order.
var errDone = errors.New("done")

// Done is what Handler.Line returns to end the tail without a failure.
func Done() error { return errDone }

// run is one tail at work.
type run struct {
	*Tail
	lines   chan *Line
	skips   chan Skipped
	counted struct{ envelopes, rejected, skipped atomic.Int64 }
}

// Run follows the log until ctx ends, which is no failure, or the handler ends it.
func (t *Tail) Run(ctx context.Context, h Handler) (Counts, error) {
	defer t.client.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{Tail: t, lines: make(chan *Line, queueLength), skips: make(chan Skipped)}
	ended := make(chan error, 1)
	go func() { ended <- r.read(ctx) }()
	var counts Counts
	err := r.give(ctx, h, &counts, ended)
	stop()
	if failure := <-ended; err == nil {
		err = failure
	}
	counts.Envelopes, counts.Rejected, counts.Skipped = r.counted.envelopes.Load(), r.counted.rejected.Load(), r.counted.skipped.Load()
	if errors.Is(err, errDone) || errors.Is(err, context.Canceled) {
		err = nil
	}
	return counts, err
}

// give hands lines to the handler. The error of a reader that ended by itself is put back for Run.
func (r *run) give(ctx context.Context, h Handler, counts *Counts, ended chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			ended <- err
			return nil
		case s := <-r.skips:
			h.Skipped(s)
		case l := <-r.lines:
			counts.Lines++
			if err := h.Line(l); err != nil {
				return err
			}
		}
	}
}

// read reads all partitions until ctx ends or one fails.
func (r *run) read(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, partition := range r.partitions() {
		all.Go(func() {
			if err := r.partition(ctx, partition); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("read partition %d: %w", partition, err))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (r *run) partition(ctx context.Context, partition int) error {
	offset, err := r.start(ctx, partition)
	if err != nil {
		return err
	}
	reader, err := r.client.OpenReader(ctx, r.cfg.Topic, partition, offset)
	if err != nil {
		return err
	}
	d := newDecoder(func(l *Line) error { return r.pass(ctx, l) })
	f := &follower{run: r, reader: reader, decoder: d, partition: partition}
	defer func() { _ = f.reader.Close() }() // only read from
	for {
		if err := f.fetch(ctx); err != nil {
			return err
		}
		if err := f.keepUp(ctx); err != nil {
			return err
		}
	}
}

// pass puts a line that is of interest into the queue, and waits for room.
func (r *run) pass(ctx context.Context, l *Line) error {
	if !r.cfg.passes(l) {
		return nil
	}
	one := *l
	select {
	case r.lines <- &one:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follower reads one partition.
type follower struct {
	*run
	reader    *kafka.Reader
	decoder   *decoder
	partition int
	reached   bool // the log's end, once
	late      int  // fetches in a row that left it far behind
	away      time.Duration
}

func (f *follower) fetch(ctx context.Context) error {
	view, err := f.cfg.Owners(ctx)
	if err != nil {
		return err
	}
	f.decoder.view = view
	n, err := f.reader.Fetch(ctx, fetchWait, func(record kafka.Record) error {
		f.counted.envelopes.Add(1)
		return f.decoder.envelope(record.Value)
	})
	f.counted.rejected.Add(f.decoder.rejected)
	f.decoder.rejected = 0
	switch {
	case err == nil:
		f.away = 0
		f.reached = f.reached || n == 0 || f.reader.Offset() >= f.reader.HighWater()
		return nil
	case errors.Is(err, kafka.ErrUnavailable) && ctx.Err() == nil && f.away < longestAway:
		f.away += fetchWait // the reader waits itself, longer each time
		return nil
	}
	return err
}

// keepUp goes on at the log's end when that has run too far ahead.
func (f *follower) keepUp(ctx context.Context) error {
	behind := f.reader.HighWater() - f.reader.Offset()
	if f.late++; behind <= farBehind {
		f.late = 0
	}
	if !f.reached || f.late < patience {
		return nil
	}
	f.late = 0
	_, next, err := f.client.Offsets(ctx, f.cfg.Topic, f.partition)
	if err != nil {
		return err
	}
	skipped := next - f.reader.Offset()
	reader, err := f.client.OpenReader(ctx, f.cfg.Topic, f.partition, next)
	if err != nil {
		return err
	}
	_ = f.reader.Close() // only read from
	f.reader = reader
	f.counted.skipped.Add(skipped)
	select {
	case f.skips <- Skipped{f.partition, skipped}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
