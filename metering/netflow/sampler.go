package netflow

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/ezscale/platform/metering/netflow/element"
)

// wideFor is how long an option about a part of a domain still speaks beside newer ones about other parts.
const wideFor = 24 * time.Hour

// about says what an option's rate is for.
type about uint8

const (
	aboutSampler   about = iota // records with this sampler or selector id
	aboutTemplate               // records of this template
	aboutInterface              // records with this input interface
	aboutDomain                 // a scope that no record names: the device, a line card, a process; the id is its hash
	aboutCount
)

type samplerKey struct {
	about about
	id    uint64
}

func (k samplerKey) compare(o samplerKey) int {
	return cmp.Or(cmp.Compare(k.about, o.about), cmp.Compare(k.id, o.id))
}

type sampler struct {
	rate uint32
	at   int64 // time of receipt
}

// option reads an option record: a sampler's rate, or when the exporter started.
func (d *Decoder) option(dom *domain, scope uint64) Code {
	v := &d.values
	if v.Has(element.SlotSystemInit) {
		dom.systemInit = v.Value(element.SlotSystemInit)
	}
	rate := v.Rate()
	if rate == 0 {
		return codeNone
	}
	key := samplerKey{aboutDomain, scope}
	switch {
	case v.Has(element.SlotSampler):
		key = samplerKey{aboutSampler, v.Value(element.SlotSampler)}
	case v.Has(element.SlotScopeTemplate):
		key = samplerKey{aboutTemplate, v.Value(element.SlotScopeTemplate)}
	case v.Value(element.SlotScopeInterface) != 0: // softflowd names interface 0 for all
		key = samplerKey{aboutInterface, v.Value(element.SlotScopeInterface)}
	}
	if _, known := dom.samplers[key]; !known {
		if d.samplers >= MaxSamplers {
			return ErrSamplers
		}
		d.samplers++
	}
	dom.samplers[key] = sampler{rate, d.out.Received}
	d.changes++
	return codeNone
}

// rates are the rates that the records of one set may fall back to; 0: none.
type rates struct {
	key              domainKey
	template, domain uint32
}

// shared is the one rate that all samplers of a source have, as last asked for.
type shared struct {
	source  netip.Addr
	changes uint64 // of the samplers when it was found
	rate    uint32
	ids     map[uint64]bool // sampler ids that it is the rate of; nil: of all records
}

// ratesOf finds them, once for a set.
func (d *Decoder) ratesOf(key domainKey, dom *domain, template uint16) rates {
	if len(dom.samplers) == 0 {
		return rates{key: key}
	}
	if dom.wideAt != d.changes {
		dom.wideAt, dom.wide = d.changes, dom.findWide()
	}
	return rates{key: key, domain: dom.wide, template: dom.samplers[samplerKey{aboutTemplate, uint64(template)}].rate}
}

// findWide finds the rate of options about the domain itself, when all agree; 0 otherwise.
func (dom *domain) findWide() uint32 {
	var newest int64
	for k, s := range dom.samplers {
		if k.about == aboutDomain {
			newest = max(newest, s.at)
		}
	}
	var rate uint32
	for k, s := range dom.samplers {
		if k.about != aboutDomain || newest-s.at > int64(wideFor) {
			continue
		}
		if rate != 0 && rate != s.rate {
			return 0
		}
		rate = s.rate
	}
	return rate
}

// sharedBy finds the one rate of a source. Options about a template or an interface say that other records have other
// rates, so with one of these there is none.
func (d *Decoder) sharedBy(source netip.Addr) *shared {
	s := &d.shared
	if s.source == source && s.changes == d.changes {
		return s
	}
	*s = shared{source: source, changes: d.changes}
	var rate uint32
	ids, wide := map[uint64]bool{}, false
	for k, dom := range d.domains {
		if k.source != source {
			continue
		}
		for sk, one := range dom.samplers {
			if sk.about == aboutTemplate || sk.about == aboutInterface || rate != 0 && rate != one.rate {
				return s
			}
			rate = one.rate
			wide = wide || sk.about == aboutDomain
			if sk.about == aboutSampler {
				ids[sk.id] = true
			}
		}
	}
	if s.rate = rate; !wide {
		s.ids = ids
	}
	return s
}

// setRate finds a record's rate.
func (d *Decoder) setRate(record *Record, dom *domain, r *rates) {
	v := &d.values
	record.Sampler = v.Value(element.SlotSampler)
	rate, from := v.Rate(), RateFromRecord
	if rate == 0 && v.Has(element.SlotSampler) {
		rate, from = dom.samplers[samplerKey{aboutSampler, record.Sampler}].rate, RateFromSampler
	}
	if rate == 0 {
		rate, from = cmp.Or(r.template, dom.samplers[samplerKey{aboutInterface, uint64(record.Input)}].rate, r.domain), RateFromDomain
	}
	if rate == 0 {
		if s := d.sharedBy(r.key.source); !v.Has(element.SlotSampler) || s.ids == nil || s.ids[record.Sampler] {
			rate, from = s.rate, RateFromExporter
		}
	}
	if rate != 0 {
		record.Rate, record.RateKnown, record.RateFrom = rate, true, from
	}
}
