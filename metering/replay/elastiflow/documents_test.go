package elastiflow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/elasticsearch/elasticsearchtest"
	"github.com/ezscale/platform/metering/replay/document"
)

// traffic is what one document is about, whatever its schema.
type traffic struct {
	at       time.Time
	exporter string
	src, dst string
	frame    uint64 // bytes of the sampled packet
	rate     uint64
	side     string
}

// source writes a document the way a version of ElastiFlow does.
func (f traffic) source(s document.Schema) map[string]any {
	bytes := f.frame * f.rate
	stamp := f.at.UTC().Format(time.RFC3339Nano)
	switch s {
	case document.LogstashV3:
		return map[string]any{
			"@timestamp": f.at.UTC().Format("2006-01-02T15:04:05.000Z"), "node": m{"ipaddr": f.exporter}, "event": m{"type": "sflow"},
			"flow":  m{"src_addr": f.src, "dst_addr": f.dst, "bytes": bytes, "packets": f.rate, "sampling_interval": f.rate, "input_snmp": 27, "output_snmp": 28, "direction": "ingress"},
			"sflow": m{"frame_length": f.frame, "drops": 0},
		}
	case document.LogstashV4:
		return map[string]any{
			"@timestamp": f.at.UTC().Format("2006-01-02T15:04:05.000Z"), "host": m{"ip": f.exporter}, "event": m{"dataset": "sflow"},
			"source": m{"ip": f.src, "bytes": bytes}, "destination": m{"ip": f.dst}, "network": m{"bytes": bytes, "packets": f.rate, "type": "ipv4"},
			"flow": m{"sampling_interval": f.rate, "input_snmp": "27", "output_snmp": "28", "direction": f.side}, "sflow": m{"frame_length": f.frame},
		}
	case document.Codex:
		return map[string]any{
			"@timestamp": stamp, "flow.export.ip.addr": f.exporter, "flow.export.type": "sflow", "flow.src.ip.addr": f.src, "flow.dst.ip.addr": f.dst,
			"flow.bytes": bytes, "flow.packets": f.rate, "flow.meter.packet_select.interval.packets": f.rate, "flow.in.netif.index": 27, "flow.out.netif.index": 28,
			"flow.direction.name": f.side, "l2.frame.size": f.frame, "ip.packet.size": f.frame - 18,
		}
	}
	return map[string]any{
		"@timestamp": stamp, "host": m{"ip": []string{f.exporter}}, "event": m{"dataset": "sflow"}, "source": m{"ip": f.src}, "destination": m{"ip": f.dst},
		"network": m{"bytes": bytes, "packets": f.rate, "direction": f.side}, "flow": m{"meter": m{"packet_select": m{"interval": m{"packets": f.rate}}}},
		"observer": m{"ingress": m{"interface": m{"id": "27"}}, "egress": m{"interface": m{"id": "28"}}}, "l2": m{"frame": m{"size": f.frame}},
	}
}

type m = map[string]any

// template makes the mappings of a schema's indices as its version does: dates of milliseconds or of nanoseconds,
// addresses as ip, and the legacy ones' ports as keywords.
func template(t testing.TB, s *elasticsearchtest.Server, schema document.Schema, pattern string) {
	t.Helper()
	date := "date"
	if schema == document.Codex || schema == document.ECS {
		date = "date_nanos"
	}
	properties := m{"@timestamp": m{"type": date}}
	for field, kind := range map[string]string{
		"flow.src_addr": "ip", "flow.dst_addr": "ip", "node.ipaddr": "ip", "source.ip": "ip", "destination.ip": "ip", "host.ip": "ip",
		"flow.src.ip.addr": "ip", "flow.dst.ip.addr": "ip", "flow.export.ip.addr": "ip", "flow.bytes": "long", "flow.packets": "long",
		"network.bytes": "long", "network.packets": "long", "flow.input_snmp": "keyword", "flow.output_snmp": "keyword",
	} {
		if used(schema, field) {
			properties[field] = m{"type": kind}
		}
	}
	s.Must(t, "PUT", "/_index_template/"+s.Prefix+"-"+string(schema[len(schema)-2:]), m{
		"index_patterns": []string{pattern}, "priority": 1000,
		"template": m{"settings": m{"number_of_shards": 2, "number_of_replicas": 0}, "mappings": m{"properties": properties}},
	})
}

func used(schema document.Schema, field string) bool {
	example := traffic{}.source(schema)
	_, ok := find(example, field)
	return ok
}

func find(in m, path string) (any, bool) {
	if v, ok := in[path]; ok {
		return v, true
	}
	for i := range path {
		if inner, ok := in[path[:i]].(m); ok && path[i] == '.' {
			return find(inner, path[i+1:])
		}
	}
	return nil, false
}

// many makes documents of one schema, spread evenly over [from, to), with several at one time.
func many(s document.Schema, index string, n int, from, to time.Time, each func(i int, f *traffic)) ([]elasticsearchtest.Document, uint64) {
	var all []elasticsearchtest.Document
	var bytes uint64
	for i := range n {
		f := traffic{
			at:       from.Add(to.Sub(from) * time.Duration(i/7*7) / time.Duration(n)),
			exporter: "10.0.0.1", src: fmt.Sprintf("192.0.2.%d", i%250), dst: "198.51.100.9", frame: 64 + uint64(i*37%1400), rate: 512, side: "ingress",
		}
		if each != nil {
			each(i, &f)
		}
		all = append(all, elasticsearchtest.Document{Index: index, Source: f.source(s)})
		bytes += f.frame * f.rate
	}
	return all, bytes
}
