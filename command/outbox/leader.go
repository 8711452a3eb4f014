package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	releaseBound  = 5 * time.Second
	firstIdle     = 2 * time.Millisecond
	rowOverhead   = 512 // bytes of headers and framing of one message, about
	maxStatements = 15 * time.Second
)

// leader is one leadership: a lease, its fencing epoch, and where it stands.
type leader struct {
	relay      *Relay
	epoch      int64
	firstShard int
	lastShard  int
	cursor     cursor
	sequences  map[int]int64 // by partition: the next number
	renewedAt  time.Time
}

// cursor is the last row published.
type cursor struct {
	txid     uint64
	position int64
}

// row is one event in the outbox.
type row struct {
	at               cursor
	eventID          uuid.UUID
	aggregateType    string
	aggregateID      uuid.UUID
	aggregateVersion int64
	eventType        string
	schemaVersion    int
	shard            int
	occurredAt       time.Time
	recordedAt       time.Time
	payload          []byte
}

func (r *Relay) takeLease(ctx context.Context) (*leader, error) {
	l := &leader{relay: r, sequences: make(map[int]int64), renewedAt: r.cfg.Now()}
	err := r.pool.QueryRow(ctx, `update relay set owner = $2, epoch = epoch + 1, expires_at = now() + $3::interval
		where range_id = $1 and (expires_at <= now() or owner = $2 or owner is null)
		returning epoch, first_vshard, last_vshard, cursor_txid, cursor_position`, r.cfg.RangeID, r.cfg.Instance, r.cfg.LeaseTTL).
		Scan(&l.epoch, &l.firstShard, &l.lastShard, &l.cursor.txid, &l.cursor.position)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errHeld
	}
	if err != nil {
		return nil, fmt.Errorf("take the relay's lease: %w", err)
	}
	return l, l.loadSequences(ctx)
}

func (l *leader) loadSequences(ctx context.Context) error {
	rows, err := l.relay.pool.Query(ctx, `select partition, next_seq from relay_sequence where range_id = $1`, l.relay.cfg.RangeID)
	if err != nil {
		return fmt.Errorf("read the relay's sequences: %w", err)
	}
	var partition int
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&partition, &next}, func() error { l.sequences[partition] = next; return nil })
	if err != nil {
		return fmt.Errorf("read the relay's sequences: %w", err)
	}
	return nil
}

func (r *Relay) releaseLease(l *leader) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseBound)
	defer cancel()
	_, err := r.pool.Exec(ctx, `update relay set owner = null, expires_at = '-infinity' where range_id = $1 and epoch = $2`, r.cfg.RangeID, l.epoch)
	if err != nil {
		r.log.Warn("the relay's lease was not given up, it ends by itself", "error", err)
	}
}

// renew holds the lease for another term, and proves that nobody took it.
func (l *leader) renew(ctx context.Context) error {
	tag, err := l.relay.pool.Exec(ctx, `update relay set expires_at = now() + $3::interval where range_id = $1 and epoch = $2`,
		l.relay.cfg.RangeID, l.epoch, l.relay.cfg.LeaseTTL)
	if err != nil {
		return fmt.Errorf("renew the relay's lease: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("renew the relay's lease: %w", errFenced)
	}
	return nil
}

const readSQL = `select txid, position, event_id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, vshard,
	occurred_at, recorded_at, payload from outbox
	where (txid, position) > ($1, $2) and txid < pg_snapshot_xmin(pg_current_snapshot()) and vshard between $3 and $4
	order by txid, position limit $5`

// read gives the next rows below the snapshot horizon, within the bounds of a batch but at least one.
func (l *leader) read(ctx context.Context) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, maxStatements)
	defer cancel()
	cfg := l.relay.cfg
	rows, err := l.relay.pool.Query(ctx, readSQL, l.cursor.txid, l.cursor.position, l.firstShard, l.lastShard, cfg.BatchRows)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close()
	var batch []row
	for size := 0; rows.Next(); {
		var e row
		if err := rows.Scan(&e.at.txid, &e.at.position, &e.eventID, &e.aggregateType, &e.aggregateID, &e.aggregateVersion,
			&e.eventType, &e.schemaVersion, &e.shard, &e.occurredAt, &e.recordedAt, &e.payload); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		size += len(e.payload) + rowOverhead
		if len(batch) > 0 && size > cfg.BatchBytes {
			break
		}
		batch = append(batch, e)
	}
	if rows.Close(); rows.Err() != nil {
		return nil, fmt.Errorf("read the outbox: %w", rows.Err())
	}
	return batch, nil
}

// moveSQL does not wait for the disk: a cursor lost with the server's power makes duplicates and nothing else.
const moveSQL = `
with relaxed as (
    select set_config('synchronous_commit', 'off', true)
), moved as (
    update relay set cursor_txid = $3, cursor_position = $4, cursor_at = now(), expires_at = now() + $5::interval
    where range_id = $1 and epoch = $2 and cursor_txid = $6 and cursor_position = $7
    returning range_id
)
insert into relay_sequence (range_id, partition, next_seq) select m.range_id, u.p, u.s from relaxed, moved m, unnest($8::int[], $9::bigint[]) as u(p, s)
on conflict (range_id, partition) do update set next_seq = excluded.next_seq`

// move notes that everything up to cursor to is in Kafka, together with the numbers that come next.
func (l *leader) move(ctx context.Context, to cursor, next map[int]int64) error {
	partitions, numbers := make([]int, 0, len(next)), make([]int64, 0, len(next))
	for p, n := range next {
		partitions, numbers = append(partitions, p), append(numbers, n)
	}
	tag, err := l.relay.pool.Exec(ctx, moveSQL, l.relay.cfg.RangeID, l.epoch, to.txid, to.position, l.relay.cfg.LeaseTTL,
		l.cursor.txid, l.cursor.position, partitions, numbers)
	if err != nil {
		return fmt.Errorf("move the relay's cursor: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("move the relay's cursor: %w", errFenced)
	}
	l.cursor, l.renewedAt = to, l.relay.cfg.Now()
	for p, n := range next {
		l.sequences[p] = n
	}
	return nil
}

// idle waits for a wake. When rows wait above the horizon, held back by a transaction that is still open, it
// looks again soon, and then less and less often; a wake for them has come already.
func (l *leader) idle(ctx context.Context, last time.Duration) (time.Duration, error) {
	r := l.relay
	waiting, err := l.measure(ctx)
	if err != nil {
		return 0, err
	}
	wait := r.cfg.Poll
	if waiting {
		wait = min(max(2*last, firstIdle), r.cfg.Poll)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-r.wake:
		wait = 0
	case <-timer.C:
	}
	if r.cfg.Now().Sub(l.renewedAt) < r.cfg.LeaseTTL/3 {
		return wait, nil
	}
	l.renewedAt = r.cfg.Now()
	return wait, l.renew(ctx)
}

const maxCounted = 10_000

// measure tells whether events wait, and how many and for how long.
func (l *leader) measure(ctx context.Context) (waiting bool, err error) {
	var count int64
	var seconds float64
	err = l.relay.pool.QueryRow(ctx, `select count(*), coalesce(extract(epoch from now() - min(recorded_at)), 0)::float8 from (
		select recorded_at from outbox where (txid, position) > ($1, $2) and vshard between $3 and $4
		order by txid, position limit $5) as w`,
		l.cursor.txid, l.cursor.position, l.firstShard, l.lastShard, maxCounted).Scan(&count, &seconds)
	if err != nil {
		return false, fmt.Errorf("measure the outbox: %w", err)
	}
	l.relay.lagging(count, seconds)
	return count > 0, nil
}

func (r *Relay) lagging(count int64, seconds float64) {
	r.metrics.lagRows.Set(float64(count))
	r.metrics.lagSeconds.Set(seconds)
	r.state.lagging(r.cfg.Now(), count, time.Duration(seconds*float64(time.Second)))
}
