package manifest

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/client"
)

func (r *reader) manifest(root ast.Node) {
	top := r.fields(root, "", "exporters", "plans", "customers", "services")
	m := &r.file.Manifest
	for i, n := range r.list(top["exporters"], "exporters") {
		m.Exporters = append(m.Exporters, r.exporter(n, element("exporters", i)))
	}
	for i, n := range r.list(top["plans"], "plans") {
		m.Plans = append(m.Plans, r.plan(n, element("plans", i)))
	}
	for i, n := range r.list(top["customers"], "customers") {
		m.Customers = append(m.Customers, r.customer(n, element("customers", i)))
	}
	for i, n := range r.list(top["services"], "services") {
		m.Services = append(m.Services, r.service(n, element("services", i)))
	}
}

func (r *reader) exporter(n ast.Node, path string) Exporter {
	f := r.fields(n, path, "name", "source", "agent", "count", "rate_min", "rate_max", "inside", "rate_default", "rate_override")
	e := Exporter{Path: path, Name: r.text(f["name"], path+".name"), Source: r.text(f["source"], path+".source"),
		Agent: r.text(f["agent"], path+".agent"), Count: r.text(f["count"], path+".count"),
		RateMin: defaultRateMin, RateMax: defaultRateMax}
	if e.Count == "" {
		e.Count = defaultCount
	}
	if f["rate_min"] != nil {
		e.RateMin = r.integer(f["rate_min"], path+".rate_min")
		e.RateMax = max(e.RateMax, e.RateMin)
	}
	if f["rate_max"] != nil {
		e.RateMax = r.integer(f["rate_max"], path+".rate_max")
	}
	for i, n := range r.list(f["inside"], path+".inside") {
		e.Inside = append(e.Inside, r.text(n, element(path+".inside", i)))
	}
	e.RateDefault = r.rate(f["rate_default"], path+".rate_default")
	e.RateOverride = r.rate(f["rate_override"], path+".rate_override")
	return e
}

// rate reads a sampling rate that may be left out.
func (r *reader) rate(n ast.Node, path string) int64 {
	if n == nil {
		return 0
	}
	rate := r.integer(n, path)
	r.expect(rate >= 1 && rate <= maxRate, path, "must be from 1 to %d; leave it out for none", int64(maxRate))
	return rate
}

func (r *reader) plan(n ast.Node, path string) Plan {
	f := r.fields(n, path, "name", "price", "traffic")
	p := Plan{Path: path, Name: r.text(f["name"], path+".name"), Interval: defaultInterval,
		Bytes: defaultBytes, Direction: defaultDirection, BillAt: defaultBillAt, Thresholds: defaultThresholds()}
	if f["price"] != nil {
		at := path + ".price"
		price := r.fields(f["price"], at, "amount", "currency", "interval")
		p.Price = client.Money{Amount: r.decimal(price["amount"], at+".amount"), Currency: r.text(price["currency"], at+".currency")}
		p.Interval = orDefault(r.text(price["interval"], at+".interval"), defaultInterval)
	}
	if f["traffic"] != nil {
		r.traffic(f["traffic"], path+".traffic", &p)
	}
	return p
}

func (r *reader) traffic(n ast.Node, path string, p *Plan) {
	f := r.fields(n, path, "quota", "bytes", "direction", "bill_at", "thresholds", "overage")
	p.Quota = r.size(f["quota"], path+".quota")
	p.Bytes = orDefault(r.text(f["bytes"], path+".bytes"), defaultBytes)
	p.Direction = orDefault(r.text(f["direction"], path+".direction"), defaultDirection)
	p.BillAt = orDefault(r.text(f["bill_at"], path+".bill_at"), defaultBillAt)
	if f["thresholds"] != nil {
		p.Thresholds = []int{}
		for i, t := range r.list(f["thresholds"], path+".thresholds") {
			p.Thresholds = append(p.Thresholds, int(r.integer(t, element(path+".thresholds", i))))
		}
	}
	if f["overage"] != nil {
		at := path + ".overage"
		o := r.fields(f["overage"], at, "unit", "price")
		p.Overage = &client.Overage{UnitBytes: r.size(o["unit"], at+".unit"), UnitPrice: r.decimal(o["price"], at+".price")}
	}
}

// size reads an amount of data: "1TB", "512GiB", 500.
func (r *reader) size(n ast.Node, path string) int64 {
	text := r.decimal(n, path)
	if text == "" {
		return 0
	}
	size, err := bytesize.Parse(text)
	switch {
	case err != nil:
		r.refuse(n, path, "%q is not a size such as 1TB, 512GiB or 500 (bytes)", text)
	case size == 0:
		r.refuse(n, path, "must be above 0; leave it out for none")
	}
	return size
}

func (r *reader) customer(n ast.Node, path string) Customer {
	f := r.fields(n, path, "email", "name")
	return Customer{Path: path, Email: strings.ToLower(r.text(f["email"], path+".email")), Name: r.text(f["name"], path+".name")}
}

func (r *reader) service(n ast.Node, path string) Service {
	f := r.fields(n, path, "name", "customer", "plan", "since", "prefixes", "ports")
	s := Service{Path: path, Name: r.text(f["name"], path+".name"), Customer: strings.ToLower(r.text(f["customer"], path+".customer")),
		Plan: r.text(f["plan"], path+".plan")}
	if since := r.text(f["since"], path+".since"); since != "" {
		s.Since = r.time(f["since"], path+".since", since)
	}
	if f["prefixes"] != nil {
		s.Prefixes = []Prefix{}
		for i, p := range r.list(f["prefixes"], path+".prefixes") {
			s.Prefixes = append(s.Prefixes, r.prefixOf(p, element(path+".prefixes", i)))
		}
	}
	if f["ports"] != nil {
		s.Ports = []Port{}
		for i, p := range r.list(f["ports"], path+".ports") {
			s.Ports = append(s.Ports, r.port(p, element(path+".ports", i)))
		}
	}
	return s
}

// prefixOf reads a prefix: its text alone, or fields that also say where it is attached.
func (r *reader) prefixOf(n ast.Node, path string) Prefix {
	switch r.resolve(n).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return Prefix{Path: path, Prefix: r.text(n, path)}
	}
	f := r.fields(n, path, "prefix", "attachment")
	p := Prefix{Path: path + ".prefix", Prefix: r.text(f["prefix"], path+".prefix")}
	if f["attachment"] != nil {
		attachment := r.text(f["attachment"], path+".attachment")
		p.Attachment = &attachment
	}
	return p
}

func (r *reader) port(n ast.Node, path string) Port {
	f := r.fields(n, path, "exporter", "if_index")
	return Port{Path: path, Exporter: r.text(f["exporter"], path+".exporter"), IfIndex: r.integer(f["if_index"], path+".if_index")}
}

// time reads a time as RFC 3339 has it, or a day, which begins at midnight UTC.
func (r *reader) time(n ast.Node, path, text string) time.Time {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	r.refuse(n, path, "%q is not a time such as 2026-01-01T00:00:00Z", text)
	return time.Time{}
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
