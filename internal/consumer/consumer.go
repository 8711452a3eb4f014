// Package consumer reads Kafka topics so that the effects of each message happen once, although messages may come
// twice, processes die between any two steps, and several instances run at once.
//
//   - Partitions are leased in Postgres, and the offset lives in the same row as the lease's fence. A batch is one
//     transaction: the offset is compared and set first (0 rows: somebody else goes on, stop), then the effects.
//     No Kafka consumer groups: their commits carry no proof of who commits.
//   - A producer that numbers its messages (headers producer and sequence) may send one twice: what is not above
//     the last number taken is dropped, by a row that moves with the offset. A number left out is an alarm.
//   - A batch that fails again and again is taken record by record; the record that fails is parked with its
//     reason, its aggregate is flagged, and the partition goes on. Failures of the surroundings (ErrUnavailable,
//     lost connections) are no fault of a message: they are waited out and never park anything.
//   - Effects outside Postgres (NewEffect) must bear repetition: they happen before the offset moves, and no
//     transaction is open meanwhile, because an open one would hold back the outbox relay's horizon.
//
// A partition whose offset is not in Kafka any more stops and is unhealthy; it never jumps.
package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/kafka"
)

// ErrUnavailable is wrapped by handlers when something they need is away: the batch is repeated until it is
// back, and nothing is parked.
var ErrUnavailable = errors.New("something that is needed is not available")

// Batch is a run of records of one partition, without those that their producer sent twice. Their bytes are
// valid during the call only. Next is the offset after the last, duplicates included.
type Batch struct {
	Topic     string
	Partition int
	Records   []kafka.Record
	Next      int64
}

// Handler makes the effects of a batch in tx, which also moves the offset: all or nothing, once. It may be called
// again with the same records after a failure, or with one of them alone.
type Handler interface {
	Handle(ctx context.Context, tx pgx.Tx, b Batch) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, tx pgx.Tx, b Batch) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, tx pgx.Tx, b Batch) error { return f(ctx, tx, b) }

// Effect makes the effects of a batch outside Postgres. They must bear repetition.
type Effect interface {
	Apply(ctx context.Context, b Batch) error
}

// EffectFunc is a function as an Effect.
type EffectFunc func(ctx context.Context, b Batch) error

// Apply calls f.
func (f EffectFunc) Apply(ctx context.Context, b Batch) error { return f(ctx, b) }

// Config names a consumer and bounds it. Zero values take the defaults.
type Config struct {
	Name       string // of the consumer: "policy", "usage_minute"
	Topic      string
	Partitions int
	Instance   string // of this process, unique and new with each start; default a random one

	MaxPartitions int           // leases this instance takes at most; default all
	LeaseTTL      time.Duration // default 15 s
	MaxRecords    int           // in one batch; default 2,000
	MaxWait       time.Duration // of one fetch without records; default 500 ms
	Attempts      int           // of a batch, and then of a record before it is parked; default 3
	Backoff       time.Duration // first pause after a failure, doubling; default 100 ms
	MaxBackoff    time.Duration // default 10 s
	StallAfter    time.Duration // without progress while there is something to read: unhealthy; default 60 s
	RetryPoll     time.Duration // how often requests to retry parked messages are looked for; default 2 s
	Now           func() time.Time

	// Step, when set, is called before each step that a crash test kills at. Nil in production.
	Step func(name string)
}
