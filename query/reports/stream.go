package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

// ExportTime is how long an export may take, its reader's pace included.
const ExportTime = 10 * time.Minute

// Transactions is the part of a pool that a long statement needs.
type Transactions interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Stream is an export under way: a read-only transaction and its rows, which wait for their reader. Close it.
type Stream[T Row] struct {
	Range
	tx   pgx.Tx
	rows pgx.Rows
	more bool // whether rows stands on a row
}

// Open begins an export of all rows, in the order asked for; Page.Limit, if given, ends it earlier. It has seen the
// first row when it returns, so that whatever is wrong is known before anything is written. Errors: as List, and
// Invalid when there are more rows than an export may have.
func (r Report[T]) Open(ctx context.Context, db query.Postgres, q Request, now time.Time) (*Stream[T], error) {
	p, err := r.plan(ctx, db, q, now)
	if err != nil {
		return nil, err
	}
	most := cmp.Or(r.Most, MaxExportRows)
	p.arguments["rows"] = most + 1
	if q.Page.Limit > 0 {
		p.arguments["rows"], most = q.Page.Limit, math.MaxInt64
	}
	transactions, ok := db.(Transactions)
	if !ok {
		return nil, errors.New("exports need a pool that can begin a transaction")
	}
	tx, err := transactions.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", r.Name, err)
	}
	s := &Stream[T]{Range: p.Range, tx: tx}
	if err := s.begin(ctx, r.whole(p), p.arguments, int64(most)); err != nil {
		s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// begin lifts the bound of time of other statements, and reads the first row.
func (s *Stream[T]) begin(ctx context.Context, sql string, arguments pgx.NamedArgs, most int64) error {
	if _, err := s.tx.Exec(ctx, fmt.Sprintf("set local statement_timeout = %d", ExportTime.Milliseconds())); err != nil {
		return fmt.Errorf("bound the export: %w", err)
	}
	rows, err := s.tx.Query(ctx, sql, arguments)
	if err != nil {
		return fmt.Errorf("begin the export: %w", err)
	}
	s.rows = rows
	if s.more = rows.Next(); !s.more {
		return s.end()
	}
	first, err := pgx.RowToStructByName[T](rows)
	if err != nil {
		return fmt.Errorf("begin the export: %w", err)
	}
	if total := first.place().TotalRows; total > most {
		return fault.New(fault.Invalid, "export_too_large", "the range holds %d rows and an export at most %d: ask for fewer hours, or filter", total, most)
	}
	return nil
}

// Each gives every row to fn, until one is refused.
func (s *Stream[T]) Each(fn func(T) error) error {
	for ; s.more; s.more = s.rows.Next() {
		row, err := pgx.RowToStructByName[T](s.rows)
		if err != nil {
			return fmt.Errorf("read the export: %w", err)
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return s.end()
}

func (s *Stream[T]) end() error {
	if err := s.rows.Err(); err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	return nil
}

// Close ends the transaction. There is nothing to commit.
func (s *Stream[T]) Close(ctx context.Context) {
	if s.rows != nil {
		s.rows.Close()
	}
	_ = s.tx.Rollback(context.WithoutCancel(ctx)) // a connection that cannot roll back is dropped by its pool
}
