package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
)

// ErrDiffers says that a rebuilt table does not agree with Postgres. The old table stays in place.
var ErrDiffers = errors.New("the rebuilt table does not agree with Postgres")

// Source is a model that can be built anew.
type Source interface {
	Model
	// CreateTable makes an empty table of that name, of the same kind as Table. It exists already when an
	// earlier rebuild was interrupted; then nothing is done.
	CreateTable(ctx context.Context, table string) error
	// Backfill writes the next part of what the topic no longer holds from Postgres into table, beginning after
	// cursor (nil: at the beginning), and gives the cursor to go on from (nil: that was all) and how many
	// rows it wrote. It must bear repetition. A model that the topic holds whole gives nil and 0.
	Backfill(ctx context.Context, table string, cursor json.RawMessage) (next json.RawMessage, rows int64, err error)
	// BackfillTotal says about how many rows Backfill will write in all, for the progress bar.
	BackfillTotal(ctx context.Context) (int64, error)
	// Check compares counts and sums of table with Postgres. When they differ it wraps ErrDiffers and says
	// where. It runs while messages still arrive, so it compares what cannot change any more.
	Check(ctx context.Context, table string) error
}

// progressBook is what a rebuild knows after an interruption.
type progressBook struct {
	Cursor     json.RawMessage `json:"cursor,omitempty"` // of Backfill
	Backfilled bool            `json:"backfilled"`
	Rows       int64           `json:"rows"`
	Offsets    map[int]int64   `json:"offsets"` // by partition: replayed up to, exclusive
	Messages   int64           `json:"messages"`
	Mark       string          `json:"mark"` // the new table's comment, by which it is known after the swap
}

// Rebuilder builds read models anew.
type Rebuilder struct {
	pool  *pgxpool.Pool
	kafka *kafka.Client
	click driver.Conn
	log   *slog.Logger
}

// NewRebuilder makes one. The pool needs the command role.
func NewRebuilder(pool *pgxpool.Pool, client *kafka.Client, click driver.Conn, log *slog.Logger) *Rebuilder {
	return &Rebuilder{pool: pool, kafka: client, click: click, log: log}
}

const (
	replayWait  = 200 * time.Millisecond // of a fetch that finds nothing
	replayBatch = 5000                   // messages between two notes of progress
	insistFirst = 100 * time.Millisecond
	insistLast  = 5 * time.Second
)

// Rebuild fills a new table beside the model's, compares it with Postgres, and gives it the model's name. It can be
// interrupted at any point and called again: it goes on where its book says. progress is told how much is done of
// about how much, rows and messages together.
//
// While it works the live projector goes on writing into the old table. The new one is given everything that is in
// Kafka at the swap before the swap, and what came meanwhile right after it: the projector writes by the table's
// name, so what it writes later lands in the new table, and what both write is the same.
func (r *Rebuilder) Rebuild(ctx context.Context, m Source, progress func(done, total int64)) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`).MatchString(m.Table()) {
		return fmt.Errorf("rebuild %s: %q is no plain table name", m.Name(), m.Table())
	}
	unlock, err := r.lock(ctx, m.Name())
	if err != nil {
		return err
	}
	defer unlock()
	run := &rebuild{Rebuilder: r, model: m, table: m.Table() + "_rebuild", progress: progress}
	if err := run.open(ctx); err != nil {
		return err
	}
	return run.steps(ctx)
}

type rebuild struct {
	*Rebuilder
	model    Source
	table    string // the new one, until the swap
	book     progressBook
	progress func(done, total int64)
	total    int64
	records  []kafka.Record
}

func (r *rebuild) steps(ctx context.Context) error {
	if err := r.estimate(ctx); err != nil {
		return err
	}
	swapped, err := r.isSwapped(ctx)
	if err != nil {
		return err
	}
	if !swapped {
		if err := r.fill(ctx); err != nil {
			return err
		}
		if err := r.swap(ctx); err != nil {
			return err
		}
	}
	if err := r.replay(ctx, r.model.Table()); err != nil {
		return err
	}
	if err := r.dropOld(ctx); err != nil {
		return err
	}
	r.log.Info("read model rebuilt", "model", r.model.Name(), "rows", r.book.Rows, "messages", r.book.Messages)
	return r.close(ctx)
}

func (r *rebuild) fill(ctx context.Context) error {
	if err := r.model.CreateTable(ctx, r.table); err != nil {
		return fmt.Errorf("make table %s: %w", r.table, err)
	}
	if err := r.mark(ctx); err != nil {
		return err
	}
	if err := r.backfill(ctx); err != nil {
		return err
	}
	if err := r.replay(ctx, r.table); err != nil {
		return err
	}
	err := r.model.Check(ctx, r.table)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("check table %s: %w", r.table, err)
	if errors.Is(err, ErrDiffers) { // going on from here would differ again
		err = errors.Join(err, r.drop(ctx, r.table), r.close(ctx))
	}
	return err
}

func (r *rebuild) estimate(ctx context.Context) error {
	rows, err := r.model.BackfillTotal(ctx)
	if err != nil {
		return fmt.Errorf("count what to rebuild of %s: %w", r.model.Name(), err)
	}
	topic, partitions := r.model.Topic()
	r.total = rows
	for p := range partitions {
		first, next, err := r.kafka.Offsets(ctx, topic, p)
		if err != nil {
			return err
		}
		r.total += next - first
	}
	r.tell()
	return nil
}

func (r *rebuild) tell() {
	done := r.book.Rows + r.book.Messages
	r.total = max(r.total, done)
	if r.progress != nil {
		r.progress(done, r.total)
	}
}

func (r *rebuild) backfill(ctx context.Context) error {
	for !r.book.Backfilled {
		next, rows, err := r.model.Backfill(ctx, r.table, r.book.Cursor)
		if err != nil {
			return fmt.Errorf("fill table %s from Postgres: %w", r.table, err)
		}
		r.book.Cursor, r.book.Backfilled = next, next == nil
		r.book.Rows += rows
		if err := r.note(ctx); err != nil {
			return err
		}
	}
	return nil
}

// replay writes everything that is in the topic now, from where the book says, into table.
func (r *rebuild) replay(ctx context.Context, table string) error {
	topic, partitions := r.model.Topic()
	for p := range partitions {
		first, end, err := r.kafka.Offsets(ctx, topic, p)
		if err != nil {
			return err
		}
		// What the topic has dropped meanwhile is Backfill's to know.
		if err := r.replayPartition(ctx, table, topic, p, max(first, r.book.Offsets[p]), end); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) replayPartition(ctx context.Context, table, topic string, partition int, from, end int64) error {
	if from >= end {
		return nil
	}
	reader, err := r.kafka.OpenReader(ctx, topic, partition, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	for unnoted := int64(0); reader.Offset() < end; {
		n, err := r.replayOnce(ctx, table, reader)
		if err != nil {
			return fmt.Errorf("replay %s/%d: %w", topic, partition, err)
		}
		r.book.Messages += n
		r.book.Offsets[partition] = reader.Offset()
		if unnoted += n; unnoted < replayBatch && reader.Offset() < end {
			continue
		}
		unnoted = 0
		if err := r.note(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) replayOnce(ctx context.Context, table string, reader *kafka.Reader) (int64, error) {
	r.records = r.records[:0]
	_, err := reader.Fetch(ctx, replayWait, func(record kafka.Record) error {
		r.records = append(r.records, record)
		return nil
	})
	switch {
	case errors.Is(err, kafka.ErrUnavailable) && ctx.Err() == nil:
		return 0, nil // the reader waits before it tries again
	case err != nil:
		return 0, err
	case len(r.records) == 0:
		return 0, ctx.Err()
	}
	return int64(len(r.records)), r.insert(ctx, table, reader)
}

// insert writes the records, one by one when they do not go together. One that the live projector has parked is
// left out here too.
func (r *rebuild) insert(ctx context.Context, table string, reader *kafka.Reader) error {
	err := r.insist(ctx, table, r.records)
	if err == nil || ctx.Err() != nil {
		return err
	}
	for i, record := range r.records {
		err := r.insist(ctx, table, r.records[i:i+1])
		if err == nil {
			continue
		}
		parked, lookup := r.isParked(ctx, reader.Partition(), record.Offset)
		if lookup != nil {
			return lookup
		}
		if !parked {
			return fmt.Errorf("offset %d: %w", record.Offset, err)
		}
		r.log.Warn("a parked message is left out of the rebuild", "model", r.model.Name(), "partition", reader.Partition(), "offset", record.Offset)
	}
	return nil
}

// insist waits while ClickHouse is away.
func (r *rebuild) insist(ctx context.Context, table string, records []kafka.Record) error {
	for wait := insistFirst; ; wait = min(2*wait, insistLast) {
		err := r.model.Insert(ctx, table, records)
		if err == nil || !errors.Is(err, consumer.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
