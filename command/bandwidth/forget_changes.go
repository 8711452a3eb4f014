package bandwidth

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// forgetAtATime bounds one call of ForgetChanges.
const forgetAtATime = 10_000

// Execer is a pool or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const deleteChanges = `
delete from attribution_change where ctid = any(array(
    select ctid from attribution_change where at < now() - make_interval(secs => $1) limit $2))`

// ForgetChanges deletes notes of attribution changes older than keep, by the machine's time as they are noted, at
// most 10,000 in one call, and gives how many. Whoever keeps assignments in memory looks for changes every few
// seconds, so a day is plenty. It is for a periodic job.
func ForgetChanges(ctx context.Context, db Execer, keep time.Duration) (int64, error) {
	tag, err := db.Exec(ctx, deleteChanges, keep.Seconds(), forgetAtATime)
	if err != nil {
		return 0, fmt.Errorf("forget old attribution changes: %w", err)
	}
	return tag.RowsAffected(), nil
}
