package document_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/document"
)

const at = int64(1_750_000_000_123_456_789)

func read(source string, expected document.Schema) (document.Record, *document.Fault) {
	return document.Read(document.Hit{ID: "x", At: at, Source: json.RawMessage(source)}, expected)
}

func moment() envelope.Flow {
	return envelope.Flow{
		Start: at, End: at, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("198.51.100.9"),
		BytesL2: 512000, BytesL3: 512000, Packets: 512, Rate: 512, Input: 27, Output: 28, Side: envelope.SideIngress, Document: document.Hash("x"),
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	with := func(change func(*envelope.Flow)) envelope.Flow { f := moment(); change(&f); return f }
	for name, c := range map[string]struct {
		source   string
		expected document.Schema
		want     document.Record
	}{
		"logstash v3, sFlow: direction is made up": {
			`{"node":{"ipaddr":"10.0.0.1"},"event":{"type":"sflow"},"flow":{"src_addr":"192.0.2.1","dst_addr":"198.51.100.9","bytes":512000,"packets":512,
			  "sampling_interval":512,"input_snmp":27,"output_snmp":28,"direction":"ingress"},"sflow":{"frame_length":1000}}`, document.LogstashV3,
			document.Record{Schema: document.LogstashV3, SFlow: true, Frames: []uint64{1000}, Flow: with(func(f *envelope.Flow) { f.Side = envelope.SideUnknown })},
		},
		"logstash v4, text and numbers": {
			`{"host":{"ip":"10.0.0.1"},"event":{"dataset":"sflow"},"source":{"ip":"192.0.2.1","bytes":1},"destination":{"ip":"198.51.100.9"},
			  "network":{"bytes":"512000","packets":512.0},"flow":{"sampling_interval":"512","input_snmp":"27","output_snmp":"28","direction":"ingress"},"sflow":{"frame_length":"1000"}}`, document.Unknown,
			document.Record{Schema: document.LogstashV4, SFlow: true, Frames: []uint64{1000}, Flow: moment()},
		},
		"codex, names with dots": {
			`{"flow.export.ip.addr":"10.0.0.1","flow.export.type":"sflow","flow.src.ip.addr":"192.0.2.1","flow.dst.ip.addr":"198.51.100.9","flow.bytes":512000,"flow.packets":512,
			  "flow.meter.packet_select.interval.packets":512,"flow.in.netif.index":27,"flow.out.netif.index":28,"flow.direction.name":"ingress","l2.frame.size":1000,"ip.packet.size":982}`, document.Codex,
			document.Record{Schema: document.Codex, SFlow: true, Frames: []uint64{1000, 982}, Flow: moment()},
		},
		"ecs, lists of one, several addresses of a host": {
			`{"host":{"ip":["10.0.0.1","10.255.0.1"]},"event":{"dataset":"sflow"},"source":{"ip":["192.0.2.1"]},"destination":{"ip":"198.51.100.9"},"network":{"bytes":512000,"packets":512,"direction":"egress"},
			  "flow":{"meter":{"packet_select":{"interval":{"packets":512}}}},"observer":{"ingress":{"interface":{"id":"27"}},"egress":{"interface":{"id":"28"}}},"l2":{"frame":{"size":1000}}}`, document.Unknown,
			document.Record{Schema: document.ECS, SFlow: true, Frames: []uint64{1000}, Flow: with(func(f *envelope.Flow) { f.Side = envelope.SideEgress }),
				Exporters: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.255.0.1")}},
		},
		"a record of NetFlow, with its own times": {
			`{"host":{"ip":"10.0.0.1"},"event":{"dataset":"netflow","start":"2025-06-15T15:06:00.5Z","end":1749999990000},"source":{"ip":"192.0.2.1"},"destination":{"ip":"198.51.100.9"},
			  "network":{"bytes":512000,"packets":512},"flow":{"sampling_interval":512,"input_snmp":27,"output_snmp":28,"direction":"0"}}`, document.LogstashV4,
			document.Record{Schema: document.LogstashV4, Flow: with(func(f *envelope.Flow) {
				f.Start, f.End = time.Date(2025, 6, 15, 15, 6, 0, 5e8, time.UTC).UnixNano(), 1749999990000000000
			})},
		},
		"times that cannot be": {
			`{"host":{"ip":"10.0.0.1"},"event":{"dataset":"ipfix","start":"1970-01-01T00:00:00Z","end":"2025-06-15T15:06:00Z"},"source":{"ip":"192.0.2.1"},"destination":{"ip":"198.51.100.9"},
			  "network":{"bytes":512000,"packets":512},"flow":{"sampling_interval":512,"input_snmp":27,"output_snmp":28,"direction":"0"}}`, document.LogstashV4,
			document.Record{Schema: document.LogstashV4, Flow: moment()},
		},
		"of another schema than its index; ports by name": {
			`{"host":{"ip":"10.0.0.1"},"event":{"dataset":"netflow"},"source":{"ip":"::ffff:192.0.2.1"},"destination":{"ip":"198.51.100.9"},"network":{"bytes":7},"flow":{"input_snmp":"eth0"}}`, document.Codex,
			document.Record{Schema: document.LogstashV4, Flow: with(func(f *envelope.Flow) {
				f.BytesL2, f.BytesL3, f.Packets, f.Rate, f.Input, f.Output, f.Side = 7, 7, 0, 0, 0, 0, envelope.SideUnknown
			})},
		},
	} {
		if c.want.At = at; c.want.Exporters == nil {
			c.want.Exporters = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		}
		got, fault := read(c.source, c.expected)
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); fault != nil || diff != "" {
			t.Errorf("%s: %v %s", name, fault, diff)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	codex := func(more string) string {
		return `{"flow.export.ip.addr":"10.0.0.1","flow.src.ip.addr":"192.0.2.1","flow.dst.ip.addr":"192.0.2.2","flow.bytes":1` + more + `}`
	}
	if _, fault := read(codex(""), document.Codex); fault != nil {
		t.Fatal(fault)
	}
	for source, want := range map[string]string{
		"":                                    document.ReasonNotJSON,
		`[1]`:                                 document.ReasonNotJSON,
		`null`:                                document.ReasonNotAFlow,
		`{}`:                                  document.ReasonNotAFlow,
		`{"a"`:                                document.ReasonNotJSON,
		codex(`,"flow.src.ip.addr":"host-1"`): document.ReasonBadAddress,
		codex(`,"flow.src.ip.addr":["192.0.2.1","192.0.2.3"]`):            document.ReasonBadAddress,
		codex(`,"flow.dst.ip.addr":"fe80::1%eth0"`):                       document.ReasonBadAddress,
		codex(`,"flow.export.ip.addr":"switch"`):                          document.ReasonNoExporter,
		codex(`,"flow.bytes":-1`):                                         document.ReasonBadNumber,
		codex(`,"flow.bytes":1.5`):                                        document.ReasonBadNumber,
		codex(`,"flow.bytes":"12 kB"`):                                    document.ReasonBadNumber,
		codex(`,"flow.bytes":null`):                                       document.ReasonBadNumber,
		codex(`,"flow.bytes":1125899906842625`):                           document.ReasonTooLarge,
		codex(`,"flow.packets":{}`):                                       document.ReasonBadNumber,
		codex(`,"flow.meter.packet_select.interval.packets":4294967296`):  document.ReasonTooLarge,
		codex(`,"flow.meter.packet_select.interval.packets":"sometimes"`): document.ReasonBadNumber,
	} {
		if _, fault := read(source, document.Codex); fault == nil || fault.Reason != want {
			t.Errorf("%s: %v, want %s", source, fault, want)
		}
	}
	if _, fault := document.Read(document.Hit{}, document.Codex); fault == nil || fault.Reason != document.ReasonNoSource {
		t.Error(fault)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for want, fields := range map[document.Schema][]string{
		document.LogstashV3: {"flow.src_addr", "flow.dst_addr", "node.ipaddr"},
		document.LogstashV4: {"source.ip", "destination.ip", "network.bytes", "flow.sampling_interval", "host.ip"},
		document.Codex:      {"flow.src.ip.addr", "flow.dst.ip.addr", "flow.bytes", "l2.frame.size"},
		document.ECS:        {"source.ip", "destination.ip", "network.bytes", "flow.meter.packet_select.interval.packets"},
		document.Unknown:    {"netif.bytes.in", "source.ip"},
	} {
		if got := document.Detect(func(f string) bool { return slices.Contains(fields, f) }); got != want {
			t.Errorf("%v: %q, want %q", fields, got, want)
		}
	}
}

// FuzzRead: never a panic, and what is read can be sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"flow.export.ip.addr":"10.0.0.1","flow.src.ip.addr":"192.0.2.1","flow.dst.ip.addr":"192.0.2.2","flow.bytes":1}`), "id", at)
	f.Add([]byte(`{"host":{"ip":["10.0.0.1"]},"source":{"ip":"::1"},"destination":{"ip":"::2"},"network":{"bytes":"9"},"event":{"start":"2025-06-15T15:06:00Z","end":1}}`), "id", at)
	f.Add([]byte(`{"node":{"ipaddr":"10.0.0.1"},"flow":{"src_addr":"::1","dst_addr":"::2","bytes":1e3}}`), "", int64(0))
	f.Fuzz(func(t *testing.T, source []byte, id string, at int64) {
		r, fault := document.Read(document.Hit{ID: id, At: at, Source: source}, document.Unknown)
		if (fault == nil) != (len(r.Exporters) > 0) {
			t.Fatalf("%v, %+v", fault, r)
		}
		if fault == nil && r.Flow.Check() != nil {
			t.Fatalf("cannot be sent: %v", r.Flow.Check())
		}
	})
}
