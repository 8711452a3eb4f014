package vault

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	batchRows   = 200
	saidFailing = 10 // rows of one renewal that do not open are named in the log, no more
)

// Renewal seals anew what older keys of the ring have sealed, batch by batch. What keys outside the ring have sealed it
// leaves alone, for nobody can open it.
type Renewal struct {
	vault   *Vault
	ring    *Opened
	stale   []int64 // keys
	columns []Column
	after   any // key of the last row; nil: from the beginning of columns[0]

	Total   int64 // values by older keys when it began
	Renewed int64
	Changed int64 // written by somebody else meanwhile, with the primary key unless they were late
	Failed  int64 // do not open: altered, or moved from another row
}

// Renewal begins with the ring of this moment and all sealed columns.
func (v *Vault) Renewal(ctx context.Context) (*Renewal, error) {
	v.read(ctx, false)
	opened := v.opened.Load()
	if trouble := v.trouble.Load(); trouble != nil {
		return nil, unavailable(*trouble) // the ring at hand may be an old one
	}
	if opened == nil {
		return nil, unavailable(errUnread)
	}
	r := &Renewal{vault: v, ring: opened}
	var err error
	if r.columns, err = Columns(ctx, v.pool); err != nil {
		return nil, err
	}
	for _, key := range opened.Keys {
		if key != opened.Primary {
			r.stale = append(r.stale, int64(key))
		}
	}
	r.Total, err = r.count(ctx)
	return r, err
}

// count gives how many values older keys of the ring have sealed.
func (r *Renewal) count(ctx context.Context) (total int64, err error) {
	counted, err := Count(ctx, r.vault.pool, r.columns)
	if err != nil {
		return 0, err
	}
	for _, c := range counted {
		var n int64
		for _, key := range r.stale {
			n += c.ByKey[KeyID(key)]
		}
		r.vault.metrics.stale.WithLabelValues(c.String()).Set(float64(n))
		total += n
	}
	return total, nil
}

// Done is how many values it has gone over.
func (r *Renewal) Done() int64 { return r.Renewed + r.Changed + r.Failed }

// row is a value that an older key has sealed.
type row struct {
	key    any // as Postgres gives it, and takes it back
	text   string
	sealed []byte
}

// Next renews one batch, of the first column that has something; more tells whether there may be another.
func (r *Renewal) Next(ctx context.Context) (more bool, err error) {
	for len(r.columns) > 0 && len(r.stale) > 0 {
		rows, err := r.read(ctx)
		if err != nil {
			return false, err
		}
		if len(rows) == 0 {
			r.columns, r.after = r.columns[1:], nil
			continue
		}
		r.vault.cfg.Step("read")
		if err := r.write(ctx, r.renewed(rows)); err != nil {
			return false, err
		}
		r.vault.cfg.Step("written")
		r.after = rows[len(rows)-1].key
		return true, nil
	}
	return false, nil
}

func (r *Renewal) read(ctx context.Context) ([]row, error) {
	c := r.columns[0]
	where, args := "", []any{r.stale, batchRows}
	if r.after != nil {
		where, args = fmt.Sprintf("and t.%s > $3", c.key()), append(args, r.after)
	}
	sql := fmt.Sprintf(`select t.%[1]s, t.%[1]s::text, t.%[2]s from %[3]s t where secret_key_of(t.%[2]s) = any ($1) %[4]s order by t.%[1]s limit $2`,
		c.key(), c.name(), c.table(), where)
	found, err := r.vault.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read values of %s to renew: %w", c, err)
	}
	rows, err := pgx.CollectRows(found, func(from pgx.CollectableRow) (one row, err error) {
		return one, from.Scan(&one.key, &one.text, &one.sealed)
	})
	if err != nil {
		return nil, fmt.Errorf("read values of %s to renew: %w", c, err)
	}
	return rows, nil
}

// renewed gives the updates for what opens.
func (r *Renewal) renewed(rows []row) *pgx.Batch {
	c, updates := r.columns[0], &pgx.Batch{}
	sql := fmt.Sprintf(`update %[1]s set %[2]s = $3 where %[3]s = $1 and %[2]s = $2`, c.table(), c.name(), c.key())
	for _, one := range rows {
		fresh, _, err := r.ring.Ring.Renew(one.sealed, c.At(one.text))
		if err != nil {
			r.Failed++
			r.vault.metrics.renewed.WithLabelValues(c.String(), "failed").Inc()
			if r.Failed <= saidFailing {
				r.vault.log.Error("a secret does not open and is not renewed", "error", err, "remedy", "it was altered or moved: have it entered anew")
			}
			continue
		}
		updates.Queue(sql, one.key, one.sealed, fresh)
	}
	return updates
}

// write updates, in one transaction, the rows that still hold what was read.
func (r *Renewal) write(ctx context.Context, updates *pgx.Batch) (err error) {
	if updates.Len() == 0 {
		return nil
	}
	results := r.vault.pool.SendBatch(ctx, updates)
	var renewed, changed int64
	for range updates.Len() {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // its error is this one
			return fmt.Errorf("renew values of %s: %w", r.columns[0], err)
		}
		renewed += tag.RowsAffected()
		changed += 1 - tag.RowsAffected()
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("renew values of %s: %w", r.columns[0], err)
	}
	r.Renewed, r.Changed = r.Renewed+renewed, r.Changed+changed
	r.vault.metrics.renewed.WithLabelValues(r.columns[0].String(), "renewed").Add(float64(renewed))
	r.vault.metrics.renewed.WithLabelValues(r.columns[0].String(), "changed").Add(float64(changed))
	r.vault.metrics.stale.WithLabelValues(r.columns[0].String()).Sub(float64(updates.Len()))
	return nil
}
