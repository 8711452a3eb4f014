package tail

import (
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/sflow"
)

// decoder turns one partition's envelopes into lines.
type decoder struct {
	sflow    *sflow.Decoder
	netflow  map[uuid.UUID]*netflow.Decoder // by exporter
	view     *owners.View
	line     Line
	emit     func(*Line) error
	rejected int64
}

func newDecoder(emit func(*Line) error) *decoder {
	return &decoder{sflow: &sflow.Decoder{}, netflow: map[uuid.UUID]*netflow.Decoder{}, emit: emit}
}

// envelope emits a line for each sample and record. Its error is emit's.
func (d *decoder) envelope(value []byte) error {
	h, body, err := envelope.Parse(value)
	if err != nil {
		d.rejected++
		return nil
	}
	switch h.Kind {
	case envelope.KindDatagrams:
		for datagram, ok := body.Next(); ok; datagram, ok = body.Next() {
			if err := d.datagram(h.Exporter, &datagram); err != nil {
				return err
			}
		}
	case envelope.KindFlows:
		for flow, ok := body.NextFlow(); ok; flow, ok = body.NextFlow() {
			if err := d.replayed(h.Exporter, &flow); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *decoder) datagram(exporter uuid.UUID, g *envelope.Datagram) error {
	d.line = Line{At: time.Unix(0, g.Received).UTC(), Protocol: protocolName(g.Protocol), Exporter: exporter, Agent: g.Source.Addr()}
	switch g.Protocol {
	case envelope.ProtocolSFlow:
		return d.samples(exporter, g)
	case envelope.ProtocolNetFlow:
		return d.records(exporter, g)
	}
	d.rejected++
	return nil
}

func (d *decoder) samples(exporter uuid.UUID, g *envelope.Datagram) error {
	d.sflow.Inside = 0
	if e := d.view.Exporters[exporter]; e != nil {
		d.sflow.Inside = e.Inside
	}
	if err := d.sflow.Decode(g.Payload); err != nil {
		d.rejected++
		return nil
	}
	d.rejected += int64(d.sflow.Rejected)
	for i := range d.sflow.Flows {
		s := &d.sflow.Flows[i]
		l := d.line
		l.Agent, l.SubAgent, l.Port, l.Side, l.Rate = d.sflow.Agent, d.sflow.SubAgent, s.SourceIndex, s.Side().String(), s.Rate
		l.Input, l.Output = port(s.InputFormat, s.Input), port(s.OutputFormat, s.Output)
		l.BytesL2, l.BytesL3, l.Packets = uint64(s.FrameLength), uint64(s.IPLength), 1
		if s.HasIP {
			l.Src, l.Dst, l.IP = s.Src, s.Dst, s.Protocol
		}
		if err := d.give(&l); err != nil {
			return err
		}
	}
	return nil
}

// port is an interface's ifIndex; 0 for what is none (discarded, several, the device itself).
func port(format, index uint32) uint32 {
	if format != sflow.InterfaceIndex || index == sflow.InterfaceLocal {
		return 0
	}
	return index
}

func (d *decoder) records(exporter uuid.UUID, g *envelope.Datagram) error {
	decoder, ok := d.netflow[exporter]
	if !ok {
		if len(d.netflow) >= maxDecoders {
			clear(d.netflow) // templates come again within minutes
		}
		decoder = netflow.New()
		d.netflow[exporter] = decoder
	}
	got, err := decoder.Decode(g.Source.Addr(), g.Received, g.Payload)
	if err != nil {
		d.rejected++
		return nil
	}
	d.rejected += int64(got.Rejected)
	if err := d.recordsOf(got); err != nil {
		return err
	}
	for i := range got.Recovered {
		if err := d.recordsOf(&got.Recovered[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) recordsOf(got *netflow.Datagram) error {
	for i := range got.Records {
		r := &got.Records[i]
		l := d.line
		l.At, l.SubAgent = time.Unix(0, got.Received).Add(-r.EndAge).UTC(), r.Domain
		l.Input, l.Output, l.Port, l.Side, l.Rate = r.Input, r.Output, r.Input, sflow.Unknown.String(), r.Rate
		switch r.Direction {
		case netflow.DirectionIngress:
			l.Side = sflow.Ingress.String()
		case netflow.DirectionEgress:
			l.Side, l.Port = sflow.Egress.String(), r.Output
		}
		if l.BytesL2 = r.Bytes; r.HasL2 {
			l.BytesL2 = r.L2Bytes
		}
		l.BytesL3, l.Packets, l.IP = r.Bytes, r.Packets, r.Protocol
		if r.HasIP {
			l.Src, l.Dst = r.Src, r.Dst
		}
		if err := d.give(&l); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) replayed(exporter uuid.UUID, f *envelope.Flow) error {
	l := Line{At: time.Unix(0, f.End).UTC(), Protocol: Replayed, Exporter: exporter, Port: f.Input, Input: f.Input, Output: f.Output,
		Side: sflow.Unknown.String(), Rate: f.Rate, BytesL2: f.BytesL2, BytesL3: f.BytesL3, Packets: f.Packets, Src: f.Src, Dst: f.Dst}
	switch f.Side {
	case envelope.SideIngress:
		l.Side = sflow.Ingress.String()
	case envelope.SideEgress:
		l.Side, l.Port = sflow.Egress.String(), f.Output
	}
	return d.give(&l)
}

// give says whose a line is and emits it.
func (d *decoder) give(l *Line) error {
	if l.Src.IsValid() {
		l.From, l.To = d.owner(l, true), d.owner(l, false)
	}
	return d.emit(l)
}

func (d *decoder) owner(l *Line, src bool) uuid.UUID {
	address := l.Dst
	if src {
		address = l.Src
	}
	owner := d.view.Prefixes.Owner(address, l.At.UnixNano())
	if owner == prefix.None {
		return uuid.Nil
	}
	if owner >= ownership.Special {
		owner = d.view.Specials[owner&^ownership.Special].Service
	}
	return d.view.Services[owner].ID
}
