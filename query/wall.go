package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type scopeKey struct{}

// WithScope says who asks, for a Wall. It is set once, where a request is found to be somebody's.
func WithScope(ctx context.Context, scope Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

// Wall asks for whom the context says, whatever scope a question was given: where a statement forgot its scope, the
// rows of others are not there (schemas/postgres/00014_row_security.sql). A context that says nobody sees no row.
type Wall struct{ pool *pgxpool.Pool }

// NewWall makes a wall before a pool of the role ezscale_query, whose login user may become ezscale_customer.
func NewWall(pool *pgxpool.Pool) *Wall { return &Wall{pool: pool} }

// enterSQL takes the role of customers until the transaction ends.
const enterSQL = `select set_config('role', 'ezscale_customer', true), set_config('app.customer', $1, true),
	set_config('app.person', $2, true), set_config('transaction_read_only', 'on', true)`

// walled makes another text of a customer's statement: it has a plan of its own, since one plan for both roles would
// be made anew at each change between them.
const walled = "/* customer */ "

// setting is an id as the policies read it; empty for nobody.
func setting(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// Query runs a statement. Both statements go in one message and are one transaction, which ends where the message
// does (the protocol's Sync), so no connection is left with the role: not after an error, not when it was cut off.
func (w *Wall) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	scope, _ := ctx.Value(scopeKey{}).(Scope)
	if scope.all {
		return w.pool.Query(ctx, sql, args...)
	}
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		err = fmt.Errorf("ask for a customer: %w", err)
		return failed{err: err}, err
	}
	batch := &pgx.Batch{}
	batch.Queue(enterSQL, setting(scope.customer), setting(scope.person))
	batch.Queue(walled+sql, args...)
	results := conn.SendBatch(ctx, batch)
	_, _ = results.Exec() // what failed is told again below
	rows, err := results.Query()
	r := &walledRows{Rows: rows, results: results, conn: conn}
	if err != nil {
		r.Close()
	}
	return r, err
}

// BeginTx begins a transaction for staff, whose exports are long statements. Customers have no question that needs one.
func (w *Wall) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if scope, _ := ctx.Value(scopeKey{}).(Scope); !scope.all {
		return nil, errors.New("the wall begins transactions for staff alone")
	}
	return w.pool.BeginTx(ctx, options)
}

// Check proves that the pool's login user may take the role, which a user of one's own for the read side may lack.
func (w *Wall) Check(ctx context.Context) error {
	if err := w.QueryRow(WithScope(ctx, Scope{}), `select`).Scan(); err != nil {
		return fmt.Errorf("take the role of customers: %w", err)
	}
	return nil
}

// QueryRow runs a statement that gives one row; Scan tells what failed.
func (w *Wall) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, _ := w.Query(ctx, sql, args...) // Scan tells
	return walledRow{rows}
}

// walledRows gives its connection back when the last row was read.
type walledRows struct {
	pgx.Rows
	results pgx.BatchResults
	conn    *pgxpool.Conn // nil when given back
	err     error
}

func (r *walledRows) Close() {
	r.Rows.Close()
	if r.conn == nil {
		return
	}
	r.err = r.results.Close() // reads to the transaction's end; a connection that did not get there is thrown away
	r.conn.Release()
	r.conn = nil
}

func (r *walledRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *walledRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

type walledRow struct{ rows pgx.Rows }

func (r walledRow) Scan(into ...any) error {
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// failed is the rows of a statement that was never sent.
type failed struct {
	pgx.Rows
	err error
}

func (failed) Close()              {}
func (failed) Next() bool          { return false }
func (f failed) Err() error        { return f.err }
func (f failed) Scan(...any) error { return f.err }
