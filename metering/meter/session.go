package meter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/books"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/desk"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

const (
	longestFetch  = 500 * time.Millisecond
	shortestFetch = 5 * time.Millisecond
	fetchEvery    = 150 * time.Millisecond
	maxTouched    = 200_000 // minutes waiting to be emitted in memory; beyond, they are looked up
)

// session is a worker's memory while it holds the lease once.
type session struct {
	*worker
	lease   *consumer.Lease
	reader  *kafka.Reader
	counter *count.Counter
	view    *owners.View
	viewed  bool // since the last fetch

	position  int64 // the next envelope to count
	committed int64 // the next as the database knows it
	flushes   int64 // number of the last committed flush
	watermark time.Time
	counted   bool // datagrams since the last flush, not only reports
	reports   map[uuid.UUID]count.Outcome

	desk    desk.Seat // for flushes
	waiting books.Table[books.CycleKey]
	judged  judged
	judging []int  // places of the cycles that this flush judges
	pending bool   // usage waits for cycles
	settled uint64 // version of the view when that was last tried

	corrected, correcting uint64 // versions of the view when corrections were last taken, and are taken by this flush
	uncovered             bool   // a correction of this flush waits for a cycle

	emitted       int64
	unemittedFrom int64 // slot; 0: everything is emitted
	touched       map[books.ServiceTime]struct{}
	backlog       bool // there is more to emit than touched holds
	emitFailure   error

	flushTook                                          time.Duration
	flushedAt, emittedAt, stateAt, renewedAt, lookedAt time.Time
	state                                              []byte
}

// begin restores what the last holder of the lease knew.
func (w *worker) begin(ctx context.Context, lease *consumer.Lease) (*session, error) {
	s := &session{
		worker: w, lease: lease, position: lease.Next(), committed: lease.Next(),
		desk: w.desks.Seat(), reports: map[uuid.UUID]count.Outcome{}, touched: map[books.ServiceTime]struct{}{},
	}
	if _, err := w.pool.Exec(ctx, "insert into meter (partition) values ($1) on conflict do nothing", w.partition); err != nil {
		return nil, fmt.Errorf("make the meter's row: %w", err)
	}
	stateOffset, err := s.restore(ctx)
	if err != nil {
		return nil, err
	}
	now := w.cfg.Machine()
	s.flushedAt, s.emittedAt, s.renewedAt = now, now, now
	if err := s.observe(ctx, stateOffset); err != nil {
		s.close()
		return nil, fmt.Errorf("read from the trackers' snapshot to the committed offset: %w", err)
	}
	w.log.Info("metering", "partition", w.partition, "offset", s.position, "observed_from", stateOffset)
	return s, nil
}

const restoreSQL = `
select flush, emitted, unemitted_from, watermark, state_offset, coalesce(state, ''),
    exists (select from usage_pending where meter = $1)
from meter where partition = $1`

func (s *session) restore(ctx context.Context) (stateOffset int64, err error) {
	var unemitted, watermark pgtype.Timestamptz
	var state []byte
	if err := s.pool.QueryRow(ctx, restoreSQL, s.partition).
		Scan(&s.flushes, &s.emitted, &unemitted, &watermark, &stateOffset, &state, &s.pending); err != nil {
		return 0, fmt.Errorf("read the meter's row: %w", err)
	}
	if watermark.InfinityModifier == pgtype.Finite {
		s.watermark = watermark.Time
	}
	if s.backlog = unemitted.InfinityModifier == pgtype.Finite; s.backlog {
		s.unemittedFrom = unemitted.Time.UnixNano() / int64(count.SlotLength)
	} else {
		s.emitted = s.flushes
	}
	book, err := track.Decode(state)
	if err != nil {
		return 0, err
	}
	decoder, err := sflow.New(s.cfg.Decoder)
	if err != nil {
		return 0, err
	}
	s.counter = count.New(book, decoder)
	return stateOffset, nil
}

// errReached ends the reading of what was counted before.
var errReached = errors.New("reached the committed offset")

// observe brings the trackers from their snapshot to the committed offset: counted then, not to be counted again.
func (s *session) observe(ctx context.Context, from int64) (err error) {
	if s.reader, err = s.kafka.OpenReader(ctx, s.cfg.Topic, s.partition, min(from, s.committed)); err != nil {
		return err
	}
	if last := s.reader.HighWater(); s.committed > last {
		return fmt.Errorf("%d is committed, the log ends at %d, it was cut or replaced: %w", s.committed, last, kafka.ErrOffsetOutOfRange)
	}
	for s.reader.Offset() < s.committed {
		s.viewed = false
		_, err := s.reader.Fetch(ctx, longestFetch, func(r kafka.Record) error { return s.recount(ctx, r) })
		s.progress.Moved(s.cfg.Machine(), time.Time{}, s.reader.HighWater()-s.reader.Offset())
		if errors.Is(err, errReached) {
			break
		}
		if err != nil && (!errors.Is(err, kafka.ErrUnavailable) || !s.waitOut(ctx, err)) {
			return err
		}
	}
	s.counter.Tally.Reset()
	s.counted, s.position = false, s.committed
	clear(s.reports)
	return s.refresh(ctx)
}

func (s *session) recount(ctx context.Context, r kafka.Record) error {
	if r.Offset >= s.committed {
		return errReached
	}
	if s.counter.Tally.Full() {
		s.counter.Tally.Reset()
	}
	return s.count(ctx, r)
}

// waitOut notes a failure of the surroundings; false when ctx has ended. The reader itself waits before it tries again.
func (s *session) waitOut(ctx context.Context, err error) bool {
	s.progress.Failed(err)
	return ctx.Err() == nil
}

func (s *session) refresh(ctx context.Context) error {
	if s.viewed {
		return nil
	}
	v, err := s.attribution.Fresh(ctx)
	if err != nil {
		return err
	}
	if v != s.view {
		s.metrics.reloads.Inc()
		s.view = v
		s.counter.Use(&v.Snapshot)
		s.judged.of(v)
	}
	s.viewed = true
	return nil
}

// loop works until ctx ends or memory may no longer be trusted.
func (s *session) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		if s.gathers() {
			s.desk.Pause(ctx, s.untilFetch())
		}
		s.viewed = false
		_, err := s.reader.Fetch(ctx, s.fetchWait(), func(r kafka.Record) error { return s.record(ctx, r) })
		if err != nil {
			if err := s.afterFailure(ctx, err); err != nil {
				return err
			}
		} else {
			s.noteProgress()
		}
		if err := s.chores(ctx); err != nil {
			return err
		}
	}
	return nil
}

// afterFailure tells what can be waited out from what ends the session.
func (s *session) afterFailure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, kafka.ErrOffsetOutOfRange):
		return errors.Join(err, s.flushIf(ctx, s.position > s.committed))
	case errors.Is(err, consumer.ErrFenced), errors.Is(err, errUnknown), errors.Is(err, kafka.ErrCorrupt):
		return err
	}
	s.log.Warn("not metering", "partition", s.partition, "error", err)
	s.progress.Failed(err)
	return background.Pause(ctx, firstRetryWait)
}

func (s *session) noteProgress() {
	if s.emitFailure != nil {
		s.progress.Failed(s.emitFailure)
		return
	}
	var newest time.Time
	if at := s.counter.Tally.Newest; at > 0 {
		newest = books.NanoTime(at)
	}
	s.show(newest, s.reader.HighWater()-s.position)
}

// record counts one message. A full memory is written first; the message's bytes stay valid meanwhile.
func (s *session) record(ctx context.Context, r kafka.Record) error {
	if s.counter.Tally.Full() {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return s.count(ctx, r)
}

func (s *session) count(ctx context.Context, r kafka.Record) error {
	if err := s.refresh(ctx); err != nil {
		return err
	}
	o, err := s.counter.Envelope(r.Value, r.Offset)
	s.position = r.Offset + 1
	if err != nil {
		s.metrics.envelopes.WithLabelValues("rejected").Inc()
		s.log.Warn("not an envelope, left out", "partition", s.partition, "offset", r.Offset, "error", err)
		return nil
	}
	s.noteOutcome(r.Offset, o)
	return nil
}

func (s *session) noteOutcome(offset int64, o count.Outcome) {
	if o.Missing > 0 {
		s.metrics.missing.Add(float64(o.Missing))
		s.log.Error("envelopes are missing", "partition", s.partition, "offset", offset, "collector", o.Collector, "boot", o.Boot, "missing", o.Missing)
	}
	switch o.Kind {
	case count.Counted:
		s.counted = true
		s.metrics.envelopes.WithLabelValues("counted").Inc()
	case count.Repeated:
		s.metrics.envelopes.WithLabelValues("repeated").Inc()
	case count.Reported:
		s.reports[o.Collector] = o
		s.metrics.envelopes.WithLabelValues("report").Inc()
	case count.UnknownExporter:
		s.metrics.envelopes.WithLabelValues("unknown_exporter").Inc()
		s.log.Error("envelope of an exporter that is not in the database", "partition", s.partition, "offset", offset)
	}
}
