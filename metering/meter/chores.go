package meter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/metering/meter/books"
)

// elapsed is the time since at. A clock that was set back counts as long ago.
func (s *session) elapsed(at time.Time) time.Duration {
	d := s.cfg.Machine().Sub(at)
	if d < 0 {
		return time.Duration(1<<63 - 1)
	}
	return d
}

// flushAfter is how long to gather before the next flush. Behind, fewer and larger flushes cost Postgres less. So does
// waiting for more samples of each service when there are many: a row costs the same whatever is added to it.
func (s *session) flushAfter() time.Duration {
	switch {
	case !s.counted:
		return s.cfg.IdleInterval
	case s.behind():
		return s.cfg.BehindFlush
	}
	return stretched(s.cfg.FlushInterval, s.cfg.FullFlush, flushPerCell, s.counter.Tally.Cells())
}

// behind tells whether there is more, and what was counted last is old. A busy partition always has more.
func (s *session) behind() bool {
	newest := s.counter.Tally.Newest
	return s.reader.HighWater() > s.position && s.cfg.Now().Sub(books.NanoTime(newest)) > behindFrom
}

// rest is how long to leave Postgres alone after a flush that took long: with very many services flushes would else be all
// that it does.
func (s *session) rest() time.Duration { return min(restPerFlush*s.flushTook, s.cfg.LongestRest) }

// emitAfter is how long to gather before the next emission: a minute's window is written anew in each.
func (s *session) emitAfter() time.Duration {
	return stretched(s.cfg.EmitInterval, s.cfg.FullEmit, emitPerWindow, len(s.touched))
}

// stretched is an interval with more for each of n, up to most. An interval that is longer than that stays.
func stretched(interval, most, more time.Duration, n int) time.Duration {
	return max(interval, min(interval+time.Duration(n)*more, most))
}

// fetchWait lets a fetch wait for messages no longer than the next flush may.
func (s *session) fetchWait() time.Duration {
	if s.position == s.committed {
		return longestFetch
	}
	return min(max(s.flushAfter()-s.elapsed(s.flushedAt), shortestFetch), longestFetch)
}

// gathers tells whether messages may gather at the broker: what is counted waits for a flush anyway, and fewer fetches
// cost less.
func (s *session) gathers() bool {
	return s.position > s.committed && s.reader.HighWater() <= s.position
}

// untilFetch lets all partitions fetch at the same moments: a process that wakes less often costs less, and they share
// one question for changes of attribution.
func (s *session) untilFetch() time.Duration {
	return fetchEvery - time.Duration(s.cfg.Machine().UnixNano()%int64(fetchEvery))
}

func (s *session) stateDue() bool {
	return s.stateAt.IsZero() || s.elapsed(s.stateAt) >= s.cfg.StateInterval
}

// chores are what is due between two fetches.
func (s *session) chores(ctx context.Context) error {
	due := s.position > s.committed && (s.counter.Tally.Full() || s.elapsed(s.flushedAt) >= max(s.flushAfter(), s.rest()))
	if due {
		s.desk.Ask()
	} else {
		s.desk.Leave()
	}
	if err := s.flushIf(ctx, due && s.desk.Has()); err != nil {
		return err
	}
	if err := s.lookForCorrections(ctx); err != nil {
		return err
	}
	if s.hasUnemitted() && s.elapsed(s.emittedAt) >= s.emitAfter() {
		s.tryEmit(ctx)
	}
	if s.elapsed(s.renewedAt) < s.cfg.LeaseTTL/3 {
		return nil
	}
	s.renewedAt = s.cfg.Machine()
	if err := s.lease.Renew(ctx); err != nil && ctx.Err() == nil {
		return s.afterFailure(ctx, err)
	}
	return nil
}

// keep renews the lease while others are waited for.
func (s *session) keep(ctx context.Context) error {
	s.renewedAt = s.cfg.Machine()
	if err := s.lease.Renew(ctx); errors.Is(err, consumer.ErrFenced) {
		return err
	}
	return nil // without an answer the flush will be told
}

func (s *session) flushIf(ctx context.Context, due bool) error {
	if !due {
		return nil
	}
	return s.flush(ctx)
}

// flushed takes note of a committed flush.
func (s *session) flushed(began time.Time, alerts int) {
	tally, now := s.counter.Tally, s.cfg.Machine()
	s.committed = s.position
	s.flushes++
	if at, ok := s.reached(); ok && at.After(s.watermark) {
		s.watermark = at
	}
	if s.settles() {
		s.settled = s.view.Version
	}
	s.pending = s.pending || len(s.desk.Rows.Pending.Keys) > 0 || s.uncovered
	s.corrected, s.uncovered = s.correcting, false
	if s.stateDue() {
		s.stateAt = now
	}
	s.judged.note(s.judging)
	s.touch()
	s.metrics.committed(tally)
	s.flushTook = now.Sub(began)
	s.metrics.flushSeconds.Observe(s.flushTook.Seconds())
	s.metrics.flushCells.Observe(float64(tally.Cells()))
	s.metrics.lateHours.Add(float64(len(s.desk.Rows.Late.Keys)))
	s.metrics.pending.Add(float64(len(s.desk.Rows.Pending.Keys)))
	s.metrics.alerts.Add(float64(alerts))
	if alerts > 0 {
		s.waker.Wake()
	}
	tally.Reset()
	s.counted, s.flushedAt, s.renewedAt = false, now, now
	clear(s.reports)
}

// touch remembers the minutes that the flush changed.
func (s *session) touch() {
	for _, k := range s.desk.Rows.Slots.Keys {
		s.touched[books.ServiceTime{Service: k.Service, Time: k.Time / books.SlotsPerMinute}] = struct{}{}
	}
	if s.desk.Rows.Oldest > 0 && (s.unemittedFrom == 0 || s.desk.Rows.Oldest < s.unemittedFrom) {
		s.unemittedFrom = s.desk.Rows.Oldest
	}
	if len(s.touched) > maxTouched {
		clear(s.touched)
		s.backlog = true
	}
	if !s.hasUnemitted() {
		s.emitted = s.flushes
	}
}

func (s *session) hasUnemitted() bool { return s.backlog || len(s.touched) > 0 }

// oldestUnemitted is what a start after a crash right behind this flush must look at.
func (s *session) oldestUnemitted() pgtype.Timestamptz {
	oldest := s.unemittedFrom
	if s.desk.Rows.Oldest > 0 && (oldest == 0 || s.desk.Rows.Oldest < oldest) {
		oldest = s.desk.Rows.Oldest
	}
	if oldest == 0 {
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: books.SlotTime(oldest), Valid: true}
}

// finish writes down what is left when the meter is stopped.
func (s *session) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, finishBound)
	defer cancel()
	s.stateAt = time.Time{} // so that the next start has nothing to read again
	if err := s.flushIf(ctx, s.position > s.committed); err != nil {
		return fmt.Errorf("last flush: %w", err)
	}
	if s.hasUnemitted() {
		s.tryEmit(ctx)
	}
	if s.hasUnemitted() {
		return nil // the next start does it
	}
	_, err := s.pool.Exec(ctx, "update meter set emitted = $2, unemitted_from = 'infinity' where partition = $1 and flush = $2", s.partition, s.emitted)
	if err != nil {
		return fmt.Errorf("note what is emitted: %w", err)
	}
	return nil
}

func (s *session) close() {
	s.desk.Leave()
	if s.reader != nil {
		_ = s.reader.Close() // only read from
	}
}
