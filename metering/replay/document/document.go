// Package document reads ElastiFlow's flow documents: four schemas, one record. It is pure: no network, no clock.
//
// What the fields mean (ElastiFlow's pipelines of logstash v3 and v4, its unified collector's CODEX and ECS data views):
// bytes and packets are scaled by the sampling rate already, and nothing here multiplies. The rate is kept beside
// them, so that package scale can check just that. Bytes of sFlow are those of the frame, bytes of NetFlow and IPFIX
// those of the IP packet; only one of the two is in a document, so a flow carries it as both.
//
// A document is read by its index's schema when it has that one's fields, and otherwise by its own: an index may hold
// several. Values are read from numbers and from text. What cannot be read is a Fault with a reason to count it by.
package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/ezscale/platform/metering/envelope"
)

// Reasons for which a document is no flow that can be counted.
const (
	ReasonNoSource   = "no_source"    // the index keeps no _source
	ReasonNotJSON    = "not_json"     //
	ReasonNotAFlow   = "not_a_flow"   // of none of the schemas
	ReasonBadAddress = "bad_address"  // source or destination missing, or no IP address
	ReasonNoExporter = "no_exporter"  // the exporter's address is missing, or none
	ReasonBadNumber  = "bad_number"   // bytes, packets or rate missing, or no whole number
	ReasonTooLarge   = "out_of_range" // more than a flow can have
)

// Bounds of what is believed about a flow's own times, around the document's.
const (
	maxBefore    = 24 * time.Hour
	maxAfter     = time.Minute
	maxExporters = 16
)

// Fault says why a document cannot be counted.
type Fault struct{ Reason, Detail string }

func (f *Fault) Error() string { return f.Reason + ": " + f.Detail }

// Hit is a document as Elasticsearch gives it.
type Hit struct {
	ID     string
	At     int64 // @timestamp, Unix nanoseconds
	Source json.RawMessage
}

// Record is a document that has been read.
type Record struct {
	Schema    Schema
	At        int64 // @timestamp, Unix nanoseconds
	Exporters []netip.Addr
	SFlow     bool
	Frames    []uint64 // unscaled lengths of the sampled packet, where the document has some
	Flow      envelope.Flow
}

// Hash is how a document is known again: of its id alone, because a document keeps its id when its index is
// shrunk or restored under another name.
func Hash(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// Read reads one document. expected is its index's schema, Unknown when that could not be told.
func Read(h Hit, expected Schema) (Record, *Fault) {
	if h.Source == nil {
		return Record{}, &Fault{ReasonNoSource, "the index does not store its documents"}
	}
	decoder := json.NewDecoder(bytes.NewReader(h.Source))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return Record{}, &Fault{ReasonNotJSON, err.Error()}
	}
	schema := schemaOf(object, expected)
	if schema == Unknown {
		return Record{}, &Fault{ReasonNotAFlow, "its fields are of no schema that is known"}
	}
	r := reader{object: object, layout: layoutOf(schema)}
	record := Record{Schema: schema, At: h.At}
	record.SFlow = r.sflow(schema)
	record.Exporters = r.exporters()
	record.Frames = r.frames()
	record.Flow = r.flow(h, record.SFlow, schema)
	if r.fault == nil && len(record.Exporters) == 0 {
		r.fail(ReasonNoExporter, "no address in %s", strings.Join(r.layout.exporter, ", "))
	}
	if r.fault == nil {
		if err := record.Flow.Check(); err != nil {
			r.fail(ReasonTooLarge, "%v", err)
		}
	}
	if r.fault != nil {
		return Record{}, r.fault
	}
	return record, nil
}

// schemaOf trusts the index, unless the document has fields of another schema.
func schemaOf(object map[string]any, expected Schema) Schema {
	has := func(field string) bool { _, ok := lookup(object, field); return ok }
	if l := layoutOf(expected); expected != Unknown && has(l.src[0]) && has(l.dst[0]) {
		return expected
	}
	return Detect(has)
}

// reader reads the fields of one document and keeps the first fault.
type reader struct {
	object map[string]any
	layout layout
	fault  *Fault
}

func (r *reader) fail(reason, format string, args ...any) {
	if r.fault == nil {
		r.fault = &Fault{reason, fmt.Sprintf(format, args...)}
	}
}

func (r *reader) flow(h Hit, sflow bool, schema Schema) envelope.Flow {
	f := envelope.Flow{Start: h.At, End: h.At, Document: Hash(h.ID)}
	f.Src, f.Dst = r.address(r.layout.src), r.address(r.layout.dst)
	f.BytesL2 = r.number(r.layout.bytes, true, math.MaxUint64)
	f.BytesL3 = f.BytesL2
	f.Packets = r.number(r.layout.packets, false, math.MaxUint64)
	f.Rate = uint32(r.number(r.layout.rate, false, math.MaxUint32))
	f.Input, f.Output = r.port(r.layout.input), r.port(r.layout.output)
	f.Side = r.side(sflow, schema)
	if !sflow { // a sample is a moment
		f.Start, f.End = r.times(h.At)
	}
	return f
}

func (r *reader) address(paths []string) netip.Addr {
	v, ok := first(r.object, paths)
	a, isAddress := address(v)
	if !ok || !isAddress {
		r.fail(ReasonBadAddress, "%s is %s", paths[0], shown(v))
	}
	return a
}

// number reads a count; one that is not needed may be missing, but not be nonsense.
func (r *reader) number(paths []string, needed bool, most uint64) uint64 {
	v, ok := first(r.object, paths)
	if !ok && !needed {
		return 0
	}
	n, isNumber := whole(v)
	switch {
	case !ok || !isNumber:
		r.fail(ReasonBadNumber, "%s is %s", paths[0], shown(v))
	case n > most:
		r.fail(ReasonTooLarge, "%s is %d", paths[0], n)
	}
	return n
}

// port reads an ifIndex. It is a hint: what is none, a name for one, is not known.
func (r *reader) port(paths []string) uint32 {
	v, _ := first(r.object, paths)
	if n, ok := whole(v); ok && n <= math.MaxUint32 {
		return uint32(n)
	}
	return 0
}

// side reads on which side the exporter saw the flow. Logstash v3 calls every sFlow sample ingress without looking, so
// there it says nothing. Words for the border of a network, like inbound, say nothing about a port.
func (r *reader) side(sflow bool, schema Schema) envelope.Side {
	if sflow && schema == LogstashV3 {
		return envelope.SideUnknown
	}
	v, _ := first(r.object, r.layout.direction)
	switch strings.ToLower(strings.TrimSpace(fmt.Sprint(v))) {
	case "ingress", "0":
		return envelope.SideIngress
	case "egress", "1":
		return envelope.SideEgress
	}
	return envelope.SideUnknown
}

// times are the flow's own, when they can be believed, and otherwise the document's.
func (r *reader) times(at int64) (start, end int64) {
	from, _ := first(r.object, r.layout.start)
	to, _ := first(r.object, r.layout.end)
	start, startOK := instant(from)
	end, endOK := instant(to)
	if !startOK || !endOK || end < start || start < at-int64(maxBefore) || end > at+int64(maxAfter) {
		return at, at
	}
	return start, end
}

// sflow tells a sampled packet from a flow record.
func (r *reader) sflow(schema Schema) bool {
	for _, f := range kindFields() {
		v, _ := lookup(r.object, f)
		text := strings.ToLower(fmt.Sprint(v))
		if strings.Contains(text, "sflow") {
			return true
		}
		if strings.Contains(text, "netflow") || strings.Contains(text, "ipfix") {
			return false
		}
	}
	_, legacy := lookup(r.object, "sflow.frame_length")
	return legacy && (schema == LogstashV3 || schema == LogstashV4)
}

// exporters are the exporter's addresses: a host may have several.
func (r *reader) exporters() []netip.Addr {
	var all []netip.Addr
	for _, p := range r.layout.exporter {
		v, _ := lookup(r.object, p)
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, one := range list[:min(len(list), maxExporters)] {
			if a, ok := address(one); ok {
				all = append(all, a)
			}
		}
	}
	return all
}

func (r *reader) frames() []uint64 {
	var all []uint64
	for _, p := range r.layout.frame {
		v, _ := first(r.object, []string{p})
		if n, ok := whole(v); ok && n > 0 {
			all = append(all, n)
		}
	}
	return all
}

// shown is a value for an error: short, and never a whole document.
func shown(v any) string {
	const most = 80
	if v == nil {
		return "missing"
	}
	text := fmt.Sprintf("%q", fmt.Sprint(v))
	return text[:min(len(text), most)]
}
