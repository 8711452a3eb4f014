package netflow_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/netflow"
)

// flow is what an independent decoder and ours must agree on.
type flow struct {
	Src, Dst       string
	Bytes, Packets uint64
	Protocol       string
}

func (f flow) compare(o flow) int {
	return cmp.Or(cmp.Compare(f.Src, o.Src), cmp.Compare(f.Dst, o.Dst), cmp.Compare(f.Bytes, o.Bytes), cmp.Compare(f.Packets, o.Packets))
}

// fields splits a line of InfluxDB's line protocol; quoted values may hold commas and spaces.
func fields(line string) map[string]string {
	all := map[string]string{}
	quoted, start := false, 0
	for i := 0; i <= len(line); i++ {
		if i < len(line) && line[i] == '"' && line[i-1] != '\\' {
			quoted = !quoted
		}
		if i < len(line) && (quoted || line[i] != ',' && line[i] != ' ') {
			continue
		}
		if name, value, ok := strings.Cut(line[start:i], "="); ok {
			all[name] = strings.Trim(value, `"`)
		}
		start = i + 1
	}
	return all
}

func unsigned(t testing.TB, text string) uint64 {
	t.Helper()
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(text, "u"), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// expected reads telegraf's records; the reverse elements, which it leaves as bytes, make a second one.
func expected(t testing.TB, dir string) []flow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "expected.out"))
	if err != nil {
		t.Skipf("no capture: %v", err)
	}
	var all []flow
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "netflow,") {
			continue
		}
		f := fields(strings.TrimSpace(line))
		one := flow{f["src"], f["dst"], unsigned(t, cmp.Or(f["in_bytes"], f["in_total_bytes"])), unsigned(t, cmp.Or(f["in_packets"], f["in_total_packets"])), f["protocol"]}
		all = append(all, one)
		if back := unsigned(t, f["type_29305_85"]); back > 0 {
			all = append(all, flow{one.Dst, one.Src, back, unsigned(t, f["type_29305_86"]), one.Protocol})
		}
	}
	slices.SortFunc(all, flow.compare)
	return all
}

// decodeDir decodes all datagrams of a folder, in the order of their names.
func decodeDir(t testing.TB, dir string) (all []flow, total netflow.Datagram) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.bin"))
	if err != nil || len(files) == 0 {
		t.Skipf("no captures in %s: %v", dir, err)
	}
	names := map[uint8]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp"}
	d := netflow.New()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decode(source(), received, b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, r := range append(slices.Clone(got.Records), recovered(got)...) {
			all = append(all, flow{r.Src.String(), r.Dst.String(), r.Bytes, r.Packets, names[r.Protocol]})
		}
		total.Rejected += got.Rejected
		total.Options += got.Options
		total.NoOctets += got.NoOctets
	}
	slices.SortFunc(all, flow.compare)
	return all, total
}

func recovered(d *netflow.Datagram) []netflow.Record {
	var all []netflow.Record
	for i := range d.Recovered {
		all = append(all, d.Recovered[i].Records...)
	}
	return all
}

// TestTelegraf compares record by record with what telegraf's decoder says.
func TestTelegraf(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]int{
		"netflow_v5_example": 0, "netflow_v9_example": 0, "ipfix_example": 0, "ipfix_pen_35632": 0, "issue_13305": 0, "issue_14370": 0,
		"netflow_v9_options": 8, "ipfix_options": 125,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(capturesDir(t), "telegraf", name)
			want := expected(t, dir)
			got, total := decodeDir(t, dir)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("(-telegraf +decoded):\n%s", diff)
			}
			if total.Options < options || total.Rejected != 0 {
				t.Errorf("%d options, want %d; %d rejected", total.Options, options, total.Rejected)
			}
		})
	}
}

// TestTelegrafTimes holds the ages of a version 5 flow against the uptimes that telegraf shows.
func TestTelegrafTimes(t *testing.T) {
	t.Parallel()
	const name = "telegraf/netflow_v5_example/"
	got, err := netflow.New().Decode(source(), received, capture(t, name+"netflow_v5.bin"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(capture(t, name+"expected.out"))
	for _, r := range got.Records {
		want := fmt.Sprintf(`first_switched=%du,last_switched=%du`, got.Uptime-uint32(r.StartAge.Milliseconds()), got.Uptime-uint32(r.EndAge.Milliseconds()))
		if !strings.Contains(text, want) {
			t.Errorf("%s is not there", want)
		}
	}
	if len(got.Records) == 0 || got.Records[0].Src != netip.MustParseAddr("140.82.121.3") {
		t.Errorf("got %+v", got.Records)
	}
}
