package sflow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	Rates                      string
}

func TestCaptures(t *testing.T) {
	t.Parallel()
	want := map[string]total{
		"tcpdump/sflow-print-v6.pcap":                         {25, 13, 48, 1454, 1220, "1"},
		"tcpdump/sflow_expanded.pcap":                         {1, 1, 0, 126000, 104000, "1000"},
		"tcpdump/sflow_multiple_counter_30_pdus.pcap":         {30, 0, 144, 0, 0, ""},
		"telegraf/sflow_issue_15375/sflow_drop_1036.bin":      {1, 0, 0, 0, 0, ""},
		"telegraf/sflow_issue_15918/message.bin":              {1, 6, 1, 570400, 548800, "200"},
		"telegraf/sflow_issue_18876/message.bin":              {1, 0, 1, 0, 0, ""},
		"telegraf/sflow_v5_example/sflow_v5.bin":              {1, 0, 1, 0, 0, ""},
		"logstash-codec-sflow/sflow_1_counters_sample.dat":    {1, 0, 1, 0, 0, ""},
		"logstash-codec-sflow/sflow_counters_sample.dat":      {1, 0, 12, 0, 0, ""},
		"logstash-codec-sflow/sflow_flow_sample.dat":          {1, 1, 0, 1003520, 974848, "2048"},
		"logstash-codec-sflow/sflow_flow_sample_eth_vlan.dat": {1, 1, 0, 124000, 80000, "2000"},
		"logstash-codec-sflow/sflow_with_lag_counters.dat":    {1, 5, 2, 51176448, 49951744, "1024,16384"},
		"gopacket/SFlowEthernetFramePacket.bin":               {1, 7, 0, 0, 0, "1000"},
		"gopacket/SFlowTestPacket1.bin":                       {1, 6, 1, 35276000, 34808000, "2000,16000"},
		"gopacket/SFlowTestPacket2.bin":                       {1, 3, 0, 530, 476, "1"},
		"gopacket/SFlowTestPacket3.bin":                       {1, 0, 1, 0, 0, ""},
		"gopacket/SFlowTestPacket4.bin":                       {1, 1, 0, 0, 0, "256"},
		"gopacket/SFlowTestPacket5.bin":                       {1, 1, 0, 0, 0, "256"},
		"gopacket/SFlowTestPacket6.bin":                       {1, 1, 0, 0, 0, "1"},
		"gopacket/SFlowTestPacket7.bin":                       {1, 1, 0, 0, 0, "1"},
		"gopacket/SFlowTestPacket8.bin":                       {1, 1, 0, 0, 0, "256"},
		"gopacket/SFlowTestPacket9.bin":                       {1, 0, 1, 0, 0, ""},
		"gopacket/SFlowTestPacket10.bin":                      {1, 0, 1, 0, 0, ""},
		"gopacket/SFlowTestPacket11.bin":                      {1, 0, 1, 0, 0, ""},
		"gopacket/SFlowTestPacket12.bin":                      {1, 0, 1, 0, 0, ""},
		"gopacket/SFlowTestPacket13.bin":                      {1, 0, 1, 0, 0, ""},
		"goflow2/TestExpandedSFlowDecode.bin":                 {1, 5, 0, 123888246, 122086116, "16383"},
		"goflow2/TestSFlowDecode.bin":                         {1, 1, 0, 167936, 122880, "2048"},
		"goflow2/TestSFlowDecodeDropEgressQueue.bin":          {1, 0, 0, 0, 0, ""},
		"goflow2/TestSFlowDecodeDropExtendedACL.bin":          {1, 0, 0, 0, 0, ""},
		"goflow2/TestSFlowDecodeDropExtendedFunction.bin":     {1, 0, 0, 0, 0, ""},
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
	sum, rates := total{Datagrams: len(all)}, map[uint32]bool{}
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
			if !rates[s.Rate] {
				rates[s.Rate] = true
				sum.Rates = strings.TrimPrefix(fmt.Sprintf("%s,%d", sum.Rates, s.Rate), ",")
			}
			if s.HasIP {
				sum.L2 += uint64(s.FrameLength) * uint64(s.Rate)
				sum.L3 += uint64(s.IPLength) * uint64(s.Rate)
			}
		}
	}
	return sum
}

func TestMalformedCapture(t *testing.T) {
	t.Parallel()
	for _, decoder := range []string{Builtin, Goflow2} {
		d, err := New(decoder)
		if err != nil {
			t.Fatal(err)
		}
		all := capture(t, "tcpdump/sflow_print-segv.pcap")
		if len(all) != 1 {
			t.Fatalf("%d datagrams, want 1", len(all))
		}
		err = d.Decode(all[0])
		if err != ErrTruncated || len(d.Flows) != 0 {
			t.Errorf("%s: error %v with %d samples, want %v and none", decoder, err, len(d.Flows), ErrTruncated)
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
