// Package credential decides about what people prove themselves with: passwords, passkeys, authenticators and recovery
// codes. What was shown is verified by who calls, outside of a transaction, since a hash takes its time and a seed has to
// be opened. The commands decide what only the database can: whether it still counts, in the statement that uses it up.
// So of any number that show the same code or the same signature at once, one is let in.
//
// Nothing here is a secret but hashes and sealed seeds, and those are kept out of the audit row.
package credential

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Used is the answer of commands that use something up.
type Used struct {
	PersonID uuid.UUID `json:"person_id"`
	command.Change
}

func person(id uuid.UUID) []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: id}}
}

// spent is a fault: what was shown has been used before, or is not there any more.
func spent() error {
	return fault.New(fault.Forbidden, "proof_spent", "this was used before, or no longer counts")
}

// use runs a statement that changes one row, or none where what was shown does not count.
func use(ctx context.Context, tx pgx.Tx, what, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("use a %s: %w", what, err)
	}
	if tag.RowsAffected() == 0 {
		return spent()
	}
	return nil
}

func checkPerson(id uuid.UUID) (fields fault.Fields) {
	check.ID(&fields, "person_id", id)
	return fields
}
