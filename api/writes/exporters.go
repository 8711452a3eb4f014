package writes

import (
	"context"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
	read "github.com/ezscale/platform/query/bandwidth"
)

// ExporterSettings are an exporter without its name.
type ExporterSettings struct {
	Source       string   `json:"source" doc:"CIDR of the UDP source addresses it may send from" example:"192.0.2.1/32"`
	Agent        string   `json:"agent,omitempty" doc:"sFlow agent address; absent: any agent of that source"`
	CountPolicy  string   `json:"count_policy,omitempty" enum:"ingress,egress,both,bound" doc:"Absent: ingress; bound: only the counters of its bound ports become bytes"`
	RateMin      int64    `json:"rate_min,omitempty" minimum:"1" maximum:"4294967295" doc:"Lowest sampling rate to believe; absent: 1"`
	RateMax      int64    `json:"rate_max,omitempty" minimum:"1" maximum:"4294967295" doc:"Highest sampling rate to believe; absent: 1000000"`
	Inside       []string `json:"inside,omitempty" enum:"vxlan,gre,mpls" maxItems:"3" doc:"Tunnels to look into; absent: none"`
	RateDefault  int64    `json:"rate_default,omitempty" minimum:"1" maximum:"4294967295" doc:"For flow records that state no rate; absent: they are set aside"`
	RateOverride int64    `json:"rate_override,omitempty" minimum:"1" maximum:"4294967295" doc:"For flow records, whatever they state; absent: as they state"`
}

// ExporterBody is a new exporter.
type ExporterBody struct {
	Name string `json:"name"`
	ExporterSettings
}

func (s ExporterSettings) named(name string) bandwidth.Settings {
	return bandwidth.Settings{ExporterName: name, Source: s.Source, Agent: s.Agent, CountPolicy: s.CountPolicy,
		RateMin: s.RateMin, RateMax: s.RateMax, Inside: s.Inside, RateDefault: s.RateDefault, RateOverride: s.RateOverride}
}

// RegisterExporter registers an exporter.
func (o Orders) RegisterExporter(ctx context.Context, in *struct {
	Write
	Body ExporterBody
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	done, err := command.Run(ctx, o.Commands, meta, bandwidth.RegisterExporter{ExporterID: meta.NewID(), Settings: in.Body.named(in.Body.Name)})
	return Reference{ID: done.ExporterID, Name: in.Body.Name}, err
}

// ChangeExporter changes an exporter's settings, whole.
func (o Orders) ChangeExporter(ctx context.Context, in *struct {
	Write
	Name string `path:"name" maxLength:"200" doc:"Name or id"`
	Body ExporterSettings
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	found, err := read.NameExporter(ctx, o.Postgres, in.Name)
	if err != nil {
		return Reference{}, err
	}
	_, err = command.Run(ctx, o.Commands, meta, bandwidth.ChangeExporter{ExporterID: found.ID, Settings: in.Body.named(found.Name)})
	return Reference{ID: found.ID, Name: found.Name}, err
}
