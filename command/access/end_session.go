package access

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// EndSession signs a person out of one session. One that is over already is no fault.
type EndSession struct {
	SessionID uuid.UUID `json:"session_id"`
	PersonID  uuid.UUID `json:"person_id"` // whose it has to be
	At        time.Time `json:"at"`
}

// Ended is the answer: how many sessions ended.
type Ended struct {
	Sessions int64 `json:"sessions"`
	command.Change
}

// openSessions are what the end of sessions changes, for the audit row: how many of those that the order is about are open.
type openSessions struct {
	Open int64 `json:"open_sessions"`
}

func ended(n int64) Ended {
	return Ended{Sessions: n, Change: command.Change{Before: openSessions{n}, After: openSessions{}}}
}

// Name is the command's name.
func (EndSession) Name() string { return "access.EndSession" }

// Aggregates is the session.
func (c EndSession) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeSession, ID: c.SessionID}}
}

// Validate checks the fields.
func (c EndSession) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "session_id", c.SessionID)
	check.ID(&fields, "person_id", c.PersonID)
	check.At(&fields, c.At)
	return fields.Err()
}

const endOwnSession = `update session set ended_at = $3 where id = $1 and person_id = $2 and ended_at is null`

// Handle ends the session.
func (c EndSession) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ended, []events.Event, error) {
	tag, err := tx.Exec(ctx, endOwnSession, c.SessionID, c.PersonID, c.At)
	if err != nil {
		return Ended{}, nil, fmt.Errorf("end session %s: %w", c.SessionID, err)
	}
	return ended(tag.RowsAffected()), nil, nil
}
