package manifest

import (
	"net/mail"
	"net/netip"
	"slices"
	"strings"

	"github.com/ezscale/platform/internal/manifest/faults"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/internal/name"
	"github.com/ezscale/platform/internal/period"
)

const maxThreshold = 1000

// check looks at the values as the server would, so that all faults of a file are told before anything is sent.
func (r *reader) check() {
	m := r.file.Manifest
	names := seen{}
	for _, e := range m.Exporters {
		r.checkExporter(e)
		names.once(r, "exporter", e.Name, e.Path+".name")
	}
	for _, p := range m.Plans {
		r.checkPlan(p)
		names.once(r, "plan", p.Name, p.Path+".name")
	}
	for _, c := range m.Customers {
		address, err := mail.ParseAddress(c.Email)
		r.expect(c.Email == "" || err == nil && address.Address == c.Email, c.Path+".email", "%q is not a mail address", c.Email)
		r.require(c.Email, c.Path+".email")
		r.require(c.Name, c.Path+".name")
		names.once(r, "customer", c.Email, c.Path+".email")
	}
	for _, s := range m.Services {
		r.checkService(s)
		names.once(r, "service", s.Name, s.Path+".name")
		for _, p := range s.Prefixes {
			names.once(r, "prefix", p.Prefix, p.Path)
		}
		for _, p := range s.Ports {
			r.require(p.Exporter, p.Path+".exporter")
			r.expect(p.IfIndex >= 1 && p.IfIndex <= maxIfIndex, p.Path+".if_index", "must be from 1 to %d", int64(maxIfIndex))
			names.once(r, "port", p.name(), p.Path)
		}
	}
}

func (r *reader) expect(ok bool, path, format string, args ...any) {
	if !ok && !r.refused(path) {
		r.add(path, format, args...)
	}
}

// refused tells whether a field was found faulty already, or cannot be there: one fault is enough.
func (r *reader) refused(path string) bool {
	for at := above(path); at != ""; at = above(at) {
		if r.broken[at] {
			return true
		}
	}
	return slices.ContainsFunc(r.errs, func(e faults.Error) bool { return e.Path == path })
}

func (r *reader) require(value, path string) {
	r.expect(strings.TrimSpace(value) != "", path, "is missing")
}

func (r *reader) name(value, path string) {
	wrong := name.Fault(value)
	r.expect(wrong == "", path, "%s", wrong)
}

func (r *reader) oneOf(value, path string, allowed ...string) {
	r.expect(slices.Contains(allowed, value), path, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

func (r *reader) checkExporter(e Exporter) {
	r.name(e.Name, e.Path+".name")
	r.require(e.Source, e.Path+".source")
	r.prefix(e.Source, e.Path+".source")
	if e.Agent != "" {
		agent, err := netip.ParseAddr(e.Agent)
		r.expect(err == nil && agent.Zone() == "" && !agent.Is4In6(), e.Path+".agent", "%q is not an address", e.Agent)
	}
	r.oneOf(e.Count, e.Path+".count", "ingress", "egress", "both", "bound")
	r.expect(e.RateMin >= 1 && e.RateMin <= maxRate, e.Path+".rate_min", "must be from 1 to %d", int64(maxRate))
	r.expect(e.RateMax >= e.RateMin && e.RateMax <= maxRate, e.Path+".rate_max", "must be from rate_min to %d", int64(maxRate))
	for i, tunnel := range e.Inside {
		at := element(e.Path+".inside", i)
		r.oneOf(tunnel, at, "vxlan", "gre", "mpls")
		r.expect(!slices.Contains(e.Inside[:i], tunnel), at, "%s is there twice", tunnel)
	}
}

func (r *reader) checkPlan(p Plan) {
	r.name(p.Name, p.Path+".name")
	r.checkPrice(p)
	r.expect(period.Interval(p.Interval).Valid(), p.Path+".price.interval", "%q is not one of month, quarter, year", p.Interval)
	r.oneOf(p.Bytes, p.Path+".traffic.bytes", "l2", "l3")
	r.oneOf(p.Direction, p.Path+".traffic.direction", "sum", "in", "out", "max")
	r.oneOf(p.BillAt, p.Path+".traffic.bill_at", "estimate", "lower_bound")
	last := 0
	for i, t := range p.Thresholds {
		r.expect(t > last && t <= maxThreshold, element(p.Path+".traffic.thresholds", i), "thresholds must rise, each from 1 to %d percent", maxThreshold)
		last = t
	}
	if p.Overage == nil {
		return
	}
	at := p.Path + ".traffic.overage"
	r.expect(p.Quota > 0 || r.refused(p.Path+".traffic.quota"), at, "needs a quota to be over")
	r.expect(p.Overage.UnitBytes > 0, at+".unit", "is missing")
	r.require(p.Overage.UnitPrice, at+".price")
	_, err := money.ParsePrice(p.Overage.UnitPrice)
	r.expect(p.Overage.UnitPrice == "" || err == nil, at+".price", "%q is not a price such as 0.01", p.Overage.UnitPrice)
}

func (r *reader) checkPrice(p Plan) {
	at := p.Path + ".price"
	if _, ok := r.file.places[at]; !ok {
		r.expect(false, at, "is missing")
		return
	}
	r.require(p.Price.Amount, at+".amount")
	r.require(p.Price.Currency, at+".currency")
	currency, err := money.ParseCurrency(p.Price.Currency)
	r.expect(err == nil, at+".currency", "%q is not an ISO 4217 currency in use", p.Price.Currency)
	if err == nil {
		amount, err := money.Parse(p.Price.Amount, currency)
		r.expect(err == nil, at+".amount", "%q is not an amount with the %d decimal places of %s", p.Price.Amount, currency.Exponent(), currency)
		r.expect(err != nil || amount.Minor() >= 0, at+".amount", "must not be negative")
	}
}

func (r *reader) checkService(s Service) {
	r.name(s.Name, s.Path+".name")
	r.require(s.Customer, s.Path+".customer")
	r.require(s.Plan, s.Path+".plan")
	for _, p := range s.Prefixes {
		r.prefix(p.Prefix, p.Path)
	}
}

// prefix asks for an address prefix without host bits.
func (r *reader) prefix(value, path string) {
	if value == "" {
		r.require(value, path)
		return
	}
	p, err := netip.ParsePrefix(value)
	address, addressErr := netip.ParseAddr(value)
	switch {
	case err != nil && addressErr == nil:
		r.expect(false, path, "%q is an address; write %s", value, netip.PrefixFrom(address.WithZone(""), address.BitLen()))
	case err != nil:
		r.expect(false, path, "%q is not an address prefix such as 10.20.0.0/24 or 2001:db8::/48", value)
	case p.Masked() != p:
		r.expect(false, path, "%q has bits set after the prefix; write %s", value, p.Masked())
	case p.Addr().Is4In6():
		r.expect(false, path, "%q is an IPv4 address written as IPv6; write it as IPv4", value)
	case p.Bits() == 0:
		r.expect(false, path, "%q is every address there is", value)
	}
}

// seen remembers where each name stood first.
type seen map[string]string

func (s seen) once(r *reader, kind, name, path string) {
	if name == "" {
		return
	}
	key := kind + " " + canonical(kind, name)
	if first, ok := s[key]; ok {
		r.expect(false, path, "%s %q stands at %s already (line %d)", kind, name, first, r.file.places[first].line)
		return
	}
	s[key] = path
}

// canonical is a prefix in its one spelling; other names are themselves.
func canonical(kind, name string) string {
	if p, err := netip.ParsePrefix(name); kind == "prefix" && err == nil {
		return p.Masked().String()
	}
	return name
}
