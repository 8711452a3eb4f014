package netflow

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/ezscale/platform/metering/netflow/element"
)

// stateVersion is the first byte of an encoded memory. Then come the newest time of receipt, the domains and the sets
// that wait. Little endian, counts are uvarints, maps are sorted, so the same memory always gives the same bytes. What
// stores it adds a checksum; what is read is held against every bound all the same.
const stateVersion = 1

// AppendState appends all that the decoder remembers of its exporter.
func (d *Decoder) AppendState(to []byte) []byte {
	to = append(to, stateVersion)
	to = appendInt(to, d.latest)
	to = binary.AppendUvarint(to, uint64(len(d.domains)))
	for _, key := range slices.SortedFunc(maps.Keys(d.domains), domainKey.compare) {
		to = d.domains[key].append(appendKey(to, key))
	}
	to = binary.AppendUvarint(to, uint64(len(d.kept)))
	for i := range d.kept {
		to = d.kept[i].append(to)
	}
	return to
}

func appendInt(to []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(to, uint64(n)) }

func appendKey(to []byte, key domainKey) []byte {
	source := key.source.As16()
	to = append(append(to, source[:]...), byte(key.version))
	return binary.LittleEndian.AppendUint32(to, key.id)
}

func (dom *domain) append(to []byte) []byte {
	to = appendInt(to, dom.heard)
	to = binary.LittleEndian.AppendUint64(to, dom.systemInit)
	to = binary.AppendUvarint(to, uint64(len(dom.templates)))
	for _, id := range slices.Sorted(maps.Keys(dom.templates)) {
		to = dom.templates[id].append(to)
	}
	to = binary.AppendUvarint(to, uint64(len(dom.samplers)))
	for _, key := range slices.SortedFunc(maps.Keys(dom.samplers), samplerKey.compare) {
		s := dom.samplers[key]
		to = binary.LittleEndian.AppendUint64(append(to, byte(key.about)), key.id)
		to = appendInt(binary.LittleEndian.AppendUint32(to, s.rate), s.at)
	}
	return to
}

func (l *known) append(to []byte) []byte {
	to = appendInt(binary.LittleEndian.AppendUint16(to, l.ID), l.used)
	options := byte(0)
	if l.Options {
		options = 1
	}
	to = binary.LittleEndian.AppendUint16(append(to, options), uint16(l.Scopes))
	to = binary.AppendUvarint(to, uint64(len(l.Fields)))
	for _, f := range l.Fields {
		to = appendField(to, f)
	}
	return to
}

func appendField(to []byte, f element.Field) []byte {
	to = binary.LittleEndian.AppendUint32(to, f.Enterprise)
	to = binary.LittleEndian.AppendUint16(to, f.ID)
	return binary.LittleEndian.AppendUint16(to, f.Length)
}

func (k *keptSet) append(to []byte) []byte {
	to = binary.LittleEndian.AppendUint16(appendKey(to, k.key), k.template)
	to = binary.LittleEndian.AppendUint32(to, k.header.Sequence)
	to = binary.LittleEndian.AppendUint32(to, k.header.Uptime)
	to = appendInt(appendInt(to, k.header.Exported), k.received)
	to = binary.AppendUvarint(to, uint64(len(k.body)))
	return append(to, k.body...)
}

func (k domainKey) compare(o domainKey) int {
	return cmp.Or(k.source.Compare(o.source), cmp.Compare(k.version, o.version), cmp.Compare(k.id, o.id))
}
