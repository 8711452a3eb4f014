package netflow_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/netflow"
)

var update = flag.Bool("update", false, "write testdata/captures.txt anew")

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

func capturesDir(t testing.TB) string { return filepath.Join(root(t), "..", "shared", "captures") }

// capture gives one file of the shared captures, one UDP payload, and skips the test where there is none.
func capture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(capturesDir(t), name))
	if err != nil {
		t.Skipf("no capture %s: %v", name, err)
	}
	return b
}

func source() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

const received = 1_700_000_000_000_000_000

// vendors are the captures of one exporter each, templates first, in the order in which it sent them.
func vendors() [][]string {
	return [][]string{
		{"ipfix.dat"},
		{"ipfix_test_barracuda_tpl.dat", "ipfix_test_barracuda_data256.dat"},
		{"ipfix_test_barracuda_extended_uniflow_tpl256.dat", "ipfix_test_barracuda_extended_uniflow_data256.dat"},
		{"ipfix_test_ixia_tpldata256.dat", "ipfix_test_ixia_tpldata271.dat"},
		{"ipfix_test_juniper_mx240_junos151r6s3_opttpl512.dat", "ipfix_test_juniper_mx240_junos151r6s3_data512.dat"},
		{"ipfix_test_mikrotik_tpl.dat", "ipfix_test_mikrotik_data258.dat", "ipfix_test_mikrotik_data259.dat"},
		{"ipfix_test_netscaler_tpl.dat", "ipfix_test_netscaler_data.dat"},
		{"ipfix_test_nokia_bras_tpl.dat", "ipfix_test_nokia_bras_data256.dat"},
		{"ipfix_test_openbsd_pflow_tpl.dat", "ipfix_test_openbsd_pflow_data.dat"},
		{"ipfix_test_procera_tpl52935.dat", "ipfix_test_procera_data52935.dat"},
		{"ipfix_test_viptela_tpl257.dat", "ipfix_test_viptela_data257.dat"},
		{"ipfix_test_vmware_vds_tpl.dat", "ipfix_test_vmware_vds_data264.dat", "ipfix_test_vmware_vds_data266.dat", "ipfix_test_vmware_vds_data266_267.dat"},
		{"ipfix_test_yaf_tpls_option_tpl.dat", "ipfix_test_yaf_tpl45841.dat", "ipfix_test_yaf_data45841.dat", "ipfix_test_yaf_data45873.dat", "ipfix_test_yaf_data53248.dat"},
		{"netflow5.dat"}, {"netflow5_test_invalid01.dat"}, {"netflow5_test_invalid02.dat"},
		{"netflow5_test_juniper_mx80.dat"}, {"netflow5_test_microtik.dat"},
		{"netflow9_cisco_asr1001x_tpl259.dat"},
		{"netflow9_test_0length_fields_tpl_data.dat"},
		{"netflow9_test_cisco_1941K9.dat"},
		{"netflow9_test_cisco_aci_tpl256-258.dat", "netflow9_test_cisco_aci_data256.dat"},
		{"netflow9_test_cisco_asa_1_tpl.dat", "netflow9_test_cisco_asa_1_data.dat"},
		{"netflow9_test_cisco_asa_2_tpl_26x.dat", "netflow9_test_cisco_asa_2_tpl_27x.dat", "netflow9_test_cisco_asa_2_data.dat"},
		{"netflow9_test_cisco_asr9k_opttpl256.dat", "netflow9_test_cisco_asr9k_data256.dat", "netflow9_test_cisco_asr9k_opttpl257.dat",
			"netflow9_test_cisco_asr9k_opttpl334.dat", "netflow9_test_cisco_asr9k_tpl260.dat", "netflow9_test_cisco_asr9k_tpl266.dat",
			"netflow9_test_cisco_asr9k_data260.dat"},
		{"netflow9_test_cisco_nbar_opttpl260.dat", "netflow9_test_cisco_nbar_tpl262.dat", "netflow9_test_cisco_nbar_data262.dat"},
		{"netflow9_test_cisco_wlc_tpl.dat", "netflow9_test_cisco_wlc_data261.dat"},
		{"netflow9_test_cisco_wlc_8510_tpl_262.dat"},
		{"netflow9_test_field_layer2segmentid_tpl.dat", "netflow9_test_field_layer2segmentid_data.dat"},
		{"netflow9_test_fortigate_fortios_521_tpl.dat", "netflow9_test_fortigate_fortios_521_data256.dat", "netflow9_test_fortigate_fortios_521_data257.dat"},
		{"netflow9_test_fortigate_fortios_542_appid_tpl258-269.dat", "netflow9_test_fortigate_fortios_542_appid_data258_262.dat"},
		{"netflow9_test_h3c_tpl3281.dat", "netflow9_test_h3c_data3281.dat"},
		{"netflow9_test_h3c_netstream_varstring_tpl3281.dat", "netflow9_test_h3c_netstream_varstring_data3281.dat"},
		{"netflow9_test_huawei_netstream_tpl.dat", "netflow9_test_huawei_netstream_data.dat"},
		{"netflow9_test_invalid01.dat"},
		{"netflow9_test_iptnetflow_reduced_size_encoding_tpldata260.dat"},
		{"netflow9_test_juniper_srx_tplopt.dat"},
		{"netflow9_test_macaddr_tpl.dat", "netflow9_test_macaddr_data.dat"},
		{"netflow9_test_nprobe_tpl.dat", "netflow9_test_nprobe_data.dat"},
		{"netflow9_test_nprobe_dpi.dat"},
		{"netflow9_test_paloalto_81_tpl256-263.dat", "netflow9_test_paloalto_81_data257_1flowset_in_large_zerofilled_packet.dat"},
		{"netflow9_test_paloalto_panos_tpl.dat", "netflow9_test_paloalto_panos_data.dat"},
		{"netflow9_test_softflowd_tpl_data.dat"},
		{"netflow9_test_streamcore_tpl_data256.dat", "netflow9_test_streamcore_tpl_data260.dat"},
		{"netflow9_test_ubnt_edgerouter_tpl.dat", "netflow9_test_ubnt_edgerouter_data1024.dat", "netflow9_test_ubnt_edgerouter_data1025.dat"},
		{"netflow9_test_unknown_tpl266_292_data.dat"},
		{"netflow9_test_valid01.dat"},
	}
}

const logstash = "logstash-codec-netflow/"

// summary is a line of the golden file: what one datagram gave, whatever it brought back included.
func summary(file string, d *netflow.Datagram, err error) string {
	if err != nil {
		return fmt.Sprintf("%s: refused, %s", file, err)
	}
	var octets, packets, l2 uint64
	var rates []string
	all := slices.Clone(d.Records)
	for i := range d.Recovered {
		all = append(all, d.Recovered[i].Records...)
	}
	for _, r := range all {
		octets, packets, l2 = octets+r.Bytes, packets+r.Packets, l2+r.L2Bytes
		rate := fmt.Sprintf("%d by %s", r.Rate, r.RateFrom)
		if !slices.Contains(rates, rate) {
			rates = append(rates, rate)
		}
	}
	line := fmt.Sprintf("%s: version %d, %d records, %d bytes, %d packets", file, d.Version, len(all), octets, packets)
	for _, part := range []struct {
		name string
		n    int
	}{
		{"L2 bytes", int(l2)}, {"templates", d.Templates}, {"withdrawn", d.Withdrawn}, {"options", d.Options}, {"unknown sets", d.Unknown},
		{"sets without template", d.WithoutTemplate}, {"given up", d.GivenUp}, {"without octets", d.NoOctets},
		{"untimed", d.Untimed}, {"rejected", d.Rejected},
	} {
		if part.n > 0 {
			line += fmt.Sprintf(", %d %s", part.n, part.name)
		}
	}
	slices.Sort(rates)
	if len(rates) > 0 {
		line += "; rate " + strings.Join(rates, ", ")
	}
	return line
}

// TestCaptures holds what every vendor's datagrams give. The golden file's sums were compared with tshark's, see
// TestTshark; run with -update after a change that is meant.
func TestCaptures(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, files := range vendors() {
		d := netflow.New()
		for _, file := range files {
			got, err := d.Decode(source(), received, capture(t, logstash+file))
			lines = append(lines, summary(file, got, err))
		}
	}
	text := strings.Join(lines, "\n") + "\n"
	golden := filepath.Join("testdata", "captures.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("captures (-golden +decoded):\n%s", diff)
	}
}

// TestNoCaptureIsLeftOut holds that the table above names every file.
func TestNoCaptureIsLeftOut(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(capturesDir(t), logstash))
	if err != nil {
		t.Skipf("no captures: %v", err)
	}
	named := slices.Concat(vendors()...)
	for _, e := range entries {
		if !slices.Contains(named, e.Name()) {
			t.Errorf("%s is not decoded by any test", e.Name())
		}
	}
}
