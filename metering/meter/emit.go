package meter

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
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
	windowBytes  = 200       // rough size of a window without its slots, for the buffer
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
	began := s.cfg.Now()
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
	s.metrics.emitSeconds.Observe(s.cfg.Now().Sub(began).Seconds())
}

func (s *session) emit(ctx context.Context) error {
	if s.backlog {
		return s.emitBacklog(ctx)
	}
	page := make([]minute, 0, min(len(s.touched), emitPage))
	for k := range s.touched {
		page = append(page, minute{s.view.services[k.service].id, minuteTime(k.time)})
		if len(page) == emitPage {
			if err := s.emitPage(ctx, page); err != nil {
				return err
			}
			page = page[:0]
		}
	}
	return s.emitPage(ctx, page)
}

// emitBacklog finds the minutes in the table: after a start, or when there were too many to remember.
func (s *session) emitBacklog(ctx context.Context) error {
	last := minute{start: time.Unix(0, 0).UTC()}
	for {
		found, err := s.pool.Query(ctx, unemittedSQL, s.partition, s.emitted, slotTime(s.unemittedFrom), last.start, last.service, emitPage)
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

func (s *session) emitPage(ctx context.Context, page []minute) error {
	if len(page) == 0 {
		return nil
	}
	found, err := s.pool.Query(ctx, slotsSQL,
		ids(page, func(m minute) uuid.UUID { return m.service }), array(page, func(m minute) time.Time { return m.start }))
	if err != nil {
		return fmt.Errorf("read slots: %w", err)
	}
	var batches [events.UsagePartitions]batch
	var w window
	for found.Next() {
		row, err := readSlot(found.RawValues())
		if err != nil {
			found.Close()
			return err
		}
		if start := row.slot.Truncate(time.Minute); row.service != w.service || !start.Equal(w.start) {
			w.into(&batches)
			w.service, w.start = row.service, start
		}
		w.version += row.version
		w.slots = append(w.slots, row)
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("read slots: %w", err)
	}
	w.into(&batches)
	for partition := range batches {
		if err := s.produce(ctx, partition, batches[partition].messages); err != nil {
			return err
		}
	}
	return nil
}

// slotColumns are those of slots.sql: a uuid and then ten numbers of eight bytes.
const slotColumns = 11

// epochOfPostgres is 2000-01-01 in Unix microseconds.
const epochOfPostgres = 946_684_800_000_000

var errSlot = errors.New("a slot row is not in Postgres' binary format")

// readSlot reads a row of slots.sql. It is done by hand because it is done for every slot of every window: scanning
// by type costs ten times as much.
func readSlot(raw [][]byte) (r slotRow, err error) {
	if len(raw) != slotColumns || len(raw[0]) != len(r.service) {
		return r, errSlot
	}
	var numbers [slotColumns - 1]int64
	for i := range numbers {
		if len(raw[i+1]) != 8 {
			return r, errSlot
		}
		numbers[i] = int64(binary.BigEndian.Uint64(raw[i+1]))
	}
	r.service = uuid.UUID(raw[0])
	r.slot, r.version = time.UnixMicro(numbers[0]+epochOfPostgres).UTC(), numbers[1]
	r.BytesInL2, r.BytesOutL2, r.BytesInL3, r.BytesOutL3 = numbers[2], numbers[3], numbers[4], numbers[5]
	r.PacketsIn, r.PacketsOut, r.SamplesIn, r.SamplesOut = numbers[6], numbers[7], numbers[8], numbers[9]
	return r, nil
}

// batch is what one partition of usage.v1 gets.
type batch struct{ messages []kafka.Message }

// into encodes a window, unless it is empty, and empties it.
func (w *window) into(batches *[events.UsagePartitions]batch) {
	if len(w.slots) > 0 {
		value := w.appendJSON(make([]byte, 0, windowBytes*(1+len(w.slots))))
		key := w.service
		b := &batches[events.Partition(events.VirtualShard(key), events.UsagePartitions)]
		b.messages = append(b.messages, kafka.Message{Key: key[:], Value: value})
	}
	w.version, w.slots = 0, w.slots[:0]
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
