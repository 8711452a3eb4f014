package netflow

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/ezscale/platform/metering/netflow/template"
)

// Bounds of what is remembered of one exporter. Where one is reached, what was used longest ago makes room; a sampler
// beyond the last place is refused instead, so that the samplers in use keep theirs.
const (
	MaxDomains   = 256
	MaxTemplates = 1024 // of one domain
	MaxFields    = template.MaxFields
	MaxAllFields = 65_536 // of all templates
	MaxSamplers  = 4096   // of all domains
)

// domainKey names an observation domain. Exporters of one name may send from several addresses.
type domainKey struct {
	source  netip.Addr
	version uint16
	id      uint32
}

// domain is what is known about an observation domain.
type domain struct {
	heard      int64  // time of receipt of its last template or data
	systemInit uint64 // milliseconds since 1970 when the exporter started, by an option; 0 when not told
	templates  map[uint16]*known
	samplers   map[samplerKey]sampler
	wide       uint32 // see ratesOf; of the samplers as they were after wideAt changes
	wideAt     uint64
}

// known is a template, and when it was of use.
type known struct {
	*template.Layout
	used int64 // time of receipt when it was last repeated or used
}

// learnt is a template that the datagram at hand has brought.
type learnt struct {
	key domainKey
	id  uint16
}

// domainOf finds a domain or makes it.
func (d *Decoder) domainOf(key domainKey) *domain {
	dom := d.domains[key]
	if dom == nil {
		if len(d.domains) >= MaxDomains {
			d.forgetDomain(key)
		}
		dom = &domain{templates: map[uint16]*known{}, samplers: map[samplerKey]sampler{}}
		d.domains[key] = dom
	}
	dom.heard = max(dom.heard, d.out.Received)
	return dom
}

// forgetDomain drops the domain that was heard longest ago, but not the one named. It tells whether there was one.
func (d *Decoder) forgetDomain(but domainKey) bool {
	var oldest domainKey
	found := false
	for key, dom := range d.domains {
		if key == but {
			continue
		}
		if !found || cmp.Or(cmp.Compare(dom.heard, d.domains[oldest].heard), key.compare(oldest)) < 0 {
			oldest, found = key, true
		}
	}
	if found {
		d.drop(oldest)
	}
	return found
}

func (d *Decoder) drop(key domainKey) {
	dom := d.domains[key]
	for _, l := range dom.templates {
		d.fields -= len(l.Fields)
	}
	d.samplers -= len(dom.samplers)
	d.changes++
	delete(d.domains, key)
}

// learn keeps a template, in the place of the last one of its id.
func (d *Decoder) learn(key domainKey, layout *template.Layout) {
	dom, l := d.domainOf(key), &known{layout, d.out.Received}
	d.learnt = append(d.learnt, learnt{key, l.ID})
	if old := dom.templates[l.ID]; old != nil {
		if old.Options == l.Options && old.Scopes == l.Scopes && slices.Equal(old.Fields, l.Fields) {
			old.used = max(old.used, l.used)
			return
		}
		d.forget(key, l.ID)
	}
	d.makeRoom(key, dom, len(l.Fields))
	dom.templates[l.ID] = l
	d.fields += len(l.Fields)
}

// makeRoom forgets until a template of so many fields fits.
func (d *Decoder) makeRoom(key domainKey, dom *domain, fields int) {
	for d.fields+fields > MaxAllFields && d.forgetDomain(key) {
	}
	for len(dom.templates) >= MaxTemplates || d.fields+fields > MaxAllFields {
		var oldest *known
		for _, l := range dom.templates {
			if oldest == nil || cmp.Or(cmp.Compare(l.used, oldest.used), cmp.Compare(l.ID, oldest.ID)) < 0 {
				oldest = l
			}
		}
		d.forget(key, oldest.ID)
	}
}

// forget drops a template, if there is one of that id.
func (d *Decoder) forget(key domainKey, id uint16) {
	dom := d.domains[key]
	if dom == nil || dom.templates[id] == nil {
		return
	}
	d.fields -= len(dom.templates[id].Fields)
	delete(dom.templates, id)
}

// withdraw takes a template back (RFC 7011, 8.1), or all data or all options templates of the domain.
func (d *Decoder) withdraw(key domainKey, id uint16, options bool) {
	d.out.Withdrawn++
	if id != template.AllTemplates && id != template.AllOptions {
		d.forget(key, id)
		return
	}
	if dom := d.domains[key]; dom != nil && options == (id == template.AllOptions) {
		for id, l := range dom.templates {
			if l.Options == options {
				d.forget(key, id)
			}
		}
	}
}

// templates reads a set of templates. What follows one that overruns its set, or has a reserved id, cannot be found.
func (d *Decoder) templates(key domainKey, b []byte, options bool) {
	for len(b) >= template.HeadBytes && !template.Zeros(b) {
		e, ok := template.Measure(key.version, b, options)
		if !ok {
			d.out.reject(ErrTemplate)
			return
		}
		if e.Withdraw {
			d.withdraw(key, e.ID, options)
		} else if code := d.template(key, e, b[:e.Length], options); code != codeNone {
			d.forget(key, e.ID) // its data is no longer what it was
			d.out.reject(code)
		} else {
			d.out.Templates++
		}
		b = b[e.Length:]
	}
}

// template has one template decoded, and learns it.
func (d *Decoder) template(key domainKey, e template.Extent, b []byte, options bool) Code {
	if e.Fields > MaxFields {
		return ErrFields
	}
	t, ok := template.Parse(key.version, b, options)
	if !ok {
		return ErrReference
	}
	layout, ok := template.New(key.version, t)
	if !ok {
		return ErrTemplate
	}
	d.learn(key, layout)
	return codeNone
}
