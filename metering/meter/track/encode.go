package track

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/track/counters"
)

// The encoded form: magic, version, the parts in the order below, and the CRC-32C of all before it. Little endian,
// counts are uvarints, maps are sorted, so the same memory always gives the same bytes.
const (
	magic   = "EZMS"
	version = 4 // 1 had no feeders, ports and flow sources; 2 no gaps behind the window; 3 no times of restarts
)

// Encode appends the memory to b.
func (b *Book) Encode(to []byte) []byte {
	start := len(to)
	to = append(to, magic...)
	to = append(to, version)
	to = b.encodeProducers(to)
	to = b.encodeCollectors(to)
	to = appendUint64s(to, uint64(b.forgotten))
	to = binary.AppendUvarint(to, uint64(len(b.exporters)))
	for _, id := range sorted(b.exporters, compareID) {
		to = append(to, id[:]...)
		to = b.exporters[id].encode(to)
	}
	return binary.LittleEndian.AppendUint32(to, crc32.Checksum(to[start:], castagnoli()))
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func compareID(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func sorted[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}

func (b *Book) encodeProducers(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(b.producers)))
	for _, key := range sorted(b.producers, func(x, y producerKey) int {
		return cmp.Or(compareID(x.collector, y.collector), cmp.Compare(x.boot, y.boot))
	}) {
		p := b.producers[key]
		to = append(to, key.collector[:]...)
		to = appendUint64s(to, uint64(key.boot), p.last, uint64(p.tick))
	}
	return to
}

func (b *Book) encodeCollectors(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(b.collectors)))
	for _, id := range sorted(b.collectors, compareID) {
		c := b.collectors[id]
		to = append(to, id[:]...)
		to = appendUint64s(to, uint64(c.boot), uint64(c.watermark), uint64(c.at), uint64(c.kernelDrops), uint64(c.spoolDrops))
	}
	return to
}

func (e *Exporter) encode(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(e.agents)))
	for _, address := range sorted(e.agents, netip.Addr.Compare) {
		raw := address.AsSlice()
		to = append(append(to, byte(len(raw))), raw...)
		to = e.agents[address].encode(to)
	}
	return e.encodeFlows(to)
}

func (e *Exporter) encodeFlows(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(e.flows)))
	for _, key := range sorted(e.flows, func(a, b flowKey) int {
		return cmp.Or(a.address.Compare(b.address), cmp.Compare(a.domain, b.domain), cmp.Compare(a.version, b.version))
	}) {
		raw := key.address.As16()
		to = appendUint32s(append(to, raw[:]...), key.domain, uint32(key.version))
		to = e.flows[key].encode(to)
	}
	var templates []byte
	if e.netflow != nil {
		templates = e.netflow.AppendState(nil)
	}
	return append(binary.AppendUvarint(to, uint64(len(templates))), templates...)
}

func (f *FlowSource) encode(to []byte) []byte {
	var begun uint32
	if f.begun {
		begun = 1
	}
	to = f.early.encode(appendUint64s(to, uint64(f.heardAt), f.feeder))
	to = appendUint64s(to, uint64(f.bootAt))
	to = appendUint32s(to, f.first, f.next, begun, uint32(f.place))
	to = binary.AppendUvarint(to, uint64(len(f.gaps)))
	for _, g := range f.gaps {
		to = appendUint32s(to, g.from, g.count)
	}
	to = binary.AppendUvarint(to, uint64(len(f.ring)))
	for _, d := range f.ring {
		to = appendUint32s(to, d.sequence, d.crc)
	}
	return f.Agent.encodePorts(to)
}

func (a *Agent) encodePorts(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(a.ingressAt)))
	for _, port := range sorted(a.ingressAt, cmp.Compare) {
		to = appendUint32s(to, port)
		to = appendUint64s(to, uint64(a.ingressAt[port]))
	}
	return to
}

func (a *Agent) encode(to []byte) []byte {
	to = a.encodePorts(to)
	to = binary.AppendUvarint(to, uint64(len(a.subs)))
	for _, id := range sorted(a.subs, cmp.Compare) {
		to = a.subs[id].encode(appendUint32s(to, id))
	}
	return to
}

func (s *SubAgent) encode(to []byte) []byte {
	to = s.early.encode(appendUint64s(to, s.tick, uint64(s.heardAt), s.feeder))
	to = binary.AppendUvarint(to, uint64(len(s.streams)))
	for _, stream := range s.streams {
		to = stream.encode(to)
	}
	to = binary.AppendUvarint(to, uint64(len(s.sources)))
	for _, key := range sorted(s.sources, cmp.Compare) {
		src := s.sources[key]
		to = appendUint64s(to, key, src.Missing)
		to = appendUint32s(to, src.High, src.Drops, src.Rate)
	}
	to = binary.AppendUvarint(to, uint64(len(s.ports)))
	for _, index := range sorted(s.ports, cmp.Compare) {
		p := s.ports[index]
		to = appendReading(appendReading(appendUint32s(to, index), &p.First), &p.Last)
	}
	return to
}

func (e *early) encode(to []byte) []byte {
	return appendUint64s(to, uint64(e.bornAt), uint64(e.ground), e.feeder, uint64(e.since))
}

func appendReading(to []byte, r *counters.Reading) []byte {
	to = appendUint64s(to, uint64(r.At), r.Speed, r.OctetsIn, r.OctetsOut)
	to = appendUint32s(to, r.Sequence, r.Uptime)
	to = appendUint32s(to, r.PacketsIn[:]...)
	return appendUint32s(to, r.PacketsOut[:]...)
}

// encode writes the CRCs of seen sequences only: a young stream is short.
func (s *stream) encode(to []byte) []byte {
	to = appendUint32s(to, s.high, s.span, s.floorUptime, s.before, s.jump, s.claim, s.proof)
	to = appendUint64s(to, s.used)
	to = appendUint64s(to, s.seen[:]...)
	for w, word := range s.seen {
		for ; word != 0; word &= word - 1 {
			to = appendUint32s(to, s.crc[w*64+bits.TrailingZeros64(word)])
		}
	}
	return s.encodeMissing(to)
}

func (s *stream) encodeMissing(to []byte) []byte {
	to = appendUint64s(appendUint32s(to, s.first), uint64(s.heardAt), uint64(s.bornAt))
	to = binary.AppendUvarint(to, uint64(len(s.missing)))
	for _, m := range s.missing {
		to = appendUint32s(to, m.from, m.count)
		to = appendUint64s(to, uint64(m.after), uint64(m.before))
	}
	return to
}

func appendUint64s(to []byte, values ...uint64) []byte {
	for _, v := range values {
		to = binary.LittleEndian.AppendUint64(to, v)
	}
	return to
}

func appendUint32s(to []byte, values ...uint32) []byte {
	for _, v := range values {
		to = binary.LittleEndian.AppendUint32(to, v)
	}
	return to
}
