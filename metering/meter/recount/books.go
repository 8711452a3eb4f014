package recount

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/books"
	"github.com/ezscale/platform/metering/meter/count"
)

var (
	//go:embed sql/books_usage.sql
	usageSQL string
	//go:embed sql/books_corrections.sql
	correctionsSQL string
	//go:embed sql/books_places.sql
	placesSQL string
)

// Books is what the meters had written when one snapshot was taken.
type Books struct {
	Usage     Sums      // usage_hourly, applied corrections among it
	Released  Sums      // quarantined samples that an operator has released, applied or not: the log cannot know of them
	Applied   Sums      // corrections of any kind that are in Usage
	Waiting   Sums      // corrections of any kind that no meter has applied yet
	Watermark time.Time // all that was received before it is counted; zero: not all partitions have a meter
	next      []int64   // by partition: the first envelope that is not counted
}

// Effective is what an hour will be once all corrections are applied.
func (b *Books) Effective(k Key) count.Usage {
	u, waiting := b.Usage[k], b.Waiting[k]
	u.Add(&waiting)
	return u
}

// Books reads what is written about a span, for some services or (nil) for all.
func (r *Recounter) Books(ctx context.Context, span Span, services []uuid.UUID) (*Books, error) {
	b := &Books{Usage: Sums{}, Released: Sums{}, Applied: Sums{}, Waiting: Sums{}, next: make([]int64, r.cfg.Partitions)}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, r.pool, options, func(tx pgx.Tx) error {
		if err := b.readPlaces(ctx, tx, r.cfg.Topic); err != nil {
			return fmt.Errorf("read the meters' places in the log: %w", err)
		}
		if err := b.readUsage(ctx, tx, span, services); err != nil {
			return fmt.Errorf("read the hourly usage: %w", err)
		}
		if err := b.readCorrections(ctx, tx, span, services); err != nil {
			return fmt.Errorf("read the corrections: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the books: %w", err)
	}
	return b, nil
}

func (b *Books) readPlaces(ctx context.Context, tx pgx.Tx, topic string) error {
	rows, err := tx.Query(ctx, placesSQL, topic)
	if err != nil {
		return err
	}
	var partition int
	var next int64
	var watermark pgtype.Timestamptz
	seen, known := 0, true
	_, err = pgx.ForEachRow(rows, []any{&partition, &next, &watermark}, func() error {
		if partition >= len(b.next) {
			return nil
		}
		seen++
		b.next[partition] = next
		if known = known && watermark.Valid && watermark.InfinityModifier == pgtype.Finite; !known {
			return nil
		}
		if b.Watermark.IsZero() || watermark.Time.Before(b.Watermark) {
			b.Watermark = watermark.Time
		}
		return nil
	})
	if !known || seen < len(b.next) {
		b.Watermark = time.Time{}
	}
	return err
}

func (b *Books) readUsage(ctx context.Context, tx pgx.Tx, span Span, services []uuid.UUID) error {
	rows, err := tx.Query(ctx, usageSQL, span.From, span.To, services)
	if err != nil {
		return err
	}
	var k Key
	var hour time.Time
	var u count.Usage
	_, err = pgx.ForEachRow(rows, append([]any{&k.Service, &k.Exporter, &hour}, books.Fields(&u)...), func() error {
		k.Hour = hour.Unix() / 3600
		return b.Usage.add(k, &u)
	})
	return err
}

func (b *Books) readCorrections(ctx context.Context, tx pgx.Tx, span Span, services []uuid.UUID) error {
	rows, err := tx.Query(ctx, correctionsSQL, span.From, span.To, services)
	if err != nil {
		return err
	}
	var k Key
	var hour time.Time
	var release, waits bool
	var u count.Usage
	_, err = pgx.ForEachRow(rows, append([]any{&k.Service, &k.Exporter, &hour, &release, &waits}, books.Fields(&u)...), func() error {
		k.Hour = hour.Unix() / 3600
		to := b.Applied
		if waits {
			to = b.Waiting
		}
		if err := to.add(k, &u); err != nil {
			return err
		}
		if release {
			return b.Released.add(k, &u)
		}
		return nil
	})
	return err
}
