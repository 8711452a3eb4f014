package limiter

import (
	"context"
	"time"
)

const (
	sweepRows  = 1000
	sweepPages = 5000
	sweepTime  = 30 * time.Second // of one page
)

// Sweep removes buckets that are full again and gives how many there were. It reads the table once from end to end, a
// thousand rows at a time, and passes over rows that somebody works on. After five million rows it ends; the next call
// begins anew, in a table that is shorter by what is gone. It is a job's, every few minutes. Error: fault.Unavailable.
func (l *Limiter) Sweep(ctx context.Context) (int64, error) {
	var all int64
	after := []byte{}
	for range sweepPages {
		gone, last, err := l.sweepPage(ctx, after)
		if err != nil {
			return all, err
		}
		all += gone
		l.metrics.swept.Add(float64(gone))
		if last == nil {
			return all, nil
		}
		after = last
	}
	l.log.WarnContext(ctx, "the table of attempts is longer than a sweep", "rows", sweepRows*sweepPages, "removed", all)
	return all, nil
}

// sweepPage sweeps what comes after an id. Last is the last id it has read, nil at the end. A bucket whose time is more
// than a minute ahead is left over from before a leap of the clock: it counts as full when as much time has passed.
func (l *Limiter) sweepPage(ctx context.Context, after []byte) (gone int64, last []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	err = l.pool.QueryRow(ctx, `
		with page as materialized (
			select id, at + debt <= $2 as full_again from limiter_bucket where id > $1 order by id limit $3
		), free as materialized (
			select b.id from limiter_bucket b join page p on p.id = b.id
			where p.full_again and b.at + b.debt <= $2 for update of b skip locked
		), gone as (
			delete from limiter_bucket b using free f where b.id = f.id returning 1
		)
		select (select count(*) from gone), (select id from page order by id desc limit 1)`,
		after, l.now().UnixMicro(), sweepRows).Scan(&gone, &last)
	if err != nil {
		return 0, nil, l.unavailable("sweep", err)
	}
	return gone, last, nil
}
