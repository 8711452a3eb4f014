package elastiflow_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/internal/elasticsearch/elasticsearchtest"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/document"
	"github.com/ezscale/platform/metering/replay/elastiflow"
)

// All four schemas in one cluster, more documents at one time than a page takes.
func TestEverySchemaInOneCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want uint64
	names := map[document.Schema]string{document.LogstashV3: "3.5.3-2026.05.01", document.LogstashV4: "4.0.1-2026.05.01", document.Codex: "flow-codex-2.2-2026.05.01", document.ECS: "flow-ecs-8.0-2026.05.01"}
	for schema, name := range names {
		template(t, w.source, schema, w.source.Index(name)+"*")
		documents, bytes := many(schema, w.source.Index(name), 210, start().Add(-time.Minute), start().Add(6*time.Minute), nil)
		w.source.Write(t, documents...)
		many(schema, "", 210, start().Add(-time.Minute), start().Add(6*time.Minute), func(i int, f *traffic) {
			if f.at.Before(start()) || !f.at.Before(start().Add(5*time.Minute)) {
				bytes -= f.frame * f.rate
			}
		})
		want += bytes
	}
	cfg := w.config()
	cfg.Page = 11
	counts := w.run(cfg, elasticsearch.Config{})
	if diff := cmp.Diff(map[string]int64{"logstash v3": 147, "logstash v4": 147, "codex": 147, "ecs": 147}, counts.Schemas); diff != "" {
		t.Error(diff)
	}
	if counts.Found != 4*147 || counts.Counted != 4*147 || counts.Bytes != want || counts.KeptBack() != 0 {
		t.Errorf("%+v, want %d bytes", counts, want)
	}
	l := w.expect(4*147, want)
	sides := map[envelope.Side]int{}
	for _, f := range l.flows[leafID()] {
		sides[f.Side]++
		if f.Rate != 512 || f.Packets != 512 || f.Input != 27 || f.Output != 28 || f.BytesL3 != f.BytesL2 || f.Start != f.End {
			t.Fatalf("%+v", f)
		}
	}
	if sides[envelope.SideIngress] != 3*147 || sides[envelope.SideUnknown] != 147 {
		t.Errorf("sides %v", sides)
	}

	again := w.run(cfg, elasticsearch.Config{})
	if again.Counted != 0 || again.Duplicates != 4*147 {
		t.Errorf("run again: %+v", again)
	}
	w.expect(4*147, want)
}

func TestTelemetryAndDryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flows, bytes := many(document.Codex, w.source.Index("elastiflow-flow-codex"), 20, start(), start().Add(time.Minute), nil)
	telemetry := elasticsearchtest.Document{Index: w.source.Index("elastiflow-telemetry_flow-codex"), Source: m{"@timestamp": start().Format(time.RFC3339), "netif.bytes.in": 5}}
	w.source.Write(t, append(flows, telemetry)...)
	cfg := w.config()
	cfg.Indices = []string{w.source.Index("elastiflow-*"), "-" + w.source.Index("elastiflow-telemetry*")}
	cfg.DryRun = true
	if c := w.run(cfg, elasticsearch.Config{}); c.Found != 20 || c.Counted != 20 || c.Bytes != bytes {
		t.Errorf("dry run: %+v", c)
	}
	w.expect(0, 0)
	cfg.DryRun = false
	w.run(cfg, elasticsearch.Config{})
	w.expect(20, bytes)
}

// One field is a long here and a keyword there; some documents cannot be read at all. Each is told by its reason.
func TestMappingConflictsAndUnreadableDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, kind := range map[string]string{"a": "long", "b": "keyword", "c": "text"} {
		w.source.Must(t, "PUT", "/"+w.source.Index(name), m{"mappings": m{"dynamic": false, "properties": m{
			"@timestamp": m{"type": "date"}, "flow.bytes": m{"type": kind}, "flow.src.ip.addr": m{"type": "keyword"}, "flow.dst.ip.addr": m{"type": "keyword"}}}})
	}
	w.source.Must(t, "PUT", "/"+w.source.Index("badtime"), m{"mappings": m{"properties": m{"@timestamp": m{"type": "keyword"}, "flow.src.ip.addr": m{"type": "ip"}}}})
	w.source.Must(t, "PUT", "/"+w.source.Index("nosource"), m{"mappings": m{"_source": m{"enabled": false}, "properties": m{"@timestamp": m{"type": "date"}}}})
	good := traffic{at: start().Add(time.Second), exporter: "10.0.0.1", src: "192.0.2.1", dst: "192.0.2.2", frame: 100, rate: 10}
	with := func(index, field string, value any) elasticsearchtest.Document {
		source := good.source(document.Codex)
		source[field] = value
		return elasticsearchtest.Document{Index: w.source.Index(index), Source: source}
	}
	w.source.Write(t,
		with("a", "flow.bytes", 1000), with("b", "flow.bytes", "1000"), with("c", "flow.bytes", "1000"), with("b", "flow.in.netif.index", "xe-0/0/0"),
		with("c", "flow.bytes", "lots"), with("b", "flow.src.ip.addr", "host.example"), with("a", "flow.export.ip.addr", "10.7.7.7"),
		with("b", "flow.export.ip.addr", "10.9.1.1"), with("a", "flow.bytes", nil), with("badtime", "flow.bytes", 1000), with("nosource", "flow.bytes", 1000),
		elasticsearchtest.Document{Index: w.source.Index("a"), Source: m{"@timestamp": good.at.Format(time.RFC3339), "message": "not a flow"}},
	)
	replay := w.replay(w.config(), elasticsearch.Config{})
	counts, err := replay.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{w.source.Index("badtime"), w.source.Index("nosource")}, replay.Unreadable()); diff != "" {
		t.Error(diff)
	}
	want := map[string]int64{document.ReasonBadNumber: 2, document.ReasonBadAddress: 1, document.ReasonNotAFlow: 1, elastiflow.ReasonUnknownExporter: 1}
	if diff := cmp.Diff(want, counts.Kept); diff != "" {
		t.Error(diff)
	}
	for reason := range want {
		if counts.Examples[reason] == "" {
			t.Errorf("no example of %s", reason)
		}
	}
	if diff := cmp.Diff(map[string]int64{"10.7.7.7": 1}, counts.Unknown); diff != "" {
		t.Error(diff)
	}
	if counts.Found != counts.Counted+counts.Duplicates+counts.KeptBack() {
		t.Errorf("%+v does not add up", counts)
	}
	l := w.expect(5, 5000)
	if len(l.flows[spineID()]) != 1 {
		t.Errorf("by source prefix: %d flows", len(l.flows[spineID()]))
	}

	w.exporters = append(w.exporters, elastiflow.Exporter{ID: spineID(), Name: "third", Agent: w.exporters[0].Agent.Next()})
	cfg := w.config()
	cfg.Fallback = "leaf" // and now for the one that was unknown
	if c := w.run(cfg, elasticsearch.Config{}); c.Counted != 1 {
		t.Errorf("with an exporter for all: %+v", c)
	}
	w.expect(6, 6000)
}

// An exporter whose bytes are not scaled is stopped; others go on. Trust lets it through.
func TestScaleThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template(t, w.source, document.Codex, w.source.Index("flow")+"*")
	good, bytes := many(document.Codex, w.source.Index("flow"), 50, start(), start().Add(time.Minute), nil)
	raw, _ := many(document.Codex, w.source.Index("flow"), 30, start(), start().Add(time.Minute), func(_ int, f *traffic) { f.exporter = "10.9.0.2" })
	var rawBytes uint64
	for _, d := range raw {
		d.Source.(m)["flow.bytes"] = d.Source.(m)["l2.frame.size"]
		rawBytes += d.Source.(m)["flow.bytes"].(uint64)
	}
	unknown, _ := many(document.Codex, w.source.Index("flow"), 3, start(), start().Add(time.Minute), func(_ int, f *traffic) { f.rate = 1 })
	w.source.Write(t, append(append(unknown, good...), raw...)...)
	counts := w.run(w.config(), elasticsearch.Config{})
	if diff := cmp.Diff(map[string]int64{"scale_stopped": 30, "rate_unknown": 3}, counts.Kept); diff != "" {
		t.Error(diff)
	}
	if b := counts.Scale["10.9.0.2"]; b == nil || !b.Stopped || b.Evidence == "" {
		t.Errorf("%+v", b)
	}
	w.expect(50, bytes)
	cfg := w.config()
	cfg.Trust = []string{"spine"}
	if c := w.run(cfg, elasticsearch.Config{}); c.Counted != 30 {
		t.Errorf("trusted: %+v", c)
	}
	w.expect(80, bytes+rawBytes)
}
