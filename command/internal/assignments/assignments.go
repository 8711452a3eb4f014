// Package assignments writes which prefix belongs to which service when: provisioning assigns the first ones of
// a service, bandwidth the later ones. That a prefix never has two services at a time is the database's word
// (constraint assignment_overlap); this package only says who holds it instead.
package assignments

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// Assignment is one prefix to assign. Field is its path in the caller's input, for the fault.
type Assignment struct {
	ID         uuid.UUID
	Prefix     netip.Prefix
	Attachment *uuid.UUID // the only exporter that counts its traffic; nil: each does
	Field      string
}

// Holding is the service that prefixes are assigned to, and for how long. To is exclusive; nil lasts.
type Holding struct {
	ServiceID, CustomerID uuid.UUID
	From                  time.Time
	To                    *time.Time
}

// NoExporter says what a violated constraint means: the attachment is no exporter. It is for a command's Constraints.
func NoExporter(all map[string]*fault.Error) map[string]*fault.Error {
	all["assignment_attachment_id_fkey"] = fault.New(fault.NotFound, "exporter_not_found", "the attachment is no exporter")
	return all
}

const insertAssignments = `
insert into assignment (id, prefix, service_id, valid, attachment_id)
select a.id, a.prefix, $3, tstzrange($4, $5), a.attachment
from unnest($1::uuid[], $2::cidr[], $6::uuid[]) as a (id, prefix, attachment)
on conflict on constraint assignment_overlap do nothing
returning id`

// Assign gives prefixes to a service. When another service, or the same, has one of them at any time of the
// interval, it is refused with a conflict that names the holder and since when.
func Assign(ctx context.Context, tx pgx.Tx, h Holding, list []Assignment) ([]events.Event, error) {
	ids, prefixes, attachments := make([]uuid.UUID, len(list)), make([]netip.Prefix, len(list)), make([]*uuid.UUID, len(list))
	assigned := make([]events.Event, len(list))
	for i, a := range list {
		ids[i], prefixes[i], attachments[i] = a.ID, a.Prefix, a.Attachment
		assigned[i] = events.PrefixAssigned{AssignmentID: a.ID, ServiceID: h.ServiceID, CustomerID: h.CustomerID,
			Prefix: a.Prefix.String(), From: h.From, To: h.To, AttachmentID: a.Attachment}
	}
	tag, err := tx.Exec(ctx, insertAssignments, ids, prefixes, h.ServiceID, h.From, h.To, attachments)
	if err != nil {
		return nil, fmt.Errorf("assign prefixes to service %s: %w", h.ServiceID, err)
	}
	if int(tag.RowsAffected()) < len(list) {
		return nil, taken(ctx, tx, h, ids, prefixes, list)
	}
	return assigned, nil
}

const selectHolders = `
select a.prefix, s.name, lower(a.valid), upper(a.valid)
from assignment a join service s on s.id = a.service_id
where a.prefix = any($2) and a.valid && tstzrange($3, $4) and a.id <> all($1)
order by a.prefix, a.valid
limit 100`

func taken(ctx context.Context, tx pgx.Tx, h Holding, ids []uuid.UUID, prefixes []netip.Prefix, list []Assignment) error {
	rows, err := tx.Query(ctx, selectHolders, ids, prefixes, h.From, h.To)
	if err != nil {
		return fmt.Errorf("find who holds the prefixes: %w", err)
	}
	refused := fault.New(fault.Conflict, "prefix_taken", "a prefix belongs to a service already")
	var prefix netip.Prefix
	var name string
	var from time.Time
	var to *time.Time
	_, err = pgx.ForEachRow(rows, []any{&prefix, &name, &from, &to}, func() error {
		for _, a := range list {
			if a.Prefix == prefix {
				refused.Fields = append(refused.Fields, fault.Field{Name: a.Field, Message: sentence(prefix, name, from, to)})
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find who holds the prefixes: %w", err)
	}
	return refused
}

func sentence(prefix netip.Prefix, name string, from time.Time, to *time.Time) string {
	text := fmt.Sprintf("%s belongs to service %s since %s", prefix, name, from.UTC().Format(time.RFC3339))
	if to != nil {
		text += " until " + to.UTC().Format(time.RFC3339)
	}
	return text
}
