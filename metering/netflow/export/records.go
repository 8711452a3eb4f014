package export

import (
	"net/netip"
	"time"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/template"
)

// Records writes records by a template, or in version 5's form. Elements that a record does not have are zeros.
func (e *Encoder) Records(t template.Template, records []netflow.Record) {
	for i := range records {
		if e.h.Version == netflow.Version5 {
			e.record5(&records[i])
		} else {
			e.record(t, &records[i])
		}
		e.count++
	}
}

func (e *Encoder) record5(r *netflow.Record) {
	e.address(r.Src, 4)
	e.address(r.Dst, 4)
	e.put32(0) // next hop
	e.put16(uint16(r.Input), uint16(r.Output))
	e.put32(uint32(r.Packets), uint32(r.Bytes), e.uptime(r.StartAge), e.uptime(r.EndAge))
	e.put32(0) // ports
	e.b = append(e.b, 0, 0, r.Protocol, 0)
	e.put32(0, 0) // AS numbers, masks
}

func (e *Encoder) record(t template.Template, r *netflow.Record) {
	e.open(t.ID, true)
	for _, f := range t.Fields {
		switch f.ID {
		case element.SrcIPv4, element.SrcIPv6:
			e.address(r.Src, int(f.Length))
		case element.DstIPv4, element.DstIPv6:
			e.address(r.Dst, int(f.Length))
		default:
			e.number(f, e.value(f.ID, r))
		}
	}
}

// address writes zeros where an address is of the other family.
func (e *Encoder) address(a netip.Addr, length int) {
	b := a.AsSlice()
	if len(b) != length {
		b = make([]byte, length)
	}
	e.b = append(e.b, b...)
}

func (e *Encoder) value(id uint16, r *netflow.Record) uint64 {
	switch id {
	case element.Octets, element.OctetsTotal, element.OutOctets, element.InitiatorOctets:
		return r.Bytes
	case element.Packets, element.PacketsTotal, element.OutPackets, element.InitiatorPackets:
		return r.Packets
	case element.L2Octets:
		return r.L2Bytes
	case element.Protocol:
		return uint64(r.Protocol)
	case element.Input, element.PhysicalInput:
		return uint64(r.Input)
	case element.Output, element.PhysicalOutput:
		return uint64(r.Output)
	case element.Direction:
		return uint64(r.Direction)
	case element.SamplingInterval, element.SamplerInterval, element.Population:
		return uint64(r.Rate)
	case element.PacketInterval, element.SamplingSize:
		return 1
	case element.PacketSpace:
		return uint64(r.Rate) - 1
	case element.SamplerID, element.SelectorID:
		return r.Sampler
	case element.IPVersion:
		return map[bool]uint64{true: 4, false: 6}[r.Src.Is4()]
	}
	return e.time(id, r)
}

func (e *Encoder) time(id uint16, r *netflow.Record) uint64 {
	age := r.StartAge
	switch id {
	case element.EndUptime, element.EndSeconds, element.EndMillis, element.EndMicros, element.EndNanos, element.EndDelta:
		age = r.EndAge
	}
	at := time.Unix(0, e.h.Exported).Add(-age)
	switch id {
	case element.StartUptime, element.EndUptime:
		return uint64(e.uptime(age))
	case element.StartSeconds, element.EndSeconds:
		return uint64(at.Unix())
	case element.StartMillis, element.EndMillis:
		return uint64(at.UnixMilli())
	case element.StartMicros, element.EndMicros, element.StartNanos, element.EndNanos:
		return element.NTP(at.UnixNano())
	case element.StartDelta, element.EndDelta:
		return uint64(age.Microseconds())
	case element.SystemInit:
		return uint64(time.Unix(0, e.h.Exported).UnixMilli()) - uint64(e.h.Uptime)
	}
	return 0
}

func (e *Encoder) uptime(age time.Duration) uint32 { return e.h.Uptime - uint32(age.Milliseconds()) }
