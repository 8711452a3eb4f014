package writes

import (
	"context"
	"time"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
)

// PortName names a port.
type PortName struct {
	Exporter string `json:"exporter" maxLength:"200" doc:"Name or id"`
	IfIndex  int64  `json:"if_index" minimum:"1" maximum:"4294967295"`
}

// BindingBody binds a port to a service for a time.
type BindingBody struct {
	PortName
	From *time.Time `json:"from,omitempty" doc:"Absent: now"`
	To   *time.Time `json:"to,omitempty" doc:"Exclusive; absent: for good"`
}

// PortReleaseBody takes a port away.
type PortReleaseBody struct {
	PortName
	At *time.Time `json:"at,omitempty" doc:"Absent: now"`
}

// PortMoveBody moves a port.
type PortMoveBody struct {
	PortName
	FromService string     `json:"from_service" doc:"Id or name"`
	ToService   string     `json:"to_service" doc:"Id or name"`
	At          *time.Time `json:"at,omitempty" doc:"Absent: now"`
}

// BindPort binds a port to a service.
func (o Orders) BindPort(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body BindingBody
}) (bandwidth.Bound, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	service, err := o.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	exporter, err := o.exporter(ctx, "exporter", in.Body.Exporter)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	c := bandwidth.BindPort{BindingID: meta.NewID(), ExporterID: exporter, IfIndex: in.Body.IfIndex, ServiceID: service.ID, From: orZero(in.Body.From), To: in.Body.To}
	return command.Run(ctx, o.Commands, meta, c)
}

// ReleasePort takes a port from a service.
func (o Orders) ReleasePort(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body PortReleaseBody
}) (bandwidth.Bound, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	service, err := o.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	exporter, err := o.exporter(ctx, "exporter", in.Body.Exporter)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	c := bandwidth.ReleasePort{ExporterID: exporter, IfIndex: in.Body.IfIndex, ServiceID: service.ID, At: orZero(in.Body.At)}
	return command.Run(ctx, o.Commands, meta, c)
}

// MovePort moves a port from one service to another.
func (o Orders) MovePort(ctx context.Context, in *struct {
	Write
	Body PortMoveBody
}) (bandwidth.Bound, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	exporter, err := o.exporter(ctx, "exporter", in.Body.Exporter)
	if err != nil {
		return bandwidth.Bound{}, err
	}
	from, err := o.service(ctx, in.Body.FromService)
	if err != nil {
		return bandwidth.Bound{}, notFoundAs(err, "from_service", in.Body.FromService)
	}
	to, err := o.service(ctx, in.Body.ToService)
	if err != nil {
		return bandwidth.Bound{}, notFoundAs(err, "to_service", in.Body.ToService)
	}
	c := bandwidth.MovePort{BindingID: meta.NewID(), ExporterID: exporter, IfIndex: in.Body.IfIndex, FromServiceID: from.ID, ToServiceID: to.ID, At: orZero(in.Body.At)}
	moved, err := command.Run(ctx, o.Commands, meta, c)
	return moved, inBody(err, "from_service_id", "from_service", "to_service_id", "to_service")
}
