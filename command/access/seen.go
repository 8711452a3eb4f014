package access

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// Door is a pool with the role ezscale_door.
type Door interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const (
	sessionSeen = `update session set seen_at = $2, ip = coalesce($3, ip) where id = $1 and seen_at < $2`
	tokenSeen   = `update api_token set last_used_at = $2, last_used_ip = coalesce($3, last_used_ip) where id = $1 and (last_used_at is null or last_used_at < $2)`
)

// SessionSeen notes when a session was last used, and from where. It is no command: nobody orders it, and no log is
// better for a row of it a minute.
func SessionSeen(ctx context.Context, door Door, id uuid.UUID, at time.Time, ip netip.Addr) error {
	return seen(ctx, door, sessionSeen, "session", id, at, ip)
}

// TokenSeen does the same for an API token.
func TokenSeen(ctx context.Context, door Door, id uuid.UUID, at time.Time, ip netip.Addr) error {
	return seen(ctx, door, tokenSeen, "token", id, at, ip)
}

func seen(ctx context.Context, door Door, sql, what string, id uuid.UUID, at time.Time, ip netip.Addr) error {
	var from *netip.Addr
	if ip.IsValid() {
		from = &ip
	}
	if _, err := door.Exec(ctx, sql, id, at, from); err != nil {
		return fmt.Errorf("note that %s %s was used: %w", what, id, err)
	}
	return nil
}
