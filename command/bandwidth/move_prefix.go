package bandwidth

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// MovePrefix takes a prefix from one service and gives it to another at the same instant, in one transaction:
// there is no moment when it belongs to both, or to neither. The new assignment lasts as long as the old one
// would have, and keeps its attachment unless another is given. At may lie back in time as ReleasePrefix allows.
type MovePrefix struct {
	AssignmentID  uuid.UUID  `json:"assignment_id"`
	Prefix        string     `json:"prefix"`
	FromServiceID uuid.UUID  `json:"from_service_id"`
	ToServiceID   uuid.UUID  `json:"to_service_id"`
	At            time.Time  `json:"at,omitzero"`             // zero: now
	AttachmentID  *uuid.UUID `json:"attachment_id,omitempty"` // nil: as it was
	Corrects      bool       `json:"corrects,omitempty"`      // the past was written down wrong; its usage will be metered anew
}

// Name is the command's name.
func (MovePrefix) Name() string { return "bandwidth.MovePrefix" }

// Aggregates is both services.
func (c MovePrefix) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.FromServiceID}, {Type: events.TypeService, ID: c.ToServiceID}}
}

// Validate checks the fields.
func (c MovePrefix) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "assignment_id", c.AssignmentID)
	check.ID(&fields, "from_service_id", c.FromServiceID)
	check.ID(&fields, "to_service_id", c.ToServiceID)
	fields.Check(c.FromServiceID != c.ToServiceID, "to_service_id", "is the service that has the prefix")
	check.Prefix(&fields, "prefix", c.Prefix)
	checkAttachment(&fields, c.AttachmentID)
	return fields.Err()
}

// Constraints says what an id that is taken, or an attachment to nothing, means.
func (c MovePrefix) Constraints() map[string]*fault.Error { return takenAssignment(c.AssignmentID) }

// holder is what a move changes, for the audit row.
type holder struct {
	ServiceID    uuid.UUID  `json:"service_id"`
	AttachmentID *uuid.UUID `json:"attachment_id"`
}

// Handle ends the old assignment and begins the new one.
func (c MovePrefix) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Assigned, []events.Event, error) {
	at := orNow(c.At, meta.Now)
	released, err := release(ctx, tx, ReleasePrefix{ServiceID: c.FromServiceID, Prefix: c.Prefix, At: at, Corrects: c.Corrects}, meta.Now)
	if err != nil {
		return Assigned{}, nil, err
	}
	attachment := c.AttachmentID
	if attachment == nil {
		attachment = released.attachment
	}
	answer, assigned, err := assign(ctx, tx, "at",
		Assigned{AssignmentID: c.AssignmentID, ServiceID: c.ToServiceID, Prefix: c.Prefix, From: at, To: released.until, AttachmentID: attachment})
	if err != nil {
		return Assigned{}, nil, err
	}
	answer.Change = command.Change{Before: holder{c.FromServiceID, released.attachment}, After: holder{c.ToServiceID, attachment}}
	return answer, append([]events.Event{released.PrefixReleased}, assigned...), nil
}
