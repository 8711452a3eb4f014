package account

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

const maxNote = 4000 // characters

// WriteNote keeps what staff write down about an account. A note is not changed any more; another corrects it.
type WriteNote struct {
	NoteID     uuid.UUID `json:"note_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	Text       string    `json:"text" audit:"redact"`
}

// Note is the answer.
type Note struct {
	NoteID uuid.UUID `json:"note_id"`
}

// Name is the command's name.
func (WriteNote) Name() string { return "account.WriteNote" }

// Aggregates is the account.
func (c WriteNote) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}}
}

// Validate checks the fields.
func (c WriteNote) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "note_id", c.NoteID)
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Prose(&fields, "text", c.Text, maxNote)
	return fields.Err()
}

// Constraints says what is not there.
func (c WriteNote) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"customer_note_customer_id_fkey": fault.New(fault.NotFound, "customer_not_found", "there is no customer %s", c.CustomerID),
	}
}

const insertNote = `insert into customer_note (id, customer_id, author, text, created_at) values ($1, $2, $3, $4, $5)`

// Handle writes the note.
func (c WriteNote) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Note, []events.Event, error) {
	if _, err := tx.Exec(ctx, insertNote, c.NoteID, c.CustomerID, meta.Actor, c.Text, meta.Now); err != nil {
		return Note{}, nil, fmt.Errorf("insert note: %w", err)
	}
	return Note{NoteID: c.NoteID}, nil, nil
}
