package netflow

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/ezscale/platform/metering/netflow/element"
)

const (
	recordBytes5 = 48
	chunk5       = 30 // records that goflow2 sees at a time: what the format allows in a datagram
	interval5    = 0x3fff
)

// version5 reads the records of a datagram whose length has been checked. A datagram of more than 30 records, which
// the format does not know, is shown to goflow2 in parts.
func (d *Decoder) version5(to *Datagram, b []byte) {
	count := int(u16(b[2:]))
	to.Step = uint32(count)
	copy(d.scratch[:headerBytes5], b)
	for b = b[headerBytes5:]; count > 0; {
		n := min(count, chunk5)
		binary.BigEndian.PutUint16(d.scratch[2:], uint16(n))
		end := headerBytes5 + copy(d.scratch[headerBytes5:], b[:n*recordBytes5])
		if !to.chunk5(d.scratch[:end]) {
			to.reject(ErrReference)
			return
		}
		b, count = b[n*recordBytes5:], count-n
	}
}

func (d *Datagram) chunk5(b []byte) bool {
	var p netflowlegacy.PacketNetFlowV5
	if netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &p) != nil {
		return false
	}
	for i := range p.Records {
		d.Records = append(d.Records, d.record5(&p.Records[i]))
	}
	return true
}

func (d *Datagram) record5(r *netflowlegacy.RecordsNetFlowV5) Record {
	record := Record{
		Protocol: r.Proto, Bytes: uint64(r.DOctets), Packets: uint64(r.DPkts),
		Input: uint32(r.Input), Output: uint32(r.Output), Direction: DirectionUnknown, Domain: d.Domain,
	}
	if r.SrcAddr != 0 || r.DstAddr != 0 {
		record.Src, record.Dst, record.HasIP = address5(r.SrcAddr), address5(r.DstAddr), true
	}
	if rate := d.Sampling & interval5; rate != 0 {
		record.Rate, record.RateKnown, record.RateFrom = uint32(rate), true, RateFromHeader
	}
	start, end := element.SinceUptime(d.Uptime, r.First), element.SinceUptime(d.Uptime, r.Last)
	d.setAges(&record, start, end)
	return record
}

func address5(a netflowlegacy.IPAddress) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(a))))
}
