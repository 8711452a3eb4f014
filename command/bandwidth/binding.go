package bandwidth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

const maxIfIndex = 1<<32 - 1 // sFlow and SNMP number interfaces with 32 bits

// Bound is the answer of the bindings' commands.
type Bound struct {
	BindingID  uuid.UUID  `json:"binding_id"`
	ExporterID uuid.UUID  `json:"exporter_id"`
	IfIndex    int64      `json:"if_index"`
	ServiceID  uuid.UUID  `json:"service_id"`
	From       time.Time  `json:"from"`
	To         *time.Time `json:"to,omitempty"`
	command.Change
}

func checkPort(fields *fault.Fields, exporterID uuid.UUID, ifIndex int64) {
	check.ID(fields, "exporter_id", exporterID)
	fields.Check(ifIndex >= 1 && ifIndex <= maxIfIndex, "if_index", "must be from 1 to %d", int64(maxIfIndex))
}

func takenBinding(id uuid.UUID) map[string]*fault.Error {
	return map[string]*fault.Error{
		"binding_pkey":             fault.New(fault.Conflict, "binding_exists", "binding %s exists already", id),
		"binding_exporter_id_fkey": fault.New(fault.NotFound, "exporter_not_found", "there is no such exporter"),
	}
}

const insertBinding = `
insert into binding (id, exporter_id, if_index, service_id, valid) values ($1, $2, $3, $4, tstzrange($5, $6))
on conflict on constraint binding_overlap do nothing`

// bind writes the binding b. start is the input field that b.From came from.
func bind(ctx context.Context, tx pgx.Tx, start string, b Bound) (events.PortBound, error) {
	var fields fault.Fields
	bound := events.PortBound{BindingID: b.BindingID, ExporterID: b.ExporterID, IfIndex: b.IfIndex, ServiceID: b.ServiceID, From: b.From, To: b.To}
	var since time.Time
	err := tx.QueryRow(ctx, selectService, b.ServiceID).Scan(&bound.CustomerID, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return bound, fault.New(fault.NotFound, "service_not_found", "there is no service %s", b.ServiceID)
	}
	if err != nil {
		return bound, fmt.Errorf("select service %s: %w", b.ServiceID, err)
	}
	fields.Check(!b.From.Before(since), start, "lies before the service's beginning, %s", since.UTC().Format(time.RFC3339))
	fields.Check(b.To == nil || b.To.After(b.From), "to", "must be after the beginning")
	if err := fields.Err(); err != nil {
		return bound, err
	}
	tag, err := tx.Exec(ctx, insertBinding, b.BindingID, b.ExporterID, b.IfIndex, b.ServiceID, b.From, b.To)
	if err != nil {
		return bound, fmt.Errorf("bind port %d of exporter %s: %w", b.IfIndex, b.ExporterID, err)
	}
	if tag.RowsAffected() == 0 {
		return bound, portTaken(ctx, tx, b)
	}
	return bound, nil
}

const selectPortHolder = `
select s.name, e.name, lower(b.valid), upper(b.valid)
from binding b join service s on s.id = b.service_id join exporter e on e.id = b.exporter_id
where b.exporter_id = $1 and b.if_index = $2 and b.valid && tstzrange($3, $4)
order by b.valid
limit 1`

func portTaken(ctx context.Context, tx pgx.Tx, b Bound) error {
	var service, exporter string
	var from time.Time
	var to *time.Time
	if err := tx.QueryRow(ctx, selectPortHolder, b.ExporterID, b.IfIndex, b.From, b.To).Scan(&service, &exporter, &from, &to); err != nil {
		return fmt.Errorf("find whose port %d of exporter %s is: %w", b.IfIndex, b.ExporterID, err)
	}
	until := ""
	if to != nil {
		until = " until " + to.UTC().Format(time.RFC3339)
	}
	refused := fault.New(fault.Conflict, "port_taken", "a port is bound to one service at a time")
	refused.Fields = fault.Fields{{Name: "if_index", Message: fmt.Sprintf("port %d of %s is bound to service %s since %s%s", b.IfIndex, exporter,
		service, from.UTC().Format(time.RFC3339), until)}}
	return refused
}

const shortenBinding = `
update binding b set valid = tstzrange(lower(b.valid), $4)
from service s
where s.id = b.service_id and b.service_id = $1 and b.exporter_id = $2 and b.if_index = $3 and b.valid @> $4::timestamptz and lower(b.valid) < $4
returning b.id, s.customer_id, lower(b.valid), upper(old.valid)`

// unbound is a binding that was ended.
type unbound struct {
	events.PortReleased
	from  time.Time
	until *time.Time // how long it would have lasted; nil: for ever
}

// unbind ends the binding that holds at.
func unbind(ctx context.Context, tx pgx.Tx, serviceID, exporterID uuid.UUID, ifIndex int64, at, now time.Time) (unbound, error) {
	released := unbound{PortReleased: events.PortReleased{ExporterID: exporterID, IfIndex: ifIndex, ServiceID: serviceID, To: at}}
	if err := refusePast(ctx, tx, serviceID, at, now, "release or move its port"); err != nil {
		return released, err
	}
	err := tx.QueryRow(ctx, shortenBinding, serviceID, exporterID, ifIndex, at).
		Scan(&released.BindingID, &released.CustomerID, &released.from, &released.until)
	if errors.Is(err, pgx.ErrNoRows) {
		return released, fault.New(fault.NotFound, "not_bound", "port %d is not bound to the service before and at %s", ifIndex, at.Format(time.RFC3339))
	}
	if err != nil {
		return released, fmt.Errorf("release port %d of exporter %s: %w", ifIndex, exporterID, err)
	}
	return released, nil
}
