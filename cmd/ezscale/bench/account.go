package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/cmd/ezscale/bench/stage"
)

// awaitCounted waits until so many datagrams are counted or known to be lost, or nothing moves any more.
func awaitCounted(ctx context.Context, s *stage.Stage, datagrams int64) error {
	moved, last := time.Now(), int64(-1)
	for {
		now, err := s.Counted(ctx)
		if err != nil {
			return err
		}
		done := now.Datagrams + lost(now)
		if done >= datagrams {
			return nil
		}
		if done != last {
			moved, last = time.Now(), done
		}
		if time.Since(moved) > stallBound {
			return fmt.Errorf("%d datagrams are neither counted nor known to be lost, and nothing has moved for %s: %w",
				datagrams-done, stallBound, errors.Join(s.Collector.Running(), running(s.Meter), errStalled))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(countedPoll):
		}
	}
}

var errStalled = errors.New("the pipeline stands still")

func lost(b stage.Books) int64 { return b.KernelDrops + b.SpoolDrops + b.Unknown }

// account notes what the row has cost.
func (r *Row) account(s *stage.Stage, begun spent, sent load.Sent) error {
	now, err := spentBy(s)
	if err != nil {
		return err
	}
	r.CollectorCPU, r.MeterCPU = (now.collector - begun.collector).Seconds(), (now.meter - begun.meter).Seconds()
	r.Offered, r.Seconds = sent.Datagrams, sent.Took.Seconds()
	r.Rate = float64(sent.Datagrams) / sent.Took.Seconds()
	return nil
}

// compare reads the books and tells whether they say what was sent.
func (r *Row) compare(ctx context.Context, s *stage.Stage, before stage.Books, sent load.Sent) error {
	after, err := s.Books(ctx)
	if err != nil {
		return err
	}
	r.Counted = after.Datagrams - before.Datagrams
	r.KernelDrops, r.SpoolDrops = after.KernelDrops-before.KernelDrops, after.SpoolDrops-before.SpoolDrops
	r.Lost = r.Offered - r.Counted
	r.Books = verdict(before, after, sent.Truth)
	if spent := r.CollectorCPU + r.MeterCPU; spent > 0 {
		r.SamplesPerCPUSecond = float64(load.SamplesEach*r.Counted) / spent
	}
	return nil
}

// verdict compares counters with what was sent: to the byte when nothing was lost, and else by the number of datagrams.
func verdict(before, after stage.Books, sent load.Truth) string {
	counted := load.Truth{
		Datagrams: after.Datagrams - before.Datagrams, Samples: after.Samples - before.Samples,
		BytesIn: after.BytesIn - before.BytesIn, BytesOut: after.BytesOut - before.BytesOut, Check: after.Check - before.Check,
	}
	known := lost(after) - lost(before)
	switch {
	case counted == sent:
		return "equal to the byte"
	case counted.Datagrams+known == sent.Datagrams && counted.Samples == load.SamplesEach*counted.Datagrams && known > 0:
		return fmt.Sprintf("equal but for %d known lost datagrams", known)
	}
	return fmt.Sprintf("WRONG: sent %+v, counted %+v, known lost %d", sent, counted, known)
}
