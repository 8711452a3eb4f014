package netflow_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/ezscale/platform/metering/netflow"
)

// plain is what a record's bytes say without this package's rules: the delta counters of element 1 and 2.
type plain struct {
	Src, Dst       string
	Bytes, Packets uint64
	Input, Output  uint64
}

// direct has goflow2 decode a whole datagram by itself and gives the records that have octetDeltaCount.
func direct(t testing.TB, templates goflow2.NetFlowTemplateSystem, b []byte) (all []plain, waiting, options int) {
	t.Helper()
	if b[1] == netflow.Version5 {
		return direct5(t, b), 0, 0
	}
	var nine goflow2.NFv9Packet
	var ten goflow2.IPFIXPacket
	err := goflow2.DecodeMessageVersion(bytes.NewBuffer(b), templates, &nine, &ten)
	if err != nil && !errors.Is(err, goflow2.ErrorTemplateNotFound) {
		t.Logf("goflow2: %v", err)
	}
	for _, set := range append(nine.FlowSets, ten.FlowSets...) {
		switch s := set.(type) {
		case goflow2.DataFlowSet:
			for _, r := range s.Records {
				if p, ok := plainOf(r.Values); ok {
					all = append(all, p)
				}
			}
		case goflow2.OptionsDataFlowSet:
			options += len(s.Records)
		case goflow2.RawFlowSet:
			waiting++
		}
	}
	return all, waiting, options
}

func direct5(t testing.TB, b []byte) (all []plain) {
	t.Helper()
	var p netflowlegacy.PacketNetFlowV5
	if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &p); err != nil {
		t.Fatal(err)
	}
	text := func(a netflowlegacy.IPAddress) string {
		return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}).String()
	}
	for _, r := range p.Records {
		all = append(all, plain{text(r.SrcAddr), text(r.DstAddr), uint64(r.DOctets), uint64(r.DPkts), uint64(r.Input), uint64(r.Output)})
	}
	return all
}

func plainOf(values []goflow2.DataField) (p plain, ok bool) {
	var v4, v6 [2]string
	for _, v := range values {
		b, _ := v.Value.([]byte)
		n := uint64(0)
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		if v.PenProvided {
			continue
		}
		address, _ := netip.AddrFromSlice(b)
		switch v.Type {
		case goflow2.IPFIX_FIELD_octetDeltaCount:
			p.Bytes, ok = n, true
		case goflow2.IPFIX_FIELD_packetDeltaCount:
			p.Packets = n
		case goflow2.IPFIX_FIELD_ingressInterface:
			p.Input = n
		case goflow2.IPFIX_FIELD_egressInterface:
			p.Output = n
		case goflow2.IPFIX_FIELD_sourceIPv4Address:
			v4[0] = address.String()
		case goflow2.IPFIX_FIELD_destinationIPv4Address:
			v4[1] = address.String()
		case goflow2.IPFIX_FIELD_sourceIPv6Address:
			v6[0] = address.String()
		case goflow2.IPFIX_FIELD_destinationIPv6Address:
			v6[1] = address.String()
		}
	}
	p.Src, p.Dst = v4[0], v4[1]
	if p.Src == "" || p.Src == "0.0.0.0" && v6[0] != "" {
		p.Src, p.Dst = v6[0], v6[1]
	}
	if p.Src == "0.0.0.0" && p.Dst == "0.0.0.0" {
		p.Src, p.Dst = "", "" // no address: not of IP
	}
	return p, ok
}

func ours(d *netflow.Datagram) (all []plain) {
	for _, r := range d.Records {
		p := plain{Bytes: r.Bytes, Packets: r.Packets, Input: uint64(r.Input), Output: uint64(r.Output)}
		if r.HasIP {
			p.Src, p.Dst = r.Src.String(), r.Dst.String()
		}
		all = append(all, p)
	}
	return all
}

// TestDifferential compares with goflow2 used by itself, on every capture whose records are counted by octetDeltaCount.
// Files that contradict themselves, where goflow2 reads zeros or gives up, and those counted by our own rules are left out.
func TestDifferential(t *testing.T) {
	t.Parallel()
	left := []string{"invalid", "yaf", "asa", "barracuda", "ipfix_example"}
	compared := 0
	groups := vendors()
	for _, dir := range []string{"netflow_v5_example", "netflow_v9_example", "ipfix_pen_35632", "issue_13305", "issue_14370", "netflow_v9_options", "ipfix_options"} {
		var files []string
		found, _ := filepath.Glob(filepath.Join(capturesDir(t), "telegraf", dir, "*.bin"))
		for _, f := range found {
			files = append(files, "../telegraf/"+dir+"/"+filepath.Base(f))
		}
		groups = append(groups, files)
	}
	for _, files := range groups {
		d, templates := netflow.New(), goflow2.CreateTemplateSystem()
		for _, file := range files {
			b, err := os.ReadFile(filepath.Join(capturesDir(t), logstash, file))
			if err != nil {
				t.Skipf("no capture: %v", err)
			}
			if containsAny(file, left) {
				continue
			}
			got, err := d.Decode(source(), received, b)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			want, waiting, options := direct(t, templates, b)
			if diff := cmp.Diff(want, ours(got), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-goflow2 +ours):\n%s", file, diff)
			}
			if waiting != got.WithoutTemplate || options != got.Options {
				t.Errorf("%s: %d waiting and %d options, goflow2 has %d and %d", file, got.WithoutTemplate, got.Options, waiting, options)
			}
			compared += len(got.Records)
		}
	}
	t.Logf("%d records compared", compared)
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
