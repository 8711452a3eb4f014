// Package retention forgets what is long over of people: registrations that nobody verified, links, sessions, tokens,
// contact addresses that were changed, and the mails that told of them. It orders nothing: nobody decides on a row, a date
// does, so these are statements of a periodic job and no commands. The audit log keeps its rows, whose ids then lead nowhere.
package retention

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// forgetAtATime bounds one call.
const forgetAtATime = 1000

// Execer is a pool or a transaction, in the role of commands.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const (
	deleteLinks = `
delete from link where id = any(array(
    select id from link where created_at < $1 and (used_at is not null or revoked_at is not null or expires_at < $1) order by created_at limit $2))`

	// Attempts to register once more have an aggregate of this type, and no link.
	deleteLinkVersions = `
delete from aggregate where type = 'link' and id = any(array(
    select a.id from aggregate a where a.type = 'link' and a.flagged is null and not exists (select from link l where l.id = a.id) limit $1))`

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

	// The last one that a person had stays: it says when they were last here, and with which browser. Whoever looked at an
	// account as somebody else is told of for longer.
	deleteSessions = `
with gone as (
    delete from session where id = any(array(
        select s.id from session s
        where least(s.ended_at, s.expires_at) < $1 and case when s.impersonator_id is not null then least(s.ended_at, s.expires_at) < $2
            else exists (select from session n where n.person_id = s.person_id and n.impersonator_id is null and n.opened_at >= s.opened_at and (n.opened_at, n.id) > (s.opened_at, s.id)) end
        order by least(s.ended_at, s.expires_at) limit $3))
    returning id
), versions as (delete from aggregate a using gone where a.type = 'session' and a.id = gone.id and a.flagged is null)
select from gone`

	deleteTokens = `
delete from api_token where id = any(array(
    select id from api_token where least(revoked_at, expires_at) < $1 order by least(revoked_at, expires_at) limit $2))`

	deleteContacts = `
delete from contact_change where id = any(array(select id from contact_change where changed_at < $1 order by changed_at limit $2))`

	deleteMails = `
delete from notification where id = any(array(
    select id from notification where person_id is not null and queued_at < $1 and status <> 'queued' order by queued_at limit $2))`
)

// Links deletes links that were made before a time and are over, at most 1,000 in one call, and gives how many.
func Links(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteLinks, "links", before, forgetAtATime)
}

// LinkVersions deletes the versions of links that are not there. Bound as of Links.
func LinkVersions(ctx context.Context, db Execer) (int64, error) {
	return forget(ctx, db, deleteLinkVersions, "versions of links", forgetAtATime)
}

// Unverified deletes people who registered before a time and never followed the link: perhaps they did not register
// themselves, and nobody has a reason to keep their names. Bound as of Links.
func Unverified(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteUnverified, "unverified people", before, forgetAtATime)
}

// Sessions deletes sessions that were over before a time, of staff who looked at an account before another. The last one
// that a person had stays. Bound as of Links.
func Sessions(ctx context.Context, db Execer, before, impersonationsBefore time.Time) (int64, error) {
	return forget(ctx, db, deleteSessions, "sessions", before, impersonationsBefore, forgetAtATime)
}

// Tokens deletes API tokens that were revoked or over before a time. Bound as of Links.
func Tokens(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteTokens, "API tokens", before, forgetAtATime)
}

// Contacts deletes what the contacts of accounts were that were changed before a time. Bound as of Links.
func Contacts(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteContacts, "old contacts", before, forgetAtATime)
}

// Mails deletes the messages to and about people that were queued before a time, and are sent or given up. Bound as of Links.
func Mails(ctx context.Context, db Execer, before time.Time) (int64, error) {
	return forget(ctx, db, deleteMails, "mails", before, forgetAtATime)
}

func forget(ctx context.Context, db Execer, sql, what string, args ...any) (int64, error) {
	tag, err := db.Exec(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("forget %s: %w", what, err)
	}
	return tag.RowsAffected(), nil
}
