// Package provisioning decides which customer has which service on which plan. Creating one also opens its
// billing cycle and assigns its first prefixes: what is not metered from the first moment is lost.
package provisioning

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/assignments"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/cycles"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

const (
	maxPrefixes = 1000
	maxAhead    = 366 * 24 * time.Hour // how far in the future a service may begin
)

// CreateService gives a customer a service. Since is cut to its whole hour UTC and anchors the cycles: they begin
// on its day of the month, at its hour. The cycle that holds the present (the first, for a service that begins
// later) is opened; there is none for the time before it. Prefixes belong to the service from Since on.
type CreateService struct {
	ServiceID   uuid.UUID         `json:"service_id"`
	CycleID     uuid.UUID         `json:"cycle_id"`
	ServiceName string            `json:"name"`
	CustomerID  uuid.UUID         `json:"customer_id"`
	PlanID      uuid.UUID         `json:"plan_id"`
	Since       time.Time         `json:"since,omitzero"` // zero: now
	Prefixes    []AssignmentInput `json:"prefixes"`
}

// AssignmentInput is one prefix of a new service.
type AssignmentInput struct {
	AssignmentID uuid.UUID  `json:"assignment_id"`
	Prefix       string     `json:"prefix"`
	AttachmentID *uuid.UUID `json:"attachment_id,omitempty"` // the only exporter that counts its traffic; nil: each does
}

// CreatedService is the answer: the service and its running cycle.
type CreatedService struct {
	ServiceID     uuid.UUID     `json:"service_id"`
	CycleID       uuid.UUID     `json:"cycle_id"`
	Since         time.Time     `json:"since"`
	Period        events.Period `json:"period"`
	AssignmentIDs []uuid.UUID   `json:"assignment_ids"`
}

// Name is the command's name.
func (CreateService) Name() string { return "provisioning.CreateService" }

// Aggregates is the service and its cycle, both new.
func (c CreateService) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}, {Type: events.TypeCycle, ID: c.CycleID}}
}

// Validate checks the fields.
func (c CreateService) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "service_id", c.ServiceID)
	check.ID(&fields, "cycle_id", c.CycleID)
	check.ID(&fields, "customer_id", c.CustomerID)
	check.ID(&fields, "plan_id", c.PlanID)
	check.Name(&fields, "name", c.ServiceName)
	fields.Check(len(c.Prefixes) <= maxPrefixes, "prefixes", "are more than %d", maxPrefixes)
	seen := map[netip.Prefix]bool{{}: false}
	for i, input := range c.Prefixes {
		check.ID(&fields, fmt.Sprintf("prefixes[%d].assignment_id", i), input.AssignmentID)
		path := fmt.Sprintf("prefixes[%d].prefix", i)
		p := check.Prefix(&fields, path, input.Prefix)
		fields.Check(!seen[p], path, "%s is there twice", p)
		seen[p] = p.IsValid()
	}
	return fields.Err()
}

// Constraints says what a second service of the name, or a missing customer, means.
func (c CreateService) Constraints() map[string]*fault.Error {
	return assignments.NoExporter(map[string]*fault.Error{
		"service_name_key":         fault.New(fault.Conflict, "service_exists", "a service named %s exists already", c.ServiceName),
		"service_pkey":             fault.New(fault.Conflict, "service_exists", "service %s exists already", c.ServiceID),
		"service_customer_id_fkey": fault.New(fault.NotFound, "customer_not_found", "there is no customer %s", c.CustomerID),
	})
}

const insertService = `
insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at)
select $1, $2, $3, id, $5, $6, $7 from plan where id = $4
returning (select interval from plan where id = $4)`

// Handle writes the service, its cycle and its assignments.
func (c CreateService) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (CreatedService, []events.Event, error) {
	since, err := c.begin(meta.Now)
	if err != nil {
		return CreatedService{}, nil, err
	}
	var interval period.Interval
	err = tx.QueryRow(ctx, insertService, c.ServiceID, c.ServiceName, c.CustomerID, c.PlanID, since, since.Day(), meta.Now).Scan(&interval)
	if errors.Is(err, pgx.ErrNoRows) {
		return CreatedService{}, nil, fault.New(fault.NotFound, "plan_not_found", "there is no plan %s", c.PlanID)
	}
	if err != nil {
		return CreatedService{}, nil, fmt.Errorf("insert service %s: %w", c.ServiceID, err)
	}
	current := meta.Now
	if since.After(current) {
		current = since
	}
	cycle, err := period.Containing(since, interval, current)
	if err != nil {
		return CreatedService{}, nil, fmt.Errorf("find the running cycle of service %s: %w", c.ServiceID, err)
	}
	return c.open(ctx, tx, since, cycle)
}

func (c CreateService) open(ctx context.Context, tx pgx.Tx, since time.Time, cycle period.Period) (CreatedService, []events.Event, error) {
	opened, err := cycles.Open(ctx, tx, c.CycleID, c.ServiceID, cycle)
	if err != nil {
		return CreatedService{}, nil, err
	}
	created := CreatedService{ServiceID: c.ServiceID, CycleID: c.CycleID, Since: since, Period: opened.Period}
	list := make([]assignments.Assignment, len(c.Prefixes))
	for i, input := range c.Prefixes {
		list[i] = assignments.Assignment{ID: input.AssignmentID, Prefix: netip.MustParsePrefix(input.Prefix), Attachment: input.AttachmentID, Field: fmt.Sprintf("prefixes[%d].prefix", i)}
		created.AssignmentIDs = append(created.AssignmentIDs, input.AssignmentID)
	}
	assigned, err := assignments.Assign(ctx, tx, assignments.Holding{ServiceID: c.ServiceID, CustomerID: c.CustomerID, From: since}, list)
	if err != nil {
		return CreatedService{}, nil, err
	}
	news := []events.Event{events.ServiceCreated{ServiceID: c.ServiceID, CustomerID: c.CustomerID, PlanID: c.PlanID, Since: since}}
	return created, append(append(news, assigned...), opened), nil
}

func (c CreateService) begin(now time.Time) (time.Time, error) {
	if c.Since.IsZero() {
		return period.Hour(now), nil
	}
	if c.Since.After(now.Add(maxAhead)) {
		var fields fault.Fields
		fields.Add("since", "lies more than a year ahead")
		return time.Time{}, fields.Err()
	}
	return period.Hour(c.Since), nil
}
