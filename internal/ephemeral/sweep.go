package ephemeral

import (
	"context"
	"time"
)

const (
	sweepRows  = 1000
	sweepPages = 1000
	sweepTime  = 30 * time.Second // of one page
)

// Sweep removes what has expired and gives how many values that were, a thousand at a time and a million at most; what is
// left then, the next call takes. It passes over rows that somebody works on. It is a job's, every few minutes. Error:
// fault.Unavailable.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	var all int64
	for range sweepPages {
		gone, err := s.sweepPage(ctx)
		if err != nil {
			return all, err
		}
		all += gone
		s.metrics.swept.Add(float64(gone))
		if gone < sweepRows {
			break
		}
	}
	return all, nil
}

func (s *Store) sweepPage(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	now := s.now()
	done, err := s.pool.Exec(ctx, `
		with free as materialized (
			select kind, key from ephemeral where expires_at <= $1 or expires_at > $2 limit $3 for update skip locked
		)
		delete from ephemeral e using free f where e.kind = f.kind and e.key = f.key`, now, now.Add(maxAhead), sweepRows)
	if err != nil {
		return 0, s.unavailable("sweep", "any kind", err)
	}
	return done.RowsAffected(), nil
}
