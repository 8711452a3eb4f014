package netflow_test

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

func addresses() cmp.Option {
	return cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
}

func anyRecord(six bool, most uint64) *rapid.Generator[netflow.Record] {
	return rapid.Custom(func(t *rapid.T) netflow.Record {
		address := func(name string) netip.Addr {
			b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name)
			b[0] = 32 // never zero, never IPv4 in IPv6
			if six {
				return netip.AddrFrom16([16]byte(b))
			}
			return netip.AddrFrom4([4]byte(b[:4]))
		}
		end := time.Duration(rapid.Int64Range(0, 3_600_000).Draw(t, "end")) * time.Millisecond
		return netflow.Record{
			Src: address("src"), Dst: address("dst"), HasIP: true, Protocol: rapid.Byte().Draw(t, "protocol"),
			Bytes: rapid.Uint64Range(0, most).Draw(t, "bytes"), Packets: rapid.Uint64Range(0, most).Draw(t, "packets"),
			EndAge: end, StartAge: end + time.Duration(rapid.Int64Range(0, 3_600_000).Draw(t, "length"))*time.Millisecond,
			Input: rapid.Uint32Range(0, 65535).Draw(t, "input"), Output: rapid.Uint32Range(0, 65535).Draw(t, "output"),
			Direction: rapid.SampledFrom([]uint8{0, 1, 255}).Draw(t, "direction"), Domain: 7,
		}
	})
}

// TestRoundTrip holds that what the encoder writes is what the decoder reads, in all versions.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version  uint16
		template template.Template
		six      bool
		most     uint64
	}{
		"v5": {netflow.Version5, template.Template{}, false, math.MaxUint32}, "v9": {netflow.Version9, export.IPv4(256), false, math.MaxUint32},
		"v9 IPv6": {netflow.Version9, export.IPv6(257), true, math.MaxUint64}, "IPFIX": {netflow.IPFIX, export.IPFIXv4(258), false, math.MaxUint64},
		"IPFIX IPv6": {netflow.IPFIX, export.IPv6(259), true, math.MaxUint64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				want := rapid.SliceOfN(anyRecord(c.six, c.most), 1, 40).Draw(rt, "records")
				b := build(head(c.version), func(e *export.Encoder) {
					if c.version != netflow.Version5 {
						e.Template(c.template)
					}
					e.Records(c.template, want)
				})
				got := decode(t, netflow.New(), b)
				checkResult(t, got)
				for i := range want {
					if c.version == netflow.Version5 {
						want[i].Direction = netflow.DirectionUnknown
					}
				}
				if diff := cmp.Diff(want, got.Records, addresses()); diff != "" || got.Rejected != 0 || !got.StepKnown {
					rt.Fatalf("%+v\n(-written +read):\n%s", got, diff)
				}
			})
		})
	}
}

// TestStep holds by how much each version's datagram advances the sequence.
func TestStep(t *testing.T) {
	t.Parallel()
	v4, options := export.IPv4(256), export.Rate(netflow.IPFIX, 300)
	write := func(e *export.Encoder) {
		e.Template(v4)
		e.Template(options)
		e.Records(v4, []netflow.Record{web(), web()})
		e.Values(options, 7, 100, 1)
	}
	for version, want := range map[uint16]uint32{netflow.Version9: 1, netflow.IPFIX: 3} {
		got := decode(t, netflow.New(), build(head(version), write))
		if got.Step != want || !got.StepKnown || got.Templates != 2 || got.Options != 1 || got.Sequence != 41 || got.Domain != 7 || got.Exported != exported {
			t.Errorf("version %d: %+v", version, got)
		}
	}
	five := decode(t, netflow.New(), build(head(netflow.Version5), func(e *export.Encoder) {
		e.Records(template.Template{}, make([]netflow.Record, 70)) // more than the format knows: read in parts
	}))
	if five.Step != 70 || len(five.Records) != 70 {
		t.Errorf("version 5: step %d, %d records", five.Step, len(five.Records))
	}
	waits := decode(t, netflow.New(), build(head(netflow.IPFIX), func(e *export.Encoder) { e.Records(v4, []netflow.Record{web()}) }))
	if waits.StepKnown || waits.WithoutTemplate != 1 {
		t.Errorf("without template: %+v", waits)
	}
}

// TestBadHeaders refuses whole datagrams, by reason.
func TestBadHeaders(t *testing.T) {
	t.Parallel()
	short := build(head(netflow.Version5), func(e *export.Encoder) { e.Records(template.Template{}, []netflow.Record{web()}) })
	tooLong := build(head(netflow.IPFIX), func(*export.Encoder) {})
	binary.BigEndian.PutUint16(tooLong[2:], 17)
	tooShort := build(head(netflow.IPFIX), func(*export.Encoder) {})
	binary.BigEndian.PutUint16(tooShort[2:], 15)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty": {nil, netflow.ErrTruncated}, "one byte": {[]byte{0}, netflow.ErrTruncated}, "version 7": {make([]byte, 64), netflow.ErrVersion},
		"v5 cut": {short[:71], netflow.ErrTruncated}, "v9 cut": {[]byte{0, 9, 0, 1}, netflow.ErrTruncated},
		"IPFIX beyond its end": {tooLong, netflow.ErrTruncated}, "IPFIX length": {tooShort, netflow.ErrLength},
		"huge": {make([]byte, 65536), netflow.ErrOversized},
	} {
		if got, err := netflow.New().Decode(source(), received, c.b); err != c.want || got != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestCounters holds which element is the bytes of a record.
func TestCounters(t *testing.T) {
	t.Parallel()
	type counted struct {
		Bytes, Packets, L2 uint64
		Src                string
	}
	const src, dst = 0x0a000001, 0x0a000002
	forward, back := "10.0.0.1", "10.0.0.2"
	for name, c := range map[string]struct {
		pairs  []uint16
		values []uint64
		want   []counted
	}{
		"delta":                       {[]uint16{1, 4, 2, 4}, []uint64{100, 3}, []counted{{100, 3, 0, forward}}},
		"three bytes":                 {[]uint16{1, 3, 2, 1}, []uint64{0xabcdef, 3}, []counted{{0xabcdef, 3, 0, forward}}},
		"eight bytes":                 {[]uint16{1, 8, 2, 8}, []uint64{1 << 60, 1 << 40}, []counted{{1 << 60, 1 << 40, 0, forward}}},
		"variable length":             {[]uint16{1, 65535, 2, 4}, []uint64{77, 1}, []counted{{77, 1, 0, forward}}},
		"delta beside all else":       {[]uint16{85, 4, 23, 4, 231, 4, 232, 4, 1, 4, 2, 4}, []uint64{9, 9, 9, 9, 100, 3}, []counted{{100, 3, 0, forward}}},
		"total":                       {[]uint16{85, 4, 86, 4}, []uint64{100, 3}, []counted{{100, 3, 0, forward}}},
		"total before post":           {[]uint16{23, 4, 24, 4, 85, 4, 86, 4}, []uint64{9, 9, 100, 3}, []counted{{100, 3, 0, forward}}},
		"post":                        {[]uint16{23, 4, 24, 4}, []uint64{100, 3}, []counted{{100, 3, 0, forward}}},
		"ASA":                         {[]uint16{231, 4, 232, 4, 298, 4, 299, 4}, []uint64{100, 5000, 3, 4}, []counted{{100, 3, 0, forward}, {5000, 4, 0, back}}},
		"ASA before total":            {[]uint16{85, 4, 231, 4, 232, 4}, []uint64{5100, 100, 5000}, []counted{{100, 0, 0, forward}, {5000, 0, 0, back}}},
		"ASA, nothing back":           {[]uint16{231, 4, 232, 4}, []uint64{100, 0}, []counted{{100, 0, 0, forward}}},
		"ASA, only back":              {[]uint16{232, 4}, []uint64{100}, []counted{{0, 0, 0, forward}, {100, 0, 0, back}}},
		"L2 beside":                   {[]uint16{1, 4, 2, 4, 352, 8}, []uint64{100, 3, 142}, []counted{{100, 3, 142, forward}}},
		"L2 alone":                    {[]uint16{352, 8, 2, 4}, []uint64{142, 3}, []counted{{0, 3, 142, forward}}},
		"none":                        {[]uint16{2, 4}, []uint64{3}, nil},
		"a length that no counter is": {[]uint16{1, 9, 2, 4}, []uint64{100, 3}, nil},
		"twice, the first":            {[]uint16{1, 4, 1, 4, 2, 4}, []uint64{100, 50, 3}, []counted{{100, 3, 0, forward}}},
	} {
		got := one(t, netflow.IPFIX, addressed(c.pairs...), append([]uint64{src, dst}, c.values...)...)
		var all []counted
		for _, r := range got.Records {
			all = append(all, counted{r.Bytes, r.Packets, r.L2Bytes, r.Src.String()})
		}
		if diff := cmp.Diff(c.want, all, cmpopts.EquateEmpty()); diff != "" || (c.want == nil) != (got.NoOctets == 1) || got.Step != 1 {
			t.Errorf("%s: %d without octets (-want +got):\n%s", name, got.NoOctets, diff)
		}
	}
}

// TestBiflow reads RFC 5103's reverse elements: a second record, the other way.
func TestBiflow(t *testing.T) {
	t.Parallel()
	tpl := addressed(element.Input, 4, element.Output, 4, element.Direction, 1, element.OctetsTotal, 8, element.PacketsTotal, 8)
	tpl.Fields = append(tpl.Fields, element.Field{Enterprise: element.Reverse, ID: element.OctetsTotal, Length: 4},
		element.Field{Enterprise: element.Reverse, ID: element.PacketsTotal, Length: 4}, element.Field{Enterprise: 6871, ID: element.Octets, Length: 4})
	got := one(t, netflow.IPFIX, tpl, 0x0a000001, 0x0a000002, 3, 4, 0, 100, 2, 7000, 5, 9)
	want := []netflow.Record{
		{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), HasIP: true, Bytes: 100, Packets: 2, Input: 3, Output: 4, Domain: 7},
		{Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("10.0.0.1"), HasIP: true, Bytes: 7000, Packets: 5, Input: 4, Output: 3, Domain: 7,
			Direction: netflow.DirectionUnknown, Reverse: true},
	}
	if diff := cmp.Diff(want, got.Records, addresses()); diff != "" || got.Step != 1 {
		t.Errorf("step %d (-want +got):\n%s", got.Step, diff)
	}
}

// TestAddresses chooses between the pairs that a record has.
func TestAddresses(t *testing.T) {
	t.Parallel()
	both := export.Of(300, element.SrcIPv4, 4, element.DstIPv4, 4, element.SrcIPv6, 16, element.DstIPv6, 16, element.IPVersion, 1, element.Octets, 4)
	for name, c := range map[string]struct {
		tpl    template.Template
		values []uint64
		want   string
	}{
		"IPv4 beside zeros":      {both, []uint64{1, 2, 0, 0, 0, 5}, "0.0.0.1 0.0.0.2"},
		"IPv6 beside zeros":      {both, []uint64{0, 0, 1, 2, 0, 5}, "::1 ::2"},
		"both, version 6":        {both, []uint64{1, 2, 1, 2, 6, 5}, "::1 ::2"},
		"both, version 4":        {both, []uint64{1, 2, 1, 2, 4, 5}, "0.0.0.1 0.0.0.2"},
		"both, version silent":   {both, []uint64{1, 2, 1, 2, 0, 5}, "0.0.0.1 0.0.0.2"},
		"version lies":           {both, []uint64{1, 2, 0, 0, 6, 5}, "0.0.0.1 0.0.0.2"},
		"none":                   {both, []uint64{0, 0, 0, 0, 4, 5}, ""},
		"IPv4 in IPv6":           {export.Of(300, element.SrcIPv6, 16, element.DstIPv6, 16, element.Octets, 4), []uint64{0xffff0a000001, 0xffff0a000002, 5}, "10.0.0.1 10.0.0.2"},
		"only the destination":   {export.Of(300, element.DstIPv4, 4, element.Octets, 4), []uint64{0x0a000001, 5}, "0.0.0.0 10.0.0.1"},
		"an address of 3 bytes":  {export.Of(300, element.DstIPv4, 3, element.Octets, 4), []uint64{1, 5}, ""},
		"broadcast from nowhere": {both, []uint64{0, 0xffffffff, 0, 0, 4, 5}, "0.0.0.0 255.255.255.255"},
	} {
		r := only(t, one(t, netflow.IPFIX, c.tpl, c.values...))
		got := ""
		if r.HasIP {
			got = r.Src.String() + " " + r.Dst.String()
		}
		if got != c.want || r.Bytes != 5 {
			t.Errorf("%s: %q and %d bytes, want %q", name, got, r.Bytes, c.want)
		}
	}
}

// TestNoAddressInVersion5 is the same in the form that has no templates.
func TestNoAddressInVersion5(t *testing.T) {
	t.Parallel()
	r := only(t, decode(t, netflow.New(), build(head(netflow.Version5), func(e *export.Encoder) {
		e.Records(template.Template{}, []netflow.Record{{Bytes: 5}})
	})))
	if r.HasIP || r.Src.IsValid() || r.Dst.IsValid() || r.Bytes != 5 {
		t.Errorf("%+v", r)
	}
}

// TestInterfaces falls back to the physical ports, and knows two directions.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	physical := only(t, one(t, netflow.IPFIX, addressed(element.PhysicalInput, 4, element.PhysicalOutput, 4, element.Direction, 1, element.Octets, 4), 1, 2, 7, 8, 255, 5))
	if physical.Input != 7 || physical.Output != 8 || physical.Direction != netflow.DirectionUnknown {
		t.Errorf("physical: %+v", physical)
	}
	both := only(t, one(t, netflow.IPFIX, addressed(element.PhysicalInput, 4, element.Input, 2, element.Output, 8, element.Direction, 1, element.Octets, 4), 1, 2, 7, 9, 1<<40, 1, 5))
	if both.Input != 9 || both.Output != 0 || both.Direction != netflow.DirectionEgress {
		t.Errorf("both: %+v", both)
	}
}
