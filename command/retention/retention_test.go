package retention_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/retention"
)

const day = 24 * time.Hour

// session writes one that began so long ago, and lasted an hour unless it was ended sooner.
func session(w *worldtest.World, person uuid.UUID, ago time.Duration, ended, impersonated bool) uuid.UUID {
	w.Helper()
	id := w.NewID()
	w.Exec(`insert into session (id, hash, site, person_id, factors, opened_at, proved_at, seen_at, expires_at, idle, ended_at, impersonator_id)
		values ($1, sha256($1::uuid::text::bytea), 'account', $2, '{password}', $3, $3, $3, $3::timestamptz + interval '1 hour', interval '1 hour',
			case when $4 then $3::timestamptz + interval '1 minute' end, case when $5 then $2::uuid end)`, id, person, w.Now().Add(-ago), ended, impersonated)
	w.Exec(`insert into aggregate (type, id, version) values ('session', $1, 1)`, id)
	return id
}

func person(w *worldtest.World) uuid.UUID {
	w.Helper()
	id := w.NewID()
	w.Exec(`insert into person (id, site, email, name, created_at) values ($1, 'account', $1::uuid::text || '@example.com', 'P', $2)`, id, w.Now())
	return id
}

// Sessions go once they were over for long, with their versions; a person's last one stays.
func TestSessions(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	ada, bob := person(w), person(w)
	kept := map[uuid.UUID]string{
		session(w, ada, time.Minute, false, false): "one that works",
		session(w, ada, 90*day, false, false):      "one that was over for an hour less than ninety days",
		session(w, ada, 399*day, true, true):       "a look at her account",
		session(w, bob, 1000*day, true, false):     "the last that Bob had",
	}
	session(w, bob, 1001*day, false, false)
	session(w, ada, 90*day+2*time.Hour, false, false)
	session(w, ada, 90*day+2*time.Minute, true, false)
	session(w, ada, 401*day, false, true)
	n, err := retention.Sessions(t.Context(), w.Pool, w.Now().Add(-90*day), w.Now().Add(-400*day))
	if n != 4 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	for id, what := range kept {
		if !worldtest.One[bool](w, `select exists (select from session where id = $1) and exists (select from aggregate where type = 'session' and id = $1)`, id) {
			t.Errorf("%s is gone", what)
		}
	}
	if n := worldtest.One[int](w, `select count(*) from aggregate where type = 'session'`); n != len(kept) {
		t.Errorf("%d versions are left", n)
	}
	if n, err := retention.Sessions(t.Context(), w.Pool, w.Now().Add(-90*day), w.Now().Add(-400*day)); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
}

func TestTokensContactsMailsAndVersions(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	ada := person(w)
	for _, ago := range []time.Duration{day, 500 * day} {
		for _, revoked := range []bool{false, true} {
			w.Exec(`insert into api_token (id, hash, hint, name, person_id, scopes, created_at, expires_at, revoked_at)
				values (gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'ezs_', 'script', $1, '{}', $2, $2::timestamptz + interval '366 days', case when $3 then $2::timestamptz end)`, ada, w.Now().Add(-ago), revoked)
		}
		for _, status := range []string{"sent", "queued"} {
			w.Exec(`insert into notification (id, person_id, channel, recipient, template, event_id, content, status, queued_at, sent_at)
				values (gen_random_uuid(), $1, 'mail', 'a@example.com', 'sign_in', gen_random_uuid(), '{}', $2, $3, case when $2 = 'sent' then $3::timestamptz end)`, ada, status, w.Now().Add(-ago))
		}
	}
	account := w.Customer("a@example.com")
	for _, ago := range []time.Duration{day, 500 * day} {
		w.Exec(`insert into contact_change (id, customer_id, replaced, email, changed_by, changed_at) values (gen_random_uuid(), $1, 'a', 'b', 'staff:test', $2)`, account, w.Now().Add(-ago))
	}
	w.Exec(`insert into aggregate (type, id, version, flagged) select 'link', gen_random_uuid(), 1, flagged from (values (null), ('parked')) as f (flagged)`)
	before := w.Now().Add(-400 * day)
	if n, err := retention.Tokens(t.Context(), w.Pool, before); n != 1 || err != nil { // the other one worked until four months ago
		t.Errorf("forgot %d tokens, %v", n, err)
	}
	if n, err := retention.Contacts(t.Context(), w.Pool, before); n != 1 || err != nil {
		t.Errorf("forgot %d contacts, %v", n, err)
	}
	if n, err := retention.Mails(t.Context(), w.Pool, before); n != 1 || err != nil {
		t.Errorf("forgot %d mails, %v", n, err)
	}
	if n, err := retention.LinkVersions(t.Context(), w.Pool); n != 1 || err != nil {
		t.Errorf("forgot %d versions, %v", n, err)
	}
}
