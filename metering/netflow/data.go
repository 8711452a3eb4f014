package netflow

import (
	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/ezscale/platform/metering/netflow/element"
)

// dataSet decodes a set, or keeps it until its template comes.
func (d *Decoder) dataSet(key domainKey, id uint16, body []byte) {
	dom := d.domains[key]
	if dom == nil || dom.templates[id] == nil {
		d.keep(key, id, body)
		d.out.StepKnown = d.out.StepKnown && key.version != IPFIX
		return
	}
	l := dom.templates[id]
	l.used, dom.heard = max(l.used, d.out.Received), max(dom.heard, d.out.Received)
	code := d.data(&d.out, key, dom, l, body)
	d.out.reject(code)
	d.out.StepKnown = d.out.StepKnown && (code == codeNone || key.version != IPFIX)
}

// data reads a set's records, one by one: where each ends is known before goflow2 sees it. What is left at the end and
// shorter than a record is padding.
func (d *Decoder) data(to *Datagram, key domainKey, dom *domain, l *known, b []byte) Code {
	r := d.ratesOf(key, dom, l.ID)
	for len(b) >= l.Least {
		if d.room <= 0 {
			return ErrRecords
		}
		size, ok := l.Size(b)
		if !ok {
			return ErrRecord
		}
		values, ok := l.Decode(b[:size])
		if !ok {
			return ErrReference
		}
		d.values.Read(l.Slots, values)
		if code := d.one(to, dom, l, values, &r); code != codeNone {
			return code
		}
		b = b[size:]
	}
	return codeNone
}

// one reads one record of data or of options.
func (d *Decoder) one(to *Datagram, dom *domain, l *known, values []goflow2.DataField, r *rates) Code {
	if to.Version == IPFIX {
		to.Step++
	}
	if !l.Options {
		d.flow(to, dom, r)
		return codeNone
	}
	to.Options++
	return d.option(dom, l.Scope(values))
}

// flow makes the records of one flow: none without octets, two of a flow counted both ways.
func (d *Decoder) flow(to *Datagram, dom *domain, r *rates) {
	v := &d.values
	record := Record{Protocol: uint8(v.Value(element.SlotProtocol)), Direction: DirectionUnknown, Domain: to.Domain}
	if !record.forward(v) {
		to.NoOctets++
		return
	}
	record.Src, record.Dst, record.HasIP = v.Addresses()
	record.Input = v.Port(element.SlotInput, element.SlotPhysicalInput)
	record.Output = v.Port(element.SlotOutput, element.SlotPhysicalOutput)
	if n := v.Value(element.SlotDirection); v.Has(element.SlotDirection) && n <= uint64(DirectionEgress) {
		record.Direction = uint8(n)
	}
	d.setRate(&record, dom, r)
	clock := to.clock(dom.systemInit)
	start, end := v.Ages(&clock)
	to.setAges(&record, start, end)
	d.add(to, record)
	if octets, packets := reverse(v); octets != 0 || packets != 0 {
		d.add(to, record.reversed(octets, packets))
	}
}

func (d *Decoder) add(to *Datagram, r Record) {
	to.Records = append(to.Records, r)
	d.room--
}

// forward chooses the record's counters, by the order in the package comment; false when it has none.
func (r *Record) forward(v *element.Values) bool {
	r.L2Bytes, r.HasL2 = v.Value(element.SlotL2Octets), v.Has(element.SlotL2Octets)
	for _, s := range [...]struct{ octets, packets element.Slot }{
		{element.SlotOctets, element.SlotPackets},
		{element.SlotInitiatorOctets, element.SlotInitiatorPackets},
		{element.SlotResponderOctets, element.SlotInitiatorPackets}, // only the other way is told
		{element.SlotOctetsTotal, element.SlotPacketsTotal},
		{element.SlotOutOctets, element.SlotOutPackets},
		{element.SlotL2Octets, element.SlotPackets},
	} {
		if v.Has(s.octets) {
			if s.octets != element.SlotResponderOctets && s.octets != element.SlotL2Octets {
				r.Bytes = v.Value(s.octets)
			}
			r.Packets = v.Value(s.packets)
			return true
		}
	}
	return false
}

// reverse gives the other direction's counters; 0 when the flow was counted one way.
func reverse(v *element.Values) (octets, packets uint64) {
	switch {
	case v.Has(element.SlotReverseOctets):
		return v.Value(element.SlotReverseOctets), v.Value(element.SlotReversePackets)
	case v.Has(element.SlotReverseOctetsTotal):
		return v.Value(element.SlotReverseOctetsTotal), v.Value(element.SlotReversePacketsTotal)
	case v.Has(element.SlotResponderOctets) && !v.Has(element.SlotOctets):
		return v.Value(element.SlotResponderOctets), v.Value(element.SlotResponderPackets)
	}
	return 0, 0
}

// reversed is the record of the other direction.
func (r Record) reversed(octets, packets uint64) Record {
	r.Src, r.Dst = r.Dst, r.Src
	r.Input, r.Output = r.Output, r.Input
	r.Bytes, r.Packets, r.L2Bytes, r.HasL2 = octets, packets, 0, false
	r.Direction, r.Reverse = DirectionUnknown, true
	return r
}
