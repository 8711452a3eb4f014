package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// position is a row's place in the order in which rows are sealed.
type position struct {
	txid uint64
	id   int64
}

// end is where the chain ends, and what the sealer has passed.
type end struct {
	sequence int64
	hash     Hash
	cursor   position
	// restored says that the cursor is of another server's transactions: the database was restored from a dump.
	restored bool
}

// querier is what reads need, of a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const endSQL = `select seq, hash, cursor_txid, cursor_id, cursor_txid >= pg_snapshot_xmax(pg_current_snapshot()) from audit_chain`

func readEnd(ctx context.Context, db querier) (end, error) {
	var e end
	var hash []byte
	if err := db.QueryRow(ctx, endSQL).Scan(&e.sequence, &hash, &e.cursor.txid, &e.cursor.id, &e.restored); err != nil {
		return e, fmt.Errorf("read the end of the audit chain: %w", err)
	}
	e.hash = hashOf(hash)
	return e, nil
}

const rowColumns = `a.id, a.txid, a.at, a.recorded_at, a.actor, a.command, a.aggregate_type, a.aggregate_id,
	a.salt, a.request_id, a.ip::text, a.user_agent, a.input::text, a.outcome::text, a.before::text, a.after::text`

func (r *Row) scan() []any {
	p := &r.Personal
	return []any{&r.ID, &r.TxID, &r.At, &r.RecordedAt, &r.Actor, &r.Command, &r.AggregateType, &r.AggregateID,
		&p.Salt, &p.RequestID, &p.IP, &p.UserAgent, &p.Input, &p.Outcome, &p.Before, &p.After}
}

func (r *Row) size() int {
	size := 512
	for _, field := range []*string{r.Personal.Input, r.Personal.Outcome, r.Personal.Before, r.Personal.After} {
		if field != nil {
			size += len(*field)
		}
	}
	return size
}

const (
	isSealed = `exists (select from audit_seal s where s.audit_id = a.id)`
	// waitingSQL reads what follows the cursor, below the horizon. Only after a restore is any of it sealed.
	waitingSQL = `select ` + rowColumns + `, ` + isSealed + ` from audit a
		where (a.txid, a.id) > ($1, $2) and a.txid < pg_snapshot_xmin(pg_current_snapshot()) order by a.txid, a.id limit $3`
	// foreignSQL reads rows of a server from which this database was restored: its transactions are ahead of ours.
	foreignSQL = `select ` + rowColumns + `, false from audit a
		where (a.txid, a.id) > ($1, $2) and a.txid >= pg_snapshot_xmax(pg_current_snapshot()) and not ` + isSealed + ` order by a.txid, a.id limit $3`
)

// waiting is a row to be sealed, or one that is already.
type waiting struct {
	Row
	sealed bool
}

// readWaiting gives the next rows, within the bounds of a batch but at least one.
func readWaiting(ctx context.Context, db querier, sql string, after position, maxRows, maxBytes int) ([]waiting, error) {
	rows, err := db.Query(ctx, sql, after.txid, after.id, maxRows)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer rows.Close()
	var batch []waiting
	for size := 0; rows.Next(); {
		var w waiting
		if err := rows.Scan(append(w.Row.scan(), &w.sealed)...); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if size += w.size(); len(batch) > 0 && size > maxBytes {
			break
		}
		batch = append(batch, w)
	}
	if rows.Close(); rows.Err() != nil {
		return nil, fmt.Errorf("read the audit log: %w", rows.Err())
	}
	return batch, nil
}

// seal is what is written of a sealed row.
type seal struct {
	sequence   int64
	id         int64
	commitment Hash
	hash       Hash
}

// writeSQL moves the end only from where it was read, so that two sealers cannot both write.
const writeSQL = `
with moved as (
    update audit_chain set seq = $2, hash = $3, cursor_txid = $4, cursor_id = $5 where seq = $1 returning seq
)
insert into audit_seal (seq, audit_id, personal, hash)
select u.* from moved, unnest($6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[]) as u`

const moveSQL = `update audit_chain set cursor_txid = $2, cursor_id = $3 where seq = $1`

// errOutpaced says that another sealer has written meanwhile.
var errOutpaced = errors.New("another sealer was faster")

// write puts seals after the end was, which becomes is. Without seals it only moves the cursor.
func write(ctx context.Context, tx pgx.Tx, was, is end, seals []seal) error {
	if len(seals) == 0 {
		if _, err := tx.Exec(ctx, moveSQL, was.sequence, is.cursor.txid, is.cursor.id); err != nil {
			return fmt.Errorf("move the audit chain's cursor: %w", err)
		}
		return nil
	}
	sequences, ids := make([]int64, len(seals)), make([]int64, len(seals))
	commitments, hashes := make([][]byte, len(seals)), make([][]byte, len(seals))
	for i := range seals {
		s := &seals[i]
		sequences[i], ids[i], commitments[i], hashes[i] = s.sequence, s.id, s.commitment[:], s.hash[:]
	}
	tag, err := tx.Exec(ctx, writeSQL, was.sequence, is.sequence, is.hash[:], is.cursor.txid, is.cursor.id, sequences, ids, commitments, hashes)
	if err != nil {
		return fmt.Errorf("seal %d audit rows: %w", len(seals), err)
	}
	if tag.RowsAffected() != int64(len(seals)) {
		return fmt.Errorf("seal %d audit rows: %w", len(seals), errOutpaced)
	}
	return nil
}

// lastHead is the newest head; the zero Head: none.
func lastHead(ctx context.Context, db querier) (Head, error) {
	heads, err := queryHeads(ctx, db, `select seq, hash, at, key, signature from audit_head order by seq desc limit 1`)
	if err != nil || len(heads) == 0 {
		return Head{}, err
	}
	return heads[0], nil
}

func queryHeads(ctx context.Context, db querier, sql string, args ...any) ([]Head, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit chain's heads: %w", err)
	}
	var heads []Head
	var h Head
	var hash, key []byte
	_, err = pgx.ForEachRow(rows, []any{&h.Sequence, &hash, &h.At, &key, &h.Signature}, func() error {
		heads = append(heads, Head{h.Sequence, hashOf(hash), h.At, append([]byte(nil), key...), append([]byte(nil), h.Signature...)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit chain's heads: %w", err)
	}
	return heads, nil
}

// Heads gives up to limit heads after a sequence number, in order.
func Heads(ctx context.Context, db querier, after int64, limit int) ([]Head, error) {
	return queryHeads(ctx, db, `select seq, hash, at, key, signature from audit_head where seq > $1 order by seq limit $2`, after, limit)
}

func writeHead(ctx context.Context, tx pgx.Tx, h Head) error {
	_, err := tx.Exec(ctx, `insert into audit_head (seq, hash, at, key, signature) values ($1, $2, $3, $4, $5)`, h.Sequence, h.Hash[:], h.At, []byte(h.Key), h.Signature)
	if err != nil {
		return fmt.Errorf("write a head of the audit chain: %w", err)
	}
	return nil
}

const maxCounted = 10_000

// measureSQL leaves out transactions ahead of ours, which a restore brings and of which all are sealed.
const measureSQL = `
select count(*), coalesce(extract(epoch from now() - min(recorded_at)), 0)::float8
from audit_chain c, lateral (
    select a.recorded_at from audit a
    where (a.txid, a.id) > (c.cursor_txid, c.cursor_id) and a.txid < pg_snapshot_xmax(pg_current_snapshot())
    order by a.txid, a.id limit $1) w`

// measure counts the rows that are not sealed, up to 10,000, and says for how long the oldest has waited.
func measure(ctx context.Context, db querier) (count int64, oldest time.Duration, err error) {
	var seconds float64
	if err := db.QueryRow(ctx, measureSQL, maxCounted).Scan(&count, &seconds); err != nil {
		return 0, 0, fmt.Errorf("measure the audit log: %w", err)
	}
	return count, time.Duration(seconds * float64(time.Second)), nil
}
