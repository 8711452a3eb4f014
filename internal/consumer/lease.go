package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrHeld says that another instance holds the lease, or is just committing under it.
	ErrHeld = errors.New("the lease is held by another instance")
	// ErrFenced says that the lease was lost: somebody else goes on from the same offset. Stop at once.
	ErrFenced = errors.New("the lease was lost to another instance")
)

// Key names one consumer's place on one partition.
type Key struct {
	Consumer, Topic string
	Partition       int
}

func (k Key) String() string { return fmt.Sprintf("%s of %s/%d", k.Consumer, k.Topic, k.Partition) }

// Lease is the right to go on from an offset, until it expires. Its fence grows with each new holder, so that an
// offset can only be moved by the last one. It belongs to one goroutine.
type Lease struct {
	pool  *pgxpool.Pool
	key   Key
	owner string
	ttl   time.Duration
	next  int64
	fence int64
}

const takeSQL = `
with free as (
    select consumer, topic, partition from consumer_offset
    where consumer = $1 and topic = $2 and partition = $3 and (expires_at <= now() or owner = $4 or owner is null)
    for update skip locked
)
update consumer_offset o set fence = o.fence + 1, owner = $4, expires_at = now() + $5::interval
from free where o.consumer = free.consumer and o.topic = free.topic and o.partition = free.partition
returning o.next, o.fence`

const firstTakeSQL = `
insert into consumer_offset (consumer, topic, partition, fence, owner, expires_at) values ($1, $2, $3, 1, $4, now() + $5::interval)
on conflict do nothing returning next, fence`

// Acquire takes the lease for ttl, when nobody holds it or owner does. owner names one running instance.
// Error: ErrHeld.
func Acquire(ctx context.Context, pool *pgxpool.Pool, key Key, owner string, ttl time.Duration) (*Lease, error) {
	l := &Lease{pool: pool, key: key, owner: owner, ttl: ttl}
	for _, sql := range []string{takeSQL, firstTakeSQL} {
		err := pool.QueryRow(ctx, sql, key.Consumer, key.Topic, key.Partition, owner, ttl).Scan(&l.next, &l.fence)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("take the lease %s: %w", key, err)
		}
	}
	return nil, ErrHeld
}

// Next is the offset to go on from, as it was when the lease was taken.
func (l *Lease) Next() int64 { return l.next }

// Key is what the lease is for.
func (l *Lease) Key() Key { return l.key }

// Renew holds the lease for another ttl. Error: ErrFenced.
func (l *Lease) Renew(ctx context.Context) error {
	tag, err := l.pool.Exec(ctx, `update consumer_offset set expires_at = now() + $5::interval
		where consumer = $1 and topic = $2 and partition = $3 and fence = $4`,
		l.key.Consumer, l.key.Topic, l.key.Partition, l.fence, l.ttl)
	return l.proved(tag.RowsAffected(), err, "renew")
}

// Release gives the lease up, so that another instance need not wait for its end. Losing it before is no error.
func (l *Lease) Release(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, `update consumer_offset set expires_at = '-infinity', owner = null
		where consumer = $1 and topic = $2 and partition = $3 and fence = $4`,
		l.key.Consumer, l.key.Topic, l.key.Partition, l.fence)
	if err != nil {
		return fmt.Errorf("release the lease %s: %w", l.key, err)
	}
	return nil
}

// Advance moves the offset from expected to next as part of tx, and holds the lease for another ttl. Do it first:
// the row's lock then keeps others from taking the lease until tx ends.
// Error: ErrFenced when the offset is not expected or the lease is not ours: roll back and stop.
func (l *Lease) Advance(ctx context.Context, tx pgx.Tx, expected, next int64) error {
	tag, err := tx.Exec(ctx, `update consumer_offset set next = $6, moved_at = now(), expires_at = now() + $7::interval
		where consumer = $1 and topic = $2 and partition = $3 and fence = $4 and next = $5`,
		l.key.Consumer, l.key.Topic, l.key.Partition, l.fence, expected, next, l.ttl)
	return l.proved(tag.RowsAffected(), err, "advance")
}

func (l *Lease) proved(rows int64, err error, what string) error {
	if err != nil {
		return fmt.Errorf("%s the lease %s: %w", what, l.key, err)
	}
	if rows == 0 {
		return fmt.Errorf("%s the lease %s: %w", what, l.key, ErrFenced)
	}
	return nil
}
