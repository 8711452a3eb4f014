package outbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// FreeLeases ends every relay's lease, as consumer.FreeLeases does for consumers and for the same start.
func FreeLeases(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, `update relay set expires_at = '-infinity', owner = null where owner is not null`); err != nil {
		return fmt.Errorf("free the leases of relays: %w", err)
	}
	return nil
}
