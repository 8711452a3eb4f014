package netflow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
)

// at decodes a datagram received so long after the others.
func at(t testing.TB, d *netflow.Decoder, after time.Duration, b []byte) *netflow.Datagram {
	t.Helper()
	got, err := d.Decode(source(), received+after.Nanoseconds(), b)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func templateAlone(version uint16) []byte {
	return build(head(version), func(e *export.Encoder) { e.Template(export.IPv4(256)) })
}

func dataAlone(version uint16, sequence uint32) []byte {
	h := head(version)
	h.Sequence = sequence
	return build(h, func(e *export.Encoder) { e.Records(export.IPv4(256), []netflow.Record{web(), web()}) })
}

// TestDataBeforeItsTemplate gives it once, when the template comes, with the times of its own datagram.
func TestDataBeforeItsTemplate(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{netflow.Version9, netflow.IPFIX} {
		d := netflow.New()
		if got := at(t, d, 0, dataAlone(version, 41)); len(got.Records) != 0 || got.WithoutTemplate != 1 {
			t.Errorf("first: %+v", got)
		}
		at(t, d, time.Second, dataAlone(version, 43))
		got := at(t, d, time.Minute, templateAlone(version))
		if len(got.Recovered) != 2 || len(got.Records) != 0 || got.GivenUp != 0 {
			t.Fatalf("version %d: %+v", version, got)
		}
		for i, r := range got.Recovered {
			checkResult(t, &r)
			if len(r.Records) != 2 || r.Sequence != 41+2*uint32(i) || r.Received != received+int64(i)*1e9 || r.Exported != exported || !r.StepKnown {
				t.Errorf("version %d, %d: %+v", version, i, r)
			}
			if want := map[uint16]uint32{netflow.Version9: 0, netflow.IPFIX: 2}[version]; r.Step != want {
				t.Errorf("version %d: step %d, want %d", version, r.Step, want)
			}
		}
		if version == netflow.Version9 {
			if diff := cmp.Diff(web(), got.Recovered[0].Records[0], addresses()); diff != "" {
				t.Error(diff)
			}
		}
		if got = at(t, d, time.Minute, templateAlone(version)); len(got.Recovered) != 0 {
			t.Errorf("given twice: %+v", got)
		}
	}
}

// TestTemplateBehindItsData finds the template in the same datagram.
func TestTemplateBehindItsData(t *testing.T) {
	t.Parallel()
	got := decode(t, netflow.New(), build(head(netflow.Version9), func(e *export.Encoder) {
		e.Records(export.IPv4(256), []netflow.Record{web()})
		e.Template(export.IPv4(256))
	}))
	if len(got.Recovered) != 1 || got.WithoutTemplate != 1 || len(got.Recovered[0].Records) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestOptionsBeforeTheirTemplate learns a rate that waited.
func TestOptionsBeforeTheirTemplate(t *testing.T) {
	t.Parallel()
	d, rate := netflow.New(), export.Rate(netflow.Version9, 401)
	decode(t, d, build(head(netflow.Version9), func(e *export.Encoder) { e.Values(rate, 0, 100, 1) }))
	got := decode(t, d, build(head(netflow.Version9), func(e *export.Encoder) { e.Template(rate) }))
	if len(got.Recovered) != 1 || got.Recovered[0].Options != 1 {
		t.Errorf("%+v", got)
	}
	if got := told(only(t, decode(t, d, options(netflow.Version9, 7, addressed(element.Octets, 4), 1, 2, 5)))); got != "100 by domain" {
		t.Error(got)
	}
}

// TestWaitingIsBounded gives up the oldest, by number, by bytes and by age, and counts each once.
func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	d, waiting, givenUp := netflow.New(), 0, 0
	for i := range 100 {
		got := at(t, d, time.Duration(i)*time.Second, dataAlone(netflow.Version9, uint32(i)))
		waiting, givenUp = waiting+got.WithoutTemplate, givenUp+got.GivenUp
	}
	if waiting != 100 || givenUp != 100-netflow.MaxKept {
		t.Errorf("%d waited, %d given up", waiting, givenUp)
	}
	got := at(t, d, netflow.MaxKeptFor+50*time.Second+1, templateAlone(netflow.Version9))
	if len(got.Recovered) != 49 || got.GivenUp != 15 || got.Recovered[0].Sequence != 51 {
		t.Errorf("%d recovered, %d given up", len(got.Recovered), got.GivenUp)
	}
	large := build(head(netflow.Version9), func(e *export.Encoder) { e.Set(999, make([]byte, 60_000)) })
	for i := range 6 {
		if got = at(t, d, time.Hour, large); got.GivenUp != map[bool]int{true: 1}[i >= 4] {
			t.Errorf("large %d: %+v", i, got)
		}
	}
}

// TestWaitingDataOfAnotherShape is not decoded by a template that it cannot be of.
func TestWaitingDataOfAnotherShape(t *testing.T) {
	t.Parallel()
	restarted := head(netflow.Version9)
	restarted.Uptime = 1000
	for name, b := range map[string][]byte{
		"another length": build(head(netflow.Version9), func(e *export.Encoder) {
			e.Template(export.Of(256, element.SrcIPv4, 4, element.DstIPv4, 4, element.Octets, 3))
		}),
		"after a restart": build(restarted, func(e *export.Encoder) { e.Template(export.IPv4(256)) }),
	} {
		d := netflow.New()
		decode(t, d, dataAlone(netflow.Version9, 41))
		got := decode(t, d, b)
		if len(got.Recovered) != 0 || got.GivenUp != 1 || got.Rejects[netflow.ErrMismatch] != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestOvertaken decodes data that has overtaken its template on the way.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	d, earlier := netflow.New(), head(netflow.Version9)
	earlier.Uptime -= 20
	decode(t, d, dataAlone(netflow.Version9, 41))
	got := decode(t, d, build(earlier, func(e *export.Encoder) { e.Template(export.IPv4(256)) }))
	if len(got.Recovered) != 1 || got.GivenUp != 0 {
		t.Errorf("%+v", got)
	}
}

// TestTemplateChanges follows a template through its life.
func TestTemplateChanges(t *testing.T) {
	t.Parallel()
	d := netflow.New()
	first, second := addressed(element.Octets, 4), addressed(element.Octets, 8, element.Packets, 8)
	if r := only(t, decode(t, d, options(netflow.IPFIX, 7, first, 1, 2, 100))); r.Bytes != 100 {
		t.Errorf("first: %+v", r)
	}
	if r := only(t, decode(t, d, options(netflow.IPFIX, 7, second, 1, 2, 200, 3))); r.Bytes != 200 || r.Packets != 3 {
		t.Errorf("redefined: %+v", r)
	}
	data := build(head(netflow.IPFIX), func(e *export.Encoder) { e.Values(second, 1, 2, 200, 3) })
	for name, withdraw := range map[string]func(*export.Encoder){
		"one":       func(e *export.Encoder) { e.Withdraw(300, false) },
		"all":       func(e *export.Encoder) { e.Withdraw(2, false) },
		"malformed": func(e *export.Encoder) { e.Template(export.Of(300, element.Octets, 0)) },
	} {
		decode(t, d, options(netflow.IPFIX, 7, second, 1, 2, 200, 3))
		if got := decode(t, d, build(head(netflow.IPFIX), withdraw)); got.Withdrawn+got.Rejected != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		if got := decode(t, d, data); got.WithoutTemplate != 1 || len(got.Records) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	rate := export.Rate(netflow.IPFIX, 401)
	decode(t, d, options(netflow.IPFIX, 7, rate, 7, 100, 1))
	decode(t, d, build(head(netflow.IPFIX), func(e *export.Encoder) { e.Withdraw(2, false) }))
	if got := decode(t, d, build(head(netflow.IPFIX), func(e *export.Encoder) { e.Values(rate, 7, 100, 1) })); got.Options != 1 {
		t.Errorf("options went with the data templates: %+v", got)
	}
	decode(t, d, build(head(netflow.IPFIX), func(e *export.Encoder) { e.Withdraw(3, true) }))
	if got := decode(t, d, build(head(netflow.IPFIX), func(e *export.Encoder) { e.Values(rate, 7, 100, 1) })); got.Options != 0 {
		t.Errorf("options are still there: %+v", got)
	}
}

// TestTemplatesMakeRoom forgets the template that was used longest ago.
func TestTemplatesMakeRoom(t *testing.T) {
	t.Parallel()
	d := netflow.New()
	for i := range netflow.MaxTemplates + 1 {
		at(t, d, time.Duration(i)*time.Second, build(head(netflow.Version9), func(e *export.Encoder) {
			e.Template(export.Of(uint16(256+i), element.SrcIPv4, 4, element.Octets, 4))
			e.Values(export.Of(256, element.SrcIPv4, 4, element.Octets, 4), 1, 2) // in use
		}))
	}
	for id, want := range map[uint16]int{256: 1, 257: 0, 258: 1, 1280: 1} {
		got := at(t, d, time.Hour, build(head(netflow.Version9), func(e *export.Encoder) {
			e.Values(export.Of(id, element.SrcIPv4, 4, element.Octets, 4), 1, 2)
		}))
		if len(got.Records) != want {
			t.Errorf("template %d: %d records, want %d", id, len(got.Records), want)
		}
	}
}

// TestRepeatingKeepsATemplate counts a template that is repeated as in use.
func TestRepeatingKeepsATemplate(t *testing.T) {
	t.Parallel()
	d := netflow.New()
	small := func(id int) []byte {
		return build(head(netflow.Version9), func(e *export.Encoder) { e.Template(export.Of(uint16(id), element.SrcIPv4, 4, element.Octets, 4)) })
	}
	for i := range netflow.MaxTemplates {
		at(t, d, time.Duration(i), small(256+i))
	}
	at(t, d, time.Second, small(256))
	at(t, d, time.Minute, small(5000))
	for id, want := range map[uint16]int{256: 1, 257: 0} {
		got := at(t, d, time.Hour, build(head(netflow.Version9), func(e *export.Encoder) { e.Values(export.Of(id, element.SrcIPv4, 4, element.Octets, 4), 1, 2) }))
		if len(got.Records) != want {
			t.Errorf("template %d: %d records, want %d", id, len(got.Records), want)
		}
	}
}

// TestTheNewestTimeCounts gives up what is old by the newest time seen, when the log has older datagrams behind newer ones.
func TestTheNewestTimeCounts(t *testing.T) {
	t.Parallel()
	d := netflow.New()
	at(t, d, time.Hour, templateAlone(netflow.IPFIX))
	at(t, d, 0, dataAlone(netflow.Version9, 1))
	if got := at(t, d, time.Second, templateAlone(netflow.Version9)); got.GivenUp != 1 || len(got.Recovered) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestDomainsMakeRoom forgets the domain that was heard longest ago.
func TestDomainsMakeRoom(t *testing.T) {
	t.Parallel()
	d, tpl := netflow.New(), addressed(element.Octets, 4)
	for i := range netflow.MaxDomains + 1 {
		at(t, d, time.Duration(i)*time.Second, options(netflow.IPFIX, uint32(i), tpl, 1, 2, 100))
	}
	for domain, want := range map[uint32]int{0: 0, 1: 1, netflow.MaxDomains: 1} {
		h := head(netflow.IPFIX)
		h.Domain = domain
		got := at(t, d, time.Hour, build(h, func(e *export.Encoder) { e.Values(tpl, 1, 2, 100) }))
		if len(got.Records) != want {
			t.Errorf("domain %d: %d records, want %d", domain, len(got.Records), want)
		}
	}
}

// TestSamplersAreBounded refuses those beyond the last place, and keeps the others.
func TestSamplersAreBounded(t *testing.T) {
	t.Parallel()
	d, sampler := netflow.New(), export.Sampler(netflow.Version9, 400)
	refused := 0
	for i := range netflow.MaxSamplers + 2 {
		refused += decode(t, d, options(netflow.Version9, uint32(i/3000), sampler, 0, uint64(i), 10)).Rejects[netflow.ErrSamplers]
	}
	if refused != 2 {
		t.Errorf("%d refused", refused)
	}
	data := options(netflow.Version9, 1, addressed(element.Octets, 4, element.SamplerID, 2), 1, 2, 5, netflow.MaxSamplers-1)
	if got := told(only(t, decode(t, d, data))); got != "10 by sampler" {
		t.Error(fmt.Sprint("the last that had room: ", got))
	}
}
