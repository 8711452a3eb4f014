package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

// producers holds the last sequence number taken from each producer on one partition.
type producers map[string]int64

// gap is a jump in a producer's numbers.
type gap struct {
	producer              string
	expected, got, offset int64
}

// sift leaves out the records that their producer sent before, and gives what the numbers become when the rest
// is taken, and where they jump. Records without a producer or a number are all taken.
func (p producers) sift(records []kafka.Record) (fresh []kafka.Record, seen producers, gaps []gap) {
	seen = producers{}
	for _, r := range records {
		producer, sequence, ok := numbered(r)
		if !ok {
			fresh = append(fresh, r)
			continue
		}
		last, known := seen[producer]
		if !known {
			last, known = p[producer]
		}
		if known && sequence <= last {
			continue
		}
		if known && sequence > last+1 {
			gaps = append(gaps, gap{producer: producer, expected: last + 1, got: sequence, offset: r.Offset})
		}
		seen[producer] = sequence
		fresh = append(fresh, r)
	}
	return fresh, seen, gaps
}

func numbered(r kafka.Record) (producer string, sequence int64, ok bool) {
	name, hasName := r.Header(events.HeaderProducer)
	number, hasNumber := r.Header(events.HeaderSequence)
	if !hasName || !hasNumber {
		return "", 0, false
	}
	sequence, err := strconv.ParseInt(string(number), 10, 64)
	return string(name), sequence, err == nil
}

func (p producers) merge(seen producers) {
	for producer, sequence := range seen {
		p[producer] = sequence
	}
}

func (p producers) save(ctx context.Context, tx pgx.Tx, k Key) error {
	if len(p) == 0 {
		return nil
	}
	names, numbers := make([]string, 0, len(p)), make([]int64, 0, len(p))
	for producer, sequence := range p {
		names, numbers = append(names, producer), append(numbers, sequence)
	}
	_, err := tx.Exec(ctx, `insert into consumer_producer (consumer, topic, partition, producer, last_seq)
		select $1, $2, $3, p, s from unnest($4::text[], $5::bigint[]) as u(p, s)
		on conflict (consumer, topic, partition, producer) do update set last_seq = excluded.last_seq, seen_at = now()`,
		k.Consumer, k.Topic, k.Partition, names, numbers)
	if err != nil {
		return fmt.Errorf("note the producers of %s: %w", k, err)
	}
	return nil
}

// books reads where the lease's holder goes on, and proves that it still is.
func (l *Lease) books(ctx context.Context) (next int64, known producers, err error) {
	err = l.pool.QueryRow(ctx, `select next from consumer_offset where consumer = $1 and topic = $2 and partition = $3 and fence = $4`,
		l.key.Consumer, l.key.Topic, l.key.Partition, l.fence).Scan(&next)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil, fmt.Errorf("%s: %w", l.key, ErrFenced)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the offset %s: %w", l.key, err)
	}
	rows, err := l.pool.Query(ctx, `select producer, last_seq from consumer_producer where consumer = $1 and topic = $2 and partition = $3`,
		l.key.Consumer, l.key.Topic, l.key.Partition)
	if err != nil {
		return 0, nil, fmt.Errorf("read the producers of %s: %w", l.key, err)
	}
	known = producers{}
	var producer string
	var sequence int64
	_, err = pgx.ForEachRow(rows, []any{&producer, &sequence}, func() error { known[producer] = sequence; return nil })
	if err != nil {
		return 0, nil, fmt.Errorf("read the producers of %s: %w", l.key, err)
	}
	return next, known, nil
}
