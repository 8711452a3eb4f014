package meter

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/metering/meter/books"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/schemas/events"
)

var (
	//go:embed sql/settle.sql
	settleSQL string
	//go:embed sql/quota_alert.sql
	quotaAlertSQL string
	//go:embed sql/collector.sql
	collectorSQL string
	//go:embed sql/meter.sql
	meterSQL string
	//go:embed sql/meter_state.sql
	meterStateSQL string
)

// errUnknown is a commit whose answer never came. What holds is in the database.
var errUnknown = errors.New("the outcome of a commit is not known")

// flush writes everything counted so far, and repeats that until it has succeeded, the lease is lost, a commit's
// outcome is unknown, or ctx ends. After an error nothing in memory may be used any more, but for ctx's.
func (s *session) flush(ctx context.Context) error {
	wait := firstRetryWait
	for {
		err := s.tryFlush(ctx)
		if err == nil || errors.Is(err, consumer.ErrFenced) || errors.Is(err, errUnknown) || ctx.Err() != nil {
			return err
		}
		s.metrics.retries.Inc()
		s.progress.Failed(err)
		s.log.Warn("flush failed, will be repeated", "partition", s.partition, "error", err, "wait", wait)
		if err := background.Pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, maxRetryWait)
	}
}

// tryFlush leaves its desk to others when it is done, and when it must be repeated.
func (s *session) tryFlush(ctx context.Context) error {
	if err := s.desk.Take(ctx, s.cfg.LeaseTTL/3, func() error { return s.keep(ctx) }); err != nil {
		return err
	}
	defer s.desk.Leave()
	began := s.cfg.Machine()
	s.desk.Rows.Gather(s.counter.Tally, s.view, s.keepFrom())
	alerts, err := s.write(ctx)
	if err != nil {
		return err
	}
	s.flushed(began, alerts)
	return nil
}

// keepFrom is the first slot that pruning cannot have reached: it never passes any meter's committed watermark
// by more than the retention.
func (s *session) keepFrom() int64 {
	if s.watermark.IsZero() {
		return 0
	}
	return s.watermark.Add(-s.cfg.SlotRetention).UnixNano()/int64(count.SlotLength) + 1
}

// write is the one transaction.
func (s *session) write(ctx context.Context) (alerts int, err error) {
	s.cfg.Step("flush")
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("begin a flush: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // of no effect after the commit
	if err := s.lease.Advance(ctx, tx, s.committed, s.position); err != nil {
		return 0, err
	}
	if alerts, err = s.writeRows(ctx, tx); err != nil {
		return 0, err
	}
	s.cfg.Step("flush written")
	if err := tx.Commit(ctx); err != nil {
		return 0, commitError(err)
	}
	s.cfg.Step("flush committed")
	return alerts, nil
}

// commitError tells a commit that the server refused from one whose answer is lost.
func commitError(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) || errors.Is(err, pgx.ErrTxCommitRollback) {
		return fmt.Errorf("commit a flush: %w", err)
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}

func (s *session) writeRows(ctx context.Context, tx pgx.Tx) (alerts int, err error) {
	s.waiting.Reset()
	if s.settles() {
		if err := s.settle(ctx, tx); err != nil {
			return 0, err
		}
	}
	s.correcting = s.view.Version
	if s.corrects() {
		more, err := s.correct(ctx, tx)
		if err != nil {
			return 0, err
		}
		if more {
			s.correcting = 0
		}
	}
	books.Prepare(tx.Conn().TypeMap())
	s.desk.Pages.Begin()
	if err := s.desk.Pages.Usage(ctx, tx, s.view, &s.desk.Rows, s.partition, s.flushes+1); err != nil {
		return 0, fmt.Errorf("write usage: %w", err)
	}
	books.Besides(s.desk.Pages.Batch(), s.view, s.counter.Tally)
	s.queueCollectors(s.desk.Pages.Batch())
	s.queueMeter(s.desk.Pages.Batch())
	crossings, err := s.writeCycles(ctx, tx)
	if err != nil {
		return 0, fmt.Errorf("write cycles and what is besides: %w", err)
	}
	return s.alert(ctx, tx, crossings)
}

// settles tells whether usage waits for a cycle and there may be new ones.
func (s *session) settles() bool { return s.pending && s.settled != s.view.Version }

// settle takes usage whose cycle has come out of usage_pending and adds it to this flush's.
func (s *session) settle(ctx context.Context, tx pgx.Tx) error {
	found, err := tx.Query(ctx, settleSQL, s.partition)
	if err != nil {
		return fmt.Errorf("settle pending usage: %w", err)
	}
	var key books.CycleKey
	var u count.Usage
	_, err = pgx.ForEachRow(found, append([]any{&key.Cycle, &key.Service}, books.Fields(&u)...), func() error {
		key.Terms = s.view.Terms(key.Cycle)
		s.waiting.Add(key, &u)
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle pending usage: %w", err)
	}
	return nil
}

// crossing is a threshold that this flush took a cycle over, or that new terms have put below its usage.
type crossing struct {
	service, customer, cycle uuid.UUID
	threshold                int16
	quota, bytes             int64
	event                    uuid.UUID
	crossed                  bool // by this flush
}

// writeCycles adds to the cycles' totals and finds the thresholds between before and after.
func (s *session) writeCycles(ctx context.Context, tx pgx.Tx) (all []crossing, err error) {
	s.judging = s.judging[:0]
	cycles := &s.desk.Rows.Cycles
	if len(s.waiting.Keys) > 0 {
		cycles = books.Merge(cycles, &s.waiting)
	}
	if err := s.desk.Pages.Cycles(ctx, tx, cycles, func(key books.CycleKey, added, now *count.Usage) {
		all = s.cross(all, key, added, now)
	}); err != nil {
		return nil, err
	}
	return all, s.desk.Pages.Send(ctx, tx)
}

// cross appends the thresholds that a cycle has been taken over. One that is closed has none: what comes now is late usage,
// for billing to see.
func (s *session) cross(all []crossing, key books.CycleKey, added, after *count.Usage) []crossing {
	t := key.Terms
	if t == nil {
		return all
	}
	before := *after
	before.Subtract(added)
	crossed := t.Crossed(&before, after)
	passed := crossed
	if !s.judged.has(t.Place) { // its terms may be others than they were
		passed = t.Passed(after)
		s.judging = append(s.judging, t.Place)
	}
	for _, percent := range passed {
		all = append(all, crossing{key.Service, t.Customer, key.Cycle, percent, t.Quota, t.Billable(after), s.cfg.NewID(), slices.Contains(crossed, percent)})
	}
	return all
}

// judged are the cycles of one view whose thresholds have been judged by its terms.
type judged struct {
	version uint64
	places  []bool
}

func (j *judged) has(place int) bool { return j.places[place] }

// of forgets what was judged by another view's terms.
func (j *judged) of(v *owners.View) {
	if j.version != v.Version {
		j.version, j.places = v.Version, make([]bool, v.Cycles())
	}
}

// note remembers, once it is committed, which cycles a flush has judged.
func (j *judged) note(places []int) {
	for _, place := range places {
		j.places[place] = true
	}
}

// alert writes crossings that are the first of their kind, and their events.
func (s *session) alert(ctx context.Context, tx pgx.Tx, all []crossing) (int, error) {
	if len(all) == 0 {
		return 0, nil
	}
	at := books.NanoTime(s.counter.Tally.Newest)
	if s.counter.Tally.Newest == 0 {
		at = s.watermark // only settled usage and corrections: nothing was received in this flush
	}
	if at.IsZero() {
		at = s.cfg.Now()
	}
	inserted, err := tx.Query(ctx, quotaAlertSQL,
		books.IDs(all, func(c crossing) uuid.UUID { return c.service }), books.IDs(all, func(c crossing) uuid.UUID { return c.cycle }),
		books.Array(all, func(c crossing) int16 { return c.threshold }), books.Array(all, func(c crossing) int64 { return c.quota }),
		books.Array(all, func(c crossing) int64 { return c.bytes }), at, books.IDs(all, func(c crossing) uuid.UUID { return c.event }),
		books.Array(all, func(c crossing) bool { return c.crossed }))
	if err != nil {
		return 0, fmt.Errorf("write quota alerts: %w", err)
	}
	first, err := pgx.CollectRows(inserted, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, fmt.Errorf("write quota alerts: %w", err)
	}
	byEvent := map[uuid.UUID]crossing{}
	for _, c := range all {
		byEvent[c.event] = c
	}
	evs := make([]events.Event, 0, len(first))
	for _, id := range first {
		evs = append(evs, s.event(byEvent[id], at))
	}
	next := -1
	newID := func() uuid.UUID { next++; return first[next] }
	return len(evs), outbox.Append(ctx, tx, at, newID, evs)
}

func (s *session) event(c crossing, at time.Time) events.Event {
	return events.QuotaThresholdReached{
		AlertID: s.cfg.NewID(), ServiceID: c.service, CustomerID: c.customer, CycleID: c.cycle,
		Threshold: int(c.threshold), QuotaBytes: c.quota, BillableBytes: c.bytes, ReachedAt: at,
	}
}

// queueCollectors writes down the collectors' last words. Every partition hears the same; the first keeps them.
func (s *session) queueCollectors(b *pgx.Batch) {
	if s.partition != 0 {
		return
	}
	for id, o := range s.reports {
		r := o.Report
		b.Queue(collectorSQL, id, r.Host, o.Boot, r.At, r.Listen, r.ReceiveBuffer, r.Datagrams, r.Bytes, r.KernelDrops, r.SpoolDrops,
			r.UnknownDatagrams, r.Unknown)
	}
}

// reached is the watermark, never ahead of the clock: a collector whose own runs ahead would have cycles closed early.
func (s *session) reached() (time.Time, bool) {
	at, ok := s.counter.Book.Watermark()
	if now := s.cfg.Now(); at.After(now) {
		at = now
	}
	return at, ok
}

func (s *session) queueMeter(b *pgx.Batch) {
	watermark := pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	if at, ok := s.reached(); ok {
		watermark = pgtype.Timestamptz{Time: at, Valid: true}
	}
	b.Queue(meterSQL, s.partition, s.flushes+1, s.emitted, s.oldestUnemitted(), watermark)
	if s.stateDue() {
		s.counter.Book.Forget(min(s.counter.Tally.Newest, s.cfg.Now().UnixNano())) // one clock that runs ahead makes nobody silent
		s.state = s.counter.Book.Encode(s.state[:0])
		s.metrics.stateBytes.Set(float64(len(s.state)))
		b.Queue(meterStateSQL, s.partition, s.position, s.state)
	}
}
