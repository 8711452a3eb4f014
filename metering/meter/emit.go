package meter

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/books"
	"github.com/ezscale/platform/metering/meter/window"
)

var (
	//go:embed sql/slots.sql
	slotsSQL string
	//go:embed sql/unemitted.sql
	unemittedSQL string
)

const (
	emitPage     = 2_000     // minutes read and produced at a time
	produceBytes = 768 << 10 // of one request, below the brokers' usual 1 MiB
	messageBytes = 64        // what a message costs besides its value
)

// minute is one window to emit.
type minute struct {
	service uuid.UUID
	start   time.Time
}

// tryEmit writes the windows of everything flushed and not yet emitted to usage.v1. What fails is tried again
// later: the windows are read from Postgres when they are written, so they only become newer.
func (s *session) tryEmit(ctx context.Context) {
	began := s.cfg.Machine()
	s.emittedAt = began
	if s.emitFailure = s.emit(ctx); s.emitFailure != nil {
		if ctx.Err() == nil {
			s.log.Warn("usage windows not emitted, will be repeated", "partition", s.partition, "error", s.emitFailure)
		}
		return
	}
	s.cfg.Step("emitted")
	s.emitted, s.unemittedFrom, s.backlog = s.flushes, 0, false
	clear(s.touched)
	s.metrics.emitSeconds.Observe(s.cfg.Machine().Sub(began).Seconds())
}

func (s *session) emit(ctx context.Context) error {
	if s.backlog {
		return s.emitBacklog(ctx)
	}
	all := make([]books.ServiceTime, 0, len(s.touched))
	for k := range s.touched {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b books.ServiceTime) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(s.view.Rank(a.Service), s.view.Rank(b.Service)))
	})
	for page := range slices.Chunk(all, emitPage) {
		minutes := books.Array(page, func(k books.ServiceTime) minute {
			return minute{s.view.Services[k.Service].ID, books.MinuteTime(k.Time)}
		})
		if err := s.emitPage(ctx, minutes); err != nil {
			return err
		}
	}
	return nil
}

// emitBacklog finds the minutes in the table: after a start, or when there were too many to remember.
func (s *session) emitBacklog(ctx context.Context) error {
	last := minute{start: time.Unix(0, 0).UTC()}
	for {
		found, err := s.pool.Query(ctx, unemittedSQL, s.partition, s.emitted, books.SlotTime(s.unemittedFrom), last.start, last.service, emitPage)
		if err != nil {
			return fmt.Errorf("find unemitted windows: %w", err)
		}
		page, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (m minute, err error) {
			err = row.Scan(&m.start, &m.service)
			return m, err
		})
		if err != nil {
			return fmt.Errorf("find unemitted windows: %w", err)
		}
		if err := s.emitPage(ctx, page); err != nil {
			return err
		}
		if len(page) < emitPage {
			return nil
		}
		last = page[len(page)-1]
	}
}

// emitPage writes windows that are in the order of their minutes: each minute is asked for by itself.
func (s *session) emitPage(ctx context.Context, page []minute) error {
	for from := 0; from < len(page); {
		to := from + 1
		for to < len(page) && page[to].start.Equal(page[from].start) {
			to++
		}
		if err := s.emitMinute(ctx, page[from].start, page[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (s *session) emitMinute(ctx context.Context, start time.Time, page []minute) error {
	found, err := s.pool.Query(ctx, slotsSQL, books.IDs(page, func(m minute) uuid.UUID { return m.service }), start)
	if err != nil {
		return fmt.Errorf("read slots: %w", err)
	}
	var batches window.Batches
	var w window.Window
	for found.Next() {
		slot, err := window.ReadSlot(found.RawValues())
		if err != nil {
			found.Close()
			return err
		}
		if !w.Holds(&slot) {
			batches.Add(&w)
			w.Service, w.Start = slot.Service, slot.At.Truncate(time.Minute)
		}
		w.Add(slot)
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("read slots: %w", err)
	}
	batches.Add(&w)
	for partition := range batches {
		if err := s.produce(ctx, partition, batches[partition]); err != nil {
			return err
		}
	}
	return nil
}

// produce sends messages in requests that brokers take.
func (s *session) produce(ctx context.Context, partition int, messages []kafka.Message) error {
	for len(messages) > 0 {
		n, size := 0, 0
		for n < len(messages) && (n == 0 || size+len(messages[n].Value) < produceBytes) {
			size += len(messages[n].Value) + messageBytes
			n++
		}
		if _, err := s.kafka.Produce(ctx, s.cfg.UsageTopic, partition, messages[:n]); err != nil {
			return fmt.Errorf("produce usage windows: %w", err)
		}
		s.metrics.windows.Add(float64(n))
		messages = messages[n:]
	}
	return nil
}
