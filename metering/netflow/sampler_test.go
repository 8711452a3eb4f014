package netflow_test

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

// told is a rate as a record has it, in short.
func told(r netflow.Record) string {
	if !r.RateKnown {
		return "unknown"
	}
	return fmt.Sprintf("%d by %s", r.Rate, r.RateFrom)
}

// TestOwnRate reads the rate out of a record's own fields.
func TestOwnRate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pairs  []uint16
		values []uint64
		want   string
	}{
		"none":                           {nil, nil, "unknown"},
		"interval":                       {[]uint16{34, 4}, []uint64{1000}, "1000 by record"},
		"interval 0":                     {[]uint16{34, 4}, []uint64{0}, "unknown"},
		"random interval":                {[]uint16{50, 4}, []uint64{2048}, "2048 by record"},
		"interval and space":             {[]uint16{305, 4, 306, 4}, []uint64{1, 999}, "1000 by record"},
		"Juniper's, not doubled":         {[]uint16{305, 4, 306, 4}, []uint64{1, 0}, "1 by record"},
		"ten of a thousand":              {[]uint16{305, 4, 306, 4}, []uint64{10, 990}, "100 by record"},
		"rounded to the nearest":         {[]uint16{305, 4, 306, 4}, []uint64{3, 4}, "2 by record"},
		"an interval alone":              {[]uint16{305, 4}, []uint64{1000}, "unknown"},
		"an interval alone, of 1":        {[]uint16{305, 4}, []uint64{1}, "1 by record"},
		"interval 0 and space":           {[]uint16{305, 4, 306, 4}, []uint64{0, 999}, "unknown"},
		"size of population":             {[]uint16{309, 4, 310, 4}, []uint64{1, 512}, "512 by record"},
		"size 0":                         {[]uint16{309, 4, 310, 4}, []uint64{0, 512}, "unknown"},
		"probability":                    {[]uint16{311, 8}, []uint64{math.Float64bits(0.001)}, "1000 by record"},
		"probability of 4 bytes":         {[]uint16{311, 4}, []uint64{uint64(math.Float32bits(0.25))}, "4 by record"},
		"no probability":                 {[]uint16{311, 8}, []uint64{math.Float64bits(math.NaN())}, "unknown"},
		"more than a rate holds":         {[]uint16{34, 8}, []uint64{1 << 32}, "unknown"},
		"a population beyond all bounds": {[]uint16{309, 8, 310, 8}, []uint64{1, math.MaxUint64}, "unknown"},
	} {
		pairs := append([]uint16{element.Octets, 4}, c.pairs...)
		values := append([]uint64{1, 2, 5}, c.values...)
		if got := told(only(t, one(t, netflow.IPFIX, addressed(pairs...), values...))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestHeaderRate reads version 5's 14 bits, whatever the mode says.
func TestHeaderRate(t *testing.T) {
	t.Parallel()
	for sampling, want := range map[uint16]string{
		0: "unknown", 1000: "1000 by header", 1<<14 | 512: "512 by header", 2<<14 | 512: "512 by header",
		0x3fff: "16383 by header", 1 << 14: "unknown", 1: "1 by header",
	} {
		h := head(netflow.Version5)
		h.Sampling = sampling
		got := decode(t, netflow.New(), build(h, func(e *export.Encoder) { e.Records(template.Template{}, []netflow.Record{web()}) }))
		if r := only(t, got); told(r) != want {
			t.Errorf("%#x: %s, want %s", sampling, told(r), want)
		}
	}
}

// options is a datagram of one option in a domain.
func options(version uint16, domain uint32, tpl template.Template, values ...uint64) []byte {
	h := head(version)
	h.Domain = domain
	return build(h, func(e *export.Encoder) {
		e.Template(tpl)
		e.Values(tpl, values...)
	})
}

// TestOptions finds the rate of a record that tells none itself. The record is of domain 7, template 300, input
// interface 3 and, when it has one, sampler 5.
func TestOptions(t *testing.T) {
	t.Parallel()
	const nine, ten = netflow.Version9, netflow.IPFIX
	sampler, rate := export.Sampler(nine, 400), export.Rate(nine, 401)
	perInterface := export.Options(402, 1, 2, 4, 34, 4) // version 9's scope Interface
	perTemplate := export.Options(403, 1, 5, 2, 34, 4)
	lineCard := export.Options(404, 1, 3, 4, 34, 4)
	selector := export.Options(405, 1, element.SelectorID, 8, 304, 2, element.PacketInterval, 4, element.PacketSpace, 4)
	for name, c := range map[string]struct {
		version uint16
		sampler bool
		before  [][]byte
		want    string
	}{
		"nothing told":                    {nine, true, nil, "unknown"},
		"its sampler":                     {nine, true, [][]byte{options(nine, 7, sampler, 0, 5, 1000)}, "1000 by sampler"},
		"its sampler of two":              {nine, true, [][]byte{options(nine, 7, sampler, 0, 4, 10), options(nine, 7, sampler, 0, 5, 1000)}, "1000 by sampler"},
		"its sampler, changed":            {nine, true, [][]byte{options(nine, 7, sampler, 0, 5, 10), options(nine, 7, sampler, 0, 5, 1000)}, "1000 by sampler"},
		"another sampler":                 {nine, true, [][]byte{options(nine, 7, sampler, 0, 4, 10)}, "unknown"},
		"a selector":                      {ten, true, [][]byte{options(ten, 7, selector, 5, 1, 1, 99)}, "100 by sampler"},
		"the domain's":                    {nine, true, [][]byte{options(nine, 7, rate, 0, 100, 1)}, "100 by domain"},
		"its sampler before the domain's": {nine, true, [][]byte{options(nine, 7, rate, 0, 100, 1), options(nine, 7, sampler, 0, 5, 1000)}, "1000 by sampler"},
		"its interface":                   {nine, false, [][]byte{options(nine, 7, rate, 0, 100, 1), options(nine, 7, perInterface, 3, 64)}, "64 by domain"},
		"another interface":               {nine, false, [][]byte{options(nine, 7, perInterface, 4, 64)}, "unknown"},
		"interface 0 is all":              {nine, false, [][]byte{options(nine, 7, perInterface, 0, 64)}, "64 by domain"},
		"its template":                    {nine, false, [][]byte{options(nine, 7, perTemplate, 300, 32)}, "32 by domain"},
		"another template":                {nine, false, [][]byte{options(nine, 7, perTemplate, 301, 32)}, "unknown"},
		"line cards agree":                {nine, false, [][]byte{options(nine, 7, lineCard, 1, 100), options(nine, 7, lineCard, 2, 100)}, "100 by domain"},
		"line cards differ":               {nine, false, [][]byte{options(nine, 7, lineCard, 1, 100), options(nine, 7, lineCard, 2, 200)}, "unknown"},
		"one line card changed":           {nine, false, [][]byte{options(nine, 7, lineCard, 1, 100), options(nine, 7, lineCard, 1, 200)}, "200 by domain"},
		"under another source id":         {nine, false, [][]byte{options(nine, 8, rate, 0, 100, 1)}, "100 by exporter"},
		"another's sampler, same id":      {nine, true, [][]byte{options(nine, 8, sampler, 0, 5, 100)}, "100 by exporter"},
		"another's sampler, other id":     {nine, true, [][]byte{options(nine, 8, sampler, 0, 4, 100)}, "unknown"},
		"another's sampler, no id":        {nine, false, [][]byte{options(nine, 8, sampler, 0, 4, 100)}, "100 by exporter"},
		"two others agree":                {nine, false, [][]byte{options(nine, 8, rate, 0, 100, 1), options(nine, 9, rate, 0, 100, 1)}, "100 by exporter"},
		"two others differ":               {nine, false, [][]byte{options(nine, 8, rate, 0, 100, 1), options(nine, 9, rate, 0, 200, 1)}, "unknown"},
		"two samplers, no id":             {nine, false, [][]byte{options(nine, 7, sampler, 0, 4, 100), options(nine, 7, sampler, 0, 5, 200)}, "unknown"},
		"an option without a rate":        {nine, false, [][]byte{options(nine, 7, export.Options(406, 1, 1, 4, 82, 8), 0, 1)}, "unknown"},
	} {
		tpl := addressed(element.Octets, 4, element.Input, 4)
		if c.sampler {
			tpl = addressed(element.Octets, 4, element.Input, 4, element.SamplerID, 2)
		}
		data := options(c.version, 7, tpl, 1, 2, 500, 3, 5)
		if got := told(only(t, decode(t, netflow.New(), append(c.before, data)...))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestAnOldPartSpeaksNoMore forgets the rate of a line card that was not repeated for a day while another's was.
func TestAnOldPartSpeaksNoMore(t *testing.T) {
	t.Parallel()
	d, lineCard := netflow.New(), export.Options(404, 1, 3, 4, 34, 4)
	data := options(netflow.Version9, 7, addressed(element.Octets, 4), 1, 2, 500)
	at(t, d, 0, options(netflow.Version9, 7, lineCard, 1, 100))
	for after, want := range map[time.Duration]string{24 * time.Hour: "unknown", 24*time.Hour + 1: "200 by domain"} {
		state, err := netflow.ReadState(d.AppendState(nil))
		if err != nil {
			t.Fatal(err)
		}
		at(t, state, after, options(netflow.Version9, 7, lineCard, 2, 200))
		if got := told(only(t, at(t, state, after, data))); got != want {
			t.Errorf("after %v: %s, want %s", after, got, want)
		}
	}
}

// TestSourcesAreApart holds that templates and samplers of one address say nothing about another's.
func TestSourcesAreApart(t *testing.T) {
	t.Parallel()
	d := netflow.New()
	tpl := addressed(element.Octets, 4)
	decode(t, d, options(netflow.Version9, 7, export.Rate(netflow.Version9, 401), 0, 100, 1), options(netflow.Version9, 7, tpl, 1, 2, 500))
	data := build(head(netflow.Version9), func(e *export.Encoder) { e.Values(tpl, 1, 2, 500) })
	other := netip.MustParseAddr("192.0.2.2")
	got, err := d.Decode(other, received, data)
	if err != nil || len(got.Records) != 0 || got.WithoutTemplate != 1 {
		t.Errorf("another source: %v, %+v", err, got)
	}
	got, err = d.Decode(other, received, build(head(netflow.Version9), func(e *export.Encoder) { e.Template(tpl) }))
	if err != nil || len(got.Recovered) != 1 || told(only(t, &got.Recovered[0])) != "unknown" {
		t.Errorf("another source's template: %v, %+v", err, got)
	}
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	if got, err = d.Decode(mapped, received, data); err != nil || told(only(t, got)) != "100 by domain" {
		t.Errorf("the same source in IPv6: %v, %+v", err, got)
	}
	if got = decode(t, d, build(netflow.Header{Version: netflow.Version9, Domain: 8}, func(e *export.Encoder) { e.Values(tpl, 1, 2, 500) })); got.WithoutTemplate != 1 {
		t.Errorf("another domain: %+v", got)
	}
}
