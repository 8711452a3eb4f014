// Package projections turns messages into ClickHouse rows that customers look at. A read model's rows are absolute
// states with a version (ReplacingMergeTree), so that writing one twice, or late, changes nothing; therefore a
// projector needs no more than internal/consumer's "effect first, then offset", and a read model can always be
// built anew from Postgres and Kafka (Rebuild), as far back as these keep it.
package projections

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
)

// Model is one read model: how messages of a topic become rows of a table.
type Model interface {
	// Name is the consumer's name and the operator's: "usage_minute".
	Name() string
	// Topic is where its messages come from, and how many partitions that has.
	Topic() (name string, partitions int)
	// Table is the ClickHouse table that queries read, without a database.
	Table() string
	// Insert writes the rows of records into table, which is Table or, in a rebuild, one beside it. It must bear
	// repetition. The records' bytes are valid during the call only. An error that wraps
	// consumer.ErrUnavailable (ClickHouse is away) is waited out; any other parks the message in the end.
	Insert(ctx context.Context, table string, records []kafka.Record) error
}

// NewRunner makes the consumer that keeps a model up to date. cfg's Name, Topic and Partitions are the model's.
func NewRunner(cfg consumer.Config, pool *pgxpool.Pool, client *kafka.Client, m Model, log *slog.Logger, reg prometheus.Registerer) *consumer.Runner {
	cfg.Name = m.Name()
	cfg.Topic, cfg.Partitions = m.Topic()
	apply := func(ctx context.Context, b consumer.Batch) error { return m.Insert(ctx, m.Table(), b.Records) }
	return consumer.NewEffect(cfg, pool, client, consumer.EffectFunc(apply), log, reg)
}
