package access

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// EndSessions signs a person out of all sessions, or of all but the one in use; one of the staff also where they look at
// an account as somebody else. A change of address that waits for its link ends too: whoever is signed out may have asked
// for it.
type EndSessions struct {
	PersonID uuid.UUID  `json:"person_id"`
	But      *uuid.UUID `json:"but,omitempty"`
	At       time.Time  `json:"at"`
}

// Name is the command's name.
func (EndSessions) Name() string { return "access.EndSessions" }

// Aggregates is the person.
func (c EndSessions) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c EndSessions) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.At(&fields, c.At)
	return fields.Err()
}

// Handle ends the sessions.
func (c EndSessions) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ended, []events.Event, error) {
	if err := ending.Moves(ctx, tx, c.PersonID, c.At); err != nil {
		return Ended{}, nil, err
	}
	n, err := ending.Sessions(ctx, tx, c.PersonID, c.At, c.But)
	if err != nil {
		return Ended{}, nil, err
	}
	return ended(int64(n)), nil, nil
}
