// Package prune deletes what the meter no longer needs: ten-second slots and minutes of loss that lie far enough behind. One
// process at a time does it, in bites, so that no lock is held for long.
package prune

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/schemas/events"
)

var (
	//go:embed sql/slots.sql
	slotsSQL string
	//go:embed sql/minutes.sql
	minutesSQL string
)

// pruneLock is the advisory lock that lets one process prune at a time.
const pruneLock = 0x657a6d7072756e65 // "ezmprune"

const (
	every       = time.Minute
	bite        = 20_000 // rows of one delete
	maxBites    = 150    // of one round: more than 200,000 services write in the minute between two
	keepMinutes = 35 * 24 * time.Hour
)

// Pruner prunes from time to time.
type Pruner struct {
	pool      *pgxpool.Pool
	retention time.Duration
	pruned    prometheus.Counter
	log       *slog.Logger
}

// New makes one that keeps slots for retention behind the slowest partition's watermark. It starts nothing.
func New(pool *pgxpool.Pool, retention time.Duration, pruned prometheus.Counter, log *slog.Logger) *Pruner {
	return &Pruner{pool, retention, pruned, log}
}

// Run prunes until ctx ends.
func (p *Pruner) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.Once(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("old slots not pruned", "error", err)
		}
	}
}

// slowestSQL is the least watermark, once every partition has one.
const slowestSQL = `select min(watermark) from meter having count(*) = $1`

// Once deletes what lies far enough behind the slowest partition. A flush never writes a slot that lies this
// far behind its own partition's watermark, and that is never before the slowest one's: so no flush can meet a
// slot that is gone and begin it again from zero. Minutes go whole, for windows are: one of what came late would lack
// the slots that had gone before it.
func (p *Pruner) Once(ctx context.Context) error {
	var slowest pgtype.Timestamptz
	if err := p.pool.QueryRow(ctx, slowestSQL, events.FlowPartitions).Scan(&slowest); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return fmt.Errorf("find the slowest partition: %w", err)
	}
	if !slowest.Valid || slowest.InfinityModifier != pgtype.Finite {
		return nil
	}
	if err := p.deleteBites(ctx, slotsSQL, slowest.Time.Add(-p.retention).Truncate(time.Minute)); err != nil {
		return err
	}
	return p.deleteBites(ctx, minutesSQL, slowest.Time.Add(-keepMinutes))
}

// deleteBites goes forward in time, so that no bite looks again at what those before it have left for the vacuum.
func (p *Pruner) deleteBites(ctx context.Context, sql string, before time.Time) error {
	from := pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	for range maxBites {
		deleted := int64(0)
		err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
			var mine bool
			if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1)", int64(pruneLock)).Scan(&mine); err != nil || !mine {
				return err
			}
			return tx.QueryRow(ctx, sql, before, bite, from).Scan(&deleted, &from)
		})
		if err != nil {
			return fmt.Errorf("prune: %w", err)
		}
		p.pruned.Add(float64(deleted))
		if deleted < bite {
			return nil
		}
	}
	return nil
}
