package writes

import (
	"context"
	"time"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth/quarantine"
)

// QuarantineFilter says which samples are decided about: all that are open of an exporter, in whole hours.
type QuarantineFilter struct {
	Exporter string    `json:"exporter" maxLength:"200" doc:"Name or id"`
	From     time.Time `json:"from" doc:"A whole hour"`
	To       time.Time `json:"to" doc:"A whole hour, exclusive"`
	Service  string    `json:"service,omitempty" maxLength:"200" doc:"Name or id; absent: of every service"`
	Rate     *int64    `json:"rate,omitempty" minimum:"0" maximum:"4294967295" doc:"As the samples state it; absent: whatever they state"`
	Reason   string    `json:"reason" maxLength:"200" doc:"Kept with the decision"`
}

// QuarantineReleaseBody gives open samples a rate.
type QuarantineReleaseBody struct {
	QuarantineFilter
	RateGiven int64 `json:"rate_given" minimum:"1" maximum:"4294967295" doc:"The rate that they were taken at: bytes are length x rate"`
}

// ReleaseQuarantine turns open samples into usage.
func (o Orders) ReleaseQuarantine(ctx context.Context, in *struct {
	Write
	Body QuarantineReleaseBody
}) (quarantine.Released, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return quarantine.Released{}, err
	}
	filter, err := o.filter(ctx, in.Body.QuarantineFilter)
	if err != nil {
		return quarantine.Released{}, err
	}
	c := quarantine.ReleaseQuarantine{DecisionID: meta.NewID(), Filter: filter, RateGiven: in.Body.RateGiven, Reason: in.Body.Reason}
	done, err := command.Run(ctx, o.Commands, meta, c)
	return done, inBody(err, "exporter_id", "exporter", "service_id", "service")
}

// RejectQuarantine says that open samples never become usage.
func (o Orders) RejectQuarantine(ctx context.Context, in *struct {
	Write
	Body QuarantineFilter
}) (quarantine.Rejected, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return quarantine.Rejected{}, err
	}
	filter, err := o.filter(ctx, in.Body)
	if err != nil {
		return quarantine.Rejected{}, err
	}
	done, err := command.Run(ctx, o.Commands, meta, quarantine.RejectQuarantine{DecisionID: meta.NewID(), Filter: filter, Reason: in.Body.Reason})
	return done, inBody(err, "exporter_id", "exporter", "service_id", "service")
}

func (o Orders) filter(ctx context.Context, f QuarantineFilter) (quarantine.Filter, error) {
	exporter, err := o.exporter(ctx, "exporter", f.Exporter)
	if err != nil {
		return quarantine.Filter{}, err
	}
	filter := quarantine.Filter{ExporterID: exporter, From: f.From.UTC(), To: f.To.UTC(), Rate: f.Rate}
	if f.Service == "" {
		return filter, nil
	}
	service, err := o.service(ctx, f.Service)
	filter.ServiceID = &service.ID
	return filter, notFoundAs(err, "service", f.Service)
}
