package access

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// EndSession signs a person out of one session. One that is over already is no fault. Said at another session, a change of
// address that waits for its link ends too, as with EndSessions: whoever sat there may have asked for it.
type EndSession struct {
	SessionID uuid.UUID `json:"session_id"`
	PersonID  uuid.UUID `json:"person_id"`           // whose it has to be
	Elsewhere bool      `json:"elsewhere,omitempty"` // it is not the session at which the person says so
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

// Aggregates is the session; and the person where links end, so that none comes to be that was begun at it.
func (c EndSession) Aggregates() []events.Aggregate {
	all := []events.Aggregate{{Type: events.TypeSession, ID: c.SessionID}}
	if c.Elsewhere {
		all = append(all, events.Aggregate{Type: events.TypePerson, ID: c.PersonID})
	}
	return all
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
	if c.Elsewhere && tag.RowsAffected() > 0 {
		if err := ending.Moves(ctx, tx, c.PersonID, c.At); err != nil {
			return Ended{}, nil, err
		}
	}
	return ended(tag.RowsAffected()), nil, nil
}
