// Package outbox carries events from the transaction that decided them to Kafka, each at least once and in the
// order of its aggregate's versions.
//
// Append writes them in the deciding transaction. The relay is the only one that publishes: one leader per
// range of virtual shards holds a lease with a fencing epoch and reads rows in (transaction id, position) order
// below the snapshot horizon (pg_snapshot_xmin). Below it every transaction has ended, so the rows after the
// cursor are a fixed sequence: a later look finds the same rows in the same order, and never one more between.
// "Id greater than last" has no such promise: a transaction may commit rows with lower ids than those read.
//
// The cursor and the sequence number of each partition move together, after all of a batch is acknowledged. A
// leader that dies in between, or sleeps past its lease, makes duplicates, which carry the same sequence numbers
// and are dropped by the consumers; it cannot make a gap, because a batch begins where everything before it is
// known to be in Kafka. A batch is repeated until it is taken and never passed over.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/schemas/events"
)

// MaxEvents bounds what one transaction may append.
const MaxEvents = 10_000

// ErrNotLocked says that an event is about an aggregate that exists already and was not locked by its writer.
var ErrNotLocked = errors.New("event about an aggregate that is neither locked nor new")

// appendSQL gives each event the next version of its aggregate, in the order of the arrays, and counts the events
// about aggregates that exist already and were not locked ($9).
const appendSQL = `
with event as (
    select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::smallint[], $8::jsonb[], $9::bool[])
        with ordinality as e(event_id, aggregate_type, aggregate_id, type, schema_version, vshard, payload, locked, nr)
), numbered as (
    select *, row_number() over (partition by aggregate_type, aggregate_id order by nr) as rank from event
), counted as (
    insert into aggregate as a (type, id, version)
    select aggregate_type, aggregate_id, count(*) from event group by 1, 2 order by 1, 2
    on conflict (type, id) do update set version = a.version + excluded.version
    returning a.type, a.id, coalesce(old.version, 0) as before, old.version is not null as existed
), written as (
    insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, vshard, occurred_at, payload)
    select n.event_id, n.aggregate_type, n.aggregate_id, c.before + n.rank, n.type, n.schema_version, n.vshard, $7, n.payload
    from numbered n join counted c on c.type = n.aggregate_type and c.id = n.aggregate_id
    order by n.nr
)
select count(*) from numbered n join counted c on c.type = n.aggregate_type and c.id = n.aggregate_id where c.existed and not n.locked`

// Append writes events about new aggregates into the outbox, in order, as part of tx. It needs no locks, because
// nobody else can know the aggregates yet. Error: ErrNotLocked when one exists already.
func Append(ctx context.Context, tx pgx.Tx, now time.Time, newID func() uuid.UUID, evs []events.Event) error {
	return AppendLocked(ctx, tx, now, newID, nil, evs)
}

// AppendLocked is Append for a writer that has taken Lock on the aggregates named before its first write.
func AppendLocked(ctx context.Context, tx pgx.Tx, now time.Time, newID func() uuid.UUID, locked []events.Aggregate, evs []events.Event) error {
	if len(evs) == 0 {
		return nil
	}
	arguments, err := Arguments(now, newID, locked, evs)
	if err != nil {
		return err
	}
	var refused int64
	if err := tx.QueryRow(ctx, appendSQL, arguments...).Scan(&refused); err != nil {
		return fmt.Errorf("append %d events to the outbox: %w", len(evs), err)
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d events: %w", refused, len(evs), ErrNotLocked)
	}
	return nil
}

// Queue puts the same statement into a batch; the caller reads one row with one number from its result, which
// must be 0, else the events are refused as by ErrNotLocked.
func Queue(b *pgx.Batch, now time.Time, newID func() uuid.UUID, locked []events.Aggregate, evs []events.Event) error {
	arguments, err := Arguments(now, newID, locked, evs)
	if err != nil {
		return err
	}
	b.Queue(appendSQL, arguments...)
	return nil
}

// Arguments lays events out as the arrays of the statement.
func Arguments(now time.Time, newID func() uuid.UUID, locked []events.Aggregate, evs []events.Event) ([]any, error) {
	if len(evs) > MaxEvents {
		return nil, fmt.Errorf("%d events in one transaction, at most %d", len(evs), MaxEvents)
	}
	n := len(evs)
	ids, aggregateIDs := make([]uuid.UUID, 0, n), make([]uuid.UUID, 0, n)
	kinds, types := make([]string, 0, n), make([]string, 0, n)
	versions, shards := make([]int32, 0, n), make([]int16, 0, n)
	payloads, isLocked := make([]json.RawMessage, 0, n), make([]bool, 0, n)
	for _, e := range evs {
		payload, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("write %s as JSON: %w", e.Type(), err)
		}
		aggregate := e.Aggregate()
		ids, aggregateIDs = append(ids, newID()), append(aggregateIDs, aggregate.ID)
		kinds, types = append(kinds, aggregate.Type), append(types, e.Type())
		versions = append(versions, int32(e.SchemaVersion()))
		shards = append(shards, int16(events.VirtualShard(e.ShardKey())))
		payloads, isLocked = append(payloads, payload), append(isLocked, contains(locked, aggregate))
	}
	return []any{ids, kinds, aggregateIDs, types, versions, shards, now, payloads, isLocked}, nil
}

func contains(all []events.Aggregate, one events.Aggregate) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}
