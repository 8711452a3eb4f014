package manifest

import (
	"net/http"
	"net/netip"
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
}

// freePrefixes are those of a new service that nobody has; the others are moved to it later.
func (d *differ) freePrefixes(s Service) []string {
	free := []string{}
	for _, text := range s.Prefixes {
		prefix := netip.MustParsePrefix(text) // checked when the file was read
		if _, held := d.holdersOnce()[prefix]; !held {
			free = append(free, prefix.String())
		}
	}
	return free
}

func (d *differ) holdersOnce() map[netip.Prefix]string {
	if d.holders == nil {
		d.holders = d.state.holders()
	}
	return d.holders
}

// prefixes finds who must get and who must lose which prefix.
func (d *differ) prefixes() {
	wanted := map[netip.Prefix]bool{}
	speaks := map[string]bool{} // services whose prefixes the file names
	for _, s := range d.file.Services {
		speaks[s.Name] = s.Prefixes != nil
		for _, text := range s.Prefixes {
			wanted[netip.MustParsePrefix(text)] = true
		}
	}
	for _, s := range d.file.Services {
		d.take(s, speaks)
		d.give(s, wanted)
	}
}

// take assigns or moves to a service the prefixes that it lacks.
func (d *differ) take(s Service, speaks map[string]bool) {
	to, exists := d.state.Services[s.Name]
	for i, text := range s.Prefixes {
		prefix := netip.MustParsePrefix(text)
		holder, held := d.holdersOnce()[prefix]
		at := element(s.Path+".prefixes", i)
		step := Step{What: "prefix " + prefix.String(), Path: at, method: http.MethodPost, from: []int64{to.Version}}
		switch {
		case held && holder == s.Name, !held && !exists: // has it, or is created with it
			continue
		case held && !speaks[holder]:
			d.refuse(at, "%s belongs to service %s, whose prefixes are not in the file", prefix, holder)
			continue
		case held:
			step.stage, step.url, step.Changes = stageMoves, "/prefix-moves", []string{"service: " + holder + " → " + s.Name}
			step.body = object{"prefix": prefix.String(), "from_service": holder, "to_service": s.Name}
			step.from = append(step.from, d.state.Services[holder].Version)
		default:
			step.stage, step.url, step.Changes = stageAssignments, "/services/"+url.PathEscape(s.Name)+"/prefixes", []string{"service: none → " + s.Name}
			step.body = object{"prefix": prefix.String()}
		}
		d.steps = append(d.steps, step)
	}
}

// give releases the prefixes that a service has and no service of the file wants.
func (d *differ) give(s Service, wanted map[netip.Prefix]bool) {
	old, exists := d.state.Services[s.Name]
	if !exists || s.Prefixes == nil {
		return
	}
	for _, p := range old.Prefixes {
		prefix, err := netip.ParsePrefix(p.Prefix)
		if err != nil || wanted[prefix] || p.To != nil { // what ends by itself needs no command
			continue
		}
		d.steps = append(d.steps, Step{What: "prefix " + prefix.String(), Path: s.Path + ".prefixes", stage: stageReleases, method: http.MethodPost,
			Changes: []string{"service: " + s.Name + " → none"}, from: []int64{old.Version},
			url: "/services/" + url.PathEscape(s.Name) + "/prefixes/release", body: object{"prefix": prefix.String()}})
	}
}
