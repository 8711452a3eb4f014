package document

// Schema is one of the ways in which ElastiFlow has named its fields.
type Schema string

// The schemas, oldest first.
const (
	Unknown    Schema = ""
	LogstashV3 Schema = "logstash v3" // elastiflow-3.5.3-2020.01.31
	LogstashV4 Schema = "logstash v4" // elastiflow-4.0.1-2021.01.31
	Codex      Schema = "codex"       // elastiflow-flow-codex-2.2-…
	ECS        Schema = "ecs"         // elastiflow-flow-ecs-8.0-…
)

// layout says where a schema keeps what. Of several paths the first that is there holds.
type layout struct {
	src, dst, bytes, packets, rate, exporter []string
	input, output, direction                 []string
	start, end                               []string
	frame                                    []string // unscaled lengths of a sampled packet; all that are there
}

const (
	fieldInterval = "flow.meter.packet_select.interval.packets"
	fieldLegacy   = "flow.sampling_interval"
)

func layoutOf(s Schema) layout {
	switch s {
	case LogstashV3:
		return layout{
			src: []string{"flow.src_addr"}, dst: []string{"flow.dst_addr"}, bytes: []string{"flow.bytes"}, packets: []string{"flow.packets"},
			rate: []string{fieldLegacy}, exporter: []string{"node.ipaddr"}, input: []string{"flow.input_snmp"}, output: []string{"flow.output_snmp"},
			direction: []string{"flow.direction"}, frame: []string{"sflow.frame_length"},
		}
	case LogstashV4:
		return layout{
			src: []string{"source.ip"}, dst: []string{"destination.ip"}, bytes: []string{"network.bytes"}, packets: []string{"network.packets"},
			rate: []string{fieldLegacy}, exporter: []string{"host.ip"}, input: []string{"flow.input_snmp"}, output: []string{"flow.output_snmp"},
			direction: []string{"flow.direction"}, start: []string{"event.start"}, end: []string{"event.end"}, frame: []string{"sflow.frame_length"},
		}
	case Codex:
		return layout{
			src: []string{"flow.src.ip.addr"}, dst: []string{"flow.dst.ip.addr"}, bytes: []string{"flow.bytes"}, packets: []string{"flow.packets"},
			rate: []string{fieldInterval}, exporter: []string{"flow.export.ip.addr"}, input: []string{"flow.in.netif.index"}, output: []string{"flow.out.netif.index"},
			direction: []string{"flow.direction.name"}, start: []string{"flow.start.timestamp"}, end: []string{"flow.end.timestamp"},
			frame: []string{"l2.frame.size", "ip.packet.size"},
		}
	case ECS:
		return layout{
			src: []string{"source.ip"}, dst: []string{"destination.ip"}, bytes: []string{"network.bytes"}, packets: []string{"network.packets"},
			rate: []string{fieldInterval}, exporter: []string{"host.ip", "flow.export.ip.addr"},
			input:  []string{"observer.ingress.interface.id", "flow.in.netif.index"},
			output: []string{"observer.egress.interface.id", "flow.out.netif.index"}, direction: []string{"network.direction", "flow.direction.name"},
			start: []string{"event.start"}, end: []string{"event.end"}, frame: []string{"l2.frame.size", "ip.packet.size"},
		}
	}
	return layout{}
}

// kindFields say of which protocol a flow was, in any schema.
func kindFields() []string {
	return []string{"event.dataset", "event.type", "flow.export.type", "flow.export.version.name"}
}

// unifiedFields are in documents of the ECS schema and never in those of logstash v4, which otherwise looks alike.
func unifiedFields() []string {
	return []string{fieldInterval, "flow.export.version.name", "flow.export.type", "flow.export.ip.addr",
		"observer.ingress.interface.id", "observer.egress.interface.id", "l2.frame.size", "ip.packet.size"}
}

// Fields are all that any schema needs: what to ask Elasticsearch for.
func Fields() []string {
	seen := map[string]bool{}
	all := []string{}
	for _, s := range []Schema{LogstashV3, LogstashV4, Codex, ECS} {
		l := layoutOf(s)
		for _, paths := range [][]string{l.src, l.dst, l.bytes, l.packets, l.rate, l.exporter, l.input, l.output, l.direction, l.start, l.end, l.frame,
			kindFields(), unifiedFields()} {
			for _, p := range paths {
				if !seen[p] {
					seen[p] = true
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// Detect tells the schema of an index by the fields of its mapping, or of a document by its own. Where logstash v4 and
// ECS cannot be told apart, none of the fields in which they differ is there, and either reads the same.
func Detect(has func(field string) bool) Schema {
	switch {
	case has("flow.src.ip.addr") && has("flow.dst.ip.addr"):
		return Codex
	case has("flow.src_addr") && has("flow.dst_addr"):
		return LogstashV3
	case !has("source.ip") || !has("destination.ip"):
		return Unknown
	}
	for _, f := range unifiedFields() {
		if has(f) {
			return ECS
		}
	}
	return LogstashV4
}
