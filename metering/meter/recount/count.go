package recount

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

// Trace is one share of bytes, with the ids that the counter's indexes stand for.
type Trace struct {
	count.Trace
	ServiceID, ExporterID uuid.UUID
}

// Progress is how far a recount is, in messages of the log.
type Progress struct{ Done, Total int64 }

// Options of one recount.
type Options struct {
	Services []uuid.UUID    // nil: all
	Trace    func(*Trace)   // told every share of the span and the services; nil: nobody
	Progress func(Progress) // told after each fetch; nil: nobody
}

// Result is what the log comes to.
type Result struct {
	Sums      Sums
	Envelopes int64 // read, those before the span included
	Rejected  int64 // that could not be read

	quarantined map[aside]int64 // samples of the span, of all services
}

// run is one recount.
type run struct {
	*Recounter
	span     Span
	options  Options
	view     *owners.View
	wanted   map[int32]bool // nil: all services
	result   Result
	progress Progress
}

// part is what is read of a partition.
type part struct {
	partition int
	from, to  int64
}

// Count recounts a span up to the place in the log that books speak of. It does not ask whether the log holds the span.
func (r *Recounter) Count(ctx context.Context, span Span, b *Books, options Options) (*Result, error) {
	if err := span.Check(); err != nil {
		return nil, err
	}
	view, err := owners.New(r.pool, r.cfg.Now).Fresh(ctx)
	if err != nil {
		return nil, err
	}
	one := &run{Recounter: r, span: span, options: options, view: view, result: Result{Sums: Sums{}, quarantined: map[aside]int64{}}}
	one.want()
	parts, err := one.plan(ctx, b)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := one.partition(ctx, p); err != nil {
			return nil, fmt.Errorf("recount partition %d: %w", p.partition, err)
		}
	}
	return &one.result, nil
}

func (r *run) want() {
	if r.options.Services == nil {
		return
	}
	r.wanted = map[int32]bool{}
	for i, s := range r.view.Services {
		for _, id := range r.options.Services {
			if s.ID == id {
				r.wanted[int32(i)] = true
			}
		}
	}
}

// plan finds what is to be read.
func (r *run) plan(ctx context.Context, b *Books) ([]part, error) {
	from := r.span.From.Add(-r.cfg.Warmup - Margin - r.cfg.Ahead)
	var parts []part
	for partition, end := range b.next {
		first, _, err := r.kafka.Offsets(ctx, r.cfg.Topic, partition)
		if err != nil {
			return nil, err
		}
		begin, err := r.kafka.OffsetAt(ctx, r.cfg.Topic, partition, from)
		if err != nil {
			return nil, err
		}
		if begin = max(begin, first); begin < end {
			parts = append(parts, part{partition, begin, end})
			r.progress.Total += end - begin
		}
	}
	return parts, nil
}

func (r *run) partition(ctx context.Context, p part) error {
	decoder, err := sflow.New(r.decoder())
	if err != nil {
		return err
	}
	counter := count.New(track.NewBook(), decoder)
	counter.Use(&r.view.Snapshot)
	if r.options.Trace != nil {
		counter.Tracer = r.trace
	}
	reader, err := r.kafka.OpenReader(ctx, r.cfg.Topic, p.partition, p.from)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // only read from
	before, away := r.progress.Done, time.Duration(0)
	for reader.Offset() < p.to {
		_, err := reader.Fetch(ctx, fetchWait, func(record kafka.Record) error { return r.record(counter, record, p.to) })
		switch {
		case err == nil:
			away = 0
		case errors.Is(err, errEnough):
			r.tell(before + p.to - p.from)
			return r.gather(counter.Tally)
		case !errors.Is(err, kafka.ErrUnavailable) || ctx.Err() != nil || away >= longestWait:
			return err
		default:
			away += fetchWait // the reader waits itself, longer each time
		}
		r.tell(before + reader.Offset() - p.from)
	}
	return r.gather(counter.Tally)
}

func (r *run) decoder() string {
	if r.cfg.Decoder == "" {
		return sflow.Builtin
	}
	return r.cfg.Decoder
}

func (r *run) tell(done int64) {
	r.progress.Done = done
	if r.options.Progress != nil {
		r.options.Progress(r.progress)
	}
}

func (r *run) record(counter *count.Counter, record kafka.Record, end int64) error {
	if record.Offset >= end {
		return errEnough
	}
	if counter.Tally.Full() {
		if err := r.gather(counter.Tally); err != nil {
			return err
		}
	}
	r.result.Envelopes++
	if _, err := counter.Envelope(record.Value, record.Offset); err != nil {
		r.result.Rejected++ // the meter leaves it out, too
	}
	return nil
}

const slotsPerHour = int64(time.Hour / count.SlotLength)

// gather adds what was counted of the span to the sums and empties the tally.
func (r *run) gather(t *count.Tally) error {
	var err error
	from, to := r.span.From.Unix()/3600, r.span.To.Unix()/3600
	t.Each(func(service int32, c count.Column, u *count.Usage) {
		hour := c.Slot / slotsPerHour
		if hour < from || hour >= to || r.wanted != nil && !r.wanted[service] || err != nil {
			return
		}
		err = r.result.Sums.add(Key{r.view.Services[service].ID, r.view.ExporterIDs[c.Exporter], hour}, u)
	})
	for k, q := range t.Quarantine {
		if k.Time >= from && k.Time < to && len(r.result.quarantined) < MaxRows {
			r.result.quarantined[aside{r.view.ExporterIDs[k.Exporter], k.Time, int64(k.Rate)}] += q.Samples
		}
	}
	t.Reset()
	return err
}

func (r *run) trace(t count.Trace) {
	if t.At < r.span.From.UnixNano() || t.At >= r.span.To.UnixNano() || r.wanted != nil && !r.wanted[t.Service] {
		return
	}
	r.options.Trace(&Trace{t, r.view.Services[t.Service].ID, r.view.ExporterIDs[t.Exporter]})
}
