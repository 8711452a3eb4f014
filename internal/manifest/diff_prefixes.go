package manifest

import (
	"net/http"
	"net/netip"
	"net/url"
)

// key is the prefix in its one form. It was checked when the file was read.
func (p Prefix) key() netip.Prefix { return netip.MustParsePrefix(p.Prefix) }

// attached tells whether the prefix is to be attached to an exporter, and to which.
func (p Prefix) attached() (string, bool) {
	if p.Attachment == nil || *p.Attachment == "" {
		return "", false
	}
	return *p.Attachment, true
}

// body is what names the prefix in an order.
func (p Prefix) body() object {
	body := object{"prefix": p.key().String()}
	if exporter, ok := p.attached(); ok {
		body["attachment"] = exporter
	}
	return body
}

// freePrefixes are those of a new service that nobody has; the others are moved to it later.
func (d *differ) freePrefixes(s Service) []any {
	free := []any{}
	for _, p := range s.Prefixes {
		if _, held := d.holdersOnce()[p.key()]; held {
			continue
		}
		if _, ok := p.attached(); ok {
			free = append(free, p.body())
		} else {
			free = append(free, p.key().String())
		}
	}
	return free
}

func (d *differ) holdersOnce() map[netip.Prefix]holder {
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
		for _, p := range s.Prefixes {
			wanted[p.key()] = true
		}
	}
	for _, s := range d.file.Services {
		for _, p := range s.Prefixes {
			d.take(s, p, speaks)
			d.attach(s, p)
		}
		d.give(s, wanted)
	}
}

// take assigns or moves to a service a prefix that it lacks.
func (d *differ) take(s Service, p Prefix, speaks map[string]bool) {
	to, exists := d.state.Services[s.Name]
	prefix := p.key()
	was, held := d.holdersOnce()[prefix]
	step := Step{What: "prefix " + prefix.String(), Path: p.Path, method: http.MethodPost, from: []int64{to.Version}, body: p.body()}
	switch {
	case held && was.service == s.Name, !held && !exists: // has it, or is created with it
		return
	case held && !speaks[was.service]:
		d.refuse(p.Path, "%s belongs to service %s, whose prefixes are not in the file", prefix, was.service)
		return
	case held:
		step.stage, step.url, step.Changes = stageMoves, "/prefix-moves", []string{"service: " + was.service + " → " + s.Name}
		body := p.body()
		body["from_service"], body["to_service"] = was.service, s.Name
		step.body, step.from = body, append(step.from, d.state.Services[was.service].Version)
	default:
		step.stage, step.url, step.Changes = stageAssignments, "/services/"+url.PathEscape(s.Name)+"/prefixes", []string{"service: none → " + s.Name}
	}
	d.steps = append(d.steps, step)
}

// attach changes where a prefix that somebody has is attached, if the file says so. A move to an exporter says it
// itself; one to none keeps the attachment, which is taken away after it.
func (d *differ) attach(s Service, p Prefix) {
	was, held := d.holdersOnce()[p.key()]
	exporter, attached := p.attached()
	if !held || p.Attachment == nil || was.attachment == exporter || attached && was.service != s.Name {
		return
	}
	d.steps = append(d.steps, Step{What: "prefix " + p.key().String(), Path: p.Path, stage: stageAttachments, method: http.MethodPost,
		Changes: []string{"attachment: " + orDefault(was.attachment, "none") + " → " + orDefault(exporter, "none")},
		from:    []int64{d.state.Services[s.Name].Version}, url: "/services/" + url.PathEscape(s.Name) + "/prefixes/attachment", body: p.body()})
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
