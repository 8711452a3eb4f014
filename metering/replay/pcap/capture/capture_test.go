package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/replay/pcap/capture"
	"github.com/ezscale/platform/metering/replay/pcap/capturetest"
	"github.com/ezscale/platform/metering/sflow"
)

const at = int64(1_750_000_000_123_456_000)

var (
	v4, v4To = netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("198.51.100.10:6343")
	v6, v6To = netip.MustParseAddrPort("[2001:db8::1]:50000"), netip.MustParseAddrPort("[2001:db8::10]:6343")
)

// one is what the tests look at in a datagram.
type one struct {
	At             int64
	Source, Target string
	Payload        string
}

// all reads a file to its end.
func all(t testing.TB, file []byte) ([]one, capture.Counts, error) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, capture.Counts{}, err
	}
	e := capture.NewExtractor()
	var found []one
	for {
		p, err := r.Next()
		if err != nil {
			e.Finish()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return found, e.Counts, err
		}
		if d, ok := e.Datagram(p); ok {
			found = append(found, one{d.At, d.Source.String(), d.Target.String(), string(d.Payload)})
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	frame := capturetest.Ethernet(capturetest.UDP(v4, v4To, []byte("hello")))
	want := []one{{at, v4.String(), v4To.String(), "hello"}, {at + 1e9, v4.String(), v4To.String(), "hello"}}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, nano := range []bool{false, true} {
			f := capturetest.File{Order: order, Nano: nano, Link: 1}
			classic := f.ClassicPacket(f.ClassicPacket(f.Classic(), at, frame), at+1e9, frame)
			next := f.NextPacket(f.Block(f.NextPacket(f.Next(), at, frame), 0x0bad, []byte("left out")), at+1e9, frame)
			for name, file := range map[string][]byte{"pcap": classic, "pcapng": next} {
				got, counts, err := all(t, file)
				if diff := cmp.Diff(want, got); diff != "" || err != nil || counts.Packets != 2 {
					t.Errorf("%s, %v, nanoseconds %v: %v, %d packets\n%s", name, order, nano, err, counts.Packets, diff)
				}
				if _, _, err := all(t, file[:len(file)-3]); !errors.Is(err, capture.ErrCut) {
					t.Errorf("%s cut: %v", name, err)
				}
			}
		}
	}
}

// A pcapng file may go on with a section of the other byte order, and its interfaces are its own.
func TestSections(t *testing.T) {
	t.Parallel()
	little, big := capturetest.File{Link: 1}, capturetest.File{Order: binary.BigEndian, Link: 101, Nano: true}
	file := little.NextPacket(little.Next(), at, capturetest.Ethernet(capturetest.UDP(v4, v4To, []byte("a"))))
	file = append(file, big.NextPacket(big.Next(), at, capturetest.UDP(v6, v6To, []byte("b")))...)
	file = big.Block(file, 3, append(binary.BigEndian.AppendUint32(nil, 60), capturetest.UDP(v6, v6To, []byte("no time"))...))
	got, counts, err := all(t, file)
	want := []one{{at, v4.String(), v4To.String(), "a"}, {at, v6.String(), v6To.String(), "b"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || counts.Skipped[capture.ReasonTime] != 1 {
		t.Errorf("%v, skipped %v\n%s", err, counts.Skipped, diff)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	ip4, ip6 := capturetest.UDP(v4, v4To, []byte("x")), capturetest.UDP(v6, v6To, []byte("x"))
	for name, c := range map[string]struct {
		link   uint32
		frame  []byte
		reason string // empty: a datagram
	}{
		"ethernet":           {1, capturetest.Ethernet(ip4), ""},
		"ethernet, padded":   {1, append(capturetest.Ethernet(ip4), make([]byte, 20)...), ""},
		"ethernet IPv6":      {1, capturetest.Ethernet(ip6), ""},
		"VLAN":               {1, capturetest.Ethernet(ip4, 809), ""},
		"QinQ":               {1, capturetest.Ethernet(ip6, 10, 20), ""},
		"too many tags":      {1, capturetest.Ethernet(ip6, 1, 2, 3, 4, 5), capture.ReasonNotIP},
		"with frame check":   {0x24000001, append(capturetest.Ethernet(ip4), 1, 2, 3, 4), ""},
		"raw IPv4":           {101, ip4, ""},
		"raw IPv6":           {229, ip6, ""},
		"cooked":             {113, capturetest.Cooked(1, ip4), ""},
		"cooked 2":           {276, capturetest.Cooked(2, ip6), ""},
		"loopback":           {0, append([]byte{2, 0, 0, 0}, ip4...), ""},
		"loopback, swapped":  {0, append([]byte{0, 0, 0, 30}, ip6...), ""},
		"OpenBSD loopback":   {108, append([]byte{0, 0, 0, 24}, ip6...), ""},
		"ARP":                {1, append(make([]byte, 12), 8, 6, 0, 1), capture.ReasonNotIP},
		"no link of ours":    {127, ip4, capture.ReasonLink},
		"cut in the link":    {1, make([]byte, 13), capture.ReasonCut},
		"cut in IP":          {1, capturetest.Ethernet(ip4)[:30], capture.ReasonCut},
		"cut in the payload": {1, capturetest.Ethernet(ip4)[:42], capture.ReasonCut},
		"TCP":                {101, func() []byte { b := bytes.Clone(ip4); b[9] = 6; return b }(), capture.ReasonNotUDP},
		"UDP too long":       {101, func() []byte { b := bytes.Clone(ip4); b[25] = 200; return b }(), capture.ReasonHeader},
		"IP header too long": {101, func() []byte { b := bytes.Clone(ip4); b[0] = 0x4f; return b }(), capture.ReasonHeader},
		"version 7":          {101, []byte{0x70, 0, 0, 0}, capture.ReasonNotIP},
	} {
		f := capturetest.File{Link: c.link}
		got, counts, err := all(t, f.ClassicPacket(f.Classic(), at, c.frame))
		if err != nil || (len(got) == 1) != (c.reason == "") || c.reason != "" && counts.Skipped[c.reason] != 1 {
			t.Errorf("%s: %d datagrams, skipped %v, %v", name, len(got), counts.Skipped, err)
		}
		if len(got) == 1 && got[0].Payload != "x" {
			t.Errorf("%s: payload %q", name, got[0].Payload)
		}
	}
}

// Extension headers stand between IPv6 and UDP.
func TestExtensionHeaders(t *testing.T) {
	t.Parallel()
	ip := capturetest.UDP(v6, v6To, []byte("x"))
	options := []byte{60, 0, 1, 4, 0, 0, 0, 0, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	with := append(append(bytes.Clone(ip[:40]), options...), ip[40:]...)
	with[6] = 0
	binary.BigEndian.PutUint16(with[4:], uint16(len(with)-40))
	f := capturetest.File{Link: 101}
	got, counts, err := all(t, f.ClassicPacket(f.Classic(), at, with))
	if err != nil || len(got) != 1 || got[0].Payload != "x" {
		t.Errorf("%v, skipped %v, %v", got, counts.Skipped, err)
	}
}

func TestFragments(t *testing.T) {
	t.Parallel()
	f := capturetest.File{Link: 101}
	for _, path := range [][2]netip.AddrPort{{v4, v4To}, {v6, v6To}} {
		whole := capturetest.Datagram(path[0].Port(), path[1].Port(), bytes.Repeat([]byte("0123456789abcdef"), 200))
		cut := func(from, to int) []byte {
			return capturetest.IP(path[0].Addr(), path[1].Addr(), whole[from:to], 7, from, to < len(whole))
		}
		for name, c := range map[string]struct {
			frames  [][]byte
			given   int
			skipped map[string]int64
		}{
			"in order":     {[][]byte{cut(0, 1480), cut(1480, 2960), cut(2960, len(whole))}, 1, map[string]int64{}},
			"last first":   {[][]byte{cut(2960, len(whole)), cut(0, 1480), cut(1480, 2960)}, 1, map[string]int64{}},
			"one twice":    {[][]byte{cut(0, 1480), cut(0, 1480), cut(1480, len(whole))}, 1, map[string]int64{}},
			"one is away":  {[][]byte{cut(0, 1480), cut(2960, len(whole))}, 0, map[string]int64{capture.ReasonIncomplete: 2}},
			"they overlap": {[][]byte{cut(0, 1480), cut(1472, 2960), cut(2960, len(whole))}, 0, map[string]int64{capture.ReasonOverlap: 2, capture.ReasonIncomplete: 1}},
			"two ends":     {[][]byte{cut(1480, len(whole)), cut(2960, len(whole))}, 0, map[string]int64{capture.ReasonOverlap: 2}},
		} {
			file := f.Classic()
			for i, frame := range c.frames {
				file = f.ClassicPacket(file, at+int64(i)*1000, frame)
			}
			got, counts, err := all(t, file)
			if diff := cmp.Diff(c.skipped, counts.Skipped); diff != "" || err != nil || len(got) != c.given {
				t.Errorf("%s: %d datagrams, %v\n%s", name, len(got), err, diff)
			}
			if len(got) == 1 && (got[0].Payload != string(whole[8:]) || got[0].At != at+int64(len(c.frames)-1)*1000) {
				t.Errorf("%s: %d bytes at %d", name, len(got[0].Payload), got[0].At)
			}
		}
	}
}

func TestFragmentsAreBounded(t *testing.T) {
	t.Parallel()
	f := capturetest.File{Link: 101}
	file := f.Classic()
	const begun = 1000
	for i := range begun {
		file = f.ClassicPacket(file, at, capturetest.IP(v4.Addr(), v4To.Addr(), make([]byte, 64), uint32(i+1), 0, true))
	}
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	e := capture.NewExtractor()
	for range begun {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		e.Datagram(p)
	}
	if waiting := begun - e.Skipped[capture.ReasonIncomplete]; waiting > 256 {
		t.Errorf("%d packets wait", waiting)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := capturetest.File{Link: 1}
	huge := f.Classic()
	huge = append(huge, make([]byte, 8)...)
	huge = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(huge, 1<<30), 1<<30)
	old := f.Classic()
	old[4] = 1
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"empty":             {nil, capture.ErrFormat},
		"text":              {[]byte("exporters:\n  - {name: leaf-0, source: 10.0.0.11/32}\n"), capture.ErrFormat},
		"gzip":              {[]byte{0x1f, 0x8b, 8, 0}, capture.ErrFormat},
		"header cut":        {f.Classic()[:20], capture.ErrFormat},
		"version 1":         {old, capture.ErrFormat},
		"a packet of 1 GiB": {huge, capture.ErrDamaged},
		"block of 8 bytes":  {append(f.Next(), 6, 0, 0, 0, 8, 0, 0, 0), capture.ErrDamaged},
		"no such interface": {f.Block(f.Next(), 6, append([]byte{9, 0, 0, 0}, make([]byte, 16)...)), capture.ErrDamaged},
	} {
		if _, _, err := all(t, c.file); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Whatever the packets are, each is accounted for.
func TestEveryPacketIsAccountedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := capture.NewExtractor()
		var payloads int64
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			body := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "body")
			frame := capturetest.IP(v4.Addr(), v4To.Addr(), body, uint32(rapid.IntRange(0, 2).Draw(t, "id")),
				8*rapid.IntRange(0, 4).Draw(t, "offset"), rapid.Bool().Draw(t, "more"))
			if rapid.Bool().Draw(t, "damage") {
				frame[rapid.IntRange(0, len(frame)-1).Draw(t, "where")] = rapid.Byte().Draw(t, "with")
			}
			if _, ok := e.Datagram(capture.Packet{At: at, Link: 101, Data: frame}); ok {
				payloads++
			}
		}
		e.Finish()
		sum := e.Counts.Datagrams + e.Joined
		for _, n := range e.Skipped {
			sum += n
		}
		if sum != e.Packets || payloads != e.Counts.Datagrams {
			t.Fatalf("%d packets, accounted for %d; %d datagrams, given %d", e.Packets, sum, e.Counts.Datagrams, payloads)
		}
	})
}

// TestCaptures holds the captures' manifest: datagrams, samples and their bytes.
func TestCaptures(t *testing.T) {
	t.Parallel()
	type totals struct {
		Datagrams, Flows, Counters, Refused int
		L2, L3                              int64
	}
	for name, want := range map[string]totals{
		"sflow-print-v6.pcap":                 {Datagrams: 25, Flows: 13, Counters: 48, L2: 1454, L3: 1220},
		"sflow_expanded.pcap":                 {Datagrams: 1, Flows: 1, L2: 126000, L3: 104000},
		"sflow_multiple_counter_30_pdus.pcap": {Datagrams: 30, Counters: 144, Refused: 5}, // NetFlow v5
		"sflow_print-segv.pcap":               {Datagrams: 1, Refused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "..", "shared", "captures", "tcpdump", name))
			if err != nil {
				t.Skipf("no capture %s: %v", name, err)
			}
			found, counts, err := all(t, file)
			if err != nil || len(counts.Skipped) != 0 {
				t.Errorf("skipped %v, %v", counts.Skipped, err)
			}
			got := totals{Datagrams: len(found)}
			var d sflow.Decoder
			for _, one := range found {
				if err := d.Decode([]byte(one.Payload)); err != nil {
					got.Refused++
					continue
				}
				got.Flows, got.Counters = got.Flows+len(d.Flows), got.Counters+d.CounterSamples
				for _, s := range d.Flows {
					if s.HasIP {
						got.L2, got.L3 = got.L2+int64(s.FrameLength)*int64(s.Rate), got.L3+int64(s.IPLength)*int64(s.Rate)
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("totals (-manifest +read):\n%s", diff)
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	frame := capturetest.Ethernet(capturetest.UDP(v4, v4To, []byte("hello")), 5)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		file := capturetest.File{Order: order, Link: 1}
		f.Add(file.ClassicPacket(file.Classic(), at, frame))
		f.Add(file.NextPacket(file.Next(), at, frame))
		raw := capturetest.File{Order: order, Nano: true, Link: 101}
		b := raw.NextPacket(raw.Next(), at, capturetest.IP(v6.Addr(), v6To.Addr(), make([]byte, 16), 3, 0, true))
		f.Add(raw.NextPacket(b, at, capturetest.IP(v6.Addr(), v6To.Addr(), make([]byte, 16), 3, 16, false)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		found, counts, err := all(t, file)
		sum := counts.Datagrams + counts.Joined
		for _, n := range counts.Skipped {
			sum += n
		}
		if sum != counts.Packets || int64(len(found)) != counts.Datagrams {
			t.Fatalf("%d packets, accounted for %d: %v", counts.Packets, sum, err)
		}
		again, _, errAgain := all(t, file)
		if diff := cmp.Diff(found, again); diff != "" || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("read twice, the file is another:\n%s", diff)
		}
	})
}
