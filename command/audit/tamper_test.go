package audit_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/command/audit"
)

const (
	triggersOff = "alter table audit disable trigger user; alter table audit_seal disable trigger user; alter table audit_chain disable trigger user; alter table audit_head disable trigger user"
	// shut is how the log's owner cuts all that follows number 12.
	cutSeals = "delete from audit where id in (select audit_id from audit_seal where seq > 12); delete from audit_seal where seq > 12"
	cutEnd   = "update audit_chain c set seq = 12, hash = s.hash, cursor_txid = a.txid, cursor_id = a.id from audit_seal s join audit a on a.id = s.audit_id where s.seq = 12"
	cutHeads = "delete from audit_head where seq > 12"
	restart  = "delete from audit_seal; delete from audit_head; update audit_chain set seq = 0, hash = decode(repeat('00', 32), 'hex'), cursor_txid = '0', cursor_id = 0"
	at9      = "(select audit_id from audit_seal where seq = 9)"
)

// crime is what somebody with every right in the database does to a log of 20 rows with heads at 1, 6, 11 and 16.
type crime struct {
	name    string
	do      []string
	reseal  bool // with a key of their own
	kind    string
	at      int64
	without bool // no head from elsewhere and no key: what is found all the same
	hidden  bool // and nothing is
}

func crimes() []crime {
	return []crime{
		{name: "nothing", kind: ""},
		{name: "actor changed", do: []string{"update audit set actor = 'staff:mallory' where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "command changed", do: []string{"update audit set command = 'test.Other' where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "object changed", do: []string{"update audit set aggregate_id = gen_random_uuid() where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "time changed", do: []string{"update audit set at = at + interval '1 microsecond' where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "input changed", do: []string{"update audit set input = jsonb_set(input, '{text}', '\"no\"') where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "address changed", do: []string{"update audit set ip = '192.0.2.8' where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "address taken away", do: []string{"update audit set ip = null where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "outcome added", do: []string{"update audit set outcome = '1' where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "salt alone taken away", do: []string{"update audit set salt = null where id = " + at9}, kind: audit.Changed, at: 9, without: true},
		{name: "first row changed", do: []string{"update audit set actor = 'x' where id = (select min(id) from audit)"}, kind: audit.Changed, at: 1, without: true},
		{name: "last row changed", do: []string{"update audit set actor = 'x' where id = (select max(id) from audit)"}, kind: audit.Changed, at: 20, without: true},
		{name: "seal changed", do: []string{"update audit_seal set hash = sha256(hash) where seq = 9"}, kind: audit.Changed, at: 9, without: true},
		{name: "commitment changed", do: []string{"update audit_seal set personal = sha256(personal) where seq = 9"}, kind: audit.Changed, at: 9, without: true},
		{name: "seal cut short", do: []string{"alter table audit_seal drop constraint audit_seal_hash_check", "update audit_seal set hash = substr(hash, 1, 9) where seq = 9"}, kind: audit.Changed, at: 9, without: true},
		{name: "commitment cut short", do: []string{"alter table audit_seal drop constraint audit_seal_personal_check", "update audit_seal set personal = substr(personal, 1, 9) where seq = 9"}, kind: audit.Changed, at: 9, without: true},
		{name: "end cut short", do: []string{"alter table audit_chain drop constraint audit_chain_hash_check", "update audit_chain set hash = substr(hash, 1, 9)"}, kind: audit.Changed, at: 20, without: true},
		{name: "two rows change contents", do: []string{`update audit a set input = b.input from audit b where a.id in (4, 5) and b.id in (4, 5) and a.id <> b.id`}, kind: audit.Changed, at: 4, without: true},

		{name: "row deleted", do: []string{"delete from audit where id = " + at9}, kind: audit.Deleted, at: 9, without: true},
		{name: "row and seal deleted", do: []string{"delete from audit where id = " + at9, "delete from audit_seal where seq = 9"}, kind: audit.Deleted, at: 9, without: true},
		{name: "seal deleted", do: []string{"delete from audit_seal where seq = 9"}, kind: audit.Deleted, at: 9, without: true},
		{name: "a page deleted", do: []string{"delete from audit_seal where seq between 7 and 16"}, kind: audit.Deleted, at: 7, without: true},
		{name: "row deleted and numbered anew", do: []string{"delete from audit where id = " + at9, "delete from audit_seal where seq = 9",
			"update audit_seal set seq = -seq + 1000 where seq > 9", "update audit_seal set seq = 1000 - seq - 1 where seq > 100", "update audit_chain set seq = 19"}, kind: audit.Deleted, at: 9, without: true},

		{name: "neighbours swapped", do: []string{swap(9, 10)}, kind: audit.Reordered, at: 9, without: true},
		{name: "distant rows swapped", do: []string{swap(9, 17)}, kind: audit.Reordered, at: 9, without: true},
		{name: "swapped over a page", do: []string{swap(14, 15)}, kind: audit.Reordered, at: 14, without: true},

		{name: "row inserted between others", do: []string{`insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, txid)
			select at, 'staff:mallory', command, aggregate_type, aggregate_id, request_id, input, txid from audit where id = ` + at9}, kind: audit.Inserted, without: true},
		{name: "row inserted under a number below zero", do: []string{inserted("id, ", "-3, ", "txid")}, kind: audit.Inserted, without: true},
		{name: "row inserted under the last number there is", do: []string{inserted("id, ", "9223372036854775807, ", "txid")}, kind: audit.Inserted, without: true},
		{name: "row inserted as of a transaction to come", do: []string{inserted("", "", "'4000000000'::xid8")}, kind: audit.Inserted, without: true},
		{name: "row and seal inserted", do: []string{
			"update audit_seal set seq = -seq + 1000 where seq >= 9", "update audit_seal set seq = 1000 - seq + 1 where seq > 100", "update audit_chain set seq = 21",
			`insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, txid) select at, 'staff:mallory', command, aggregate_type, aggregate_id, request_id, input, txid from audit where id = 9`,
			"insert into audit_seal (seq, audit_id, personal, hash) select 9, (select max(id) from audit), personal, hash from audit_seal where seq = 8"}, kind: audit.Inserted, at: 9, without: true},
		{name: "seal behind the end", do: []string{"insert into audit_seal (seq, audit_id, personal, hash) select 21, 4711, personal, hash from audit_seal where seq = 8"}, kind: audit.Inserted, at: 21, without: true},

		{name: "tail cut", do: []string{cutSeals}, kind: audit.Truncated, at: 13, without: true},
		{name: "tail and end cut", do: []string{cutSeals, cutEnd}, kind: audit.Truncated, at: 13, without: true},
		{name: "tail, end and heads cut", do: []string{cutSeals, cutEnd, cutHeads}, kind: audit.Truncated, at: 13, hidden: true},
		{name: "everything deleted", do: []string{restart, "delete from audit"}, kind: audit.Truncated, at: 1, hidden: true},
		{name: "end moved back", do: []string{cutEnd}, kind: audit.Truncated, at: 13, without: true},
		{name: "end has another hash", do: []string{"update audit_chain set hash = sha256(hash)"}, kind: audit.Changed, at: 20, without: true},

		{name: "rewritten and hashed anew", do: []string{"create table kept as select * from audit_head", "update audit set actor = 'x' where id = " + at9, restart}, reseal: true,
			kind: audit.Rewritten, at: 7, hidden: true},
		{name: "head forged", do: []string{"update audit_head set signature = decode(repeat('01', 64), 'hex') where seq = 11"}, kind: audit.Forged, at: 11, without: true},
		{name: "head cut short", do: []string{"alter table audit_head drop constraint audit_head_hash_check", "update audit_head set hash = substr(hash, 1, 9) where seq = 11"}, kind: audit.Forged, at: 11, without: true},
		{name: "head of another hash", do: []string{"update audit_head set hash = sha256(hash) where seq = 11"}, kind: audit.Forged, at: 11, without: true},
		{name: "erased without an order", do: []string{"update audit set salt = null, request_id = null, ip = null, user_agent = null, input = null where id = " + at9}, kind: audit.Erased, at: 9, without: true},
	}
}

// inserted puts a row in that is like the ninth, but for its number and its transaction.
func inserted(column, number, txid string) string {
	return `insert into audit (` + column + `at, actor, command, aggregate_type, aggregate_id, request_id, input, txid) overriding system value
		select ` + number + `at, 'staff:mallory', command, aggregate_type, aggregate_id, request_id, input, ` + txid + ` from audit where id = ` + at9
}

func swap(a, b int) string {
	return fmt.Sprintf(`create temp table moved on commit drop as select * from audit_seal where seq in (%[1]d, %[2]d); delete from audit_seal where seq in (%[1]d, %[2]d);
		insert into audit_seal select %[1]d + %[2]d - seq, audit_id, personal, hash, sealed_at from moved`, a, b)
}

func TestCrimesAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range crimes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			s := f.sealer(audit.Config{HeadRows: 5, BatchRows: 1})
			for i := range 20 {
				f.note(fmt.Sprint("row ", i))
			}
			f.sealAll(s)
			kept := f.heads()
			options := audit.Options{PageRows: 7, Heads: kept, Keys: []ed25519.PublicKey{f.key.Public().(ed25519.PublicKey)}}
			f.intact(options)
			f.exec(triggersOff)
			for _, sql := range c.do {
				f.exec(sql)
			}
			if c.reseal {
				_, another, _ := ed25519.GenerateKey(nil)
				f.sealAll(f.sealerWith(audit.Config{HeadRows: 5, BatchRows: 1}, another))
				options.Keys = nil
			}
			check := func(o audit.Options, kind string) {
				t.Helper()
				report := f.verify(o)
				text, _ := json.Marshal(report)
				if (kind == "") != (report.Finding == nil) || report.Intact != (kind == "") || kind != "" && (report.Finding.Kind != kind || report.Finding.Sequence != c.at) {
					t.Errorf("want %s at %d: %s", kind, c.at, text)
				}
			}
			check(options, c.kind)
			if c.without {
				check(audit.Options{PageRows: 7}, c.kind)
			}
			if c.hidden { // it takes the heads from elsewhere to see this
				check(audit.Options{PageRows: 7}, "")
			}
		})
	}
}

// The row that is named is the one, not only its number.
func TestTheInsertedRowIsNamed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for range 3 {
		f.note("x")
	}
	f.sealAll(f.sealer(audit.Config{}))
	f.exec(`insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, txid) select at, actor, command, aggregate_type, aggregate_id, request_id, input, txid from audit where id = 2`)
	if report := f.verify(audit.Options{}); report.Finding == nil || report.Finding.Kind != audit.Inserted || report.Finding.Row != 4 {
		t.Errorf("%+v", report.Finding)
	}
}

// Keys that are given are the only ones that count.
func TestAnotherKeyIsNotTrusted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.note("x")
	f.sealAll(f.sealer(audit.Config{}))
	another, _, _ := ed25519.GenerateKey(nil)
	if report := f.verify(audit.Options{Keys: []ed25519.PublicKey{another}}); report.Finding == nil || report.Finding.Kind != audit.Forged || report.Finding.Sequence != 1 {
		t.Errorf("%+v", report.Finding)
	}
	if report := f.verify(audit.Options{Keys: []ed25519.PublicKey{another, f.key.Public().(ed25519.PublicKey)}}); !report.Intact || !report.Trusted {
		t.Errorf("%+v", report)
	}
}

// Even the owner's session cannot change the log while the triggers are on.
func TestTheOwnerIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.note("one")
	f.note("two")
	f.sealAll(f.sealer(audit.Config{}))
	f.note("three")
	for _, sql := range []string{
		"update audit set actor = 'x'", "update audit set input = '{}'", "update audit set salt = null", "update audit set input = null", "delete from audit", "truncate audit",
		"set session_replication_role = replica; delete from audit where true",
		"update audit set salt = null, request_id = null, ip = null, user_agent = null, input = null, outcome = null, before = null, after = null, actor = 'x' where id = 1",
		"update audit set salt = null, request_id = null, ip = null, user_agent = null, input = null, outcome = null, before = null, after = null where id = 3", // not sealed
		"update audit_seal set hash = hash", "delete from audit_seal", "truncate audit_seal",
		"update audit_head set at = now()", "delete from audit_head", "truncate audit_head",
		"update audit_chain set seq = seq - 1", "delete from audit_chain", "truncate audit_chain",
	} {
		conn, err := f.owner.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(t.Context(), sql)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "23001" {
			t.Errorf("%s: %v", sql, err)
		}
		_, _ = conn.Exec(context.Background(), "reset session_replication_role")
		conn.Release()
	}
}

// Erasing a person: the fields go, the order to do so stays in the log, and the chain is whole.
func TestErasing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := f.sealer(audit.Config{HeadRows: 2, BatchRows: 1})
	for range 6 {
		f.note("a secret of Ada's")
	}
	f.sealAll(s)
	kept := f.heads()
	person := uuid.New()
	const erase = "select audit_erase($1, 'staff:test', now(), 'customer', $2)"
	if n := one[int](f, erase, []int64{2, 3, 3, 99}, person); n != 2 {
		t.Errorf("%d rows erased", n)
	}
	if n := one[int](f, erase, []int64{2, 3}, person); n != 0 {
		t.Errorf("%d rows erased twice", n)
	}
	options := audit.Options{Heads: kept}
	if report := f.verify(options); !report.Intact || report.Erased != 2 || report.Unsealed != 1 {
		t.Errorf("before the order is sealed: %+v", report)
	}
	f.sealAll(s)
	if report := f.intact(options); report.Erased != 2 {
		t.Errorf("%+v", report)
	}
	if n := one[int](f, "select count(*) from audit where input::text like '%Ada%'"); n != 4 {
		t.Errorf("%d rows hold her secret", n)
	}
	if n := one[int](f, erase, []int64{7}, person); n != 0 {
		t.Error("an order to erase was erased")
	}
	f.exec(triggersOff)
	f.exec("update audit set input = jsonb_set(input, '{rows}', '[2, 3, 4]') where id = 7")
	if report := f.verify(options); report.Intact || report.Finding.Kind != audit.Changed || report.Finding.Row != 7 {
		t.Errorf("an order was forged: %+v", report)
	}
}
