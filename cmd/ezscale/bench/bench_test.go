package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/cmd/ezscale/bench/peer"
	"github.com/ezscale/platform/cmd/ezscale/bench/stage"
)

func truth(datagrams int64) load.Truth {
	return load.Truth{Datagrams: datagrams, Samples: load.SamplesEach * datagrams, BytesIn: 100 * datagrams, BytesOut: 7 * datagrams, Check: 3 * datagrams}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	before := stage.Books{Truth: truth(10), KernelDrops: 2}
	wrong := truth(110)
	wrong.Check++
	cut := truth(105)
	cut.Samples--
	for name, c := range map[string]struct {
		after stage.Books
		want  string
	}{
		"equal":                   {stage.Books{Truth: truth(110), KernelDrops: 2}, "equal to the byte"},
		"lost and known":          {stage.Books{Truth: truth(105), KernelDrops: 7}, "equal but for 5 known lost datagrams"},
		"lost by whom is told":    {stage.Books{Truth: truth(105), KernelDrops: 4, SpoolDrops: 2, Unknown: 1}, "equal but for 5 known lost datagrams"},
		"lost and not known":      {stage.Books{Truth: truth(105), KernelDrops: 6}, "WRONG"},
		"of another service":      {stage.Books{Truth: wrong, KernelDrops: 2}, "WRONG"},
		"counted twice":           {stage.Books{Truth: truth(111), KernelDrops: 2}, "WRONG"},
		"samples gone in between": {stage.Books{Truth: cut, KernelDrops: 7}, "WRONG"},
	} {
		if got := verdict(before, c.after, truth(100)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOptionsAreBounded(t *testing.T) {
	t.Parallel()
	good := options{scenarios: []string{"all"}, duration: time.Second, exporters: 1, services: 1, rate: 1, peerRate: 1, lagSamples: 1}
	if err := good.check(); err != nil || len(good.scenarios) != len(scenarioNames()) {
		t.Fatalf("%v, %v", good.scenarios, err)
	}
	for name, change := range map[string]func(*options){
		"scenario": func(o *options) { o.scenarios = []string{"steady", "fast"} },
		"for":      func(o *options) { o.duration = 0 },
		"exporter": func(o *options) { o.exporters = 100_000 },
		"service":  func(o *options) { o.services = 0 },
		"rate":     func(o *options) { o.rate = -1 },
		"peer":     func(o *options) { o.peerRate = 0 },
		"lag":      func(o *options) { o.lagSamples = 1 << 40 },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := Report{Decode: 2e7, Rows: []Row{{Scenario: "steady", Offered: 1000, Lost: 10, SamplesPerCPUSecond: 2.5e6, RSS: 64 << 20, Books: "equal to the byte"}},
		Peers: []peer.Result{{Name: "goflow2", Does: "JSON", Offered: 5, SamplesPerCPUSecond: 1e6}, {Name: "sfcapd", Missing: "apt-get install nfdump-sflow"}}}
	r.finish()
	if r.Pipeline != 2.5e6 || r.Lost != 10 || r.RSS != 64<<20 {
		t.Errorf("head: %+v", r)
	}
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"decode: 20.0 M", "steady", "1.00", "2.50", "64", "goflow2", "2.50 ×", "sfcapd is not on this machine", "apt-get install nfdump-sflow"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
