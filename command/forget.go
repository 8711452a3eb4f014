package command

import (
	"context"
	"fmt"
	"time"
)

const forgetAtATime = 10_000

// Forget deletes idempotency records made before a time, at most 10,000 in one call, and gives how many: a client
// that repeats a request so late is taken for a new one. It is for a periodic job.
func (db *DB) Forget(ctx context.Context, before time.Time) (int64, error) {
	tag, err := db.pool.Exec(ctx, `delete from idempotency where (actor, key) in
		(select actor, key from idempotency where created_at < $1 order by created_at limit $2)`, before, forgetAtATime)
	if err != nil {
		return 0, fmt.Errorf("forget old idempotency keys: %w", err)
	}
	return tag.RowsAffected(), nil
}
