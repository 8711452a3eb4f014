package sflow

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root finds the module's folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// capture gives the datagrams of one file of the shared captures, and skips the test where there is none.
func capture(t testing.TB, name string) [][]byte {
	t.Helper()
	file := filepath.Join(root(t), "..", "shared", "captures", name)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("no capture %s: %v", name, err)
	}
	return datagrams(t, name, b)
}

// datagrams takes the UDP payloads out of a pcap file, an Ethernet frame, or a bare payload.
func datagrams(t testing.TB, name string, b []byte) [][]byte {
	t.Helper()
	if strings.HasSuffix(name, ".pcap") {
		return pcapPayloads(t, b)
	}
	if len(b) > 42 && binary.BigEndian.Uint16(b[12:]) == 0x0800 && binary.BigEndian.Uint16(b[36:]) == 6343 {
		b = udpPayload(b)
	}
	return [][]byte{b}
}

// pcapPayloads reads classic pcap files of Ethernet frames with IPv4 or IPv6 and UDP, without fragments.
func pcapPayloads(t testing.TB, b []byte) [][]byte {
	t.Helper()
	order := binary.ByteOrder(binary.LittleEndian)
	if bytes.HasPrefix(b, []byte{0xa1, 0xb2}) {
		order = binary.BigEndian
	}
	var all [][]byte
	for b = b[24:]; len(b) >= 16; {
		n := order.Uint32(b[8:])
		all = append(all, udpPayload(b[16:16+n]))
		b = b[16+n:]
	}
	return all
}

func udpPayload(frame []byte) []byte {
	ip := frame[14:]
	if ip[0]>>4 == 6 {
		return ip[48 : 40+binary.BigEndian.Uint16(ip[4:])]
	}
	head := int(ip[0]&15) * 4
	return ip[head+8 : binary.BigEndian.Uint16(ip[2:])]
}

// total is a line of the captures' manifest.
type total struct {
	Datagrams, Flows, Counters int
	L2, L3                     uint64
	Rates                      []uint32 // in rising order
}

func TestCaptures(t *testing.T) {
	t.Parallel()
	want := map[string]total{
		"tcpdump/sflow-print-v6.pcap":                         {25, 13, 48, 1454, 1220, []uint32{1}},
		"tcpdump/sflow_expanded.pcap":                         {1, 1, 0, 126000, 104000, []uint32{1000}},
		"telegraf/sflow_issue_15375/sflow_drop_1036.bin":      {1, 0, 0, 0, 0, nil},
		"telegraf/sflow_issue_15918/message.bin":              {1, 6, 1, 570400, 548800, []uint32{200}},
		"telegraf/sflow_issue_18876/message.bin":              {1, 0, 1, 0, 0, nil},
		"telegraf/sflow_v5_example/sflow_v5.bin":              {1, 0, 1, 0, 0, nil},
		"logstash-codec-sflow/sflow_1_counters_sample.dat":    {1, 0, 1, 0, 0, nil},
		"logstash-codec-sflow/sflow_counters_sample.dat":      {1, 0, 12, 0, 0, nil},
		"logstash-codec-sflow/sflow_flow_sample.dat":          {1, 1, 0, 1003520, 974848, []uint32{2048}},
		"logstash-codec-sflow/sflow_flow_sample_eth_vlan.dat": {1, 1, 0, 124000, 80000, []uint32{2000}},
		"logstash-codec-sflow/sflow_with_lag_counters.dat":    {1, 5, 2, 51176448, 49951744, []uint32{1024, 16384}},
		"gopacket/SFlowEthernetFramePacket.bin":               {1, 7, 0, 0, 0, []uint32{1000}},
		"gopacket/SFlowTestPacket1.bin":                       {1, 6, 1, 35276000, 34808000, []uint32{2000, 16000}},
		"gopacket/SFlowTestPacket2.bin":                       {1, 3, 0, 530, 476, []uint32{1}},
		"gopacket/SFlowTestPacket3.bin":                       {1, 0, 1, 0, 0, nil},
		"gopacket/SFlowTestPacket4.bin":                       {1, 1, 0, 0, 0, []uint32{256}},
		"gopacket/SFlowTestPacket6.bin":                       {1, 1, 0, 0, 0, []uint32{1}},
		"gopacket/SFlowTestPacket7.bin":                       {1, 1, 0, 0, 0, []uint32{1}},
		"gopacket/SFlowTestPacket9.bin":                       {1, 0, 1, 0, 0, nil},
		"gopacket/SFlowTestPacket10.bin":                      {1, 0, 1, 0, 0, nil},
		"gopacket/SFlowTestPacket12.bin":                      {1, 0, 1, 0, 0, nil},
		"gopacket/SFlowTestPacket13.bin":                      {1, 0, 1, 0, 0, nil},
		"goflow2/TestExpandedSFlowDecode.bin":                 {1, 5, 0, 123888246, 122086116, []uint32{16383}},
		"goflow2/TestSFlowDecode.bin":                         {1, 1, 0, 167936, 122880, []uint32{2048}},
		"goflow2/TestSFlowDecodeDropEgressQueue.bin":          {1, 0, 0, 0, 0, nil},
		"goflow2/TestSFlowDecodeDropExtendedACL.bin":          {1, 0, 0, 0, 0, nil},
		"goflow2/TestSFlowDecodeDropExtendedFunction.bin":     {1, 0, 0, 0, 0, nil},
	}
	for name, want := range want {
		for _, decoder := range []string{Builtin, Goflow2} {
			t.Run(name+"/"+decoder, func(t *testing.T) {
				t.Parallel()
				got := add(t, decoder, capture(t, name))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("totals (-manifest +decoded):\n%s", diff)
				}
			})
		}
	}
}

// add decodes all datagrams and adds up as the manifest does: bytes of samples with IP only.
func add(t *testing.T, decoder string, all [][]byte) total {
	t.Helper()
	d, err := New(decoder)
	if err != nil {
		t.Fatal(err)
	}
	sum := total{Datagrams: len(all)}
	for i, b := range all {
		if err := d.Decode(b); err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
		if d.Rejected != 0 {
			t.Errorf("datagram %d: %d samples rejected: %v", i, d.Rejected, d.Rejects)
		}
		sum.Flows += len(d.Flows)
		sum.Counters += d.CounterSamples
		for _, s := range d.Flows {
			if !slices.Contains(sum.Rates, s.Rate) {
				sum.Rates = append(sum.Rates, s.Rate)
			}
			if s.HasIP {
				sum.L2 += uint64(s.FrameLength) * uint64(s.Rate)
				sum.L3 += uint64(s.IPLength) * uint64(s.Rate)
			}
		}
	}
	slices.Sort(sum.Rates)
	return sum
}

// TestMixedCapture reads a capture whose 30 datagrams are 25 of sFlow and 5 of NetFlow version 5, which starts with
// the same number in two bytes.
func TestMixedCapture(t *testing.T) {
	t.Parallel()
	var d Decoder
	counters, readings, refused := 0, 0, 0
	for _, b := range capture(t, "tcpdump/sflow_multiple_counter_30_pdus.pcap") {
		switch err := d.Decode(b); {
		case err == ErrVersion && b[0] == 0 && b[1] == 5:
			refused++
		case err != nil || d.Rejected != 0:
			t.Fatalf("error %v, %d samples rejected", err, d.Rejected)
		}
		counters += d.CounterSamples
		readings += len(d.Counters)
	}
	if counters != 144 || readings != 142 || refused != 5 {
		t.Errorf("%d counter samples, %d readings, %d refused; want 144, 142 and 5", counters, readings, refused)
	}
}

// sound are the datagrams of the captures that the decoder, and goflow2's, take without a complaint.
func sound(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, b := range captures(t) {
		d, reference := Decoder{}, Decoder{reference: true}
		if d.Decode(b) == nil && d.Rejected == 0 && reference.Decode(b) == nil && reference.Rejected == 0 {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		t.Skip("no captures")
	}
	return all
}

// TestCapturedPorts reads what else agents tell about their ports.
func TestCapturedPorts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		ethernet int
		names    []string
	}{
		"telegraf/sflow_v5_example/sflow_v5.bin":           {0, []string{"eno1"}},
		"telegraf/sflow_issue_15918/message.bin":           {1, []string{""}},
		"logstash-codec-sflow/sflow_with_lag_counters.dat": {2, []string{"", ""}},
	} {
		d := decode(t, capture(t, name)[0])
		var names []string
		ethernet := 0
		for _, c := range d.Counters {
			names = append(names, c.Name)
			if c.HasEthernet {
				ethernet++
			}
		}
		if ethernet != want.ethernet || !slices.Equal(names, want.names) {
			t.Errorf("%s: %d with Ethernet, names %q; want %d, %q", name, ethernet, names, want.ethernet, want.names)
		}
	}
}

// TestMalformedCaptures reads captures whose lengths contradict each other. The three of gopacket were cut out of longer
// datagrams by hand: in 5 and 8 the sample ends inside its only record, in 11 the datagram ends inside the sample.
func TestMalformedCaptures(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		err     error
		rejects int // samples with ErrRecord
	}{
		"tcpdump/sflow_print-segv.pcap":  {ErrTruncated, 0},
		"gopacket/SFlowTestPacket11.bin": {ErrTruncated, 0},
		"gopacket/SFlowTestPacket5.bin":  {nil, 1},
		"gopacket/SFlowTestPacket8.bin":  {nil, 1},
	} {
		for _, decoder := range []string{Builtin, Goflow2} {
			t.Run(name+"/"+decoder, func(t *testing.T) {
				t.Parallel()
				d, err := New(decoder)
				if err != nil {
					t.Fatal(err)
				}
				err = d.Decode(capture(t, name)[0])
				if err != want.err || len(d.Flows) != 0 || d.Rejects[ErrRecord] != want.rejects {
					t.Errorf("error %v, %d samples, rejects %v; want %v, none, %d records",
						err, len(d.Flows), d.Rejects, want.err, want.rejects)
				}
			})
		}
	}
}

// TestEveryCapture holds that the table above leaves no sFlow capture out.
func TestEveryCapture(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root(t), "..", "shared", "captures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no captures: %v", err)
	}
	var d Decoder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".md") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) < 8 || strings.HasSuffix(path, ".pcap") {
			return err
		}
		_ = d.Decode(b) // NetFlow, text and broken files too: none may panic
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
