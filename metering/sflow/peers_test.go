package sflow

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/sflow/packet"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// peer finds an independent decoder. The tests that need one are for whoever has it: they skip without, unless
// EZSCALE_PEERS=1 says that it ought to be there.
func peer(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	missing := fmt.Sprintf("no %s on the PATH: it is in Debian's package %s", program, debian)
	if os.Getenv("EZSCALE_PEERS") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// writePcap writes datagrams as the UDP packets of a classic pcap file.
func writePcap(t *testing.T, all [][]byte) string {
	t.Helper()
	little := binary.LittleEndian
	b := little.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	for i, payload := range all {
		f := Frame{Src: netip.MustParseAddr("192.0.2.7"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 40000, DstPort: 6343}
		f.Protocol, f.IPLength = packet.ProtocolUDP, uint16(ipv4HeaderBytes+packet.UDPBytes+len(payload))
		frame := f.AppendHeader(nil)
		binary.BigEndian.PutUint16(frame[len(frame)-4:], uint16(packet.UDPBytes+len(payload)))
		frame = append(frame, payload...)
		b = little.AppendUint32(b, uint32(1000+i))
		b = little.AppendUint32(b, 0)
		b = little.AppendUint32(b, uint32(len(frame)))
		b = little.AppendUint32(b, uint32(len(frame)))
		b = append(b, frame...)
	}
	file := filepath.Join(t.TempDir(), "datagrams.pcap")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func run(t *testing.T, path string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var complaint bytes.Buffer
	c := exec.CommandContext(ctx, path, args...)
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, complaint.String())
	}
	return out
}

// seen is what one decoder sees of a datagram: numbers as they stand in it, and the addresses of each sampled header.
type seen struct {
	Sequence string
	Flows    []seenFlow
	Counters []seenCounters
}

type seenCounters struct{ Sequence, Interface, FCSErrors string }

type seenFlow struct {
	Sequence, Rate, Drops, Frame string
	Addresses                    []string // of all IP headers in the sampled one, outermost first
}

// tshark gives what Wireshark's dissector sees of each datagram.
func tshark(t *testing.T, all [][]byte) []seen {
	t.Helper()
	path := peer(t, "tshark", "tshark")
	d := xml.NewDecoder(bytes.NewReader(run(t, path, "-n", "-r", writePcap(t, all), "-T", "pdml")))
	d.Strict = false
	var r pdml
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("tshark's output: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			r.start(e)
		case xml.EndElement:
			r.end()
		}
	}
	if len(r.all) != len(all) {
		t.Fatalf("tshark saw %d datagrams of %d", len(r.all), len(all))
	}
	return r.all
}

// pdml gathers what is wanted from tshark's tree of fields.
type pdml struct {
	all    []seen
	depth  int
	header int // depth of the sampled header at hand, 0 outside of any
}

func (r *pdml) start(e xml.StartElement) {
	r.depth++
	attribute := map[string]string{}
	for _, a := range e.Attr {
		attribute[a.Name.Local] = a.Value
	}
	if e.Name.Local == "packet" {
		r.all = append(r.all, seen{})
	}
	if e.Name.Local == "field" {
		r.field(&r.all[len(r.all)-1], attribute["name"], attribute["show"])
	}
}

func (r *pdml) end() {
	if r.depth == r.header {
		r.header = 0
	}
	r.depth--
}

func (r *pdml) field(s *seen, name, value string) {
	switch name {
	case "ip.src", "ip.dst", "ipv6.src", "ipv6.dst": // what VXLAN carries comes behind all of sFlow
		if n := len(s.Flows); n > 0 {
			s.Flows[n-1].Addresses = append(s.Flows[n-1].Addresses, value)
		}
	}
	if r.header != 0 { // a sampled packet may be sFlow itself
		return
	}
	switch name {
	case "sflow_245.sequence_number":
		s.Sequence = value
	case "sflow.flow_sample.sequence_number":
		s.Flows = append(s.Flows, seenFlow{Sequence: value})
	case "sflow.flow_sample.sampling_rate":
		s.Flows[len(s.Flows)-1].Rate = value
	case "sflow.flow_sample.dropped_packets":
		s.Flows[len(s.Flows)-1].Drops = value
	case "sflow_245.header.frame_length":
		s.Flows[len(s.Flows)-1].Frame = value
	case "sflow.counters_sample.sequence_number":
		s.Counters = append(s.Counters, seenCounters{Sequence: value})
	case "sflow_245.ifindex":
		s.Counters[len(s.Counters)-1].Interface = value
	case "sflow_245.dot3StatsFCSErrors":
		s.Counters[len(s.Counters)-1].FCSErrors = value
	case "sflow_245.header":
		r.header = r.depth
	}
}

// TestPeerTshark compares sequences, rates, drops, frame lengths, addresses and counters with Wireshark's dissector.
func TestPeerTshark(t *testing.T) {
	t.Parallel()
	all := sound(t)
	flows, counters := 0, 0
	for i, want := range tshark(t, all) {
		d := decode(t, all[i])
		got := seen{Sequence: fmt.Sprint(d.Sequence)}
		for n, s := range d.Flows {
			f := seenFlow{Sequence: fmt.Sprint(s.Sequence), Rate: fmt.Sprint(s.Rate), Drops: fmt.Sprint(s.Drops)}
			if n < len(want.Flows) {
				f.like(&want.Flows[n], &s)
			}
			got.Flows = append(got.Flows, f)
		}
		want.Counters = slices.DeleteFunc(want.Counters, func(c seenCounters) bool { return c.Interface == "" })
		got.Counters = likeCounters(want.Counters, d.Counters)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("datagram %d (-tshark +decoded):\n%s\n%x", i, diff, all[i])
		}
		flows, counters = flows+len(got.Flows), counters+len(got.Counters)
	}
	t.Logf("%d datagrams, %d flow samples and %d readings compared", len(all), flows, counters)
	if flows == 0 || counters == 0 {
		t.Error("nothing to compare")
	}
}

// likeCounters gives the readings that tshark has too: it leaves a sample at the first record that it does not know.
func likeCounters(want []seenCounters, all []CounterSample) []seenCounters {
	var got []seenCounters
	for _, c := range all {
		one := seenCounters{Sequence: fmt.Sprint(c.Sequence), Interface: fmt.Sprint(c.IfIndex)}
		if c.HasEthernet {
			one.FCSErrors = fmt.Sprint(c.Ethernet.FCSErrors)
		}
		if slices.ContainsFunc(want, func(w seenCounters) bool { return w.Sequence == one.Sequence && w.Interface == one.Interface }) {
			got = append(got, one)
		}
	}
	return got
}

// like fills in what tshark tells only of samples with a raw packet header. It looks further into the header than the
// decoder does: only its first pair of addresses is compared.
func (f *seenFlow) like(want *seenFlow, s *FlowSample) {
	if want.Frame == "" {
		return
	}
	f.Frame = fmt.Sprint(s.FrameLength)
	if s.HasIP {
		f.Addresses = []string{s.Src.String(), s.Dst.String()}
	}
	if len(want.Addresses) > 2 {
		want.Addresses = want.Addresses[:2]
	}
}

// TestPeerTsharkTunnels compares the tunnels that the tests build: the addresses billed are the innermost that tshark finds.
func TestPeerTsharkTunnels(t *testing.T) {
	t.Parallel()
	var names []string
	var all [][]byte
	for name, c := range insideCases() {
		opened := c.src == src4 || c.src == src6
		if !opened || c.protocol != 0 || name == "GRE in GRE" || name == "VXLAN, first fragment" { // tshark goes on, and stops
			continue
		}
		names = append(names, name)
		all = append(all, oneHeader(headerEthernet, uint32(c.frame.size)+checkSequenceBytes, c.frame.b))
	}
	for i, want := range tshark(t, all) {
		d := Decoder{Inside: everyTunnel}
		if err := d.Decode(all[i]); err != nil || len(d.Flows) != 1 || len(want.Flows) != 1 {
			t.Fatalf("%s: error %v, %+v", names[i], err, d.Datagram)
		}
		got, addresses := []string{d.Flows[0].Src.String(), d.Flows[0].Dst.String()}, want.Flows[0].Addresses
		if len(addresses) < 2 || !slices.Equal(addresses[len(addresses)-2:], got) {
			t.Errorf("%s: tshark %v, decoded %v", names[i], addresses, got)
		}
	}
}

// TestPeerSfacctd compares the bytes of each pair of addresses, all captures added up, with pmacct's sFlow collector.
func TestPeerSfacctd(t *testing.T) {
	t.Parallel()
	path := peer(t, "sfacctd", "pmacct")
	all := sound(t)
	want := map[string]uint64{}
	for _, b := range all {
		for _, s := range decode(t, b).Flows {
			if s.HasIP {
				want[s.Src.String()+" > "+s.Dst.String()] += uint64(s.FrameLength) * uint64(s.Rate)
			}
		}
	}
	out := filepath.Join(t.TempDir(), "bytes.csv")
	config := filepath.Join(t.TempDir(), "sfacctd.conf")
	text := strings.Join([]string{
		"daemonize: false", "plugins: print[all]", "aggregate[all]: src_host,dst_host", "print_output: csv",
		"print_output_file[all]: " + out, "print_refresh_time[all]: 60", "sfacctd_renormalize: true",
		"pcap_savefile: " + writePcap(t, all), "",
	}, "\n")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, path, "-f", config)
	if diff := cmp.Diff(sfacctdBytes(t, out), want); diff != "" {
		t.Errorf("bytes (-sfacctd +decoded):\n%s", diff)
	}
}

// sfacctdBytes reads rows of source, destination, packets and bytes; those without addresses are left out.
func sfacctdBytes(t *testing.T, file string) map[string]uint64 {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("sfacctd wrote nothing: %v", err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("sfacctd's output: %v\n%s", err, text)
	}
	sum := map[string]uint64{}
	for _, row := range rows[1:] {
		if n, err := strconv.ParseUint(row[3], 10, 64); err != nil {
			t.Fatalf("sfacctd's bytes: %v", err)
		} else if row[0] != "" {
			sum[row[0]+" > "+row[1]] += n
		}
	}
	return sum
}
