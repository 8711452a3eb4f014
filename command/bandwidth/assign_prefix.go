package bandwidth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/assignments"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// AssignPrefix gives a service a prefix for an interval. From may lie in the past, back to the service's
// beginning: what is still on its way is attributed to it; traffic counted before now is so only when it is metered anew
// (RemeterUsage).
type AssignPrefix struct {
	AssignmentID uuid.UUID  `json:"assignment_id"`
	ServiceID    uuid.UUID  `json:"service_id"`
	Prefix       string     `json:"prefix"`
	From         time.Time  `json:"from,omitzero"`           // zero: now
	To           *time.Time `json:"to,omitempty"`            // exclusive; nil lasts
	AttachmentID *uuid.UUID `json:"attachment_id,omitempty"` // the only exporter that counts its traffic; nil: each does
}

// Assigned is the answer of the assignments' commands.
type Assigned struct {
	AssignmentID uuid.UUID  `json:"assignment_id"`
	ServiceID    uuid.UUID  `json:"service_id"`
	Prefix       string     `json:"prefix"`
	From         time.Time  `json:"from"`
	To           *time.Time `json:"to,omitempty"`
	AttachmentID *uuid.UUID `json:"attachment_id,omitempty"`
	command.Change
}

// Name is the command's name.
func (AssignPrefix) Name() string { return "bandwidth.AssignPrefix" }

// Aggregates is the service.
func (c AssignPrefix) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}}
}

// Validate checks the fields.
func (c AssignPrefix) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "assignment_id", c.AssignmentID)
	check.ID(&fields, "service_id", c.ServiceID)
	check.Prefix(&fields, "prefix", c.Prefix)
	fields.Check(c.To == nil || c.From.IsZero() || c.To.After(c.From), "to", "must be after from")
	checkAttachment(&fields, c.AttachmentID)
	return fields.Err()
}

// Constraints says what an id that is taken, or an attachment to nothing, means.
func (c AssignPrefix) Constraints() map[string]*fault.Error { return takenAssignment(c.AssignmentID) }

func takenAssignment(id uuid.UUID) map[string]*fault.Error {
	return assignments.NoExporter(map[string]*fault.Error{
		"assignment_pkey": fault.New(fault.Conflict, "assignment_exists", "assignment %s exists already", id)})
}

func checkAttachment(fields *fault.Fields, id *uuid.UUID) {
	fields.Check(id == nil || *id != uuid.Nil, "attachment_id", "is no id; leave it out for none")
}

// Handle writes the assignment.
func (c AssignPrefix) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Assigned, []events.Event, error) {
	from, to := orNow(c.From, meta.Now), c.To
	if to != nil {
		end := check.Instant(*to)
		to = &end
	}
	return assign(ctx, tx, "from", Assigned{AssignmentID: c.AssignmentID, ServiceID: c.ServiceID, Prefix: c.Prefix, From: from, To: to,
		AttachmentID: c.AttachmentID})
}

const selectService = `select customer_id, since from service where id = $1`

// assign writes the assignment a. start is the input field that a.From came from.
func assign(ctx context.Context, tx pgx.Tx, start string, a Assigned) (Assigned, []events.Event, error) {
	var fields fault.Fields
	p := check.Prefix(&fields, "prefix", a.Prefix)
	holding := assignments.Holding{ServiceID: a.ServiceID, From: a.From, To: a.To}
	var since time.Time
	err := tx.QueryRow(ctx, selectService, a.ServiceID).Scan(&holding.CustomerID, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return Assigned{}, nil, fault.New(fault.NotFound, "service_not_found", "there is no service %s", a.ServiceID)
	}
	if err != nil {
		return Assigned{}, nil, fmt.Errorf("select service %s: %w", a.ServiceID, err)
	}
	fields.Check(!a.From.Before(since), start, "lies before the service's beginning, %s", since.Format(time.RFC3339))
	fields.Check(a.To == nil || a.To.After(a.From), "to", "must be after the beginning")
	if err := fields.Err(); err != nil {
		return Assigned{}, nil, err
	}
	news, err := assignments.Assign(ctx, tx, holding, []assignments.Assignment{{ID: a.AssignmentID, Prefix: p, Attachment: a.AttachmentID, Field: "prefix"}})
	if err != nil {
		return Assigned{}, nil, err
	}
	return a, news, nil
}

func orNow(t, now time.Time) time.Time {
	if t.IsZero() {
		t = now
	}
	return check.Instant(t)
}
