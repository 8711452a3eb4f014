package consumer

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// FreeLeases ends every lease of every consumer. It is for a start that knows itself alone on the database, as a
// platform with its own servers does: leases of a predecessor that was killed need not be waited out. Were
// somebody alive after all, the next owner's fence would stop them.
func FreeLeases(ctx context.Context, pool *pgxpool.Pool) error {
	for _, sql := range []string{
		`update consumer_offset set expires_at = '-infinity', owner = null where owner is not null`,
		`update consumer_instance set expires_at = '-infinity' where expires_at > now()`, // else the dead keep their share
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("free the leases of consumers: %w", err)
		}
	}
	return nil
}
