package command

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/command/outbox"
)

const rollbackBound = 5 * time.Second

// transaction is the pgx.Tx that handlers see. pgx's own spends a round trip on BEGIN and one on COMMIT; this
// one sends them with the kernel's own statements. Handlers cannot end it.
type transaction struct {
	conn   *pgx.Conn
	opened bool
	ended  bool
	points int // savepoints made
}

// errKernelEnds keeps a handler from committing half of a command.
type errKernelEnds struct{}

func (errKernelEnds) Error() string { return "only the kernel ends a command's transaction" }

func (t *transaction) open(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	t.opened = true
	return t.conn.SendBatch(ctx, b)
}

// send runs a batch. With events its first result is the count of refused ones.
func (t *transaction) send(ctx context.Context, b *pgx.Batch, withEvents bool) error {
	results := t.conn.SendBatch(ctx, b)
	err := readFinish(results, b.Len(), withEvents)
	if closed := results.Close(); err == nil && closed != nil {
		err = closed
	}
	return err
}

func (t *transaction) sendAndCommit(ctx context.Context, b *pgx.Batch, withEvents bool) error {
	b.Queue("commit")
	if err := t.send(ctx, b, withEvents); err != nil {
		return err
	}
	t.ended = true
	return nil
}

func readFinish(results pgx.BatchResults, count int, withEvents bool) error {
	if withEvents {
		var refused int64
		if err := results.QueryRow().Scan(&refused); err != nil {
			return fmt.Errorf("append to the outbox: %w", err)
		}
		if refused > 0 {
			return fmt.Errorf("%d events: %w", refused, outbox.ErrNotLocked)
		}
		count--
	}
	for range count {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("write the command's books: %w", err)
		}
	}
	return nil
}

// abandon rolls back what was not committed. A connection that cannot even do that is closed, and with it the
// transaction.
func (t *transaction) abandon() {
	if !t.opened || t.ended || t.conn.IsClosed() {
		return
	}
	t.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), rollbackBound)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "rollback"); err != nil {
		_ = t.conn.Close(ctx) // the server ends the transaction with the connection
	}
}

func (t *transaction) Begin(ctx context.Context) (pgx.Tx, error) {
	t.points++
	s := &savepoint{transaction: t, name: fmt.Sprintf("point_%d", t.points)}
	if _, err := t.conn.Exec(ctx, "savepoint "+s.name); err != nil {
		return nil, err
	}
	return s, nil
}

func (t *transaction) Commit(context.Context) error   { return errKernelEnds{} }
func (t *transaction) Rollback(context.Context) error { return errKernelEnds{} }

func (t *transaction) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

func (t *transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.conn.SendBatch(ctx, b)
}

// LargeObjects belong to no command; the empty value has none.
func (t *transaction) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

func (t *transaction) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	return t.conn.Prepare(ctx, name, sql)
}

func (t *transaction) Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error) {
	return t.conn.Exec(ctx, sql, arguments...)
}

func (t *transaction) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	return t.conn.Query(ctx, sql, arguments...)
}

func (t *transaction) QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row {
	return t.conn.QueryRow(ctx, sql, arguments...)
}

func (t *transaction) Conn() *pgx.Conn { return t.conn }

// savepoint is a part of a transaction that a handler may undo alone.
type savepoint struct {
	*transaction
	name  string
	ended bool
}

func (s *savepoint) Commit(ctx context.Context) error { return s.end(ctx, "release savepoint "+s.name) }

func (s *savepoint) Rollback(ctx context.Context) error {
	return s.end(ctx, "rollback to savepoint "+s.name)
}

func (s *savepoint) end(ctx context.Context, sql string) error {
	if s.ended {
		return pgx.ErrTxClosed
	}
	s.ended = true
	_, err := s.conn.Exec(ctx, sql)
	return err
}
