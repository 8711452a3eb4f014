package manifest

import (
	"net/url"
	"slices"
	"time"

	"github.com/ezscale/platform/internal/period"
)

func (d *differ) service(s Service) {
	d.references(s)
	step := Step{What: "service " + s.Name, Path: s.Path, stage: stageServices, url: "/services"}
	old, ok := d.state.Services[s.Name]
	if !ok {
		body := object{"name": s.Name, "customer": s.Customer, "plan": s.Plan, "prefixes": d.freePrefixes(s)}
		if !s.Since.IsZero() {
			body["since"] = s.Since
		}
		step.body = body
		d.post(step)
		return
	}
	if old.Customer.Email != s.Customer {
		d.refuse(s.Path+".customer", "the service belongs to %s; a service cannot change its customer", old.Customer.Email)
	}
	if !s.Since.IsZero() && !period.Hour(s.Since).Equal(old.Since) {
		d.refuse(s.Path+".since", "the service began at %s; a beginning cannot be changed", old.Since.UTC().Format(time.RFC3339))
	}
	var c changes
	c.compare("plan", old.Plan.Name, s.Plan)
	step.url, step.body, step.from = "/services/"+url.PathEscape(s.Name), object{"plan": s.Plan}, []int64{old.Version}
	d.put(c, step)
}

// references asks that what a service names is in the file or on the platform.
func (d *differ) references(s Service) {
	_, known := d.state.Customers[s.Customer]
	if !known && !slices.ContainsFunc(d.file.Customers, func(c Customer) bool { return c.Email == s.Customer }) {
		d.refuse(s.Path+".customer", "there is no customer %q, neither in the file nor on the platform", s.Customer)
	}
	_, known = d.state.Plans[s.Plan]
	if !known && !slices.ContainsFunc(d.file.Plans, func(p Plan) bool { return p.Name == s.Plan }) {
		d.refuse(s.Path+".plan", "there is no plan %q, neither in the file nor on the platform", s.Plan)
	}
	for _, p := range s.Prefixes {
		if p.Attachment != nil && *p.Attachment != "" {
			d.exporterReference(above(p.Path)+".attachment", *p.Attachment)
		}
	}
	for _, p := range s.Ports {
		d.exporterReference(p.Path+".exporter", p.Exporter)
	}
}

func (d *differ) exporterReference(path, name string) {
	_, known := d.state.Exporters[name]
	if !known && !slices.ContainsFunc(d.file.Exporters, func(e Exporter) bool { return e.Name == name }) {
		d.refuse(path, "there is no exporter %q, neither in the file nor on the platform", name)
	}
}
