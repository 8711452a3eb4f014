package sflow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/sflow/packet"
)

const everyTunnel = VXLAN | GRE | MPLS

// Numbers of RFC 2784 and RFC 2890, and how many labels are looked behind.
const (
	protocolGRE       = 47
	etherTypeEthernet = 0x6558
	greChecksum       = 0x8000
	greKey            = 0x2000
	greSequence       = 0x1000
	maxLabels         = 8
)

// layer is the first bytes of something on the wire, and how long it is with what follows them.
type layer struct {
	b    []byte
	size int
}

func ethernetOf(f Frame) layer { return layer{f.AppendHeader(nil), f.LinkBytes() + int(f.IPLength)} }

func ipOf(f Frame) layer { return layer{f.AppendHeader(nil)[f.LinkBytes():], int(f.IPLength)} }

func (l layer) behind(header ...byte) layer {
	return layer{append(header, l.b...), len(header) + l.size}
}

// in puts the layer into f's IP packet as the given protocol.
func (l layer) in(f Frame, protocol uint8) layer {
	f.Protocol, f.IPLength = protocol, uint16(f.ipBytes()+l.size)
	return layer{l.b, l.size}.behind(f.AppendHeader(nil)[:f.LinkBytes()+f.ipBytes()]...)
}

// inMPLS puts the layer behind f's Ethernet header and as many labels.
func (l layer) inMPLS(f Frame, etherType uint16, labels int) layer {
	header := f.AppendHeader(nil)[:f.LinkBytes()]
	binary.BigEndian.PutUint16(header[len(header)-2:], etherType)
	for i := range labels {
		bottom := byte(0)
		if i == labels-1 {
			bottom = 1
		}
		header = append(header, 0, 1, byte(i)<<4|bottom, 64)
	}
	return l.behind(header...)
}

func (l layer) inVXLAN(f Frame) layer {
	return l.behind(0x08, 0, 0, 0, 0, 0, 77, 0).inUDP(f, packet.PortVXLAN)
}

func (l layer) inUDP(f Frame, port uint16) layer {
	header := binary.BigEndian.AppendUint16([]byte{0xc0, 0}, port)
	header = binary.BigEndian.AppendUint16(header, uint16(l.size+packet.UDPBytes))
	return l.behind(append(header, 0, 0)...).in(f, packet.ProtocolUDP)
}

func (l layer) inGRE(f Frame, flags, etherType uint16) layer {
	header := binary.BigEndian.AppendUint16(nil, flags)
	header = binary.BigEndian.AppendUint16(header, etherType)
	for _, field := range []uint16{greChecksum, greKey, greSequence} {
		if flags&field != 0 {
			header = append(header, 0, 0, 0, 9)
		}
	}
	return l.behind(header...).in(f, protocolGRE)
}

// patch overwrites bytes at an offset.
func (l layer) patch(at int, b ...byte) layer {
	l.b = slices.Clone(l.b)
	copy(l.b[at:], b)
	return l
}

// underlay4 and underlay6 are tunnel ends.
func underlay4() Frame {
	return Frame{Src: netip.MustParseAddr("10.255.0.1"), Dst: netip.MustParseAddr("10.255.0.2")}
}

func underlay6() Frame {
	return Frame{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2")}
}

func tagged(f Frame, vlans ...uint16) Frame {
	f.VLANs = vlans
	return f
}

// extendedBy puts extension headers before what an IPv6 packet behind plain Ethernet carries.
func (l layer) extendedBy(headers ...[]byte) layer {
	const at = packet.EthernetBytes + ipv6HeaderBytes
	next := l.b[20]
	l = l.patch(20, headers[0][0]) // the first byte of each here is its own number, and becomes the next one's
	n := 0
	for i, h := range headers {
		h = slices.Clone(h)
		h[0] = next
		if i < len(headers)-1 {
			h[0] = headers[i+1][0]
		}
		l.b = slices.Insert(l.b, at+n, h...)
		n += len(h)
	}
	l.size += n
	length := make([]byte, 2)
	binary.BigEndian.PutUint16(length, uint16(l.size-at))
	return l.patch(18, length...)
}

func optionHeader(kind uint8, bytes int) []byte {
	h := make([]byte, bytes)
	h[0], h[1] = kind, byte(bytes/8-1)
	return h
}

func fragmentHeader(offset uint16) []byte {
	h := make([]byte, 8)
	h[0] = 44
	binary.BigEndian.PutUint16(h[2:], offset<<3)
	return h
}

// insideCase is a sampled frame and what is to be billed of it. The frame's length has the check sequence, as most
// agents state it, and so have the lengths of frames here.
type insideCase struct {
	inside   Inside
	frame    layer
	protocol uint32 // header_protocol, 0 for Ethernet
	l2, l3   int    // l3 0 for no IP
	src      string
}

const (
	src4 = "198.51.100.1"
	src6 = "2001:db8:1::1"
	out4 = "10.255.0.1"
	out6 = "fd00::1"
)

func insideCases() map[string]insideCase {
	u4, u6, f4, f6 := underlay4(), underlay6(), frameIPv4(), frameIPv6()
	plain6 := tagged(f6)
	e4, e6 := ethernetOf(f4), ethernetOf(f6) // 1014 bytes, and 1222 with two tags
	all := everyTunnel
	return map[string]insideCase{
		"VXLAN":                         {VXLAN, e4.inVXLAN(u4), 0, 1018, 1000, src4},
		"VXLAN, tags inside":            {VXLAN, e6.inVXLAN(u4), 0, 1226, 1200, src6},
		"VXLAN, QinQ outside":           {VXLAN, e4.inVXLAN(tagged(u4, 5, 6)), 0, 1018, 1000, src4},
		"VXLAN, tags on both sides":     {all, e6.inVXLAN(tagged(u4, 5)), 0, 1226, 1200, src6},
		"VXLAN over IPv6":               {VXLAN, e4.inVXLAN(u6), 0, 1018, 1000, src4},
		"VXLAN, IPv6 in IPv6":           {VXLAN, e6.inVXLAN(u6), 0, 1226, 1200, src6},
		"VXLAN without outer Ethernet":  {VXLAN, layer{e4.inVXLAN(u4).b[14:], 1050}, headerIPv4, 1018, 1000, src4},
		"VXLAN over IPv6, no Ethernet":  {VXLAN, layer{e4.inVXLAN(u6).b[14:], 1070}, headerIPv6, 1018, 1000, src4},
		"VXLAN, options in outer IPv4":  {VXLAN, optioned(e4.inVXLAN(u4)), 0, 1018, 1000, src4},
		"VXLAN, extension headers":      {VXLAN, e4.inVXLAN(u6).extendedBy(optionHeader(0, 8), optionHeader(60, 24)), 0, 1018, 1000, src4},
		"VXLAN, first fragment":         {VXLAN, e4.inVXLAN(u4).patch(20, 0x20, 0), 0, 1018, 1000, src4},
		"VXLAN of ARP":                  {VXLAN, e4.patch(12, 8, 6).inVXLAN(u4), 0, 1018, 0, ""},
		"VXLAN with a policy tag":       {VXLAN, e4.behind(0x88, 0, 0, 9, 0, 0, 77, 0).inUDP(u4, packet.PortVXLAN), 0, 1018, 1000, src4},
		"VXLAN in VXLAN":                {all, e4.inVXLAN(f4).inVXLAN(u4), 0, 1068, 1050, src4},
		"VXLAN without its flag":        {all, e4.behind(0, 0, 0, 0, 0, 0, 77, 0).inUDP(u4, packet.PortVXLAN), 0, 1068, 1050, out4},
		"Linux' old port":               {all, e4.behind(8, 0, 0, 0, 0, 0, 77, 0).inUDP(u4, 8472), 0, 1068, 1050, out4},
		"VXLAN, not asked for":          {GRE | MPLS, e4.inVXLAN(u4), 0, 1068, 1050, out4},
		"UDP fragment without ports":    {all, e4.inVXLAN(u4).patch(20, 0, 9), 0, 1068, 1050, out4},
		"UDP fragment, IPv6":            {all, e4.inVXLAN(u6).extendedBy(fragmentHeader(9)), 0, 1096, 1078, out6},
		"GRE of IPv4":                   {GRE, ipOf(f4).inGRE(u4, 0, packet.TypeIPv4), 0, 1018, 1000, src4},
		"GRE of IPv6":                   {GRE, ipOf(f6).inGRE(tagged(u4, 5), 0, packet.TypeIPv6), 0, 1222, 1200, src6},
		"GRE over IPv6":                 {GRE, ipOf(f4).inGRE(u6, 0, packet.TypeIPv4), 0, 1018, 1000, src4},
		"GRE with checksum":             {GRE, ipOf(f4).inGRE(u4, greChecksum, packet.TypeIPv4), 0, 1018, 1000, src4},
		"GRE with key":                  {GRE, ipOf(f4).inGRE(u4, greKey, packet.TypeIPv4), 0, 1018, 1000, src4},
		"GRE with sequence":             {GRE, ipOf(f4).inGRE(u4, greSequence, packet.TypeIPv4), 0, 1018, 1000, src4},
		"GRE with all fields":           {GRE, ipOf(f4).inGRE(u4, greChecksum|greKey|greSequence, packet.TypeIPv4), 0, 1018, 1000, src4},
		"GRE of Ethernet":               {GRE, e6.inGRE(tagged(u4, 5, 6), 0, etherTypeEthernet), 0, 1226, 1200, src6},
		"NVGRE":                         {GRE, e4.inGRE(u4, greKey, etherTypeEthernet), 0, 1018, 1000, src4},
		"GRE with source route":         {GRE, ipOf(f4).inGRE(u4, 0x4000, packet.TypeIPv4), 0, 1042, 1024, out4},
		"PPTP":                          {GRE, ipOf(f4).inGRE(u4, 0x2001, 0x880b), 0, 1046, 1028, out4},
		"GRE of something else":         {GRE, ipOf(f4).inGRE(u4, 0, 0x88be), 0, 1018, 0, ""},
		"GRE fragment":                  {GRE, ipOf(f4).inGRE(u4, 0, packet.TypeIPv4).patch(20, 0, 9), 0, 1042, 0, ""},
		"GRE in GRE":                    {all, ipOf(f4).inGRE(f4, 0, packet.TypeIPv4).inGREof(u4), 0, 1042, 1024, src4},
		"GRE, not asked for":            {VXLAN | MPLS, ipOf(f4).inGRE(u4, 0, packet.TypeIPv4), 0, 1042, 1024, out4},
		"MPLS of IPv4":                  {MPLS, ipOf(f4).inMPLS(u4, packet.TypeMPLS, 1), 0, 1018, 1000, src4},
		"MPLS of IPv6, tag":             {MPLS, ipOf(f6).inMPLS(tagged(u4, 5), packet.TypeMPLS, 3), 0, 1222, 1200, src6},
		"MPLS multicast":                {MPLS, ipOf(f4).inMPLS(u4, packet.TypeMPLSMulticast, 2), 0, 1018, 1000, src4},
		"MPLS, eight labels":            {MPLS, ipOf(f4).inMPLS(u4, packet.TypeMPLS, 8), 0, 1018, 1000, src4},
		"MPLS, nine labels":             {MPLS, ipOf(f4).inMPLS(u4, packet.TypeMPLS, 9), 0, 1054, 0, ""},
		"MPLS pseudowire":               {MPLS, e6.behind(0, 0, 0, 1).inMPLS(u4, packet.TypeMPLS, 2), 0, 1226, 1200, src6},
		"MPLS of something else":        {MPLS, ipOf(f4).behind(0x10, 0, 0, 0).inMPLS(u4, packet.TypeMPLS, 1), 0, 1022, 0, ""},
		"MPLS as header protocol":       {MPLS, layer{ipOf(f4).inMPLS(u4, packet.TypeMPLS, 2).b[14:], 1008}, headerMPLS, 1004, 1000, src4},
		"MPLS header protocol, no MPLS": {VXLAN | GRE, layer{ipOf(f4).inMPLS(u4, packet.TypeMPLS, 2).b[14:], 1008}, headerMPLS, 1012, 0, ""},
		"MPLS, not asked for":           {VXLAN | GRE, ipOf(f4).inMPLS(u4, packet.TypeMPLS, 1), 0, 1022, 0, ""},
		"MPLS in GRE":                   {all, layer{ipOf(f4).inMPLS(u4, packet.TypeMPLS, 2).b[14:], 1008}.inGRE(u4, 0, packet.TypeMPLS), 0, 1018, 1000, src4},
		"MPLS in GRE, only GRE":         {GRE, layer{ipOf(f4).inMPLS(u4, packet.TypeMPLS, 2).b[14:], 1008}.inGRE(u4, 0, packet.TypeMPLS), 0, 1026, 0, ""},
		"VXLAN in GRE in MPLS":          {all, layer{layer{e4.inVXLAN(u4).b[14:], 1050}.inGRE(u6, 0, packet.TypeIPv4).b[14:], 1094}.inMPLS(u4, packet.TypeMPLS, 2), 0, 1018, 1000, src4},
		"GRE in VXLAN":                  {all, ipOf(f4).inGRE(tagged(u4, 9), 0, packet.TypeIPv4).inVXLAN(u4), 0, 1022, 1000, src4},
		"MPLS in VXLAN":                 {all, ipOf(f4).inMPLS(u6, packet.TypeMPLS, 1).inVXLAN(u4), 0, 1018, 1000, src4},
		"no tunnel":                     {all, e4, 0, 1018, 1000, src4},
		"no tunnel, IPv6":               {all, ethernetOf(plain6), 0, 1218, 1200, src6},
		"UDP to another port":           {all, e4.inUDP(u4, 53), 0, 1060, 1042, out4},
	}
}

func (l layer) inGREof(f Frame) layer {
	return layer{l.b[packet.EthernetBytes:], l.size - packet.EthernetBytes}.inGRE(f, 0, packet.TypeIPv4)
}

// optioned gives the IPv4 packet behind plain Ethernet four bytes of options.
func optioned(l layer) layer {
	l = l.patch(14, 0x46)
	binary.BigEndian.PutUint16(l.b[16:], u16(l.b[16:])+4)
	return layer{slices.Insert(l.b, 34, 1, 1, 1, 0), l.size + 4}
}

// decode decodes one sample of c's frame, cut to n bytes, with both decoders.
func (c insideCase) decode(t testing.TB, inside Inside, n int) FlowSample {
	t.Helper()
	protocol, length := uint32(headerEthernet), uint32(c.frame.size)+checkSequenceBytes
	if c.protocol != 0 {
		protocol = c.protocol
	}
	b := oneHeader(protocol, length, c.frame.b[:n])
	var found [2]FlowSample
	for i, reference := range []bool{false, true} {
		d := Decoder{reference: reference, Inside: inside}
		if err := d.Decode(b); err != nil || len(d.Flows) != 1 {
			t.Fatalf("error %v, %d samples, rejects %v", err, len(d.Flows), d.Rejects)
		}
		found[i] = d.Flows[0]
		checkFlow(t, &found[i])
	}
	if found[0] != found[1] {
		t.Fatalf("walker %+v, with goflow2 %+v", found[0], found[1])
	}
	return found[0]
}

func oneHeader(protocol, length uint32, header []byte) []byte {
	var e Encoder
	s := sample(1)
	e.Start(header4())
	e.Flow(&s, false)
	e.RawHeader(protocol, length, checkSequenceBytes, header)
	return e.Finish()
}

func header4() Header { return header(agent4()) }

func TestInside(t *testing.T) {
	t.Parallel()
	for name, c := range insideCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.decode(t, c.inside, len(c.frame.b))
			c.holds(t, s)
			if want := map[bool]uint8{true: 6, false: 17}[c.src == src4]; c.l3 == 1000 && s.Protocol != want {
				t.Errorf("protocol %d, want %d", s.Protocol, want)
			}
		})
	}
}

func (c insideCase) holds(t *testing.T, s FlowSample) {
	t.Helper()
	src := ""
	if s.HasIP {
		src = s.Src.String()
	}
	if int(s.FrameLength) != c.l2 || int(s.IPLength) != c.l3 || src != c.src {
		t.Errorf("frame length %d, IP length %d, from %q; want %d, %d, %q", s.FrameLength, s.IPLength, src, c.l2, c.l3, c.src)
	}
}

// TestInsideCut cuts each tunnel's headers at every byte: either the inner packet is billed, or no address at all.
func TestInsideCut(t *testing.T) {
	t.Parallel()
	for name, c := range insideCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := false
			for n := range len(c.frame.b) + 1 {
				s := c.decode(t, c.inside, n)
				if !s.HasIP {
					if seen {
						t.Fatalf("no IP at %d bytes, but with fewer", n)
					}
					continue
				}
				seen = true
				c.holds(t, s)
			}
			if seen != (c.src != "") {
				t.Errorf("IP seen: %v", seen)
			}
		})
	}
}

// TestInsideUnset holds that without the set the outside is billed as ever.
func TestInsideUnset(t *testing.T) {
	t.Parallel()
	for name, c := range insideCases() {
		s := c.decode(t, 0, len(c.frame.b))
		if int(s.FrameLength) != c.frame.size+checkSequenceBytes {
			t.Errorf("%s: frame length %d of %d", name, s.FrameLength, c.frame.size+checkSequenceBytes)
		}
		if s.HasIP && s.Src.String() != out4 && s.Src.String() != out6 && c.l2 != int(s.FrameLength) {
			t.Errorf("%s: from %v", name, s.Src)
		}
	}
}

// TestInsideRecords holds that sampled_ipv4 and sampled_ipv6 do not bring the underlay's addresses back.
func TestInsideRecords(t *testing.T) {
	t.Parallel()
	record4 := func(protocol, port byte) []byte {
		return append(append(word(500), word(uint32(protocol))...),
			10, 255, 0, 1, 10, 255, 0, 2, 0, 0, 0, 9, 0, 0, 0x12, port, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	record6 := func(protocol, port byte) []byte {
		b := append(append(word(500), word(uint32(protocol))...), agent6().AsSlice()...)
		return append(append(b, agent6().AsSlice()...), 0, 0, 0, 9, 0, 0, 0x12, port, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	vxlan := ethernetOf(frameIPv4()).inVXLAN(underlay4())
	for name, tc := range map[string]struct {
		inside         Inside
		header         []byte
		protocol, port byte
		want           bool // addresses
	}{
		"VXLAN":                {VXLAN, nil, 17, 0xb5, false},
		"VXLAN, not asked for": {GRE | MPLS, nil, 17, 0xb5, true},
		"another port":         {everyTunnel, nil, 17, 0xb6, true},
		"TCP to the port":      {everyTunnel, nil, 6, 0xb5, true},
		"GRE":                  {GRE, nil, 47, 0, false},
		"GRE, not asked for":   {VXLAN | MPLS, nil, 47, 0, true},
		"beside a cut header":  {VXLAN, vxlan.b[:60], 17, 0xb5, false},
	} {
		for format, body := range map[uint32][]byte{recordIPv4: record4(tc.protocol, tc.port), recordIPv6: record6(tc.protocol, tc.port)} {
			var e Encoder
			s := sample(1)
			e.Start(header4())
			e.Flow(&s, false)
			if tc.header != nil {
				e.RawHeader(headerEthernet, uint32(vxlan.size)+4, 4, tc.header)
			}
			e.Record(format, body)
			b := e.Finish()
			for _, reference := range []bool{false, true} {
				d := Decoder{reference: reference, Inside: tc.inside}
				if err := d.Decode(b); err != nil || len(d.Flows) != 1 {
					t.Fatalf("%s: error %v, rejects %v", name, err, d.Rejects)
				}
				checkFlow(t, &d.Flows[0])
				if d.Flows[0].HasIP != tc.want {
					t.Errorf("%s, record %d, goflow2 %v: %+v", name, format, reference, d.Flows[0])
				}
			}
		}
	}
}

// TestInsideFrameLength holds that a frame shorter than its tunnel's headers is refused, and never counts backwards.
func TestInsideFrameLength(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		frame layer
		least uint32 // the tunnel's headers and the inner IP header
	}{
		"VXLAN": {ethernetOf(frameIPv4()).inVXLAN(underlay4()), 50 + 34},
		"GRE":   {ipOf(frameIPv4()).inGRE(underlay4(), 0, packet.TypeIPv4), 14 + 24 + 20},
		"MPLS":  {ipOf(frameIPv4()).inMPLS(underlay4(), packet.TypeMPLS, 2), 14 + 8 + 20},
	} {
		for length := range tc.least + 9 {
			d := Decoder{Inside: everyTunnel}
			if err := d.Decode(oneHeader(headerEthernet, length, tc.frame.b)); err != nil {
				t.Fatal(err)
			}
			if length < tc.least && d.Rejects[ErrFrameLength] != 1 || length >= tc.least && len(d.Flows) != 1 {
				t.Errorf("%s of %d bytes: %+v", name, length, d.Datagram)
			}
		}
	}
}

// TestAppendVXLAN holds that what the encoder writes is what the tests build by hand, and reads back.
func TestAppendVXLAN(t *testing.T) {
	t.Parallel()
	for _, outer := range []Frame{underlay4(), underlay6(), tagged(underlay4(), 5, 6)} {
		for _, inner := range []Frame{frameIPv4(), frameIPv6()} {
			outer.SrcPort = 0xc000
			b := outer.AppendVXLAN(nil, 77, &inner)
			if want := ethernetOf(inner).inVXLAN(outer); !bytes.Equal(b, want.b) || outer.LinkBytes()+int(outer.IPLength) != want.size {
				t.Errorf("%x\nwant %x", b, want.b)
			}
			s := insideCase{frame: layer{b, outer.LinkBytes() + int(outer.IPLength)}}.decode(t, VXLAN, len(b))
			if s.Src != inner.Src || s.Dst != inner.Dst || s.Protocol != inner.Protocol || s.IPLength != uint32(inner.IPLength) {
				t.Errorf("%+v", s)
			}
		}
	}
}

// TestInsideStacks draws tunnels in tunnels: the innermost packet is billed, without any of them. Its link header is the
// one of the innermost frame that a tunnel carries, or the outermost where all carry IP.
func TestInsideStacks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		inner := drawFrame(t, []Frame{frameIPv4(), tagged(frameIPv6())})
		inner.IPLength = rapid.Uint16Range(60, 9000).Draw(t, "length")
		l, billed := ethernetOf(inner), ethernetOf(inner).size
		link, bridged := inner.LinkBytes(), false
		kinds := rapid.Permutation([]Inside{VXLAN, GRE, MPLS}).Draw(t, "kinds")[:rapid.IntRange(0, 3).Draw(t, "levels")]
		for _, kind := range kinds {
			outer := drawFrame(t, []Frame{underlay4(), underlay6()})
			routed := layer{l.b[link:], l.size - link}
			etherType := u16(l.b[link-2:])
			ethernet := kind == VXLAN || etherType == packet.TypeMPLS || rapid.Bool().Draw(t, "ethernet")
			switch bridged = bridged || ethernet; {
			case kind == VXLAN:
				l = l.inVXLAN(outer)
			case kind == GRE && ethernet:
				l = l.inGRE(outer, greKey, etherTypeEthernet)
			case kind == GRE:
				l = routed.inGRE(outer, rapid.SampledFrom([]uint16{0, greKey, greChecksum, greSequence | greKey}).Draw(t, "flags"), etherType)
			case ethernet:
				l = l.behind(0, 0, 0, 0).inMPLS(outer, packet.TypeMPLS, rapid.IntRange(1, maxLabels).Draw(t, "labels"))
			default:
				l = routed.inMPLS(outer, packet.TypeMPLS, rapid.IntRange(1, maxLabels).Draw(t, "labels"))
			}
			if !bridged {
				billed += outer.LinkBytes() - link
			}
			link = outer.LinkBytes()
		}
		d := Decoder{Inside: everyTunnel}
		if err := d.Decode(oneHeader(headerEthernet, uint32(l.size)+checkSequenceBytes, l.b)); err != nil || len(d.Flows) != 1 {
			t.Fatalf("%v: error %v, rejects %v", kinds, err, d.Rejects)
		}
		s := d.Flows[0]
		got := fmt.Sprint(s.HasIP, s.Src, s.Dst, s.Protocol, s.IPLength, s.FrameLength)
		want := fmt.Sprint(true, inner.Src, inner.Dst, inner.Protocol, inner.IPLength, billed+checkSequenceBytes)
		if got != want {
			t.Fatalf("%v in %d bytes: %s, want %s", kinds, l.size, got, want)
		}
	})
}

func drawFrame(t *rapid.T, of []Frame) Frame {
	return tagged(rapid.SampledFrom(of).Draw(t, "frame"), rapid.SliceOfN(rapid.Uint16Range(1, 4094), 0, packet.MaxVLANTags).Draw(t, "tags")...)
}

// FuzzInside holds that no sampled header leads the way through tunnels astray, or to more bytes than the frame has.
func FuzzInside(f *testing.F) {
	for _, c := range insideCases() {
		f.Add(uint8(c.inside), max(c.protocol, 1), uint32(c.frame.size)+checkSequenceBytes, c.frame.b)
	}
	f.Fuzz(func(t *testing.T, inside uint8, protocol, length uint32, header []byte) {
		if len(header) > 1024 {
			return
		}
		b := oneHeader(protocol, length, header)
		walker, reference := Decoder{Inside: Inside(inside)}, Decoder{Inside: Inside(inside), reference: true}
		err := walker.Decode(b)
		checkResult(t, &walker, b, err)
		if reference.Decode(b) != err || !same(&walker, &reference) {
			t.Fatalf("walker %+v, with goflow2 %+v", walker.Datagram, reference.Datagram)
		}
		for _, s := range walker.Flows {
			if s.FrameLength > length {
				t.Fatalf("%d bytes of a frame of %d", s.FrameLength, length)
			}
		}
	})
}
