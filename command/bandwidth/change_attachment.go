package bandwidth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangeAttachment says which exporter counts a prefix's traffic from now on: where several see it, the one it is
// attached to, and the others keep theirs as evidence. The assignment ends and a new one begins at the same
// instant, so that what was counted until now still says by whom.
type ChangeAttachment struct {
	AssignmentID uuid.UUID  `json:"assignment_id"` // of the new row
	ServiceID    uuid.UUID  `json:"service_id"`
	Prefix       string     `json:"prefix"`
	AttachmentID *uuid.UUID `json:"attachment_id,omitempty"` // nil: each exporter counts
}

// Name is the command's name.
func (ChangeAttachment) Name() string { return "bandwidth.ChangeAttachment" }

// Aggregates is the service.
func (c ChangeAttachment) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}}
}

// Validate checks the fields.
func (c ChangeAttachment) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "assignment_id", c.AssignmentID)
	check.ID(&fields, "service_id", c.ServiceID)
	check.Prefix(&fields, "prefix", c.Prefix)
	checkAttachment(&fields, c.AttachmentID)
	return fields.Err()
}

// Constraints says what an id that is taken, or an attachment to nothing, means.
func (c ChangeAttachment) Constraints() map[string]*fault.Error {
	return takenAssignment(c.AssignmentID)
}

// Handle ends the assignment and begins the new one. It does nothing when the prefix is attached so already.
func (c ChangeAttachment) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Assigned, []events.Event, error) {
	now := check.Instant(meta.Now)
	current, err := c.current(ctx, tx, now)
	if err != nil || equal(current.AttachmentID, c.AttachmentID) {
		return current, nil, err
	}
	released, err := release(ctx, tx, ReleasePrefix{ServiceID: c.ServiceID, Prefix: c.Prefix, At: now}, meta.Now)
	if err != nil {
		return Assigned{}, nil, err
	}
	answer, assigned, err := assign(ctx, tx, "prefix",
		Assigned{AssignmentID: c.AssignmentID, ServiceID: c.ServiceID, Prefix: c.Prefix, From: now, To: released.until, AttachmentID: c.AttachmentID})
	if err != nil {
		return Assigned{}, nil, err
	}
	answer.Change = command.Change{Before: attached{current.AttachmentID}, After: attached{c.AttachmentID}}
	return answer, append([]events.Event{released.PrefixReleased}, assigned...), nil
}

// attached is what this command changes, for the audit row.
type attached struct {
	AttachmentID *uuid.UUID `json:"attachment_id"`
}

const selectAssignment = `
select id, lower(valid), upper(valid), attachment_id from assignment where service_id = $1 and prefix = $2 and valid @> $3::timestamptz`

func (c ChangeAttachment) current(ctx context.Context, tx pgx.Tx, now time.Time) (Assigned, error) {
	a := Assigned{ServiceID: c.ServiceID, Prefix: c.Prefix}
	err := tx.QueryRow(ctx, selectAssignment, c.ServiceID, netip.MustParsePrefix(c.Prefix), now).Scan(&a.AssignmentID, &a.From, &a.To, &a.AttachmentID)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, fault.New(fault.NotFound, "not_assigned", "%s does not belong to the service now", c.Prefix)
	}
	if err != nil {
		return a, fmt.Errorf("select the assignment of %s: %w", c.Prefix, err)
	}
	return a, nil
}

func equal(a, b *uuid.UUID) bool {
	return a == b || a != nil && b != nil && *a == *b
}
