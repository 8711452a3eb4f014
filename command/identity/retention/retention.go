// Package retention forgets people who never came, and links that are over. It orders nothing: nobody decides on a row,
// a date does, so these are statements of a periodic job and no commands.
package retention

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// forgetAtATime bounds one call.
const forgetAtATime = 1000

// Execer is a pool or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const (
	deleteLinks = `
delete from link where id = any(array(
    select id from link where created_at < $1 and (used_at is not null or revoked_at is not null or expires_at < $1) order by created_at limit $2))`

	// Who has done anything else than register is kept: an account, a session, a passkey.
	deleteUnverified = `
with gone as materialized (
    select p.id from person p
    where p.email_verified_at is null and p.site = 'account' and p.created_at < $1
      and not exists (select from membership m where m.person_id = p.id)
      and not exists (select from session s where s.person_id = p.id or s.impersonator_id = p.id)
      and not exists (select from passkey k where k.person_id = p.id)
      and not exists (select from api_token t where t.person_id = p.id)
    order by p.created_at limit $2 for update skip locked
), mails as (delete from notification n using gone where n.person_id = gone.id
), links as (delete from link l using gone where l.person_id = gone.id
), words as (delete from password w using gone where w.person_id = gone.id
), seeds as (delete from totp t using gone where t.person_id = gone.id
), codes as (delete from recovery_code r using gone where r.person_id = gone.id
), roles as (delete from person_role r using gone where r.person_id = gone.id)
delete from person p using gone where p.id = gone.id`
)

// ForgetLinks deletes links that were made before a time and are over, at most 1,000 in one call, and gives how many. It
// is for a periodic job.
func ForgetLinks(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteLinks, "links", before)
}

// ForgetUnverified deletes people who registered before a time and never followed the link: perhaps they did not
// register themselves, and nobody has a reason to keep their names. Bound and use are those of ForgetLinks.
func ForgetUnverified(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteUnverified, "unverified people", before)
}

func forget(ctx context.Context, db Execer, sql, what string, before time.Time) (int64, error) {
	tag, err := db.Exec(ctx, sql, before, forgetAtATime)
	if err != nil {
		return 0, fmt.Errorf("forget %s: %w", what, err)
	}
	return tag.RowsAffected(), nil
}
