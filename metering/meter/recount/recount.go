// Package recount counts a span of the raw log once more, by the assignments and settings of now: to show where the bytes
// of an hour came from, and to meter usage anew after an assignment was corrected in the past. It writes nothing.
//
// It is the meter's own counter (package count) on the same envelopes, so what it comes to is what a meter would have come
// to. What has to be right for that:
//
//   - The end. One database snapshot gives the counters together with each meter's place in the log, which a flush writes
//     in one transaction. Envelopes before that place are counted, those behind it are not: whatever comes
//     in meanwhile, both sides speak of the same envelopes.
//   - The beginning. Messages are found by the time they were written to the log, bytes count by the time they were received.
//     Nothing is written before it was received, so the log is read from the span's beginning on, less a
//     margin for clocks that differ, less what a development clock runs ahead, to the end: usage that came late, from
//     a spool or a replay, is behind.
//   - The memory. A counter begins without any, so it starts an hour earlier, long enough to know repeats, which ports
//     are sampled where packets come in, the templates of flow records, and the readings that ports' counters go on from.
//     What falls outside the span is counted and thrown away.
//
// A span is sound only when the log still holds all of it: see Held.
package recount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/schemas/events"
)

// Bounds.
const (
	// Warmup is how long before a span the reading begins.
	Warmup = 65 * time.Minute

	// Margin is how far the clocks of collectors and brokers may differ.
	Margin = 5 * time.Minute

	MaxSpan = 62 * 24 * time.Hour
	MaxRows = 1_000_000 // hours of services and exporters held in memory

	longestWait = 2 * time.Minute // for Kafka or Postgres to come back
)

// What makes a recount impossible.
var (
	ErrSpan    = errors.New("not a span of whole hours UTC, of at most 62 days")
	ErrTooMany = errors.New("too many hours of services for one recount; take a shorter span or fewer services")
	ErrNotHeld = errors.New("the raw log does not hold all of the span any more")
)

// Config of a recounter. Zero values take the default in brackets.
type Config struct {
	Topic      string           // [events.TopicFlowsRaw]
	Partitions int              // [events.FlowPartitions]
	Decoder    string           // sflow.Builtin [default] or sflow.Goflow2
	Now        func() time.Time // the platform's time; required
	Ahead      time.Duration    // how far that runs ahead of the machine's
	Warmup     time.Duration    // [Warmup]
}

// Log is what is read. *kafka.Client is one.
type Log interface {
	Offsets(ctx context.Context, topic string, partition int) (first, next int64, err error)
	OffsetAt(ctx context.Context, topic string, partition int, at time.Time) (int64, error)
	OpenReader(ctx context.Context, topic string, partition int, offset int64) (*kafka.Reader, error)
}

// Recounter reads the log and the books. It is safe for concurrent use.
type Recounter struct {
	cfg   Config
	pool  *pgxpool.Pool
	kafka Log
}

// New makes one on a pool that may read. Nothing is read yet.
func New(cfg Config, pool *pgxpool.Pool, log Log) *Recounter {
	if cfg.Topic == "" {
		cfg.Topic = events.TopicFlowsRaw
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = events.FlowPartitions
	}
	if cfg.Warmup == 0 {
		cfg.Warmup = Warmup
	}
	return &Recounter{cfg: cfg, pool: pool, kafka: log}
}

// Span is [From, To), whole hours UTC.
type Span struct{ From, To time.Time }

// Check tells whether a span can be recounted at all.
func (s Span) Check() error {
	whole := func(t time.Time) bool { return t.Equal(t.Truncate(time.Hour)) }
	if !whole(s.From) || !whole(s.To) || !s.To.After(s.From) || s.To.Sub(s.From) > MaxSpan || s.From.Unix() <= 0 {
		return fmt.Errorf("%s to %s: %w", s.From.Format(time.RFC3339), s.To.Format(time.RFC3339), ErrSpan)
	}
	return nil
}

// Key names an hour of a service at an exporter: a row of usage_hourly.
type Key struct {
	Service, Exporter uuid.UUID
	Hour              int64 // since 1970
}

// Time is when the hour begins.
func (k Key) Time() time.Time { return time.Unix(k.Hour*3600, 0).UTC() }

// Compare orders keys by service, hour and exporter.
func (k Key) Compare(other Key) int {
	if c := bytes.Compare(k.Service[:], other.Service[:]); c != 0 {
		return c
	}
	if k.Hour != other.Hour {
		return int(min(max(k.Hour-other.Hour, -1), 1))
	}
	return bytes.Compare(k.Exporter[:], other.Exporter[:])
}

// Sums is usage by hour, service and exporter.
type Sums map[Key]count.Usage

func (s Sums) add(k Key, u *count.Usage) error {
	sum, ok := s[k]
	if !ok && len(s) >= MaxRows {
		return ErrTooMany
	}
	sum.Add(u)
	s[k] = sum
	return nil
}

// Keys are the keys of all, in order.
func Keys(all ...Sums) []Key {
	seen := map[Key]struct{}{}
	for _, sums := range all {
		for k := range sums {
			seen[k] = struct{}{}
		}
	}
	keys := make([]Key, 0, len(seen))
	for k := range seen {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, Key.Compare)
	return keys
}
