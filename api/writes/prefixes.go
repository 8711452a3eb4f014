package writes

import (
	"context"
	"time"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
)

// PrefixBody gives a service a prefix for a time.
type PrefixBody struct {
	Prefix     string     `json:"prefix" example:"10.20.0.1/32"`
	From       *time.Time `json:"from,omitempty" doc:"Absent: now"`
	To         *time.Time `json:"to,omitempty" doc:"Exclusive; absent: for good"`
	Attachment string     `json:"attachment,omitempty" maxLength:"200" doc:"Name or id of the only exporter that counts its traffic; absent: each does"`
}

// ReleaseBody takes a prefix away.
type ReleaseBody struct {
	Prefix   string     `json:"prefix" example:"10.20.0.1/32"`
	At       *time.Time `json:"at,omitempty" doc:"Absent: now"`
	Corrects bool       `json:"corrects,omitempty" doc:"Allows a time more than five minutes back although usage was counted since: an operator will have it metered anew"`
}

// MoveBody moves a prefix.
type MoveBody struct {
	Prefix      string     `json:"prefix" example:"10.20.0.1/32"`
	FromService string     `json:"from_service" doc:"Id or name"`
	ToService   string     `json:"to_service" doc:"Id or name"`
	At          *time.Time `json:"at,omitempty" doc:"Absent: now"`
	Attachment  string     `json:"attachment,omitempty" maxLength:"200" doc:"Name or id of the only exporter that counts its traffic; absent: as it was"`
	Corrects    bool       `json:"corrects,omitempty" doc:"Allows a time more than five minutes back although usage was counted since: an operator will have it metered anew"`
}

// AttachmentBody says which exporter counts a prefix's traffic.
type AttachmentBody struct {
	Prefix     string `json:"prefix" example:"10.20.0.1/32"`
	Attachment string `json:"attachment,omitempty" maxLength:"200" doc:"Name or id of the only exporter that counts its traffic; absent: each does"`
}

// AssignPrefix gives a service a prefix.
func (o Orders) AssignPrefix(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body PrefixBody
}) (bandwidth.Assigned, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	service, err := o.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	attachment, err := o.attachment(ctx, "attachment", in.Body.Attachment)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	c := bandwidth.AssignPrefix{AssignmentID: meta.NewID(), ServiceID: service.ID, Prefix: in.Body.Prefix, From: orZero(in.Body.From), To: in.Body.To,
		AttachmentID: attachment}
	return command.Run(ctx, o.Commands, meta, c)
}

// ReleasePrefix takes a prefix from a service.
func (o Orders) ReleasePrefix(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body ReleaseBody
}) (bandwidth.Assigned, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	service, err := o.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	return command.Run(ctx, o.Commands, meta, bandwidth.ReleasePrefix{
		ServiceID: service.ID, Prefix: in.Body.Prefix, At: orZero(in.Body.At), Corrects: in.Body.Corrects,
	})
}

// MovePrefix moves a prefix from one service to another.
func (o Orders) MovePrefix(ctx context.Context, in *struct {
	Write
	Body MoveBody
}) (bandwidth.Assigned, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	from, err := o.service(ctx, in.Body.FromService)
	if err != nil {
		return bandwidth.Assigned{}, notFoundAs(err, "from_service", in.Body.FromService)
	}
	to, err := o.service(ctx, in.Body.ToService)
	if err != nil {
		return bandwidth.Assigned{}, notFoundAs(err, "to_service", in.Body.ToService)
	}
	attachment, err := o.attachment(ctx, "attachment", in.Body.Attachment)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	c := bandwidth.MovePrefix{AssignmentID: meta.NewID(), Prefix: in.Body.Prefix, FromServiceID: from.ID, ToServiceID: to.ID, At: orZero(in.Body.At),
		AttachmentID: attachment, Corrects: in.Body.Corrects}
	moved, err := command.Run(ctx, o.Commands, meta, c)
	return moved, inBody(err, "from_service_id", "from_service", "to_service_id", "to_service")
}

// ChangeAttachment says which exporter counts a prefix's traffic from now on.
func (o Orders) ChangeAttachment(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body AttachmentBody
}) (bandwidth.Assigned, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	service, err := o.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	attachment, err := o.attachment(ctx, "attachment", in.Body.Attachment)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	c := bandwidth.ChangeAttachment{AssignmentID: meta.NewID(), ServiceID: service.ID, Prefix: in.Body.Prefix, AttachmentID: attachment}
	return command.Run(ctx, o.Commands, meta, c)
}
