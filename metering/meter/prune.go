package meter

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/schemas/events"
)

var (
	//go:embed sql/prune_slots.sql
	pruneSlotsSQL string
	//go:embed sql/prune_minutes.sql
	pruneMinutesSQL string
)

// pruneLock is the advisory lock that lets one process prune at a time.
const pruneLock = 0x657a6d7072756e65 // "ezmprune"

// slowestSQL is the least watermark, once every partition has one.
const slowestSQL = `select min(watermark) from meter having count(*) = $1`

// pruneOnce deletes what lies far enough behind the slowest partition. A flush never writes a slot that lies this
// far behind its own partition's watermark, and that is never before the slowest one's: so no flush can meet a
// slot that is gone and begin it again from zero.
func (s *shared) pruneOnce(ctx context.Context) error {
	var slowest pgtype.Timestamptz
	if err := s.pool.QueryRow(ctx, slowestSQL, events.FlowPartitions).Scan(&slowest); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return fmt.Errorf("find the slowest partition: %w", err)
	}
	if !slowest.Valid || slowest.InfinityModifier != pgtype.Finite {
		return nil
	}
	if err := s.deleteBites(ctx, pruneSlotsSQL, slowest.Time.Add(-s.cfg.SlotRetention)); err != nil {
		return err
	}
	return s.deleteBites(ctx, pruneMinutesSQL, slowest.Time.Add(-keepLossMinutes))
}

func (s *shared) deleteBites(ctx context.Context, sql string, before time.Time) error {
	for range maxPruneBites {
		deleted := int64(0)
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var mine bool
			if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1)", int64(pruneLock)).Scan(&mine); err != nil || !mine {
				return err
			}
			tag, err := tx.Exec(ctx, sql, before, pruneBite)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("prune: %w", err)
		}
		s.metrics.pruned.Add(float64(deleted))
		if deleted < pruneBite {
			return nil
		}
	}
	return nil
}
