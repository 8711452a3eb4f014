package recount

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ezscale/platform/internal/kafka"
)

const fetchWait = 500 * time.Millisecond

// errEnough ends a fetch early.
var errEnough = errors.New("enough")

// Held tells from when on the log holds all that was received, rounded up to an hour a recount may begin with; zero when
// nothing was ever deleted from it. What was written before it may still be there in part.
func (r *Recounter) Held(ctx context.Context) (time.Time, error) {
	var held time.Time
	for partition := range r.cfg.Partitions {
		at, err := r.heldBy(ctx, partition)
		if err != nil {
			return time.Time{}, fmt.Errorf("look how far the raw log goes back: %w", err)
		}
		if at.After(held) {
			held = at
		}
	}
	return held, nil
}

func (r *Recounter) heldBy(ctx context.Context, partition int) (time.Time, error) {
	first, next, err := r.kafka.Offsets(ctx, r.cfg.Topic, partition)
	if err != nil || first == 0 {
		return time.Time{}, err
	}
	written := r.cfg.Now().Add(-r.cfg.Ahead) // of an empty log: anything may be missing until now
	if first < next {
		if written, err = r.writtenAt(ctx, partition, first); err != nil {
			return time.Time{}, err
		}
	}
	return ceilHour(written.Add(r.cfg.Ahead + Margin + r.cfg.Warmup)), nil
}

// writtenAt is the time of the message at an offset, or of the first behind it.
func (r *Recounter) writtenAt(ctx context.Context, partition int, offset int64) (at time.Time, err error) {
	reader, err := r.kafka.OpenReader(ctx, r.cfg.Topic, partition, offset)
	if err != nil {
		return at, err
	}
	defer func() { _ = reader.Close() }() // only read from
	for at.IsZero() {
		_, err := reader.Fetch(ctx, fetchWait, func(record kafka.Record) error {
			at = record.Time
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			return at, err
		}
	}
	return at.UTC(), nil
}

func ceilHour(t time.Time) time.Time {
	if cut := t.Truncate(time.Hour); !cut.Equal(t) {
		return cut.Add(time.Hour)
	}
	return t
}

// Require gives ErrNotHeld with an explanation when a span begins before the log does.
func (r *Recounter) Require(ctx context.Context, span Span) error {
	held, err := r.Held(ctx)
	if err != nil {
		return err
	}
	if span.From.Before(held) {
		return fmt.Errorf("%w: from %s on it does (raw retention is EZSCALE_RAW_RETENTION)", ErrNotHeld, held.Format(time.RFC3339))
	}
	return nil
}
