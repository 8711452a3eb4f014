package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Minute is what is known about one minute of a source.
type Minute struct {
	Documents int64 // counted
	Found     int64 // in the last complete reading; -1: there was none
	Parts     int
	Sealed    bool
	Known     []uint64 // hashes of what is counted, in no order
}

// Whole tells a minute of which nothing was left when it was read last.
func (m Minute) Whole() bool { return m.Found >= 0 && m.Found == m.Documents }

const minutesSQL = `
select minute, documents, found, parts, sealed from replay_slice
where source = $1 and minute >= $2 and minute < $3`

const seenSQL = `select minute, hashes from replay_seen where source = $1 and minute >= $2 and minute < $3`

// Minutes gives the minutes of [from, to) that were read before.
func (j *Journal) Minutes(ctx context.Context, source string, from, to time.Time) (map[int64]*Minute, error) {
	all := map[int64]*Minute{}
	err := pgx.BeginTxFunc(ctx, j.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, minutesSQL, source, from, to)
		if err != nil {
			return err
		}
		var at time.Time
		var m Minute
		if _, err := pgx.ForEachRow(rows, []any{&at, &m.Documents, &m.Found, &m.Parts, &m.Sealed}, func() error {
			one := m
			all[at.Unix()] = &one
			return nil
		}); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, seenSQL, source, from, to); err != nil {
			return err
		}
		var packed []byte
		_, err = pgx.ForEachRow(rows, []any{&at, &packed}, func() error {
			if one := all[at.Unix()]; one != nil {
				one.Known = unpack(one.Known, packed)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what was counted before: %w", err)
	}
	return all, nil
}

// pack writes hashes, sorted, big endian.
func pack(hashes []uint64) []byte {
	slices.Sort(hashes)
	b := make([]byte, 0, 8*len(hashes))
	for _, h := range hashes {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

func unpack(to []uint64, b []byte) []uint64 {
	for ; len(b) >= 8; b = b[8:] {
		to = append(to, binary.BigEndian.Uint64(b))
	}
	return to
}

// maxSealed bounds the minutes that one call seals.
const maxSealed = 2000

const sealSQL = `
with old as (
    select source, minute from replay_slice where not sealed and found >= 0 and updated_at < $1 order by updated_at limit $2 for update skip locked
), sealed as (
    update replay_slice s set sealed = true from old where s.source = old.source and s.minute = old.minute returning s.source, s.minute
)
delete from replay_seen s using sealed where s.source = sealed.source and s.minute = sealed.minute`

// Seal throws away the hashes of minutes that were written last before a time. A minute that was never read to its end
// is left: its job may still go on.
func (j *Journal) Seal(ctx context.Context, before time.Time) error {
	if _, err := j.pool.Exec(ctx, sealSQL, before, maxSealed); err != nil {
		return fmt.Errorf("seal old minutes: %w", err)
	}
	return nil
}
