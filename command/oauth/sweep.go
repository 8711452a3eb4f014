package oauth

import (
	"context"
	"time"
)

const (
	sweepRows = 1000
	// keepUsed is how long what is over is kept. A used refresh token that comes again has to be known as long as its
	// successor may live; after that there is nothing left to revoke.
	keepUsed = RefreshLifetime + time.Hour
)

const (
	sweepTokens = `
delete from oauth_token where hash in (select hash from oauth_token where expires_at < $2 and (kind = 'access' or expires_at < $1)
    order by expires_at limit $3)`
	sweepGrants = `
delete from oauth_grant where id in (select id from oauth_grant where expires_at < $1 order by expires_at limit $2 for update skip locked)`
)

// Sweep deletes what is long over, a thousand rows of each kind at most, and tells how many those were: 0 when nothing is
// left. Codes go with their grants. The pool is one of the command role.
func Sweep(ctx context.Context, pool Door, now time.Time) (int64, error) {
	tokens, err := pool.Exec(ctx, sweepTokens, now.Add(-keepUsed), now.Add(-time.Hour), sweepRows)
	if err != nil {
		return 0, wrap("sweep tokens", err)
	}
	grants, err := pool.Exec(ctx, sweepGrants, now.Add(-keepUsed), sweepRows)
	return tokens.RowsAffected() + grants.RowsAffected(), wrap("sweep grants", err)
}
