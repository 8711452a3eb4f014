package netflow_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

// exported is when the datagrams that the tests build left their exporter, by its clock; uptime is its age then.
const (
	exported = 1_699_999_000_000_000_000
	uptime   = 7_200_000
)

func head(version uint16) netflow.Header {
	h := netflow.Header{Version: version, Domain: 7, Sequence: 41, Uptime: uptime, Exported: exported}
	if version == netflow.IPFIX {
		h.Uptime = 0
	}
	return h
}

// build writes one datagram.
func build(h netflow.Header, write func(*export.Encoder)) []byte {
	var e export.Encoder
	e.Start(h)
	write(&e)
	return e.Finish()
}

func web() netflow.Record {
	return netflow.Record{
		Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.2"), HasIP: true, Protocol: 6,
		Bytes: 150_000, Packets: 100, StartAge: 40 * time.Second, EndAge: 10 * time.Second,
		Input: 3, Output: 4, Direction: netflow.DirectionIngress, Domain: 7,
	}
}

// decode decodes datagrams one after the other and gives the last result.
func decode(t testing.TB, d *netflow.Decoder, datagrams ...[]byte) *netflow.Datagram {
	t.Helper()
	var got *netflow.Datagram
	for _, b := range datagrams {
		var err error
		if got, err = d.Decode(source(), received, b); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// one decodes a template and one record of it, by its values.
func one(t testing.TB, version uint16, tpl template.Template, values ...uint64) *netflow.Datagram {
	t.Helper()
	return decode(t, netflow.New(), build(head(version), func(e *export.Encoder) {
		e.Template(tpl)
		e.Values(tpl, values...)
	}))
}

// addressed is a template of the given elements behind two IPv4 addresses.
func addressed(pairs ...uint16) template.Template {
	return export.Of(300, append([]uint16{element.SrcIPv4, 4, element.DstIPv4, 4}, pairs...)...)
}

func only(t testing.TB, d *netflow.Datagram) netflow.Record {
	t.Helper()
	if len(d.Records) != 1 {
		t.Fatalf("%d records: %+v", len(d.Records), d)
	}
	return d.Records[0]
}

// checkResult holds what must be true of every result, whatever the input was.
func checkResult(t testing.TB, d *netflow.Datagram) {
	t.Helper()
	rejects := 0
	for _, n := range d.Rejects {
		rejects += n
	}
	if rejects != d.Rejected {
		t.Fatalf("%d rejects, %d rejected", rejects, d.Rejected)
	}
	for _, r := range d.Records {
		if r.EndAge < 0 || r.StartAge < r.EndAge || r.StartAge > netflow.MaxAge {
			t.Fatalf("ages %v to %v", r.StartAge, r.EndAge)
		}
		if r.HasIP != r.Src.IsValid() || r.HasIP != r.Dst.IsValid() || r.RateKnown != (r.Rate > 0) || r.RateKnown != (r.RateFrom != netflow.RateFromNone) {
			t.Fatalf("record %+v", r)
		}
	}
	if len(d.Recovered) > netflow.MaxKept+1 {
		t.Fatalf("%d recovered", len(d.Recovered))
	}
	for i := range d.Recovered {
		checkResult(t, &d.Recovered[i])
	}
}
