// Package query is what every question of the read side shares: whose data may be seen (Scope), how lists are
// cut into pages (Page, List, cursors), and how rows become structs.
//
// Below it lies one folder per context and in each one file per question, its SQL beside it. A question takes a
// read-only pool and answers with a struct whose JSON is the API's own: there is no third model in between. A
// customer's scope is part of each statement, so that a forgotten check shows nothing rather than everything; where
// the statement itself forgets it, the database's row security holds (Wall).
// Questions write nothing, know no clock (the caller says what now is), and no byte count or amount ever passes
// through a float.
package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/internal/fault"
)

// Postgres is the part of a pool that a question needs.
type Postgres interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Scope says whose objects a question may see. The zero value sees nothing.
type Scope struct {
	all      bool
	customer uuid.UUID
	person   uuid.UUID
}

// Staff sees everything.
func Staff() Scope { return Scope{all: true} }

// Customer sees what belongs to one customer.
func Customer(id uuid.UUID) Scope { return Scope{customer: id} }

// As says which of the customer's people asks: some rows are one person's alone.
func (s Scope) As(person uuid.UUID) Scope { s.person = person; return s }

// Owner is the statement's parameter: null for staff, else the only customer whose rows may be seen. The zero
// scope gives the nil UUID, which owns nothing.
func (s Scope) Owner() *uuid.UUID {
	if s.all {
		return nil
	}
	return &s.customer
}

// All runs a statement and gathers its rows by column name; no rows is an empty list, not nil.
func All[T any](ctx context.Context, db Postgres, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	items, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if items == nil {
		items = []T{}
	}
	return items, nil
}

// isUnstorable tells that a parameter is text which Postgres cannot hold (a zero byte): nothing is called that.
func isUnstorable(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "22021" // character_not_in_repertoire
}

// One runs a statement that answers with at most one row. No row is a fault of kind NotFound about the noun.
func One[T any](ctx context.Context, db Postgres, noun, sql string, args ...any) (T, error) {
	var none T
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return none, fmt.Errorf("query %s: %w", noun, err)
	}
	item, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) || isUnstorable(err) {
		return none, fault.New(fault.NotFound, noun+"_not_found", "there is no such %s", noun)
	}
	if err != nil {
		return none, fmt.Errorf("query %s: %w", noun, err)
	}
	return item, nil
}
