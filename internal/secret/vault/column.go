package vault

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/secret/keyring"
)

// Column holds sealed values. Key is the column, unique in its table, whose text is the Row of a value's Place.
type Column struct{ Table, Name, Key string }

// At is the place of the value in the row with this key.
func (c Column) At(row string) keyring.Place {
	return keyring.Place{Table: c.Table, Column: c.Name, Row: row}
}

func (c Column) String() string { return c.Table + "." + c.Name }

func (c Column) table() string { return pgx.Identifier{"public", c.Table}.Sanitize() }
func (c Column) name() string  { return pgx.Identifier{c.Name}.Sanitize() }
func (c Column) key() string   { return pgx.Identifier{c.Key}.Sanitize() }

const selectColumns = `
select c.relname, t.tgargs, t.tgenabled in ('O', 'A') from pg_trigger t join pg_class c on c.oid = t.tgrelid
where t.tgfoid = 'public.secret_guard'::regproc and t.tgparentid = 0 and c.relnamespace = 'public'::regnamespace
order by c.relname, t.tgname`

// Columns lists the columns of sealed values, which are those that have the guard.
func Columns(ctx context.Context, from Querier) ([]Column, error) {
	rows, err := from.Query(ctx, selectColumns)
	if err != nil {
		return nil, fmt.Errorf("look for sealed columns: %w", err)
	}
	var all []Column
	var table string
	var arguments []byte
	var enabled bool
	_, err = pgx.ForEachRow(rows, []any{&table, &arguments, &enabled}, func() error {
		parts := bytes.Split(arguments, []byte{0}) // each ends with one
		if len(parts) != 3 {
			return fmt.Errorf("the guard on %s needs two arguments, the column and its table's key", table)
		}
		column := Column{Table: table, Name: string(parts[0]), Key: string(parts[1])}
		if !enabled {
			return fmt.Errorf("the guard on %s is disabled: alter table %s enable trigger", column, table)
		}
		all = append(all, column)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for sealed columns: %w", err)
	}
	return all, nil
}

// Counted is how many values each key has sealed in a column.
type Counted struct {
	Column
	ByKey    map[KeyID]int64
	Unsealed int64 // what is no sealed value at all: there before the guard was
}

// Count counts the values of columns. It reads them whole.
func Count(ctx context.Context, from Querier, columns []Column) ([]Counted, error) {
	all := make([]Counted, 0, len(columns))
	for _, column := range columns {
		counted := Counted{Column: column, ByKey: map[KeyID]int64{}}
		sql := fmt.Sprintf(`select secret_key_of(%[1]s), count(*) from %[2]s where %[1]s is not null group by 1`, column.name(), column.table())
		rows, err := from.Query(ctx, sql)
		if err != nil {
			return nil, fmt.Errorf("count the values of %s: %w", column, err)
		}
		var key *int64
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&key, &n}, func() error {
			if key == nil {
				counted.Unsealed = n
			} else {
				counted.ByKey[KeyID(*key)] = n
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("count the values of %s: %w", column, err)
		}
		all = append(all, counted)
	}
	return all, nil
}

// SealedBy sums over columns what a key has sealed.
func SealedBy(all []Counted, key KeyID) (n int64) {
	for _, c := range all {
		n += c.ByKey[key]
	}
	return n
}
