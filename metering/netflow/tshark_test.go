package netflow_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ezscale/platform/metering/netflow"
)

// pcapOf wraps datagrams in IPv4 and UDP, port 2055, as a capture of raw IP packets.
func pcapOf(datagrams [][]byte) []byte {
	b := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0}
	for i, d := range datagrams {
		n := 28 + len(d)
		for _, v := range []int{i, 0, n, n} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		b = append(b, 0x45, 0, byte(n>>8), byte(n), 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
		b = append(b, 8, 7, 8, 7, byte((8+len(d))>>8), byte(8+len(d)), 0, 0)
		b = append(b, d...)
	}
	return b
}

// TestTshark compares the sums of every capture with those of Wireshark's dissector, where EZSCALE_TEST_TSHARK is set:
// the program is large, and what it says is in testdata/captures.txt. Left out are files that it gives up (one with many
// sets of version 9's variable length, of which it reads the first) and one that it stops in by the header's count.
func TestTshark(t *testing.T) {
	t.Parallel()
	if os.Getenv("EZSCALE_TEST_TSHARK") == "" {
		t.Skip("EZSCALE_TEST_TSHARK is not set")
	}
	left := []string{"h3c_data3281", "invalid"}
	for _, files := range vendors() {
		t.Run(files[0], func(t *testing.T) {
			t.Parallel()
			var datagrams [][]byte
			for _, file := range files {
				datagrams = append(datagrams, capture(t, logstash+file))
			}
			lines := tshark(t, datagrams)
			d := netflow.New()
			for i, file := range files {
				got, err := d.Decode(source(), received, datagrams[i])
				if err != nil || containsAny(file, left) || len(got.Records) == 0 {
					continue
				}
				var octets, packets uint64
				for _, r := range got.Records {
					octets, packets = octets+r.Bytes, packets+r.Packets
				}
				f := strings.Split(lines[i], "\t")
				want, wantPackets := sum(f[0]), sum(f[4])
				if f[0] == "" { // not by element 1
					want, wantPackets = sum(f[1])+sum(f[2])+sum(f[3]), sum(f[5])
				}
				if octets != want || packets != wantPackets {
					t.Errorf("%s: %d bytes, %d packets; tshark: %s", file, octets, packets, lines[i])
				}
			}
		})
	}
}

// tshark gives a line of tab-separated sums for each datagram.
func tshark(t *testing.T, datagrams [][]byte) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(file, pcapOf(datagrams), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-r", file, "-d", "udp.port==2055,cflow", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=+"}
	for _, field := range []string{"octets", "permanent_octets", "initiator_octets", "responder_octets", "packets", "permanent_packets"} {
		args = append(args, "-e", "cflow."+field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(out), "\n")
}

// sum adds numbers joined by +.
func sum(text string) uint64 {
	var total uint64
	for part := range strings.SplitSeq(text, "+") {
		n, err := strconv.ParseUint(part, 0, 64)
		if err == nil {
			total += n
		}
	}
	return total
}
