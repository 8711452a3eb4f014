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
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

// maxBack is how far back in time a prefix may leave a service that has metered usage since.
const maxBack = 5 * time.Minute

// ReleasePrefix ends a service's assignment of a prefix. At may lie ahead. It may lie more than five minutes back
// only if the service has no usage since, or with Corrects: what was counted is not taken back by itself.
type ReleasePrefix struct {
	ServiceID uuid.UUID `json:"service_id"`
	Prefix    string    `json:"prefix"`
	At        time.Time `json:"at,omitzero"`        // zero: now
	Corrects  bool      `json:"corrects,omitempty"` // the past was written down wrong; its usage will be metered anew
}

// Name is the command's name.
func (ReleasePrefix) Name() string { return "bandwidth.ReleasePrefix" }

// Aggregates is the service.
func (c ReleasePrefix) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeService, ID: c.ServiceID}}
}

// Validate checks the fields.
func (c ReleasePrefix) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "service_id", c.ServiceID)
	check.Prefix(&fields, "prefix", c.Prefix)
	return fields.Err()
}

// Handle ends the assignment.
func (c ReleasePrefix) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Assigned, []events.Event, error) {
	released, err := release(ctx, tx, c, meta.Now)
	if err != nil {
		return Assigned{}, nil, err
	}
	answer := Assigned{AssignmentID: released.AssignmentID, ServiceID: c.ServiceID, Prefix: c.Prefix, From: released.from, To: &released.To,
		AttachmentID: released.attachment, Change: shortened(released.until, released.To)}
	return answer, []events.Event{released.PrefixReleased}, nil
}

type ended struct {
	events.PrefixReleased
	from       time.Time
	until      *time.Time // how long it would have lasted; nil: for ever
	attachment *uuid.UUID
}

// lasting is what a release changes, for the audit row.
type lasting struct {
	To *time.Time `json:"to"` // nil: for ever
}

func shortened(until *time.Time, to time.Time) command.Change {
	if until != nil {
		utc := until.UTC()
		until = &utc
	}
	to = to.UTC()
	return command.Change{Before: lasting{until}, After: lasting{&to}}
}

const shortenAssignment = `
update assignment a set valid = tstzrange(lower(a.valid), $3)
from service s
where s.id = a.service_id and a.service_id = $1 and a.prefix = $2 and a.valid @> $3::timestamptz and lower(a.valid) < $3
returning a.id, s.customer_id, lower(a.valid), upper(old.valid), a.attachment_id`

// release ends the assignment that holds c.At.
func release(ctx context.Context, tx pgx.Tx, c ReleasePrefix, now time.Time) (ended, error) {
	serviceID, prefix, at := c.ServiceID, c.Prefix, orNow(c.At, now)
	if !c.Corrects {
		if err := refusePast(ctx, tx, serviceID, at, now, "say that this corrects the past, and meter the time since anew; or release or move its prefix"); err != nil {
			return ended{}, err
		}
	}
	released := ended{PrefixReleased: events.PrefixReleased{ServiceID: serviceID, Prefix: prefix, To: at}}
	err := tx.QueryRow(ctx, shortenAssignment, serviceID, netip.MustParsePrefix(prefix), at).
		Scan(&released.AssignmentID, &released.CustomerID, &released.from, &released.until, &released.attachment)
	if errors.Is(err, pgx.ErrNoRows) {
		return released, fault.New(fault.NotFound, "not_assigned", "%s does not belong to the service before and at %s", prefix, at.Format(time.RFC3339))
	}
	if err != nil {
		return released, fmt.Errorf("release %s from service %s: %w", prefix, serviceID, err)
	}
	return released, nil
}

// Usage is kept by hour and service, so the whole hour of at is looked at, and every prefix of the service.
const selectUsageSince = `
select exists (select from usage_hourly where service_id = $1 and hour >= $2
               and bytes_in_l2 + bytes_out_l2 + bytes_in_l3 + bytes_out_l3 > 0)`

// refusePast refuses an order about a time that lies too far back. advice is what to do from now on instead.
func refusePast(ctx context.Context, tx pgx.Tx, serviceID uuid.UUID, at, now time.Time, advice string) error {
	if !at.Before(now.Add(-maxBack)) {
		return nil
	}
	var used bool
	if err := tx.QueryRow(ctx, selectUsageSince, serviceID, period.Hour(at)).Scan(&used); err != nil {
		return fmt.Errorf("select usage of service %s: %w", serviceID, err)
	}
	if used {
		return fault.New(fault.Conflict, "usage_counted", "the service has metered usage since %s, which is not taken back by itself; "+
			"%s from now on, or at most %d minutes back", at.Format(time.RFC3339), advice, int(maxBack.Minutes()))
	}
	return nil
}
