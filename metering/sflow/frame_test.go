package sflow

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// decodeHeader decodes one sample with the given raw packet header and other records.
func decodeHeader(t *testing.T, protocol, length uint32, frame []byte, more func(*Encoder)) *Decoder {
	t.Helper()
	var e Encoder
	s := sample(1)
	e.Start(header(agent4()))
	e.Flow(&s, false)
	if frame != nil {
		e.RawHeader(protocol, length, 0, frame)
	}
	if more != nil {
		more(&e)
	}
	return decode(t, e.Finish())
}

func TestFrames(t *testing.T) {
	t.Parallel()
	ip4 := frameIPv4()
	plain := ip4.AppendHeader(nil)
	tagged := func(tags ...uint16) []byte {
		f := frameIPv4()
		f.VLANs = tags
		return f.AppendHeader(nil)
	}
	patched := func(b []byte, at int, v uint16) []byte {
		b = append([]byte(nil), b...)
		binary.BigEndian.PutUint16(b[at:], v)
		return b
	}
	ip6 := frameIPv6()
	ip6.VLANs = nil
	plain6 := ip6.AppendHeader(nil)
	for name, tc := range map[string]struct {
		protocol, length uint32
		frame            []byte
		want             uint32 // IP length, 0 for no IP
	}{
		"IPv4":                        {1, 1018, plain, 1000},
		"IPv4 behind a tag":           {1, 1022, tagged(5), 1000},
		"QinQ":                        {1, 1026, tagged(5, 6), 1000},
		"QinQ with 0x9100":            {1, 1026, patched(tagged(5, 6), 12, 0x9100), 1000},
		"four tags":                   {1, 1034, tagged(1, 2, 3, 4), 1000},
		"five tags":                   {1, 1038, tagged(1, 2, 3, 4, 5), 0},
		"priority bits":               {1, 1022, tagged(0xe005), 1000},
		"IPv6":                        {1, 1218, plain6, 1200},
		"IPv4 without Ethernet":       {11, 1000, plain[14:], 1000},
		"IPv6 without Ethernet":       {12, 1200, plain6[14:], 1200},
		"IPv6 in protocol 11":         {11, 1200, plain6[14:], 0},
		"Ethernet in protocol 11":     {11, 1000, plain, 0},
		"other header protocol":       {7, 1000, plain, 0},
		"ARP":                         {1, 64, patched(plain, 12, 0x0806), 0},
		"MPLS":                        {1, 1018, patched(plain, 12, 0x8847), 0},
		"802.3 length":                {1, 64, patched(plain, 12, 46), 0},
		"version 6 in IPv4":           {1, 1018, patched(plain, 14, 0x6500), 0},
		"header length 4 in IPv4":     {1, 1018, patched(plain, 14, 0x4400), 0},
		"version 4 in IPv6":           {1, 1218, patched(plain6, 14, 0x4000), 0},
		"cut in Ethernet":             {1, 1018, plain[:13], 0},
		"cut in tag":                  {1, 1022, tagged(5)[:17], 0},
		"cut in IPv4":                 {1, 1018, plain[:33], 0},
		"cut after IPv4":              {1, 1018, plain[:34], 1000},
		"cut in IPv6":                 {1, 1218, plain6[:53], 0},
		"total length 0":              {1, 65000, patched(plain, 16, 0), 64986},
		"total length 19":             {1, 500, patched(plain, 16, 19), 486},
		"total length above frame":    {1, 500, plain, 486},
		"payload length 0":            {1, 65000, patched(plain6, 18, 0), 64986},
		"payload length above frame":  {1, 500, plain6, 486},
		"shortest frame with padding": {1, 64, patched(plain, 16, 40), 40},
		"longest frame":               {1, maxFrameBytes, patched(plain, 16, 65535), 65535},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := decodeHeader(t, tc.protocol, tc.length, tc.frame, nil)
			if len(d.Flows) != 1 {
				t.Fatalf("rejected: %v", d.Rejects)
			}
			s := d.Flows[0]
			checkFlow(t, &s)
			if s.IPLength != tc.want || s.HasIP != (tc.want > 0) || s.FrameLength != tc.length {
				t.Errorf("IP length %d, frame length %d, want %d and %d", s.IPLength, s.FrameLength, tc.want, tc.length)
			}
		})
	}
}

// TestFrameShorterThanIP holds that a frame length below link and IP header refuses the sample.
func TestFrameShorterThanIP(t *testing.T) {
	t.Parallel()
	v4, v6 := frameIPv4(), frameIPv6()
	for least, frame := range map[uint32][]byte{34: v4.AppendHeader(nil), 62: v6.AppendHeader(nil)} {
		if d := decodeHeader(t, 1, least-1, frame, nil); d.Rejects[ErrFrameLength] != 1 {
			t.Errorf("frame length %d: %+v", least-1, d.Datagram)
		}
		if d := decodeHeader(t, 1, least, frame, nil); len(d.Flows) != 1 || d.Flows[0].IPLength == 0 {
			t.Errorf("frame length %d: %+v", least, d.Datagram)
		}
	}
}

func TestOtherRecords(t *testing.T) {
	t.Parallel()
	ethernet := func(length uint32) func(*Encoder) {
		return func(e *Encoder) { e.Record(recordEthernet, append(word(length), make([]byte, 20)...)) }
	}
	ipv4 := func(length uint32) func(*Encoder) {
		return func(e *Encoder) {
			b := append(append(word(length), word(17)...), 10, 0, 0, 1, 10, 0, 0, 2)
			e.Record(recordIPv4, append(b, make([]byte, 16)...))
		}
	}
	ipv6 := func(e *Encoder) {
		b := append(word(300), word(58)...)
		b = append(append(b, agent6().AsSlice()...), netip.IPv6LinkLocalAllNodes().AsSlice()...)
		e.Record(recordIPv6, append(b, make([]byte, 16)...))
	}
	both := func(one, two func(*Encoder)) func(*Encoder) { return func(e *Encoder) { one(e); two(e) } }
	frame := frameIPv4()
	plain := frame.AppendHeader(nil)
	for name, tc := range map[string]struct {
		frame     []byte
		more      func(*Encoder)
		l2, l3    uint32
		src       string
		protocols uint8
	}{
		"nothing":                       {nil, nil, 0, 0, "", 0},
		"ethernet":                      {nil, ethernet(90), 90, 0, "", 0},
		"ipv4":                          {nil, ipv4(200), 200, 200, "10.0.0.1", 17},
		"ipv6":                          {nil, ipv6, 300, 300, "2001:db8::7", 58},
		"ethernet and ipv4":             {nil, both(ethernet(218), ipv4(200)), 218, 200, "10.0.0.1", 17},
		"ipv4 and ethernet":             {nil, both(ipv4(200), ethernet(218)), 218, 200, "10.0.0.1", 17},
		"ethernet shorter than its IP":  {nil, both(ipv4(200), ethernet(100)), 200, 200, "10.0.0.1", 17},
		"raw header beside all":         {plain, both(ipv4(200), ethernet(100)), 1018, 1000, "198.51.100.1", 6},
		"raw header without IP":         {plain[:14], both(ethernet(5), ipv4(200)), 1018, 200, "10.0.0.1", 17},
		"raw header shorter than an IP": {plain[:14], ipv4(2000), 1018, 1018, "10.0.0.1", 17},
	} {
		d := decodeHeader(t, 1, 1018, tc.frame, tc.more)
		if len(d.Flows) != 1 {
			t.Errorf("%s: rejected: %v", name, d.Rejects)
			continue
		}
		s := d.Flows[0]
		checkFlow(t, &s)
		src := ""
		if s.HasIP {
			src = s.Src.String()
		}
		if s.FrameLength != tc.l2 || s.IPLength != tc.l3 || src != tc.src || s.Protocol != tc.protocols {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func word(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// TestFirstHeaderCounts holds that a second raw header changes nothing.
func TestFirstHeaderCounts(t *testing.T) {
	t.Parallel()
	one, two := frameIPv4(), frameIPv6()
	d := decodeHeader(t, 1, 1018, one.AppendHeader(nil), func(e *Encoder) { e.RawHeader(1, 1226, 4, two.AppendHeader(nil)) })
	if len(d.Flows) != 1 || d.Flows[0].FrameLength != 1018 || d.Flows[0].Src != one.Src {
		t.Errorf("%+v", d.Datagram)
	}
}

func TestSide(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sample FlowSample
		want   Side
	}{
		"in":                   {FlowSample{SourceIndex: 7, Input: 7, Output: 8}, Ingress},
		"out":                  {FlowSample{SourceIndex: 8, Input: 7, Output: 8}, Egress},
		"both":                 {FlowSample{SourceIndex: 7, Input: 7, Output: 7}, Ingress},
		"neither":              {FlowSample{SourceIndex: 9, Input: 7, Output: 8}, Unknown},
		"no source":            {FlowSample{Input: 0, Output: 8}, Unknown},
		"a VLAN as source":     {FlowSample{SourceClass: 1, SourceIndex: 7, Input: 7}, Unknown},
		"in, many out":         {FlowSample{SourceIndex: 7, Input: 7, OutputFormat: InterfaceMultiple, Output: 7}, Ingress},
		"in, discarded":        {FlowSample{SourceIndex: 7, Input: 7, OutputFormat: InterfaceDiscard, Output: 256}, Ingress},
		"7 reasons, not ports": {FlowSample{SourceIndex: 7, Input: 3, OutputFormat: InterfaceDiscard, Output: 7}, Unknown},
		"7 ports, not port 7":  {FlowSample{SourceIndex: 7, Input: 3, OutputFormat: InterfaceMultiple, Output: 7}, Unknown},
		"from the device":      {FlowSample{SourceIndex: 8, Input: InterfaceLocal, Output: 8}, Egress},
		"to the device":        {FlowSample{SourceIndex: 8, Input: 8, Output: InterfaceLocal}, Ingress},
	} {
		if got := tc.sample.Side(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
